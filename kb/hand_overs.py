"""Conversations passed to a person: the rows, and what is told of them, inside the transactions of `kb.log`."""

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from kb.outbox import add_events
from kb.tables import ClearRow, HandOverRow
from kb.text import clean_line, storable, text_hash
from kb.turns import visible_turns
from kb.types import HandOver, Turn

HAND_OVER, CONTACT = "hand_over", "hand_over_contact"
"""Events: a conversation was passed on; the customer left a contact for one that had none."""
_DIGITS = 32


def hand_over_id_of(turn_id: str) -> str:
    """Return the id of the hand-over that a turn makes: the same each time, so that it is made once."""
    return hashlib.sha256(f"hand-over {turn_id}".encode()).hexdigest()[:_DIGITS]


def pass_on(
    connection: Connection,
    channels: Sequence[str],
    conversation_id: str,
    *,
    reason: str,
    contact: str = "",
    turn_id: str = "",
) -> HandOver:
    """Append a hand-over of a conversation, which is locked, with the turns since the last clear as its transcript."""
    turns = visible_turns(connection, conversation_id, limit=None)
    hand_over = HandOver(
        hand_over_id=hand_over_id_of(turn_id) if turn_id else secrets.token_hex(_DIGITS // 2),
        conversation_id=conversation_id,
        reason=storable(clean_line(reason)),
        contact=storable(clean_line(contact)),
        transcript=tuple(entry for turn in turns for entry in _transcript(turn)),
        created_at=datetime.now(UTC),
    )
    values = {name: getattr(hand_over, name) for name in hand_over.__slots__}
    connection.execute(insert(HandOverRow), values | {"transcript": list(hand_over.transcript)})
    _tell(connection, channels, HAND_OVER, hand_over.hand_over_id, hand_over, hand_over.created_at)
    return hand_over


def leave_contact(
    connection: Connection, channels: Sequence[str], conversation_id: str, contact: str
) -> HandOver | None:
    """Give the contact to the newest hand-over since the last clear where it has none; None where there is no such."""
    cleared = select(func.max(ClearRow.created_at)).where(ClearRow.conversation_id == conversation_id)
    newest = (
        select(HandOverRow)
        .where(HandOverRow.conversation_id == conversation_id)
        .order_by(HandOverRow.created_at.desc(), HandOverRow.hand_over_id)
        .limit(1)
    )
    row = connection.execute(newest).first()
    last_clear = connection.scalar(cleared)
    if row is None or row.contact or (last_clear is not None and row.created_at <= last_clear):
        return None
    found = {**row._asdict(), "transcript": tuple(row.transcript), "contact": storable(clean_line(contact))}
    hand_over = HandOver(**found)
    changed = update(HandOverRow).where(HandOverRow.hand_over_id == hand_over.hand_over_id)
    connection.execute(changed.values(contact=hand_over.contact))
    _tell(connection, channels, CONTACT, f"{hand_over.hand_over_id}-contact", hand_over, datetime.now(UTC))
    return hand_over


def _tell(
    connection: Connection, channels: Sequence[str], event: str, event_id: str, hand_over: HandOver, at: datetime
) -> None:
    """Add to the outbox; the conversation's id is a secret, and a hash of it is told."""
    payload = {
        "hand_over_id": hand_over.hand_over_id,
        "conversation": text_hash(hand_over.conversation_id)[:16],
        "reason": hand_over.reason,
        "contact": hand_over.contact,
        "transcript": list(hand_over.transcript),
        "created_at": hand_over.created_at.isoformat(),
    }
    add_events(connection, channels, event=event, event_id=event_id, payload=payload, created_at=at)


def _transcript(turn: Turn) -> list[Mapping[str, Any]]:
    answers = [str(response.get("answer", "")) for response in turn.reply.get("responses", ())]
    said = "\n\n".join(part for part in (str(turn.reply.get("message", "")), *answers) if part)
    at = {"turn_id": turn.turn_id, "created_at": turn.created_at.isoformat()}
    return [{"role": "customer", "text": turn.question, **at}, {"role": "bot", "text": said, **at}]
