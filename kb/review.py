"""Turns as operators look at them: with vote, verdict and hand-over, and who is looking at them now."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Engine, Row, Select, func, select
from sqlalchemy.orm import aliased

from kb.database import reading
from kb.errors import NotFoundError, describe
from kb.tables import ConversationRow, HandOverRow, ReviewRow, TurnRow, VerdictRow, VoteRow
from kb.text import storable
from kb.types import Turn

MOST_WAITING = 2_000
"""Turns that are weighed for the queue; older ones wait until those are judged."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Filters:
    """Which turns are wanted; what is empty or None filters nothing."""

    outcome: str = ""
    channel: str = ""
    topic: str = ""
    """Of the first answer that was shown."""
    checkpoint: str = ""
    since: datetime | None = None
    judged: bool = False
    """Those that have a verdict, instead of those that have none."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Reviewed:
    """A turn with what else is known of it; texts are empty where there is nothing to say."""

    turn: Turn
    channel: str
    vote_reason: str
    comment: str
    handed_over: bool
    """Whether its conversation went to a person."""
    verdict: str
    right_pair: str
    note: str
    judged_by: str
    taken_by: str
    """Who is looking at it now."""


def turns_to_review(engine: Engine, filters: Filters, now: datetime, limit: int = MOST_WAITING) -> list[Reviewed]:
    """Return the newest turns that pass the filters, newest first.

    Raises:
        StorageError: the database is away.
    """
    chosen = _turns(now).where(*_conditions(filters))
    newest = chosen.order_by(TurnRow.created_at.desc(), TurnRow.turn_id.desc()).limit(limit)
    with reading(engine) as connection:
        return [_reviewed(row) for row in connection.execute(newest)]


def turn_to_review(engine: Engine, turn_id: str, now: datetime) -> Reviewed:
    """Return one turn.

    Raises:
        NotFoundError: there is no such turn.
        StorageError: the database is away.
    """
    with reading(engine) as connection:
        row = connection.execute(_turns(now).where(TurnRow.turn_id == storable(turn_id))).first()
    if row is None:
        raise NotFoundError(describe(expected="the id of a logged turn", got=repr(turn_id), remedy="reload the page"))
    return _reviewed(row)


def conversation_of(engine: Engine, conversation_id: str) -> list[Turn]:
    """Return all turns of a conversation in their order, those that the customer cleared too."""
    vote = func.coalesce(_newest(VoteRow.value, VoteRow.vote_id), 0).label("vote")
    chosen = select(TurnRow, vote).where(TurnRow.conversation_id == conversation_id).order_by(TurnRow.ordinal)
    with reading(engine) as connection:
        return [Turn(**row._asdict()) for row in connection.execute(chosen)]


def _turns(now: datetime) -> Select[*tuple[Any, ...]]:
    """Select turns with all that is known of them: of votes and verdicts, the newest ones."""
    each = aliased(VerdictRow)
    newest_verdict = select(func.max(each.verdict_id)).where(each.turn_id == TurnRow.turn_id).correlate(TurnRow)
    is_handed_over = (
        select(HandOverRow.hand_over_id).where(HandOverRow.conversation_id == TurnRow.conversation_id).exists()
    )
    is_held = (ReviewRow.turn_id == TurnRow.turn_id) & (ReviewRow.until > now)
    return (
        select(
            TurnRow,
            ConversationRow.channel,
            func.coalesce(_newest(VoteRow.value, VoteRow.vote_id), 0).label("vote"),
            func.coalesce(_newest(VoteRow.reason, VoteRow.vote_id), "").label("vote_reason"),
            func.coalesce(_newest(VoteRow.comment, VoteRow.vote_id), "").label("comment"),
            is_handed_over.label("handed_over"),
            func.coalesce(VerdictRow.value, "none").label("verdict"),
            func.coalesce(VerdictRow.pair_id, "").label("right_pair"),
            func.coalesce(VerdictRow.note, "").label("note"),
            func.coalesce(VerdictRow.operator_id, "").label("judged_by"),
            func.coalesce(ReviewRow.operator_id, "").label("taken_by"),
        )
        .join(ConversationRow, ConversationRow.conversation_id == TurnRow.conversation_id)
        .outerjoin(VerdictRow, VerdictRow.verdict_id == newest_verdict.scalar_subquery())
        .outerjoin(ReviewRow, is_held)
    )


def _newest(column: Any, number: Any) -> ColumnElement[Any]:
    """Return a column of the newest vote on a turn."""
    of_turn = select(column).where(VoteRow.turn_id == TurnRow.turn_id)
    return of_turn.order_by(number.desc()).limit(1).scalar_subquery()


def _conditions(filters: Filters) -> list[ColumnElement[bool]]:
    verdict = func.coalesce(VerdictRow.value, "none")
    found = [verdict != "none" if filters.judged else verdict == "none"]
    if filters.outcome:
        found.append(TurnRow.outcome == filters.outcome)
    if filters.channel:
        found.append(ConversationRow.channel == filters.channel)
    if filters.since is not None:
        found.append(TurnRow.created_at >= filters.since)
    if filters.checkpoint:
        found.append(TurnRow.reply["snapshot"]["checkpoint"].as_string() == filters.checkpoint)
    if filters.topic:
        found.append(TurnRow.reply["responses"][0]["topic"].as_string() == filters.topic)
    return found


def _reviewed(row: Row[Any]) -> Reviewed:
    values = row._asdict()
    known = {name: values.pop(name) for name in Reviewed.__slots__ if name != "turn"}
    known["verdict"] = "" if known["verdict"] == "none" else known["verdict"]
    return Reviewed(turn=Turn(**values), **known)
