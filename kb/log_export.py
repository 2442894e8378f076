"""The conversation log as JSON-ready dicts, a page of turns at a time."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Executable, Select, select, tuple_

from kb.tables import ClickRow, HandOverRow, ImpressionRow, TurnRow, VoteRow
from kb.text import text_hash

_PAGE = 500
_HASH_DIGITS = 16


def export_turns(connection: Connection, since: datetime | None) -> Iterator[dict[str, Any]]:
    """Yield turns by time and id, from `since` on; `ConversationLog.export` tells what a dict holds."""
    last: tuple[datetime, str] | None = None
    while True:
        page = _turns().limit(_PAGE)
        if last is not None:
            page = page.where(tuple_(TurnRow.created_at, TurnRow.turn_id) > tuple_(*last))
        elif since is not None:
            page = page.where(TurnRow.created_at >= since)
        turns = [dict(row._mapping) for row in connection.execute(page)]
        yield from _documents(connection, turns)
        if len(turns) < _PAGE:
            return
        last = (turns[-1]["created_at"], turns[-1]["turn_id"])


def conversations_handed_over(connection: Connection) -> set[str]:
    """Return the hashes of the conversations that were passed to a person."""
    return {_hashed(each) for each in connection.scalars(select(HandOverRow.conversation_id).distinct())}


def _turns() -> Select[Any]:
    return select(
        TurnRow.turn_id,
        TurnRow.conversation_id,
        TurnRow.ordinal,
        TurnRow.question,
        TurnRow.outcome,
        TurnRow.confidence,
        TurnRow.latency_ms,
        TurnRow.created_at,
        TurnRow.reply,
    ).order_by(TurnRow.created_at, TurnRow.turn_id)


def _documents(connection: Connection, turns: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    turn_ids = [turn["turn_id"] for turn in turns]
    shown = _by_turn(connection, _impressions(turn_ids))
    votes = _by_turn(connection, _votes(turn_ids))
    clicks = _by_turn(connection, _clicks(turn_ids))
    for turn in turns:
        turn_id, conversation_id = turn["turn_id"], turn["conversation_id"]
        rest = {name: _plain(value) for name, value in turn.items() if name not in ("turn_id", "conversation_id")}
        yield {
            "turn_id": turn_id,
            "conversation": _hashed(conversation_id),
            **rest,
            "vote": votes[turn_id][-1]["value"] if votes[turn_id] else 0,
            "impressions": shown[turn_id],
            "votes": votes[turn_id],
            "clicks": clicks[turn_id],
        }


def _hashed(conversation_id: str) -> str:
    return text_hash(conversation_id)[:_HASH_DIGITS]


def _impressions(turn_ids: Sequence[str]) -> Executable:
    return (
        select(
            ImpressionRow.turn_id,
            ImpressionRow.pair_id,
            ImpressionRow.role,
            ImpressionRow.rank,
            ImpressionRow.similarity,
            ImpressionRow.relevance,
            ImpressionRow.propensity,
        )
        .where(ImpressionRow.turn_id.in_(turn_ids))
        .order_by(ImpressionRow.role.desc(), ImpressionRow.rank)
    )


def _votes(turn_ids: Sequence[str]) -> Executable:
    columns = (VoteRow.turn_id, VoteRow.value, VoteRow.reason, VoteRow.comment, VoteRow.created_at)
    return select(*columns).where(VoteRow.turn_id.in_(turn_ids)).order_by(VoteRow.vote_id)


def _clicks(turn_ids: Sequence[str]) -> Executable:
    columns = (ClickRow.turn_id, ClickRow.pair_id, ClickRow.role, ClickRow.created_at)
    return select(*columns).where(ClickRow.turn_id.in_(turn_ids)).order_by(ClickRow.click_id)


def _by_turn(connection: Connection, rows: Executable) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in connection.execute(rows):
        document = {name: _plain(value) for name, value in row._mapping.items()}
        found[document.pop("turn_id")].append(document)
    return found


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value
