import pytest
from fakes_kb import turn
from sqlalchemy import select

from kb.hand_overs import hand_over_id_of
from kb.log import ConversationLog
from kb.tables import HandOverRow, OutboxRow


@pytest.fixture
def log(engine):
    return ConversationLog(engine, channels=("csv",))


def hand_overs(engine):
    with engine.connect() as connection:
        return connection.execute(select(HandOverRow).order_by(HandOverRow.created_at)).all()


def events(engine):
    with engine.connect() as connection:
        return connection.execute(select(OutboxRow).order_by(OutboxRow.outbox_id)).all()


def test_a_turn_that_hands_over_is_recorded_with_its_hand_over_once(log, engine):
    conversation = log.start_conversation()
    for _ in range(2):
        log.record(turn(conversation, "t-1", "agent please"), [], hand_over="asked")
    [row] = hand_overs(engine)
    assert (row.hand_over_id, row.reason, row.contact) == (hand_over_id_of("t-1"), "asked", "")
    assert row.transcript[0]["text"] == "agent please"
    [event] = events(engine)
    assert (event.event, event.event_id, event.channel) == ("hand_over", row.hand_over_id, "csv")


def test_an_ordinary_turn_hands_nothing_over(log, engine):
    log.record(turn(log.start_conversation(), "t-1"), [])
    assert hand_overs(engine) == events(engine) == []


def test_what_is_told_holds_the_transcript_and_not_the_secret_of_the_conversation(log, engine):
    conversation = log.start_conversation()
    log.record(turn(conversation, "t-1"), [])
    handed = log.hand_over(conversation, "asked", "kim@example.org")
    [event] = events(engine)
    assert event.payload["transcript"] == list(handed.transcript)
    assert (event.payload["contact"], event.payload["reason"]) == ("kim@example.org", "asked")
    assert conversation not in str(event.payload)


def test_without_channels_nothing_is_put_by(engine):
    log = ConversationLog(engine)
    log.hand_over(log.start_conversation())
    assert events(engine) == []


def test_a_contact_left_later_belongs_to_the_hand_over_and_is_told(log, engine):
    conversation = log.start_conversation()
    log.record(turn(conversation, "t-1"), [], hand_over="asked")
    left = log.leave_contact(conversation, " kim@example.org\n")
    assert (left.hand_over_id, left.contact) == (hand_over_id_of("t-1"), "kim@example.org")
    assert [row.contact for row in hand_overs(engine)] == ["kim@example.org"]
    assert [(each.event, each.payload["contact"]) for each in events(engine)] == [
        ("hand_over", ""),
        ("hand_over_contact", "kim@example.org"),
    ]


def test_a_contact_is_left_once_and_for_a_hand_over_only(log):
    conversation = log.start_conversation()
    assert log.leave_contact(conversation, "kim@example.org") is None
    log.hand_over(conversation)
    assert log.leave_contact(conversation, "kim@example.org") is not None
    assert log.leave_contact(conversation, "another@example.org") is None


def test_a_contact_after_a_clear_is_not_for_what_was_cleared(log):
    conversation = log.start_conversation()
    log.hand_over(conversation)
    log.clear(conversation)
    assert log.leave_contact(conversation, "kim@example.org") is None
