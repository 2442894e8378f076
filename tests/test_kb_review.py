from datetime import UTC, datetime, timedelta

import pytest
from fakes_kb import turn

from kb.errors import NotFoundError
from kb.log import ConversationLog
from kb.review import Filters, conversation_of, turn_to_review, turns_to_review
from kb.verdicts import Verdicts

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


def reply(topic="delivery", checkpoint="cp-1"):
    return {"responses": [{"pair_id": "p-1", "topic": topic}], "snapshot": {"checkpoint": checkpoint}}


@pytest.fixture
def log(engine):
    log = ConversationLog(engine)
    log.start_conversation("page", conversation_id="a")
    log.start_conversation("api", conversation_id="b")
    given = (
        ("a", "t1", "answered", reply()),
        ("a", "t2", "abstained", {"responses": []}),
        ("b", "t3", "answered", reply("returns", "cp-2")),
    )
    for hours, (conversation_id, turn_id, outcome, said) in enumerate(given):
        at = NOW + timedelta(hours=hours)
        log.record(turn(conversation_id, turn_id, outcome=outcome, reply=said, created_at=at), [])
    return log


def ids(engine, **filters):
    return [each.turn.turn_id for each in turns_to_review(engine, Filters(**filters), NOW)]


def test_turns_come_newest_first(log, engine):
    assert ids(engine) == ["t3", "t2", "t1"]
    assert [each.turn.turn_id for each in turns_to_review(engine, Filters(), NOW, limit=1)] == ["t3"]


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({"outcome": "abstained"}, ["t2"]),
        ({"channel": "page"}, ["t2", "t1"]),
        ({"topic": "returns"}, ["t3"]),
        ({"checkpoint": "cp-1"}, ["t1"]),
        ({"since": NOW + timedelta(hours=1)}, ["t3", "t2"]),
        ({"channel": "api", "outcome": "abstained"}, []),
        ({"topic": "' OR 1=1 --"}, []),
    ],
)
def test_filters_leave_out_the_others(log, engine, filters, found):
    assert ids(engine, **filters) == found


def test_a_turn_with_a_verdict_is_judged_until_it_is_taken_back(log, engine):
    verdicts = Verdicts(engine)
    verdicts.give("t1", "ada", "unclear")
    verdicts.give("t1", "ada", "wrong", pair_id="p-2", note="see page 4")
    assert ids(engine) == ["t3", "t2"]
    (judged,) = turns_to_review(engine, Filters(judged=True), NOW)
    assert (judged.verdict, judged.right_pair, judged.note, judged.judged_by) == ("wrong", "p-2", "see page 4", "ada")
    verdicts.give("t1", "ada", "none")
    assert ids(engine) == ["t3", "t2", "t1"]


def test_of_several_votes_the_newest_is_told_with_its_words(log, engine):
    log.vote("a", "t1", 1)
    log.vote("a", "t1", -1, "wrong", "that was last year")
    found = turn_to_review(engine, "t1", NOW)
    assert (found.turn.vote, found.vote_reason, found.comment) == (-1, "wrong", "that was last year")
    other = turn_to_review(engine, "t3", NOW)
    assert (other.turn.vote, other.vote_reason, other.comment, other.verdict, other.taken_by) == (0, "", "", "", "")


def test_it_is_told_who_looks_at_a_turn_as_long_as_they_do(log, engine):
    Verdicts(engine, claim_s=60).take("t1", "ada", NOW)
    assert turn_to_review(engine, "t1", NOW).taken_by == "ada"
    assert turn_to_review(engine, "t1", NOW + timedelta(seconds=60)).taken_by == ""


def test_a_conversation_that_went_to_a_person_says_so_at_all_its_turns(log, engine):
    log.hand_over("a", "asked")
    assert [each.handed_over for each in turns_to_review(engine, Filters(), NOW)] == [False, True, True]


def test_a_conversation_is_told_whole_what_was_cleared_too(log, engine):
    log.vote("a", "t1", -1)
    log.clear("a")
    assert [(each.turn_id, each.vote) for each in conversation_of(engine, "a")] == [("t1", -1), ("t2", 0)]


def test_an_unknown_turn_is_none(log, engine):
    with pytest.raises(NotFoundError, match="reload"):
        turn_to_review(engine, "t9", NOW)
