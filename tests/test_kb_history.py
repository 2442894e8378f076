import pytest
from fakes_kb import pair
from sqlalchemy import func, select

from kb.database import reading
from kb.store import HistoryConversation, HistoryTurn, KnowledgeStore
from kb.tables import HistoryTurnRow
from kb.types import Transition


@pytest.fixture
def store(engine):
    return KnowledgeStore(engine)


def conversation(key, *turns, **fields):
    roles = [HistoryTurn(role=role, text=text, pair_id=pair_id) for role, text, pair_id in turns]
    return HistoryConversation(conversation_key=key, turns=tuple(roles), **fields)


ASKED = (
    ("customer", "Where is it?", "a"),
    ("agent", "On its way.", ""),
    ("customer", "Thanks!", ""),
    ("customer", "And the cost?", "b"),
    ("customer", "The cost!", "b"),
)


@pytest.fixture
def abc(store):
    store.upsert([pair(f"Question {name}?", f"Answer {name}.", pair_id=name) for name in "abc"])
    return store


def test_transitions_count_what_was_asked_next(abc):
    back = (("customer", "Cost?", "b"), ("agent", "Free.", "c"), ("customer", "Where?", "a"))
    assert abc.add_history([conversation("1", *ASKED), conversation("2", *ASKED), conversation("3", *back)]) == 3
    assert abc.transitions() == [
        Transition(from_pair="a", to_pair="b", count=2),
        Transition(from_pair="b", to_pair="a", count=1),
    ]


def test_transitions_leave_out_pairs_that_are_not_active(abc):
    abc.add_history([conversation("1", *ASKED, ("customer", "Else?", "gone"))])
    abc.retire(["a"])
    assert abc.transitions() == []


def test_history_given_again_changes_nothing_and_keeps_its_matches(abc, engine):
    unmatched = [(role, text, "") for role, text, _ in ASKED]
    given_history = [conversation("", *unmatched), conversation("2", *unmatched)]
    assert abc.add_history(given_history) == 2
    found = list(abc.unmatched_history())
    assert [each.text for each in found] == [text for role, text, _ in ASKED if role == "customer"] * 2
    assert abc.match_history({each.history_turn_id: "a" if "Where" in each.text else "b" for each in found}) == 8
    assert list(abc.unmatched_history()) == []
    assert abc.add_history(given_history) == 0
    assert abc.transitions() == [Transition(from_pair="a", to_pair="b", count=2)]
    with reading(engine) as connection:
        assert connection.scalar(select(func.count()).select_from(HistoryTurnRow)) == 10


def test_pairs_that_become_known_are_filled_in(abc):
    abc.add_history([conversation("1", *((role, text, "") for role, text, _ in ASKED))])
    assert abc.transitions() == []
    assert abc.add_history([conversation("1", *ASKED)]) == 0
    assert abc.transitions() == [Transition(from_pair="a", to_pair="b", count=1)]


def test_a_longer_export_of_a_conversation_replaces_the_shorter_one(abc):
    abc.add_history([conversation("1", *ASKED[:1])])
    assert abc.add_history([conversation("1", *ASKED)]) == 1
    assert abc.transitions() == [Transition(from_pair="a", to_pair="b", count=1)]


def test_history_is_no_knowledge_and_makes_no_version(abc):
    abc.add_history([conversation("1", *ASKED, source="chats.csv")])
    assert abc.version() == 1
