"""Conversation transcripts: rows of turns, kept in a temporary file, and given back conversation by conversation.

The rows of one conversation may be scattered over a file, as in an export sorted by time. They are put in a private
SQLite file that is gone when it is closed, so that memory holds one conversation at a time.
"""

import hashlib
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any, Literal

from kb.importers.columns import Columns
from kb.importers.records import ANSWER_LIMIT, Reject, Row
from kb.text import clean_markdown

TurnRole = Literal["customer", "agent"]

_ROLES: Mapping[str, TurnRole | None] = {
    **dict.fromkeys(
        ("customer", "user", "client", "visitor", "guest", "caller", "buyer", "human", "shopper", "member", "kunde"),
        "customer",
    ),
    **dict.fromkeys(
        ("kundin", "end user", "enduser", "inbound", "incoming", "in", "requester", "consumer"), "customer"
    ),
    **dict.fromkeys(
        ("agent", "assistant", "support", "bot", "operator", "advisor", "adviser", "representative", "rep", "staff"),
        "agent",
    ),
    **dict.fromkeys(
        ("seller", "employee", "csr", "helpdesk", "service", "team", "mitarbeiter", "mitarbeiterin", "berater"), "agent"
    ),
    **dict.fromkeys(("outbound", "outgoing", "out", "support agent", "customer service"), "agent"),
    # Notices of the chat program: nobody's words.
    **dict.fromkeys(("system", "event", "notice", "note", "info"), None),
}
_SCHEMA = """
CREATE TABLE turns (
    file TEXT, conversation TEXT, line INTEGER, time TEXT, turn TEXT, role TEXT, text TEXT, pair_id TEXT, intent TEXT
)
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class TranscriptTurn:
    """What one side said; `pair_id` and `intent` are labels of the file, empty where it has none."""

    role: TurnRole
    text: str
    line: int
    pair_id: str = ""
    intent: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Transcript:
    """One conversation, its turns in order.

    `conversation_id` is that of the file with a digest of the first turn: the same in every export of the conversation,
    and not the same for conversation 1 of two shops.
    """

    conversation_id: str
    file: str
    turns: tuple[TranscriptTurn, ...]


class TranscriptSpool:
    """Takes turns in any order, and gives back whole conversations; close it, or use it in a with statement."""

    def __init__(self) -> None:
        """Open the temporary file: SQLite keeps a database without a name on disk, and removes it at the end."""
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.execute("PRAGMA journal_mode=OFF")
        self._database.execute("PRAGMA cache_size=-16384")
        self._database.execute(_SCHEMA)

    def __enter__(self) -> "TranscriptSpool":
        return self

    def __exit__(self, *exception: object) -> None:
        self._database.close()

    def add(self, file: str, columns: Columns, row: Row) -> Reject | None:
        """Keep the turn of one row; return why it is none, or None where it was kept or is nobody's words.

        A file without a column for the role holds customers' turns only.
        """
        conversation = columns.get(row.fields, "conversation_id").strip()
        text = clean_markdown(columns.get(row.fields, "text"))
        said = (
            columns.get(row.fields, "role").strip().casefold().replace("_", " ")
            if "role" in columns.by_role
            else "user"
        )
        reason = _fault(conversation, text, said)
        if reason:
            return Reject(line=row.line, reason=reason, original=row.original)
        role = _ROLES[said]
        if role is not None:
            labels = [columns.get(row.fields, name).strip() for name in ("pair_id", "intent")]
            order = [columns.get(row.fields, name).strip() for name in ("time", "turn")]
            self._database.execute(
                "INSERT INTO turns VALUES (?,?,?,?,?,?,?,?,?)",
                (file, conversation, row.line, *order, role, text, *labels),
            )
        return None

    def conversations(self) -> Iterator[Transcript]:
        """Yield every conversation, by file and conversation id."""
        rows = self._database.execute("SELECT * FROM turns ORDER BY file, conversation, line")
        for (file, conversation), turns in groupby(rows, key=lambda row: (row[0], row[1])):
            ordered = tuple(map(_turn, _in_order(list(turns))))
            digest = hashlib.sha256(ordered[0].text.encode()).hexdigest()[:12]
            yield Transcript(conversation_id=f"{conversation}#{digest}", file=file, turns=ordered)


def _turn(row: tuple[Any, ...]) -> TranscriptTurn:
    _, _, line, _, _, role, text, pair_id, intent = row
    return TranscriptTurn(role=role, text=text, line=line, pair_id=pair_id, intent=intent)


def _fault(conversation: str, text: str, said: str) -> str:
    if not conversation:
        return "empty conversation id"
    if not text:
        return "empty text"
    if len(text) > ANSWER_LIMIT:
        return f"text of {len(text):,} characters, more than {ANSWER_LIMIT:,}"
    if said not in _ROLES:
        return f"unknown role {said[:40]!r}: expected customer or agent"
    return ""


def _in_order(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Sort by time where every turn has one, else by turn number, else leave the order of the file."""
    for column, reading in ((3, _seconds), (4, _number)):
        keys = [reading(row[column]) for row in rows]
        if None not in keys:
            return [row for _, row in sorted(zip(keys, rows, strict=True), key=lambda pair: pair[0] or 0.0)]
    return rows


def _seconds(text: str) -> float | None:
    number = _number(text)
    if number is not None:
        return number
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError, OSError):
        return None


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if abs(number) < 1e18 else None
