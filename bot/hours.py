"""When somebody is there: weekly hours in a time zone, and when the next ones begin. The clock is an argument."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from kb.errors import ConfigError, describe

DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_SPAN = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-(?:([01]\d|2[0-3]):([0-5]\d)|(24):(00))")
_WEEKS = 53
"""How far ahead the next opening is looked for: a year of days that are closed."""

Span = tuple[timedelta, timedelta]


@dataclass(frozen=True, kw_only=True, slots=True)
class HoursRule:
    """Weekly hours of the persons behind the hand-over, as "09:00-17:30"; a day without any is closed."""

    time_zone: str = "UTC"
    """A name of the IANA data base, such as Europe/London."""
    monday: tuple[str, ...] = ()
    tuesday: tuple[str, ...] = ()
    wednesday: tuple[str, ...] = ()
    thursday: tuple[str, ...] = ()
    friday: tuple[str, ...] = ()
    saturday: tuple[str, ...] = ()
    sunday: tuple[str, ...] = ()
    closed: tuple[str, ...] = ()
    """Dates on which nobody is there whatever the day, such as 2026-12-25."""


class Hours:
    """The hours of a rule, checked."""

    def __init__(self, rule: HoursRule) -> None:
        """Read the rule.

        Raises:
            ConfigError: there is no such time zone, a span or a date can't be read, or no day has any hours.
        """
        self._zone = _zone(rule.time_zone)
        self._spans = tuple(_spans(day, getattr(rule, day)) for day in DAYS)
        self._closed = frozenset(_date(each) for each in rule.closed)
        if not any(self._spans):
            raise ConfigError(
                describe(
                    expected="hours on some day",
                    got="none",
                    remedy='write monday = ["09:00-17:00"], or leave [hours] out',
                )
            )

    def is_open(self, now: datetime) -> bool:
        """Whether somebody is there at an aware time."""
        local = now.astimezone(self._zone)
        return any(begin <= local < end for begin, end in self._of(local.date()))

    def next_opening(self, now: datetime) -> datetime | None:
        """Return when the next hours begin after an aware time, in the time zone of the hours; None within a year."""
        local = now.astimezone(self._zone)
        for days in range(7 * _WEEKS):
            later = [begin for begin, _ in self._of(local.date() + timedelta(days=days)) if begin > local]
            if later:
                return min(later)
        return None

    def when(self, now: datetime) -> str:
        """Return the next opening in words, such as "tomorrow at 09:00"; empty where somebody is there, or never."""
        opening = None if self.is_open(now) else self.next_opening(now)
        if opening is None:
            return ""
        days = (opening.date() - now.astimezone(self._zone).date()).days
        day = "today" if days == 0 else "tomorrow" if days == 1 else f"on {DAYS[opening.weekday()].capitalize()}"
        # A weekday alone would be taken for the next one of its name.
        exact = f" {opening:%Y-%m-%d}" if days > 6 else ""
        return f"{day}{exact} at {opening:%H:%M} ({self._zone.key})"

    def _of(self, day: date) -> list[tuple[datetime, datetime]]:
        if day in self._closed:
            return []
        midnight = datetime.combine(day, time(), self._zone)
        return [(midnight + begin, midnight + end) for begin, end in self._spans[day.weekday()]]


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError) as error:
        raise ConfigError(
            describe(
                expected="a time zone such as Europe/London", got=repr(name), remedy="name one of the IANA data base"
            )
        ) from error


def _spans(day: str, written: Sequence[str]) -> tuple[Span, ...]:
    spans = []
    for each in written:
        found = _SPAN.fullmatch(each)
        numbers = [int(part) for part in found.groups() if part is not None] if found else []
        spans.append((_clock(numbers[:2]), _clock(numbers[2:])) if found else (timedelta(1), timedelta(0)))
        if spans[-1][0] >= spans[-1][1]:
            raise ConfigError(
                describe(expected="hours such as 09:00-17:30", got=f"{day}: {each!r}", remedy="mend the hours")
            )
    return tuple(spans)


def _clock(numbers: Sequence[int]) -> timedelta:
    return timedelta(hours=numbers[0], minutes=numbers[1])


def _date(written: str) -> date:
    try:
        return date.fromisoformat(written)
    except ValueError as error:
        raise ConfigError(
            describe(expected="a date such as 2026-12-25", got=f"closed: {written!r}", remedy="mend the date")
        ) from error
