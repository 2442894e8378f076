import pytest
from fakes_kb import impression, turn
from sqlalchemy import func, select

from kb.database import reading
from kb.errors import InputError, NotFoundError
from kb.log import ConversationLog
from kb.tables import ClickRow, VoteRow


@pytest.fixture
def log(engine):
    return ConversationLog(engine)


@pytest.fixture
def conversation_id(log):
    """A conversation with two turns, `a` and `b`; `a` showed an answer, a follow-up and an option."""
    conversation_id = log.start_conversation()
    shown = [impression("a"), impression("a", "p-2", "follow_up"), impression("a", "p-3", "option")]
    log.record(turn(conversation_id, "a"), shown)
    log.record(turn(conversation_id, "b"), [impression("b", "p-7")])
    return conversation_id


def rows(engine, table):
    with reading(engine) as connection:
        return connection.scalar(select(func.count()).select_from(table))


def current(log, conversation_id):
    return {each.turn_id: each.vote for each in log.history(conversation_id)}


def test_up_down_and_taken_back_is_one_current_vote_with_its_full_history(log, conversation_id):
    for value in (1, -1, 0):
        assert log.vote(conversation_id, "a", value).value == value
        assert current(log, conversation_id) == {"a": value, "b": 0}
    assert [each.value for each in log.votes("a")] == [1, -1, 0]


def test_the_same_vote_again_is_not_repeated(log, engine, conversation_id):
    first = log.vote(conversation_id, "a", -1, "unclear", "What is a parcel?")
    assert log.vote(conversation_id, "a", -1, "unclear", " What is a  parcel? ") == first
    assert rows(engine, VoteRow) == 1


def test_a_reason_given_later_is_a_vote_of_its_own_and_counts(log, conversation_id):
    log.vote(conversation_id, "a", -1)
    log.vote(conversation_id, "a", -1, "out_of_date", "It costs more now.")
    assert [(each.value, each.reason, each.comment) for each in log.votes("a")] == [
        (-1, None, ""),
        (-1, "out_of_date", "It costs more now."),
    ]


def test_a_vote_never_moves_to_another_turn(log, conversation_id):
    log.vote(conversation_id, "a", 1)
    log.record(turn(conversation_id, "a", "A retry of the same request"), [])
    log.clear(conversation_id)
    log.record(turn(conversation_id, "c"), [])
    log.vote(conversation_id, "a", -1)
    assert current(log, conversation_id) == {"c": 0}
    assert (len(log.votes("a")), log.votes("b"), log.votes("c")) == (2, [], [])


def test_a_vote_on_another_conversations_turn_leaves_no_row(log, engine, conversation_id):
    other = log.start_conversation()
    for turn_id in ("a", "b", "unknown", "", "a\x00 OR 1=1"):
        with pytest.raises(NotFoundError, match="expected a turn of this conversation"):
            log.vote(other, turn_id, 1)
    with pytest.raises(NotFoundError):
        log.vote("unknown", "a", 1)
    assert rows(engine, VoteRow) == 0


@pytest.mark.parametrize(
    ("value", "reason", "message"),
    [(2, None, "a vote of 1, -1 or 0; got 2"), (-1, "ugly", "a reason out of wrong, .*; got 'ugly'")],
)
def test_another_value_or_reason_is_refused(log, engine, conversation_id, value, reason, message):
    with pytest.raises(InputError, match=message):
        log.vote(conversation_id, "a", value, reason)
    assert rows(engine, VoteRow) == 0


def test_a_comment_is_stored_as_one_clean_line(log, conversation_id):
    log.vote(conversation_id, "a", -1, "other", "no\x00pe\n\n <b>really</b>\ud800 ")
    assert log.votes("a")[0].comment == "nope <b>really</b>"


def test_every_click_is_kept_with_the_turn_that_showed_it(log, engine, conversation_id):
    click = log.click(conversation_id, "a", "p-2", "follow_up")
    assert (click.turn_id, click.pair_id, click.role) == ("a", "p-2", "follow_up")
    log.click(conversation_id, "a", "p-3", "option")
    log.click(conversation_id, "a", "p-2", "follow_up")
    with reading(engine) as connection:
        found = connection.execute(
            select(ClickRow.turn_id, ClickRow.pair_id, ClickRow.role).order_by(ClickRow.click_id)
        )
        assert list(map(tuple, found)) == [("a", "p-2", "follow_up"), ("a", "p-3", "option"), ("a", "p-2", "follow_up")]


@pytest.mark.parametrize(
    ("turn_id", "pair_id", "role"),
    [("a", "p-3", "follow_up"), ("b", "p-2", "follow_up"), ("a", "p-9", "option"), ("unknown", "p-2", "follow_up")],
)
def test_a_click_on_what_was_not_shown_is_refused(log, engine, conversation_id, turn_id, pair_id, role):
    with pytest.raises(NotFoundError):
        log.click(conversation_id, turn_id, pair_id, role)
    assert rows(engine, ClickRow) == 0


def test_a_click_on_another_conversations_turn_is_refused(log, engine, conversation_id):
    with pytest.raises(NotFoundError, match="expected a turn of this conversation"):
        log.click(log.start_conversation(), "a", "p-2", "follow_up")
    assert rows(engine, ClickRow) == 0
