from datetime import UTC, datetime, timedelta

import pytest
from fakes_kb import turn

from kb.audit import entries
from kb.errors import ConflictError, InputError, NotFoundError
from kb.log import ConversationLog
from kb.verdicts import Verdicts

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


@pytest.fixture
def verdicts(engine):
    log = ConversationLog(engine)
    log.start_conversation(conversation_id="c")
    for turn_id in ("t1", "t2"):
        log.record(turn("c", turn_id, "Where is it?"), [])
    return Verdicts(engine, claim_s=60)


def test_the_newest_verdict_counts_and_the_others_stay_on_record(verdicts):
    verdicts.give("t1", "ada", "unclear", note=" hm\n ")
    verdicts.give("t1", "bob", "wrong", pair_id="track")
    verdicts.give("t2", "ada", "out_of_scope")
    assert [(each.turn_id, each.value, each.pair_id) for each in verdicts.current()] == [
        ("t1", "wrong", "track"),
        ("t2", "out_of_scope", ""),
    ]
    assert [(each.operator_id, each.value, each.note) for each in verdicts.of_turn("t1")] == [
        ("ada", "unclear", "hm"),
        ("bob", "wrong", ""),
    ]
    assert [each.turn_id for each in verdicts.current(["t2", "t3"])] == ["t2"]


def test_a_verdict_that_is_taken_back_no_longer_counts(verdicts):
    verdicts.give("t1", "ada", "right")
    verdicts.give("t1", "ada", "none")
    assert verdicts.current() == []


def test_two_operators_can_not_take_the_same_turn(verdicts):
    assert verdicts.take("t1", "ada", NOW)
    assert verdicts.take("t1", "ada", NOW)
    assert not verdicts.take("t1", "bob", NOW)
    assert verdicts.take("t1", "bob", NOW + timedelta(seconds=60))


def test_who_takes_another_turn_lets_go_of_the_one_before(verdicts):
    assert verdicts.take("t1", "ada", NOW)
    assert verdicts.take("t2", "ada", NOW)
    assert verdicts.take("t1", "bob", NOW)
    assert not verdicts.take("t2", "bob", NOW)


def test_a_turn_is_free_again_when_it_is_left_or_judged(verdicts):
    now = datetime.now(UTC)
    for free in (lambda: verdicts.leave("t1", "ada"), lambda: verdicts.give("t1", "ada", "right")):
        assert verdicts.take("t1", "ada", now)
        verdicts.leave("t1", "bob")
        assert not verdicts.take("t1", "bob", now)
        free()
        assert verdicts.take("t1", "bob", now)
        verdicts.leave("t1", "bob")


def test_no_verdict_is_given_on_a_turn_that_another_one_looks_at(verdicts):
    verdicts.take("t1", "ada", datetime.now(UTC))
    with pytest.raises(ConflictError, match="ada took"):
        verdicts.give("t1", "bob", "right")
    assert verdicts.current() == []
    verdicts.give("t1", "ada", "right")


def test_other_verdicts_pairs_for_what_has_none_and_unknown_turns_are_refused(verdicts):
    with pytest.raises(InputError, match="out_of_scope"):
        verdicts.give("t1", "ada", "nonsense")
    with pytest.raises(InputError, match="leave the pair out"):
        verdicts.give("t1", "ada", "out_of_scope", pair_id="track")
    with pytest.raises(NotFoundError):
        verdicts.give("t9", "ada", "right")
    with pytest.raises(NotFoundError):
        verdicts.take("t9", "ada", NOW)
    assert verdicts.current() == []


def test_a_verdict_is_audited_with_what_it_says(verdicts, engine):
    verdicts.give("t1", "ada", "wrong", pair_id="track")
    (entry,) = entries(engine)
    assert (entry.operator_id, entry.action, entry.subject) == ("ada", "verdict: wrong", "t1")
    assert entry.details == {"pair_id": "track"}
