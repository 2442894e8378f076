"""A bounded set of ids, the newest kept; safe to share between threads."""

from collections import OrderedDict
from threading import Lock


class RecentIds:
    """The newest `most` ids that were added."""

    def __init__(self, most: int = 10_000) -> None:
        self._most = most
        self._ids: OrderedDict[str, None] = OrderedDict()
        self._lock = Lock()

    def __contains__(self, identifier: str) -> bool:
        with self._lock:
            return identifier in self._ids

    def add(self, identifier: str) -> None:
        """Add an id, and forget the oldest one where there are too many."""
        with self._lock:
            self._ids[identifier] = None
            if len(self._ids) > self._most:
                self._ids.popitem(last=False)

    def discard(self, identifier: str) -> None:
        """Forget an id, known or not."""
        with self._lock:
            self._ids.pop(identifier, None)
