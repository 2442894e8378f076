"""Records kept on disk between the reading of files and the short transaction that stores them."""

import pickle
import tempfile
from collections.abc import Iterator
from typing import Generic, TypeVar

Item = TypeVar("Item")
_BATCH = 256


class Spool(Generic[Item]):
    """A list in a temporary file without a name, gone when it is closed: appended to, then read as often as needed."""

    def __init__(self) -> None:
        """Open the file."""
        self._file = tempfile.TemporaryFile(prefix="frontdesk-")  # noqa: SIM115 - closed by close()
        self._batch: list[Item] = []
        self._written = 0

    def __len__(self) -> int:
        return self._written + len(self._batch)

    def __iter__(self) -> Iterator[Item]:
        self._flush()
        place = 0
        while True:
            # Another reader may have moved the file in the meantime.
            self._file.seek(place)
            try:
                batch = pickle.load(self._file)
            except EOFError:
                return
            place = self._file.tell()
            yield from batch

    def append(self, item: Item) -> None:
        """Add one record at the end."""
        self._batch.append(item)
        if len(self._batch) == _BATCH:
            self._flush()

    def close(self) -> None:
        """Remove the file."""
        self._file.close()

    def _flush(self) -> None:
        if self._batch:
            self._file.seek(0, 2)
            pickle.dump(self._batch, self._file, pickle.HIGHEST_PROTOCOL)
            self._written += len(self._batch)
            self._batch = []
