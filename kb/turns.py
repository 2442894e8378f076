"""Rows of conversations and turns: what `kb.log` asks of the database inside its transactions."""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, Connection, func, insert, select

from kb.errors import NotFoundError, describe
from kb.tables import ClearRow, ConversationRow, ImpressionRow, TurnRow, VoteRow
from kb.text import storable
from kb.types import Impression, Turn, Vote


def insert_turn(connection: Connection, turn: Turn, impressions: Sequence[Impression]) -> None:
    """Append a turn under the next number of its conversation, which is locked, with what it showed."""
    connection.execute(
        insert(TurnRow),
        {
            "turn_id": turn.turn_id,
            "conversation_id": turn.conversation_id,
            "ordinal": last_ordinal(connection, turn.conversation_id) + 1,
            "question": storable(turn.question),
            "outcome": turn.outcome,
            "confidence": turn.confidence,
            "reply": dict(turn.reply),
            "latency_ms": turn.latency_ms,
            "created_at": turn.created_at,
        },
    )
    shown = [
        {
            "turn_id": turn.turn_id,
            "role": each.role,
            "rank": each.rank,
            "pair_id": storable(each.pair_id),
            "similarity": each.similarity,
            "relevance": each.relevance,
            "propensity": each.propensity,
        }
        for each in impressions
    ]
    if shown:
        connection.execute(insert(ImpressionRow), shown)


def require_conversation(connection: Connection, conversation_id: str, *, lock: bool = False) -> None:
    """Make sure that a conversation exists, and lock it if asked; NotFoundError where it doesn't."""
    found = select(ConversationRow.conversation_id).where(ConversationRow.conversation_id == storable(conversation_id))
    # The conversation's row is the lock of all that is numbered in it; SQLite has locked the database.
    if connection.scalar(found.with_for_update() if lock else found) is None:
        raise NotFoundError(
            describe(expected="the id of a conversation", got="an unknown one", remedy="start a new conversation")
        )


def lock_conversation(connection: Connection, conversation_id: str) -> None:
    """Lock a conversation until the end of the transaction; NotFoundError where it doesn't exist."""
    require_conversation(connection, conversation_id, lock=True)


def lock_turn(connection: Connection, conversation_id: str, turn_id: str) -> None:
    """Lock a turn until the end of the transaction; NotFoundError where the conversation has no such turn."""
    found = select(TurnRow.turn_id).where(
        TurnRow.turn_id == storable(turn_id), TurnRow.conversation_id == storable(conversation_id)
    )
    if connection.scalar(found.with_for_update()) is None:
        raise NotFoundError(
            describe(
                expected="a turn of this conversation", got="an unknown one", remedy="name a turn that it has answered"
            )
        )


def last_ordinal(connection: Connection, conversation_id: str) -> int:
    """Return the number of the newest turn of a conversation, 0 where there is none."""
    last = select(func.coalesce(func.max(TurnRow.ordinal), 0)).where(TurnRow.conversation_id == conversation_id)
    return connection.scalars(last).one()


def visible_turns(connection: Connection, conversation_id: str, limit: int | None) -> list[Turn]:
    """Return the newest turns since the last clear, oldest first; all of them where `limit` is None."""
    cleared = select(func.coalesce(func.max(ClearRow.last_ordinal), 0))
    last = connection.scalars(cleared.where(ClearRow.conversation_id == conversation_id)).one()
    newest = (
        select(TurnRow, _current_vote().label("vote"))
        .where(TurnRow.conversation_id == conversation_id, TurnRow.ordinal > last)
        .order_by(TurnRow.ordinal.desc())
        .limit(limit)
    )
    return [Turn(**row._asdict()) for row in reversed(connection.execute(newest).all())]


def _current_vote() -> ColumnElement[int]:
    newest = select(VoteRow.value).where(VoteRow.turn_id == TurnRow.turn_id).order_by(VoteRow.vote_id.desc()).limit(1)
    return func.coalesce(newest.scalar_subquery(), 0)


def votes_of(connection: Connection, turn_id: str) -> list[Vote]:
    """Return all votes on a turn, oldest first."""
    columns = (VoteRow.turn_id, VoteRow.value, VoteRow.reason, VoteRow.comment, VoteRow.created_at)
    found = select(*columns).where(VoteRow.turn_id == storable(turn_id)).order_by(VoteRow.vote_id)
    return [Vote(**row._asdict()) for row in connection.execute(found)]
