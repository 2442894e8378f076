"""What operators did, as a chain: each entry has the digest of the one before it, so that none can be changed unseen.

An entry is added in the transaction of what it tells. Whoever notes the newest digest elsewhere can also tell that none
was taken from the end.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Engine, func, insert, select, text

from kb.database import reading
from kb.tables import AuditRow
from kb.text import storable

FIRST = "0" * 64
"""What stands for the digest before the first entry."""
_PAGE = 1_000


@dataclass(frozen=True, kw_only=True, slots=True)
class AuditEntry:
    """Something that an operator did: the action, what it was done to, and what else is worth knowing."""

    audit_id: int
    at: datetime
    operator_id: str
    action: str
    subject: str
    details: Mapping[str, Any]
    previous: str
    digest: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Checked:
    """Whether the chain is whole: how many entries there are, the newest digest, and the first entry that is broken."""

    entries: int
    head: str
    broken_at: int | None


def add_entry(
    connection: Connection, operator_id: str, action: str, subject: str = "", details: Mapping[str, Any] | None = None
) -> None:
    """Append an entry, inside the transaction of what was done."""
    if connection.dialect.name == "postgresql":
        # Two entries with one predecessor would be a fork; SQLite has locked the database.
        connection.execute(text("LOCK TABLE audit IN EXCLUSIVE MODE"))
    newest = select(AuditRow.digest).order_by(AuditRow.audit_id.desc()).limit(1)
    values: dict[str, Any] = {
        # Whole seconds are kept alike by both databases.
        "at": datetime.now(UTC).replace(microsecond=0),
        "operator_id": storable(operator_id),
        "action": action,
        "subject": storable(subject),
        "details": dict(details or {}),
        "previous": connection.scalar(newest) or FIRST,
    }
    connection.execute(insert(AuditRow), values | {"digest": _digest(**values)})


def entries(engine: Engine, *, before: int | None = None, limit: int = 50) -> list[AuditEntry]:
    """Return entries, the newest first; those with a lower number than `before` where it is given."""
    chosen = select(AuditRow).order_by(AuditRow.audit_id.desc()).limit(limit)
    if before is not None:
        chosen = chosen.where(AuditRow.audit_id < before)
    with reading(engine) as connection:
        return [AuditEntry(**row._asdict()) for row in connection.execute(chosen)]


def check(engine: Engine) -> Checked:
    """Read the whole chain, and return whether every entry is as it was written and follows the one before it."""
    previous, last = FIRST, 0
    with reading(engine) as connection:
        total = connection.scalars(select(func.count()).select_from(AuditRow)).one()
        while True:
            page = select(AuditRow).where(AuditRow.audit_id > last).order_by(AuditRow.audit_id).limit(_PAGE)
            rows = [row._asdict() for row in connection.execute(page)]
            if not rows:
                return Checked(entries=total, head=previous, broken_at=None)
            for row in rows:
                last, digest = row.pop("audit_id"), row.pop("digest")
                if row["previous"] != previous or _digest(**row) != digest:
                    return Checked(entries=total, head=previous, broken_at=last)
                previous = digest


def _digest(*, at: datetime, **values: Any) -> str:
    content = json.dumps({**values, "at": at.isoformat()}, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(content.encode()).hexdigest()
