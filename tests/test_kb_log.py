import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from fakes_kb import impression, turn
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from kb.database import reading
from kb.errors import ConflictError, NotFoundError
from kb.log import ConversationLog, new_conversation_id
from kb.tables import ClearRow, ConversationRow, HandOverRow, ImpressionRow, TurnRow


@pytest.fixture
def log(engine):
    return ConversationLog(engine)


def rows(engine, table):
    with reading(engine) as connection:
        return connection.scalar(select(func.count()).select_from(table))


def ordinals(log, conversation_id):
    return [(each.ordinal, each.turn_id) for each in log.history(conversation_id)]


def test_conversation_ids_are_long_random_and_url_safe():
    ids = {new_conversation_id() for _ in range(1_000)}
    assert len(ids) == 1_000
    assert all(len(each) == 22 and each.replace("-", "").replace("_", "").isalnum() for each in ids)


def test_starting_a_conversation_again_under_its_id_changes_nothing(log, engine):
    conversation_id = log.start_conversation("widget", "en-GB")
    assert log.start_conversation("web", "de", conversation_id) == conversation_id
    with reading(engine) as connection:
        (row,) = connection.execute(select(ConversationRow.channel, ConversationRow.locale))
    assert tuple(row) == ("widget", "en-GB")


def test_a_recorded_turn_comes_back_as_it_was_given(log):
    conversation_id = log.start_conversation()
    given = turn(conversation_id, "t-1", "Wo ist mein 📦?", confidence=0.25, latency_ms=12.5, outcome="clarifying")
    log.record(given, [impression("t-1")])
    (found,) = log.history(conversation_id)
    assert (found.question, found.outcome, found.confidence, found.latency_ms) == (
        "Wo ist mein 📦?",
        "clarifying",
        0.25,
        12.5,
    )
    assert (found.reply, found.created_at, found.vote) == (given.reply, given.created_at, 0)


def test_everything_that_a_turn_showed_is_kept_with_its_figures(log, engine):
    conversation_id = log.start_conversation()
    shown = [impression("t-1"), impression("t-1", "p-2", "follow_up", 1), impression("t-1", "p-3", "follow_up", 2)]
    log.record(turn(conversation_id, "t-1"), shown)
    columns = (ImpressionRow.role, ImpressionRow.rank, ImpressionRow.pair_id, ImpressionRow.similarity)
    rest = (ImpressionRow.relevance, ImpressionRow.propensity)
    with reading(engine) as connection:
        found = sorted(map(tuple, connection.execute(select(*columns, *rest))))
    assert found == [
        ("follow_up", 1, "p-2", 0.5, 0.25, 1.0),
        ("follow_up", 2, "p-3", 0.5, 0.25, 1.0),
        ("response", 1, "p-1", 0.5, 0.25, 1.0),
    ]


def test_a_turn_recorded_again_is_there_once_as_it_was_first(log, engine):
    conversation_id = log.start_conversation()
    log.record(turn(conversation_id, "t-1", "first"), [impression("t-1")])
    log.record(turn(conversation_id, "t-1", "second"), [impression("t-1", "p-9")])
    assert [each.question for each in log.history(conversation_id)] == ["first"]
    assert (rows(engine, TurnRow), rows(engine, ImpressionRow)) == (1, 1)


def test_turns_are_numbered_from_one_in_each_conversation_whatever_number_they_bring(log):
    one, other = log.start_conversation(), log.start_conversation()
    for name in ("a", "b", "c"):
        log.record(turn(one, f"1{name}", ordinal=99), [])
    log.record(turn(other, "2a"), [])
    assert ordinals(log, one) == [(1, "1a"), (2, "1b"), (3, "1c")]
    assert ordinals(log, other) == [(1, "2a")]


def test_turns_of_one_conversation_recorded_at_once_are_numbered_without_gaps(log):
    conversation_id = log.start_conversation()
    together = threading.Barrier(8)

    def work(number):
        together.wait()
        for step in range(5):
            log.record(turn(conversation_id, f"t-{number}-{step}"), [])

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(work, range(8)))
    assert [number for number, _ in ordinals(log, conversation_id)] == list(range(1, 41))


def test_a_turn_of_an_unknown_conversation_is_refused(log, engine):
    with pytest.raises(NotFoundError, match="expected the id of a conversation; got an unknown one"):
        log.record(turn("nobody's", "t-1"), [])
    assert rows(engine, TurnRow) == 0


def test_a_turn_id_of_another_conversation_is_refused(log):
    one, other = log.start_conversation(), log.start_conversation()
    log.record(turn(one, "t-1"), [])
    with pytest.raises(ConflictError, match="got one of another conversation"):
        log.record(turn(other, "t-1"), [])
    assert ordinals(log, other) == []


def test_an_impression_that_can_not_be_stored_takes_its_turn_with_it(log, engine):
    conversation_id = log.start_conversation()
    twice = [impression("t-1", rank=1), impression("t-1", rank=1)]
    with pytest.raises(IntegrityError):
        log.record(turn(conversation_id, "t-1"), twice)
    assert (rows(engine, TurnRow), rows(engine, ImpressionRow)) == (0, 0)


def test_what_no_database_takes_is_left_out_of_a_question(log):
    conversation_id = log.start_conversation()
    log.record(turn(conversation_id, "t-1", "a\x00b\ud800c"), [])
    assert log.history(conversation_id)[0].question == "abc"


def test_history_is_limited_to_the_newest_turns_oldest_first(log):
    conversation_id = log.start_conversation()
    for name in "abcd":
        log.record(turn(conversation_id, name), [])
    assert [each.turn_id for each in log.history(conversation_id, limit=2)] == ["c", "d"]


@pytest.mark.parametrize("conversation_id", ["", "unknown", "\x00\ud800", "' OR 1=1 --"])
def test_an_unknown_conversation_has_no_history(log, conversation_id):
    log.record(turn(log.start_conversation(), "t-1"), [])
    for ask in (log.history, log.clear, log.hand_over):
        with pytest.raises(NotFoundError):
            ask(conversation_id)


def test_clearing_hides_the_turns_so_far_and_deletes_nothing(log, engine):
    conversation_id = log.start_conversation()
    log.record(turn(conversation_id, "a"), [impression("a")])
    log.clear(conversation_id)
    assert log.history(conversation_id) == []
    log.record(turn(conversation_id, "b"), [])
    assert ordinals(log, conversation_id) == [(2, "b")]
    assert (rows(engine, TurnRow), rows(engine, ImpressionRow), rows(engine, ClearRow)) == (2, 1, 1)


def test_clearing_one_conversation_leaves_the_others(log):
    one, other = log.start_conversation(), log.start_conversation()
    log.record(turn(one, "a"), [])
    log.record(turn(other, "b"), [])
    log.clear(one)
    assert ordinals(log, other) == [(1, "b")]


def test_a_hand_over_takes_the_whole_transcript_as_it_stands(log, engine):
    conversation_id = log.start_conversation()
    log.record(turn(conversation_id, "a", "Hidden by the clear"), [])
    log.clear(conversation_id)
    asked = turn(conversation_id, "b", "Where is it?")
    log.record(asked, [])
    abstained = {"turn_id": "c", "message": "I have no answer to this.", "responses": []}
    log.record(turn(conversation_id, "c", "And my dog?", outcome="abstained", reply=abstained), [])
    handed = log.hand_over(conversation_id, "asked", " anna@example.org ")
    log.record(turn(conversation_id, "d", "Too late"), [])
    assert [(each["role"], each["text"]) for each in handed.transcript] == [
        ("customer", "Where is it?"),
        ("bot", "It is on its **way** (b)."),
        ("customer", "And my dog?"),
        ("bot", "I have no answer to this."),
    ]
    assert handed.transcript[0]["created_at"] == asked.created_at.isoformat()
    assert (handed.reason, handed.contact) == ("asked", "anna@example.org")
    with reading(engine) as connection:
        (row,) = connection.execute(select(HandOverRow.hand_over_id, HandOverRow.transcript))
    assert tuple(row) == (handed.hand_over_id, list(handed.transcript))


def test_a_conversation_may_be_handed_over_before_its_first_turn_and_again(log, engine):
    conversation_id = log.start_conversation()
    first, second = log.hand_over(conversation_id), log.hand_over(conversation_id)
    assert first.transcript == ()
    assert first.hand_over_id != second.hand_over_id
    assert rows(engine, HandOverRow) == 2


# One turn, and the newest ones


def test_a_turn_is_found_in_its_conversation_with_its_vote(log):
    conversation_id = log.start_conversation()
    for turn_id in ("a", "b"):
        log.record(turn(conversation_id, turn_id), [])
    log.vote(conversation_id, "b", -1)
    found = log.turn(conversation_id, "b")
    assert (found.turn_id, found.ordinal, found.vote) == ("b", 2, -1)
    assert found == log.any_turn("b") == log.history(conversation_id)[1]


def test_a_turn_of_another_conversation_or_before_the_last_clear_is_not_found(log):
    one, other = log.start_conversation(), log.start_conversation()
    log.record(turn(one, "a"), [])
    for conversation_id, turn_id in ((other, "a"), (one, "x"), ("none", "a"), (one, "a\x00b")):
        with pytest.raises(NotFoundError, match="expected a turn of this conversation; got an unknown one"):
            log.turn(conversation_id, turn_id)
    log.clear(one)
    with pytest.raises(NotFoundError):
        log.turn(one, "a")
    assert log.any_turn("a").turn_id == "a"


def test_the_newest_turns_of_all_conversations_come_oldest_first(log):
    one, other = log.start_conversation(), log.start_conversation()
    for turn_id, conversation_id in (("z", one), ("y", other), ("x", one)):
        log.record(turn(conversation_id, turn_id), [])
    assert [each.turn_id for each in log.newest(2)] == ["y", "x"]
    assert len(log.newest(10)) == 3


def test_turns_of_a_conversation_come_in_the_order_asked_for_with_the_votes_of_a_time(log):
    conversation_id = log.start_conversation()
    for turn_id in ("a", "b", "c"):
        log.record(turn(conversation_id, turn_id), [])
    log.vote(conversation_id, "a", 1)
    at = log.votes("a")[-1].created_at
    log.vote(conversation_id, "a", -1)
    log.vote(conversation_id, "b", -1)
    found = log.turns_at(conversation_id, ["b", "a"], at)
    assert [(each.turn_id, each.vote) for each in found] == [("b", 0), ("a", 1)]
    assert log.turns_at(conversation_id, [], at) == []


def test_turns_that_are_not_all_there_are_refused(log):
    conversation_id, other = log.start_conversation(), log.start_conversation()
    log.record(turn(conversation_id, "a"), [])
    log.record(turn(other, "b"), [])
    with pytest.raises(NotFoundError, match="none of id b"):
        log.turns_at(conversation_id, ["a", "b"], log.any_turn("a").created_at)
