"""Idempotency keys: of equal requests at once one is worked on, the others wait for its response and get the same.

A key is claimed, and then completed with the response or released. The claim of a process that died expires.
"""

import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import ColumnElement, Connection, Engine, and_, delete, exc, insert, select, update

from kb.database import reading, writing
from kb.errors import ConflictError, StorageError, describe
from kb.tables import IdempotencyKeyRow
from kb.text import storable

_FIRST_PAUSE_S = 0.02
_LONGEST_PAUSE_S = 0.25


@dataclass(frozen=True, kw_only=True, slots=True)
class IdempotentCall:
    """A claimed key with the response that completes it, as JSON."""

    key: str
    scope: str
    response_json: str


@dataclass(frozen=True, kw_only=True, slots=True)
class _Found:
    request_hash: str
    response: str | None
    claimed_at: datetime


def claim(engine: Engine, *, key: str, scope: str, request_hash: str, wait: timedelta, lease: timedelta) -> str | None:
    """Claim a key, or wait for the response of whoever holds it.

    Args:
        engine: where the keys are.
        key: as the client sent it.
        scope: whose key it is: the same key in two scopes is two keys.
        request_hash: of the request's body.
        wait: how long to wait for another one's response.
        lease: how long a claim without a response is respected.

    Returns:
        None: the key is claimed, go on. Else the stored response.

    Raises:
        ConflictError: the key came with another body before.
        StorageError: no response within the wait, or the database is away.
    """
    deadline = time.monotonic() + wait.total_seconds()
    pause = _FIRST_PAUSE_S
    while True:
        with reading(engine) as connection:
            found = _find(connection, key, scope)
        if found is None or _is_expired(found, lease):
            if _take(engine, key, scope, request_hash, found):
                return None
        elif found.request_hash != request_hash:
            raise ConflictError(
                describe(
                    expected="the body that this Idempotency-Key came with first",
                    got="another body",
                    remedy="use a new key for a new request",
                )
            )
        elif found.response is not None:
            return found.response
        elif time.monotonic() > deadline:
            raise StorageError(
                describe(
                    expected=f"the response to an equal request within {wait.total_seconds():g} s",
                    got="none yet",
                    remedy="try again with the same Idempotency-Key",
                )
            )
        else:
            threading.Event().wait(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_S)


def complete(connection: Connection, call: IdempotentCall) -> None:
    """Store the response to a claimed key, in an open transaction.

    Raises:
        ConflictError: the claim had expired, and another one has completed the key; roll back and claim again.
    """
    now = datetime.now(UTC)
    open_claim = and_(_where(call.key, call.scope), IdempotencyKeyRow.response.is_(None))
    statement = update(IdempotencyKeyRow).where(open_claim).values(response=call.response_json, completed_at=now)
    if connection.execute(statement).rowcount == 1:
        return
    found = _find(connection, call.key, call.scope)
    if found is None or found.response != call.response_json:
        raise ConflictError(
            describe(
                expected="a claimed Idempotency-Key",
                got="one that an equal request has taken over and completed" if found else "one that nobody claimed",
                remedy="claim it again, and send the response that is stored",
            )
        )


def release(engine: Engine, *, key: str, scope: str) -> None:
    """Give up a claim without a response, so that an equal request is worked on at once."""
    with writing(engine) as connection:
        connection.execute(delete(IdempotencyKeyRow).where(_where(key, scope), IdempotencyKeyRow.response.is_(None)))


def _where(key: str, scope: str) -> ColumnElement[bool]:
    return and_(IdempotencyKeyRow.key == storable(key), IdempotencyKeyRow.scope == storable(scope))


def _find(connection: Connection, key: str, scope: str) -> _Found | None:
    columns = select(IdempotencyKeyRow.request_hash, IdempotencyKeyRow.response, IdempotencyKeyRow.claimed_at)
    row = connection.execute(columns.where(_where(key, scope))).first()
    return _Found(**row._asdict()) if row else None


def _is_expired(found: _Found, lease: timedelta) -> bool:
    return found.response is None and found.claimed_at + lease < datetime.now(UTC)


def _take(engine: Engine, key: str, scope: str, request_hash: str, expired: _Found | None) -> bool:
    """Claim a key that is free or whose claim has expired; return whether nobody else was faster."""
    now = datetime.now(UTC)
    try:
        with writing(engine) as connection:
            if expired is None:
                values = {"key": storable(key), "scope": storable(scope), "request_hash": request_hash}
                connection.execute(insert(IdempotencyKeyRow), values | {"claimed_at": now})
                return True
            same = and_(_where(key, scope), IdempotencyKeyRow.response.is_(None))
            statement = update(IdempotencyKeyRow).where(same, IdempotencyKeyRow.claimed_at == expired.claimed_at)
            taken = connection.execute(statement.values(request_hash=request_hash, claimed_at=now))
            return taken.rowcount == 1
    except exc.IntegrityError:
        return False
