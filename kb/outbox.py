"""Outbox: what is to be told to other systems, written with what happened and delivered afterwards, at least once.

A row is added in the transaction of what it tells: nothing is told that didn't happen, and nothing is forgotten. Who
delivers takes due rows for a lease, and notes how it went; a row whose taker died is due again.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, insert, select, update

from kb.database import writing
from kb.tables import OutboxRow
from kb.text import storable
from kb.types import Event

_LONGEST_ERROR = 500


def add_events(
    connection: Connection,
    channels: Sequence[str],
    *,
    event: str,
    event_id: str,
    payload: Mapping[str, Any],
    created_at: datetime,
) -> None:
    """Append an event for each channel, inside the transaction of what happened."""
    row = {
        "event": event,
        "event_id": event_id,
        "payload": dict(payload),
        "attempts": 0,
        "next_at": created_at,
        "last_error": "",
        "created_at": created_at,
    }
    if channels:
        connection.execute(insert(OutboxRow), [row | {"channel": channel} for channel in channels])


class Outbox:
    """The outbox of a database; safe to share between threads and processes."""

    def __init__(self, engine: Engine, *, lease_s: float = 60.0) -> None:
        """Take a migrated engine, and for how long what was taken is not given to anybody else."""
        self._engine = engine
        self._lease = timedelta(seconds=lease_s)

    def take(self, now: datetime, channels: Sequence[str], limit: int = 20) -> list[Event]:
        """Return events that are due, oldest first, each counted as one more attempt.

        Raises:
            StorageError: the database is away; nothing was taken then.
        """
        due = (
            select(OutboxRow)
            .where(OutboxRow.delivered_at.is_(None), OutboxRow.next_at <= now, OutboxRow.channel.in_(channels))
            .order_by(OutboxRow.next_at, OutboxRow.outbox_id)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        with writing(self._engine) as connection:
            rows = connection.execute(due).all()
            taken = update(OutboxRow).where(OutboxRow.outbox_id.in_([row.outbox_id for row in rows]))
            if rows:
                connection.execute(taken.values(attempts=OutboxRow.attempts + 1, next_at=now + self._lease))
        return [
            Event(
                outbox_id=row.outbox_id,
                event=row.event,
                event_id=row.event_id,
                channel=row.channel,
                payload=row.payload,
                attempts=row.attempts + 1,
                created_at=row.created_at,
            )
            for row in rows
        ]

    def delivered(self, outbox_id: int, at: datetime) -> None:
        """Note that an event was delivered."""
        self._note(outbox_id, delivered_at=at, last_error="")

    def failed(self, outbox_id: int, error: str, next_at: datetime) -> None:
        """Note why an event could not be delivered, and when to try again."""
        self._note(outbox_id, next_at=next_at, last_error=storable(error)[:_LONGEST_ERROR])

    def _note(self, outbox_id: int, **values: Any) -> None:
        with writing(self._engine) as connection:
            connection.execute(update(OutboxRow).where(OutboxRow.outbox_id == outbox_id).values(**values))
