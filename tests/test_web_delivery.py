import threading
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from bot.cli.common import config_of
from bot.config import Branding, HandOverConfig
from kb.database import writing
from kb.errors import ConfigError
from kb.log import ConversationLog
from kb.outbox import Outbox, add_events
from kb.tables import OutboxRow
from web.delivery import Deliverer, channels_of

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
CONFIG = HandOverConfig(first_retry_s=10.0, longest_retry_s=60.0)


class Recorder:
    """Remembers what it was told; fails while it has `errors`."""

    def __init__(self, *errors):
        self.errors = list(errors)
        self.told = []
        self.done = threading.Event()

    def deliver(self, event):
        if self.errors:
            raise self.errors.pop(0)
        self.told.append(event.event_id)
        self.done.set()


def add(engine, *event_ids, channels=("a",)):
    with writing(engine) as connection:
        for event_id in event_ids:
            add_events(connection, channels, event="hand_over", event_id=event_id, payload={}, created_at=NOW)


def row(engine):
    with engine.connect() as connection:
        return connection.execute(select(OutboxRow)).one()


def later(seconds):
    return NOW + timedelta(seconds=seconds)


def test_every_event_is_told_once_to_each_channel(engine):
    add(engine, "h-1", "h-2", channels=("a", "b"))
    channels = {"a": Recorder(), "b": Recorder()}
    deliverer = Deliverer(Outbox(engine), channels, CONFIG)
    while deliverer.deliver_due(NOW):
        pass
    assert [channels[name].told for name in "ab"] == [["h-1", "h-2"], ["h-1", "h-2"]]


@pytest.mark.parametrize("error", [OSError("disk full"), ValueError("odd"), KeyError("contact")])
def test_what_failed_is_told_again_after_a_wait_with_the_reason_kept(engine, error):
    add(engine, "h-1")
    channel = Recorder(error)
    deliverer = Deliverer(Outbox(engine), {"a": channel}, CONFIG)
    assert deliverer.deliver_due(NOW) == 1
    assert type(error).__name__ in row(engine).last_error
    assert deliverer.deliver_due(later(9)) == 0
    assert deliverer.deliver_due(later(10)) == 1
    assert (channel.told, row(engine).attempts, row(engine).last_error) == (["h-1"], 2, "")
    assert row(engine).delivered_at == later(10)


def test_the_wait_doubles_up_to_the_longest(engine):
    deliverer = Deliverer(Outbox(engine), {}, CONFIG)
    assert [deliverer.wait_s(attempts) for attempts in (1, 2, 3, 4, 5, 10_000)] == [10, 20, 40, 60, 60, 60]


def test_a_channel_that_is_away_holds_up_no_other(engine):
    add(engine, "h-1", channels=("a", "b"))
    channels = {"a": Recorder(OSError("away")), "b": Recorder()}
    deliverer = Deliverer(Outbox(engine), channels, CONFIG)
    while deliverer.deliver_due(NOW):
        pass
    assert (channels["a"].told, channels["b"].told) == ([], ["h-1"])


def test_a_hand_over_is_delivered_in_the_background(engine):
    log = ConversationLog(engine, channels=("a",))
    channel = Recorder()
    deliverer = Deliverer(Outbox(engine), {"a": channel}, CONFIG)
    deliverer.start()
    try:
        handed = log.hand_over(log.start_conversation())
        assert channel.done.wait(10)
    finally:
        deliverer.close()
    assert channel.told == [handed.hand_over_id]


def test_what_a_stopped_server_left_is_delivered_by_the_next(engine):
    add(engine, "h-1")
    Outbox(engine, lease_s=60).take(NOW, ["a"])
    channel = Recorder()
    assert Deliverer(Outbox(engine), {"a": channel}, CONFIG).deliver_due(later(60)) == 1
    assert channel.told == ["h-1"]


def test_without_channels_no_thread_is_started(engine):
    before = threading.active_count()
    deliverer = Deliverer(Outbox(engine), {}, CONFIG)
    deliverer.start()
    assert threading.active_count() == before
    deliverer.close()


def test_the_channels_are_those_that_are_configured(tmp_path):
    assert channels_of(HandOverConfig(), Branding(), tmp_path) == {}
    config = HandOverConfig(csv="queue.csv", email_dir="mail", webhook="https://shop.example/", secret="key")
    channels = channels_of(config, Branding(contact="help@shop.example"), tmp_path)
    assert list(channels) == ["csv", "email", "webhook"]
    assert channels["csv"].path == tmp_path / "queue.csv"
    assert channels["email"].recipient == "help@shop.example"
    with pytest.raises(ConfigError, match="a key for the signature"):
        channels_of(HandOverConfig(webhook="https://shop.example/"), Branding(), tmp_path)


def test_the_key_of_the_webhook_may_come_from_the_environment(tmp_path, monkeypatch):
    (tmp_path / "frontdesk.toml").write_text('[hand_over]\nsecret = "file"\n')
    assert config_of(tmp_path, None).hand_over.secret == "file"
    monkeypatch.setenv("FRONTDESK_WEBHOOK_SECRET", "environment")
    assert config_of(tmp_path, None).hand_over.secret == "environment"
