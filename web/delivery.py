"""Delivers what waits in the outbox, in the background: at least once, again and again until it is taken."""

import threading
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import structlog

from bot.config import Branding, HandOverConfig
from kb.errors import StorageError
from kb.outbox import Outbox
from kb.types import Event
from web.delivery_channels import Channel, CsvQueue, EmailFiles, Webhook

_log = structlog.get_logger(__name__)

POLL_S = 1.0
"""How often the outbox is looked at."""
_MOST_DOUBLINGS = 30


def channels_of(config: HandOverConfig, branding: Branding, var: Path) -> dict[str, Channel]:
    """Return the configured channels by name; relative paths are of the data folder.

    Raises:
        ConfigError: the webhook has no usable address, or no key.
    """
    channels: dict[str, Channel] = {}
    if config.csv:
        channels["csv"] = CsvQueue(path=var / config.csv)
    if config.email_dir:
        sender = branding.contact if "@" in branding.contact else "frontdesk@localhost"
        recipient = config.email_to or sender
        channels["email"] = EmailFiles(folder=var / config.email_dir, sender=sender, recipient=recipient)
    if config.webhook:
        channels["webhook"] = Webhook(
            url=config.webhook,
            secret=config.secret,
            allow_private=config.webhook_allow_private,
            timeout_s=config.timeout_s,
        )
    return channels


class Deliverer:
    """A thread that takes due events and tells them; `close` it at the end."""

    def __init__(self, outbox: Outbox, channels: Mapping[str, Channel], config: HandOverConfig) -> None:
        """Take the outbox, the channels by name, and how long to wait after a failure."""
        self._outbox = outbox
        self._channels = dict(channels)
        self._config = config
        self._stop = threading.Event()
        self._worker = threading.Thread(target=self._work, name="hand-over-delivery", daemon=True)

    def start(self) -> None:
        """Begin to deliver, where there is anywhere to deliver to."""
        if self._channels:
            self._worker.start()

    def close(self) -> None:
        """Stop after the event that is being delivered; what is left is delivered by the next start."""
        self._stop.set()
        if self._worker.is_alive():
            self._worker.join(self._config.timeout_s + POLL_S)

    def deliver_due(self, now: datetime | None = None) -> int:
        """Deliver what is due, and return how many events were taken.

        Raises:
            StorageError: the database is away.
        """
        events = self._outbox.take(now or datetime.now(UTC), list(self._channels), limit=1)
        for event in events:
            self._deliver(event, now or datetime.now(UTC))
        return len(events)

    def _deliver(self, event: Event, now: datetime) -> None:
        try:
            self._channels[event.channel].deliver(event)
        # Whatever is wrong with one event or channel, the others are to be delivered.
        except Exception as error:
            wait_s = self.wait_s(event.attempts)
            _log.warning(
                "hand-over not delivered", channel=event.channel, id=event.event_id, error=str(error), again_in_s=wait_s
            )
            self._outbox.failed(event.outbox_id, f"{type(error).__name__}: {error}", now + timedelta(seconds=wait_s))
        else:
            self._outbox.delivered(event.outbox_id, now)

    def wait_s(self, attempts: int) -> float:
        """Return the seconds until the next attempt after so many failed ones."""
        doubled = self._config.first_retry_s * 2.0 ** min(attempts - 1, _MOST_DOUBLINGS)
        return float(min(doubled, self._config.longest_retry_s))

    def _work(self) -> None:
        while not self._stop.is_set():
            try:
                taken = self.deliver_due()
            except StorageError as error:
                _log.warning("outbox away", reason=str(error))
                taken = 0
            if not taken:
                self._stop.wait(POLL_S)
