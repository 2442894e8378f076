from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from kb.database import writing
from kb.outbox import Outbox, add_events
from kb.tables import OutboxRow

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
CHANNELS = ("csv", "webhook")


def add(engine, event_id="h-1", channels=CHANNELS, at=NOW):
    with writing(engine) as connection:
        payload = {"reason": "asked", "contact": "ä@b.example"}
        add_events(connection, channels, event="hand_over", event_id=event_id, payload=payload, created_at=at)


def rows(engine):
    with engine.connect() as connection:
        return connection.execute(select(OutboxRow).order_by(OutboxRow.outbox_id)).all()


def later(seconds):
    return NOW + timedelta(seconds=seconds)


def test_an_event_waits_for_each_channel_with_what_it_tells(engine):
    add(engine)
    taken = Outbox(engine).take(NOW, CHANNELS)
    assert [(each.event, each.event_id, each.channel, each.attempts) for each in taken] == [
        ("hand_over", "h-1", "csv", 1),
        ("hand_over", "h-1", "webhook", 1),
    ]
    assert taken[0].payload == {"reason": "asked", "contact": "ä@b.example"}
    assert taken[0].created_at == NOW


def test_what_was_not_committed_is_not_told(engine):
    def fail():
        with writing(engine) as connection:
            add_events(connection, CHANNELS, event="e", event_id="h-1", payload={}, created_at=NOW)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert Outbox(engine).take(NOW, CHANNELS) == []


def test_what_is_taken_is_nobody_elses_until_its_lease_is_over(engine):
    add(engine)
    one, other = Outbox(engine, lease_s=60), Outbox(engine, lease_s=60)
    assert len(one.take(NOW, CHANNELS)) == 2
    assert other.take(later(59), CHANNELS) == []
    assert [each.attempts for each in other.take(later(60), CHANNELS)] == [2, 2]


def test_what_is_delivered_is_not_due_again(engine):
    add(engine, channels=("csv",))
    outbox = Outbox(engine)
    [event] = outbox.take(NOW, CHANNELS)
    outbox.delivered(event.outbox_id, later(1))
    assert outbox.take(later(100_000), CHANNELS) == []
    assert [(row.delivered_at, row.last_error) for row in rows(engine)] == [(later(1), "")]


def test_what_failed_is_due_again_when_it_was_said_with_the_reason_kept(engine):
    add(engine, channels=("csv",))
    outbox = Outbox(engine)
    [event] = outbox.take(NOW, CHANNELS)
    outbox.failed(event.outbox_id, "disk\x00 full " + "!" * 1000, later(300))
    assert outbox.take(later(299), CHANNELS) == []
    assert [each.attempts for each in outbox.take(later(300), CHANNELS)] == [2]
    assert rows(engine)[0].last_error.startswith("disk full !")
    assert len(rows(engine)[0].last_error) == 500


def test_the_oldest_is_taken_first_and_no_more_than_asked_for(engine):
    for number in (2, 1, 3):
        add(engine, f"h-{number}", ("csv",), later(number))
    taken = Outbox(engine).take(later(10), CHANNELS, limit=2)
    assert [each.event_id for each in taken] == ["h-1", "h-2"]


def test_events_of_other_channels_stay(engine):
    add(engine)
    assert [each.channel for each in Outbox(engine).take(NOW, ["webhook"])] == ["webhook"]
    assert Outbox(engine).take(NOW, []) == []
