from datetime import UTC, datetime

import pytest

from bot.hours import Hours, HoursRule
from kb.errors import ConfigError

SHOP = Hours(
    HoursRule(
        time_zone="Europe/London",
        monday=("09:00-12:30", "13:30-17:30"),
        friday=("09:00-24:00",),
        closed=("2026-12-25",),
    )
)


def at(*parts):
    return datetime(*parts, tzinfo=UTC)


@pytest.mark.parametrize(
    ("now", "when"),
    [
        (at(2026, 11, 23, 8, 59), "today at 09:00 (Europe/London)"),
        (at(2026, 11, 23, 9, 0), ""),
        (at(2026, 11, 23, 12, 29), ""),
        (at(2026, 11, 23, 12, 30), "today at 13:30 (Europe/London)"),
        (at(2026, 11, 23, 17, 30), "on Friday at 09:00 (Europe/London)"),
        (at(2026, 11, 26, 12, 0), "tomorrow at 09:00 (Europe/London)"),
        (at(2026, 11, 27, 23, 59), ""),
        (at(2026, 11, 28, 0, 0), "on Monday at 09:00 (Europe/London)"),
        (at(2026, 12, 24, 12, 0), "on Monday at 09:00 (Europe/London)"),
    ],
)
def test_outside_the_hours_it_says_when_they_begin_again(now, when):
    assert SHOP.when(now) == when
    assert SHOP.is_open(now) == (when == "")


def test_the_hours_are_of_their_time_zone_in_summer_as_in_winter():
    assert SHOP.is_open(at(2026, 7, 6, 8, 0))
    assert not SHOP.is_open(at(2026, 11, 23, 8, 0))
    assert Hours(HoursRule(time_zone="Asia/Tokyo", monday=("09:00-17:00",))).is_open(at(2026, 11, 23, 0, 30))


def test_an_opening_more_than_a_week_away_has_its_date():
    days = tuple(f"2026-{month}" for month in ("11-30", "12-07"))
    rule = HoursRule(monday=("09:00-17:00",), closed=days)
    assert Hours(rule).when(at(2026, 11, 29, 12, 0)) == "on Monday 2026-12-14 at 09:00 (UTC)"


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"time_zone": "Mars/Olympus", "monday": ("09:00-17:00",)}, "a time zone .*'Mars/Olympus'"),
        ({"time_zone": "../etc/passwd", "monday": ("09:00-17:00",)}, "a time zone"),
        ({}, "hours on some day"),
        ({"monday": ("9-17",)}, "hours such as 09:00-17:30; got monday: '9-17'"),
        ({"monday": ("17:00-09:00",)}, "got monday"),
        ({"monday": ("09:00-25:00",)}, "got monday"),
        ({"monday": ("09:00-17:00",), "closed": ("Christmas",)}, "a date .*'Christmas'"),
    ],
)
def test_hours_that_make_no_sense_are_an_error(fields, told):
    with pytest.raises(ConfigError, match=told):
        Hours(HoursRule(**fields))
