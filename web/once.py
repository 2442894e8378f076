"""Work that takes effect once for each Idempotency-Key, whose response is kept in the conversation log."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from kb.errors import StorageError
from kb.log import ConversationLog
from kb.text import text_hash


@dataclass(frozen=True, kw_only=True, slots=True)
class Claim:
    """An Idempotency-Key as the client sent it, and what it is for: the same key in two scopes is two keys."""

    key: str
    scope: str

    @classmethod
    def of(cls, key: str | None, scope: str) -> "Claim | None":
        """Return a claim, None without a key."""
        return None if key is None else cls(key=key, scope=scope)


class Once:
    """Claims keys in the log, and gives them up where the work on them failed."""

    def __init__(self, log: ConversationLog) -> None:
        self._log = log

    def run(self, claim: Claim | None, request: object, work: Callable[[], dict[str, Any]]) -> Mapping[str, Any]:
        """Return the work's JSON-ready response, or the one stored for an equal request; None: just do the work.

        Raises:
            ConflictError: the key came with another request before.
            StorageError: the database is away, or the equal request has no response in time.
        """
        if claim is None:
            return work()
        stored = self.stored(claim, request)
        if stored is not None:
            return stored
        with self.released_on_error(claim):
            response = work()
            self._log.complete(claim.key, claim.scope, dumps(response))
        return response

    def stored(self, claim: Claim, request: object) -> Mapping[str, Any] | None:
        """Claim the key and return None, or return the response stored for an equal request; raises like `run`."""
        response = self._log.claim(claim.key, claim.scope, text_hash(json.dumps(request)))
        return None if response is None else json.loads(response)

    @contextmanager
    def released_on_error(self, claim: Claim) -> Iterator[None]:
        """Give up the claim where the work raises."""
        try:
            yield
        except BaseException:
            self.release(claim)
            raise

    def release(self, claim: Claim) -> None:
        """Give up a claim without a response; where the database is away, it expires by itself."""
        with suppress(StorageError):
            self._log.release(claim.key, claim.scope)


def dumps(document: Mapping[str, Any]) -> str:
    """Return JSON; ValueError where a number is not finite."""
    return json.dumps(document, allow_nan=False)
