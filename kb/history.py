"""Imported conversations between customers and agents, and what customers asked after what."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Literal

from sqlalchemy import Connection, bindparam, delete, func, insert, select, update
from sqlalchemy.orm import aliased

from kb.tables import ACTIVE, HistoryConversationRow, HistoryTurnRow, PairRow
from kb.text import storable, text_hash
from kb.types import Transition

_BATCH = 500


@dataclass(frozen=True, kw_only=True, slots=True)
class HistoryTurn:
    """One utterance of an imported conversation; `pair_id` is empty where it is not known."""

    role: Literal["customer", "agent"]
    text: str
    pair_id: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class HistoryConversation:
    """One imported conversation, in order; under a key that is known it replaces the one there.

    Without a `conversation_key` its content is its key.
    """

    turns: tuple[HistoryTurn, ...]
    conversation_key: str = ""
    source: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class UnmatchedTurn:
    """A customer's turn of imported history that has no pair yet."""

    history_turn_id: int
    text: str


def add_conversations(connection: Connection, conversations: Iterable[HistoryConversation]) -> int:
    """Store conversations; return how many are new or have other words than the one stored under their key.

    One that is known as it is keeps the pairs it was matched with, and takes those given where it has none.
    """
    changed = 0
    remaining = iter(conversations)
    while batch := list(islice(remaining, _BATCH)):
        changed += _add_batch(connection, {_key(each): each for each in batch})
    return changed


def unmatched_turns(connection: Connection) -> Iterator[UnmatchedTurn]:
    """Yield the customers' turns without a pair, in the order of their ids."""
    last = 0
    while True:
        page = (
            select(HistoryTurnRow.history_turn_id, HistoryTurnRow.text)
            .where(HistoryTurnRow.role == "customer", HistoryTurnRow.pair_id.is_(None))
            .where(HistoryTurnRow.history_turn_id > last)
            .order_by(HistoryTurnRow.history_turn_id)
            .limit(_BATCH)
        )
        found = [UnmatchedTurn(history_turn_id=turn, text=words) for turn, words in connection.execute(page)]
        yield from found
        if len(found) < _BATCH:
            return
        last = found[-1].history_turn_id


def match_turns(connection: Connection, pair_ids: Mapping[int, str]) -> int:
    """Set the pair of turns by their id; return how many turns there were."""
    if not pair_ids:
        return 0
    statement = update(HistoryTurnRow).where(HistoryTurnRow.history_turn_id == bindparam("turn"))
    rows = [{"turn": turn, "pair": pair_id} for turn, pair_id in pair_ids.items()]
    return connection.execute(statement.values(pair_id=bindparam("pair")), rows).rowcount


def count_transitions(connection: Connection) -> list[Transition]:
    """Return how often customers asked one active pair right after another one, most often first.

    Turns without a pair, such as thanks, are passed over; asking the same again is no transition.
    """
    in_order = (
        select(
            func.lag(HistoryTurnRow.pair_id)
            .over(partition_by=HistoryTurnRow.conversation_key, order_by=HistoryTurnRow.position)
            .label("from_pair"),
            HistoryTurnRow.pair_id.label("to_pair"),
        )
        .where(HistoryTurnRow.role == "customer", HistoryTurnRow.pair_id.is_not(None))
        .subquery()
    )
    one, other = aliased(PairRow), aliased(PairRow)
    times = func.count().label("times")
    counted = (
        select(in_order.c.from_pair, in_order.c.to_pair, times)
        .join(one, one.pair_id == in_order.c.from_pair)
        .join(other, other.pair_id == in_order.c.to_pair)
        .where(in_order.c.from_pair != in_order.c.to_pair, one.status == ACTIVE, other.status == ACTIVE)
        .group_by(in_order.c.from_pair, in_order.c.to_pair)
        .order_by(times.desc(), in_order.c.from_pair, in_order.c.to_pair)
    )
    return [Transition(from_pair=row[0], to_pair=row[1], count=row[2]) for row in connection.execute(counted)]


def _key(conversation: HistoryConversation) -> str:
    return storable(conversation.conversation_key) or _content(conversation)


def _content(conversation: HistoryConversation) -> str:
    return text_hash(json.dumps([[turn.role, turn.text] for turn in conversation.turns]))


def _add_batch(connection: Connection, batch: Mapping[str, HistoryConversation]) -> int:
    known_rows = select(HistoryConversationRow.conversation_key, HistoryConversationRow.content_hash)
    known_rows = known_rows.where(HistoryConversationRow.conversation_key.in_(batch))
    known = {key: content for key, content in connection.execute(known_rows)}
    same = {key for key, each in batch.items() if known.get(key) == _content(each)}
    other = [key for key in batch if key not in same]
    replaced = [key for key in other if key in known]
    if replaced:
        connection.execute(delete(HistoryTurnRow).where(HistoryTurnRow.conversation_key.in_(replaced)))
        outdated = HistoryConversationRow.conversation_key.in_(replaced)
        connection.execute(delete(HistoryConversationRow).where(outdated))
    if other:
        _insert(connection, {key: batch[key] for key in other})
    _fill_pairs(connection, {key: batch[key] for key in sorted(same)})
    return len(other)


def _insert(connection: Connection, batch: Mapping[str, HistoryConversation]) -> None:
    now = datetime.now(UTC)
    connection.execute(
        insert(HistoryConversationRow),
        [
            {
                "conversation_key": key,
                "content_hash": _content(each),
                "source": storable(each.source),
                "created_at": now,
            }
            for key, each in batch.items()
        ],
    )
    turns = [
        {
            "conversation_key": key,
            "position": position,
            "role": turn.role,
            "text": storable(turn.text),
            "pair_id": turn.pair_id or None,
        }
        for key, each in batch.items()
        for position, turn in enumerate(each.turns, start=1)
    ]
    if turns:
        connection.execute(insert(HistoryTurnRow), turns)


def _fill_pairs(connection: Connection, batch: Mapping[str, HistoryConversation]) -> None:
    given: Sequence[Mapping[str, str | int]] = [
        {"key": key, "place": position, "pair": turn.pair_id}
        for key, each in batch.items()
        for position, turn in enumerate(each.turns, start=1)
        if turn.pair_id
    ]
    if given:
        statement = update(HistoryTurnRow).where(
            HistoryTurnRow.conversation_key == bindparam("key"),
            HistoryTurnRow.position == bindparam("place"),
            HistoryTurnRow.pair_id.is_(None),
        )
        connection.execute(statement.values(pair_id=bindparam("pair")), given)
