"""The arithmetic of windows beside an oracle written on `zoneinfo`.

Where clocks change, the oracle says what is documented: a skipped start opens as much later,
a start that comes twice opens at its second time, an end that comes twice closes at its first one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.types.json import Jsonb

DAY = timedelta(days=1)

#: Zones with every kind of change: of an hour, of half an hour, at midnight, of a day, against the
#: season, none at all; with instants near their changes.
ZONES = {
    "UTC": ["2026-01-01T00:00"],
    "America/New_York": ["2026-03-08T07:00", "2026-11-01T06:00"],
    "Europe/Berlin": ["2026-03-29T01:00", "2026-10-25T01:00"],
    "Europe/Dublin": ["2026-03-29T01:00", "2026-10-25T01:00"],
    "Africa/Cairo": ["2024-04-25T22:00", "2024-10-31T21:00"],
    "America/Santiago": ["2024-04-07T03:00", "2024-09-08T04:00"],
    "Australia/Lord_Howe": ["2026-04-04T15:00", "2026-10-03T15:30"],
    "Pacific/Apia": ["2011-12-30T10:00", "2020-04-04T14:00"],
    "Pacific/Auckland": ["2026-04-04T14:00", "2026-09-26T14:00"],
    "Asia/Tokyo": ["2026-05-01T00:00"],
    "Asia/Kathmandu": ["2026-05-01T00:00"],
    "America/St_Johns": ["2026-03-08T05:30", "2026-11-01T04:30"],
    "America/Sao_Paulo": ["2018-11-04T03:00", "2019-02-17T02:00"],
    "Africa/Casablanca": ["2024-03-10T02:00", "2024-04-14T02:00"],
    "Asia/Gaza": ["2022-03-26T22:00", "2022-10-28T23:00"],
    "Antarctica/Troll": ["2024-03-31T01:00", "2024-10-27T01:00"],
    "Pacific/Kiritimati": ["1994-12-31T10:00"],
}


def utc(text: str) -> datetime:
    """An instant."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@dataclass(frozen=True)
class Window:
    """Weekdays (ISO), start and end; an end of 24:00 is `None`."""

    days: frozenset[int]
    start: time
    end: time | None

    def on(self, day: date) -> tuple[datetime, datetime]:
        """Start and end by the clock on the wall of the window of a day."""
        start = datetime.combine(day, self.start)
        if self.end is None:
            return start, datetime.combine(day + DAY, time())
        return start, datetime.combine(day if self.end > self.start else day + DAY, self.end)


@dataclass(frozen=True)
class Case:
    """One question: from when, where, which windows."""

    at: datetime
    zone: str
    windows: tuple[Window, ...]
    holidays: tuple[date, ...] = ()

    def as_json(self) -> dict[str, object]:
        """As the statement reads it."""
        return {
            "at": self.at.isoformat(),
            "zone": self.zone,
            "weekdays": [sum(1 << day for day in w.days) for w in self.windows],
            "starts": [w.start.isoformat() for w in self.windows],
            "ends": [w.end.isoformat() if w.end else "24:00" for w in self.windows],
            "holidays": [day.isoformat() for day in self.holidays],
        }


def first(local: datetime, zone: ZoneInfo) -> datetime:
    """The instant of a local time: the first of two; of a skipped one by the offset before."""
    return local.replace(tzinfo=zone, fold=0).astimezone(UTC)


def last(local: datetime, zone: ZoneInfo) -> datetime:
    """The instant of a local time: the second of two; of a skipped one by the offset before."""
    return max(first(local, zone), local.replace(tzinfo=zone, fold=1).astimezone(UTC))


def expected(case: Case, days: int = 400) -> datetime | None:
    """The earliest of the instant itself and all openings that is inside a window."""
    zone = ZoneInfo(case.zone)
    today = case.at.astimezone(zone).date()
    best: datetime | None = None
    for n in range(-2, days + 1):
        day = today + n * DAY
        for window in case.windows:
            if day.isoweekday() not in window.days or day in case.holidays:
                continue
            start, end = window.on(day)
            candidate = max(case.at, last(start, zone))
            shown = candidate.astimezone(zone).replace(tzinfo=None)
            if shown < end and candidate < first(end, zone):
                best = min(best or candidate, candidate)
        # far behind it: no day that follows can come before
        if best is not None and best < case.at + (n - 4) * DAY:
            break
    return best


def shown_inside(case: Case, at: datetime) -> bool:
    """Whether the clock on the wall is inside a window: no more than what a recipient sees."""
    shown = at.astimezone(ZoneInfo(case.zone)).replace(tzinfo=None)
    for day in (shown.date() - DAY, shown.date()):
        for window in case.windows:
            start, end = window.on(day)
            if (
                day.isoweekday() in window.days
                and day not in case.holidays
                and start <= shown < end
            ):
                return True
    return False


def answers(connection: psycopg.Connection, cases: list[Case]) -> list[datetime | None]:
    """What the database says, in the order of the cases."""
    rows = connection.execute(
        "select drip_core._next_open(c.at, c.zone, c.weekdays, c.starts, c.ends, c.holidays)"
        " from rows from (jsonb_to_recordset(%s) as (at timestamptz, zone text, weekdays int[],"
        " starts time[], ends time[], holidays date[])) with ordinality"
        " as c (at, zone, weekdays, starts, ends, holidays, ordinal) order by c.ordinal",
        (Jsonb([case.as_json() for case in cases]),),
    ).fetchall()
    return [row[0] for row in rows]


def quarter(draw: st.DrawFn) -> time:
    """Mostly full and half hours, where clocks change."""
    return time(draw(st.integers(0, 23)), draw(st.sampled_from([0, 0, 30, 15, 45, 59])))


@st.composite
def windows(draw: st.DrawFn) -> Window:
    """Any window: across midnight, of 24 hours, to the end of the day."""
    days = draw(st.frozensets(st.integers(1, 7), min_size=1))
    return Window(days, quarter(draw), draw(st.one_of(st.none(), st.composite(quarter)())))


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """An instant near a change of clocks or anywhere in a decade."""
    zone = draw(st.sampled_from(sorted(ZONES)))
    near = utc(draw(st.sampled_from(ZONES[zone])))
    spread = draw(st.sampled_from([2 * 60, 2 * 1440, 30 * 1440]))
    at = near + timedelta(minutes=draw(st.integers(-spread, spread)))
    some = tuple(draw(st.lists(windows(), min_size=1, max_size=3)))
    away = draw(st.lists(st.integers(-2, 9), max_size=4))
    return Case(at, zone, some, tuple(at.date() + n * DAY for n in away))


@pytest.fixture
def connection(shared_database: str) -> Iterator[psycopg.Connection]:
    """Plain reads, in UTC."""
    with psycopg.connect(shared_database, autocommit=True) as connection:
        connection.execute("set timezone = 'UTC'")
        yield connection


def compare(connection: psycopg.Connection, batch: list[Case]) -> None:
    """One call for all of them."""
    for case, answer in zip(batch, answers(connection, batch), strict=True):
        assert answer == expected(case), case
        if answer is not None:
            assert shown_inside(case, answer), case
            assert answer >= case.at


COMMON: dict[str, Any] = {
    "deadline": None,
    "print_blob": True,
    "suppress_health_check": list(HealthCheck),
}


@settings(max_examples=25, derandomize=True, **COMMON)
@given(batch=st.lists(cases(), min_size=20, max_size=20))
def test_X5_windows_open_when_the_oracle_says(
    connection: psycopg.Connection, batch: list[Case]
) -> None:
    compare(connection, batch)


@pytest.mark.slow
@pytest.mark.timeout(900)
@settings(max_examples=1_000, **COMMON)
@given(batch=st.lists(cases(), min_size=20, max_size=20))
def test_X5_windows_open_20_000_times_when_the_oracle_says(
    connection: psycopg.Connection, batch: list[Case]
) -> None:
    compare(connection, batch)


WEEK = frozenset({1, 2, 3, 4, 5})
FRIDAY = frozenset({5})
SUNDAY = frozenset({7})
ALL = frozenset(range(1, 8))
OFFICE = Window(WEEK, time(9), time(17))

#: What is asked, and the answer, in UTC.
REGRESSIONS = {
    "Tokyo asked on Friday evening": (
        Case(utc("2026-05-01T09:00"), "Asia/Tokyo", (OFFICE,)),
        utc("2026-05-04T00:00"),
    ),
    "Tokyo asked on Friday while it is Thursday in UTC": (
        Case(utc("2026-04-30T23:30"), "Asia/Tokyo", (OFFICE,)),
        utc("2026-05-01T00:00"),
    ),
    "New York at nine before the clocks go forward": (
        Case(utc("2026-03-07T23:00"), "America/New_York", (Window(ALL, time(9), time(17)),)),
        utc("2026-03-08T13:00"),
    ),
    "New York at nine before the clocks go back": (
        Case(utc("2026-10-31T22:00"), "America/New_York", (Window(ALL, time(9), time(17)),)),
        utc("2026-11-01T14:00"),
    ),
    "Friday night belongs to Friday": (
        Case(utc("2026-05-02T05:00"), "America/New_York", (Window(FRIDAY, time(22), time(2)),)),
        utc("2026-05-02T05:00"),
    ),
    "Friday night is over at two": (
        Case(utc("2026-05-02T06:00"), "America/New_York", (Window(FRIDAY, time(22), time(2)),)),
        utc("2026-05-09T02:00"),
    ),
    "Apia had no Friday": (
        Case(utc("2011-12-30T09:00"), "Pacific/Apia", (Window(FRIDAY, time(9), time(17)),)),
        utc("2012-01-05T19:00"),
    ),
    "Lord Howe skips half an hour": (
        Case(utc("2026-10-03T15:00"), "Australia/Lord_Howe", (Window(ALL, time(2, 15), time(5)),)),
        utc("2026-10-03T15:45"),
    ),
    "a start in the gap opens later": (
        Case(utc("2026-03-08T05:00"), "America/New_York", (Window(ALL, time(2, 30), time(5)),)),
        utc("2026-03-08T07:30"),
    ),
    "a window inside the gap is empty that day": (
        Case(utc("2026-03-08T05:00"), "America/New_York", (Window(SUNDAY, time(2), time(3)),)),
        utc("2026-03-15T06:00"),
    ),
    "a window that opens behind its end is lost that day": (
        Case(
            utc("2026-03-08T05:00"), "America/New_York", (Window(SUNDAY, time(2, 30), time(3, 15)),)
        ),
        utc("2026-03-15T06:30"),
    ),
    "a start that comes twice opens at its second time": (
        Case(utc("2026-11-01T04:00"), "America/New_York", (Window(ALL, time(1, 30), time(5)),)),
        utc("2026-11-01T06:30"),
    ),
    "an end that comes twice closes at its first time": (
        Case(utc("2026-11-01T05:40"), "America/New_York", (Window(ALL, time(22), time(1, 30)),)),
        utc("2026-11-02T03:00"),
    ),
    "an end in the gap closes where the clocks change": (
        Case(utc("2026-03-08T07:05"), "America/New_York", (Window(ALL, time(22), time(2, 30)),)),
        utc("2026-03-09T02:00"),
    ),
    "a holiday and the weekend behind it": (
        Case(utc("2026-12-24T23:00"), "America/New_York", (OFFICE,), (date(2026, 12, 25),)),
        utc("2026-12-28T14:00"),
    ),
    "the end is exclusive": (
        Case(utc("2026-05-01T21:00"), "America/New_York", (OFFICE,)),
        utc("2026-05-04T13:00"),
    ),
    "to the end of the day": (
        Case(utc("2026-05-01T21:59"), "Europe/Berlin", (Window(FRIDAY, time(), None),)),
        utc("2026-05-01T21:59"),
    ),
    "the same time twice is 24 hours": (
        Case(utc("2026-05-01T06:00"), "Europe/Berlin", (Window(FRIDAY, time(9), time(9)),)),
        utc("2026-05-01T07:00"),
    ),
}


@pytest.mark.parametrize("name", REGRESSIONS)
def test_X5_a_window_opens(connection: psycopg.Connection, name: str) -> None:
    case, answer = REGRESSIONS[name]
    compare(connection, [case])
    assert expected(case) == answer


def test_X5_windows_that_never_open_are_null(connection: psycopg.Connection) -> None:
    start = date(2026, 1, 1)
    at = datetime(2026, 1, 1, 12, tzinfo=UTC)
    never = Case(
        at, "UTC", (Window(ALL, time(9), time(17)),), tuple(start + n * DAY for n in range(500))
    )
    assert answers(connection, [never, Case(at, "UTC", ())]) == [None, None]
