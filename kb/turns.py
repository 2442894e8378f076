"""Rows of conversations and turns: what `kb.log` asks of the database inside its transactions."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, Select, func, insert, select

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
        raise _unknown_turn()


def last_ordinal(connection: Connection, conversation_id: str) -> int:
    """Return the number of the newest turn of a conversation, 0 where there is none."""
    last = select(func.coalesce(func.max(TurnRow.ordinal), 0)).where(TurnRow.conversation_id == conversation_id)
    return connection.scalars(last).one()


def visible_turns(connection: Connection, conversation_id: str, limit: int | None) -> list[Turn]:
    """Return the newest turns since the last clear, oldest first; all of them where `limit` is None."""
    newest = _visible(connection, conversation_id).order_by(TurnRow.ordinal.desc()).limit(limit)
    return _turns(connection, newest)[::-1]


def visible_turn(connection: Connection, conversation_id: str, turn_id: str) -> Turn:
    """Return a turn of a conversation; NotFoundError where it has no such turn since the last clear."""
    found = _turns(connection, _visible(connection, conversation_id).where(TurnRow.turn_id == storable(turn_id)))
    if not found:
        raise _unknown_turn()
    return found[0]


def any_turn(connection: Connection, turn_id: str) -> Turn:
    """Return a turn, whatever its conversation; NotFoundError where there is none of that id."""
    found = _turns(connection, _turns_with_vote().where(TurnRow.turn_id == storable(turn_id)))
    if not found:
        raise NotFoundError(
            describe(
                expected="the id of a logged turn",
                got=repr(turn_id),
                remedy="find it with `frontdesk export log.jsonl --what log`",
            )
        )
    return found[0]


def newest_turns(connection: Connection, limit: int) -> list[Turn]:
    """Return the newest turns of all conversations, oldest first."""
    newest = _turns_with_vote().order_by(TurnRow.created_at.desc(), TurnRow.turn_id.desc()).limit(limit)
    return _turns(connection, newest)[::-1]


def turns_at(connection: Connection, conversation_id: str, turn_ids: Sequence[str], at: datetime) -> list[Turn]:
    """Return those turns of a conversation in the order given, each with the vote that it had at that time."""
    chosen = _turns_with_vote(at).where(TurnRow.conversation_id == conversation_id, TurnRow.turn_id.in_(turn_ids))
    found = {turn.turn_id: turn for turn in _turns(connection, chosen)}
    missing = [turn_id for turn_id in turn_ids if turn_id not in found]
    if missing:
        raise NotFoundError(
            describe(
                expected="the turns before it in the log", got=f"none of id {missing[0]}", remedy="replay another turn"
            )
        )
    return [found[turn_id] for turn_id in turn_ids]


def _visible(connection: Connection, conversation_id: str) -> Select[TurnRow, int]:
    cleared = select(func.coalesce(func.max(ClearRow.last_ordinal), 0))
    last = connection.scalars(cleared.where(ClearRow.conversation_id == conversation_id)).one()
    return _turns_with_vote().where(TurnRow.conversation_id == conversation_id, TurnRow.ordinal > last)


def _turns_with_vote(at: datetime | None = None) -> Select[TurnRow, int]:
    return select(TurnRow, _vote(at).label("vote"))


def _turns(connection: Connection, chosen: Select[TurnRow, int]) -> list[Turn]:
    return [Turn(**row._asdict()) for row in connection.execute(chosen)]


def _vote(at: datetime | None) -> ColumnElement[int]:
    """Return the vote that counts: the newest one, or the newest one by that time."""
    newest = select(VoteRow.value).where(VoteRow.turn_id == TurnRow.turn_id).order_by(VoteRow.vote_id.desc()).limit(1)
    if at is not None:
        newest = newest.where(VoteRow.created_at <= at)
    return func.coalesce(newest.scalar_subquery(), 0)


def _unknown_turn() -> NotFoundError:
    return NotFoundError(
        describe(
            expected="a turn of this conversation", got="an unknown one", remedy="name a turn that it has answered"
        )
    )


def votes_of(connection: Connection, turn_id: str) -> list[Vote]:
    """Return all votes on a turn, oldest first."""
    columns = (VoteRow.turn_id, VoteRow.value, VoteRow.reason, VoteRow.comment, VoteRow.created_at)
    found = select(*columns).where(VoteRow.turn_id == storable(turn_id)).order_by(VoteRow.vote_id)
    return [Vote(**row._asdict()) for row in connection.execute(found)]
