"""Sending windows and delays beside an oracle written on `zoneinfo`: see `time_oracle`."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from psycopg.types.json import Jsonb

from time_oracle import (
    DAY,
    Case,
    Delay,
    Window,
    draw,
    is_shown_inside,
    opening,
    planned,
    smaller,
    utc,
)

#: Questions in one call of the database.
BATCH = 500

ANSWERS = """
select
  drip_core._plan_step(
    c.at, c.elapsed, c.days, c.business_days, c.at_time,
    c.zone, c.weekdays, c.starts, c.ends, c.holidays
  )
from rows from (
  jsonb_to_recordset(%s) as (
    at timestamptz, zone text, weekdays int[], starts time[], ends time[], holidays date[],
    days int, business_days int, at_time time, elapsed interval
  )
) with ordinality as c (
  at, zone, weekdays, starts, ends, holidays, days, business_days, at_time, elapsed, ordinal
)
order by c.ordinal
"""


def answers(connection: psycopg.Connection, cases: list[Case]) -> list[datetime]:
    """What the database says, in the order of the cases."""
    rows = connection.execute(ANSWERS, (Jsonb([case.as_json() for case in cases]),)).fetchall()
    return [row[0] for row in rows]


def is_right(case: Case, answer: datetime) -> bool:
    """Whether the oracle says so, and a recipient's clock says that it is inside the window."""
    return (
        answer == planned(case)
        and answer >= case.at
        and (is_shown_inside(case, answer) or opening(case) is None)
    )


def compare(connection: psycopg.Connection, cases: list[Case]) -> None:
    """All of them in one call; of what differs the first, with nothing in it that is not needed."""
    differs = [
        case
        for case, answer in zip(cases, answers(connection, cases), strict=True)
        if not is_right(case, answer)
    ]
    while differs:
        case = differs[0]
        fewer = list(smaller(case))
        differs = [
            other
            for other, answer in zip(fewer, answers(connection, fewer), strict=True)
            if not is_right(other, answer)
        ]
        if not differs:
            (answer,) = answers(connection, [case])
            pytest.fail(f"{case!r}\n  answer {answer}\n  oracle {planned(case)}")


@pytest.fixture
def connection(shared_database: str) -> Iterator[psycopg.Connection]:
    """Plain reads, in UTC."""
    with psycopg.connect(shared_database, autocommit=True) as connection:
        connection.execute("set timezone = 'UTC'")
        yield connection


def compare_many(connection: psycopg.Connection, count: int, **options: Any) -> None:
    """So many questions that are drawn from seeds: a seed is drawn, not each part of a question."""
    asked = 0

    # a seed that is smaller makes no smaller question
    @settings(
        max_examples=count // BATCH,
        deadline=None,
        phases=[Phase.reuse, Phase.generate],
        suppress_health_check=list(HealthCheck),
        **options,
    )
    @given(seed=st.integers(0, 2**64 - 1))
    def compare_batch(seed: int) -> None:
        nonlocal asked
        source = random.Random(seed)  # noqa: S311 - questions, no secrets
        compare(connection, [draw(source) for _ in range(BATCH)])
        asked += BATCH

    compare_batch()
    assert asked >= count


def test_X5_plans_are_those_of_the_oracle_and_never_outside_their_window(
    connection: psycopg.Connection,
) -> None:
    compare_many(connection, 2_000, derandomize=True)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_X5_100_000_plans_are_those_of_the_oracle_and_never_outside_their_window(
    connection: psycopg.Connection,
) -> None:
    compare_many(connection, 100_000, print_blob=True)


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
    "a window of yesterday is open until the evening": (
        Case(
            utc("2026-05-03T00:15"), "America/New_York", (Window(FRIDAY, time(21), time(20, 30)),)
        ),
        utc("2026-05-03T00:15"),
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
    "behind half a year of holidays": (
        Case(
            utc("2026-01-01T12:00"),
            "UTC",
            (OFFICE,),
            tuple(date(2026, 1, 1) + n * DAY for n in range(180)),
        ),
        utc("2026-06-30T09:00"),
    ),
    "Nuuk moves a start behind midnight, and the next day opens before": (
        Case(
            utc("2024-03-30T20:00"),
            "America/Nuuk",
            (
                Window(frozenset({6}), time(23, 30), time(6)),
                Window(SUNDAY, time(0, 10), time(6)),
            ),
        ),
        utc("2024-03-31T01:10"),
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


NINE = Delay(days=1, at=time(9))
NEW_YEAR = (date(2026, 12, 25), date(2026, 12, 31), date(2027, 1, 1))

#: Delays, most of them without a window: what is asked, and the answer, in UTC.
DELAYS = {
    "New York nine o'clock stays nine as the clocks go forward": (
        Case(utc("2026-03-07T14:00"), "America/New_York", delay=Delay(days=1)),
        utc("2026-03-08T13:00"),
    ),
    "New York nine o'clock stays nine as the clocks go back": (
        Case(utc("2026-10-31T13:00"), "America/New_York", delay=Delay(days=1)),
        utc("2026-11-01T14:00"),
    ),
    "New York next day at nine as the clocks go forward": (
        Case(utc("2026-03-08T01:30"), "America/New_York", delay=NINE),
        utc("2026-03-08T13:00"),
    ),
    "New York next day at nine as the clocks go back": (
        Case(utc("2026-11-01T01:30"), "America/New_York", delay=NINE),
        utc("2026-11-01T14:00"),
    ),
    "hours elapse while the clocks change": (
        Case(utc("2026-03-07T14:00"), "America/New_York", delay=Delay(elapsed=timedelta(hours=24))),
        utc("2026-03-08T14:00"),
    ),
    "Tokyo two business days from Friday morning while it is Thursday in UTC": (
        Case(utc("2026-04-30T23:30"), "Asia/Tokyo", delay=Delay(business_days=2)),
        utc("2026-05-04T23:30"),
    ),
    "from Friday the next business day is Monday": (
        Case(utc("2026-05-01T12:00"), "UTC", delay=Delay(business_days=1)),
        utc("2026-05-04T12:00"),
    ),
    "from Saturday the next business day is Monday": (
        Case(utc("2026-05-02T12:00"), "UTC", delay=Delay(business_days=1)),
        utc("2026-05-04T12:00"),
    ),
    "from Sunday five business days are over on Friday": (
        Case(utc("2026-05-03T12:00"), "UTC", delay=Delay(business_days=5)),
        utc("2026-05-08T12:00"),
    ),
    "ten business days are two weeks": (
        Case(utc("2026-05-06T12:00"), "UTC", delay=Delay(business_days=10)),
        utc("2026-05-20T12:00"),
    ),
    "business days of eight years with a holiday in each month": (
        Case(
            utc("2026-01-02T12:00"),
            "UTC",
            holidays=tuple(date(y, m, 13) for y in range(2026, 2036) for m in range(1, 13)),
            delay=Delay(business_days=2_000),
        ),
        utc("2033-12-06T12:00"),
    ),
    "holidays are no business days and weekends count once": (
        Case(
            utc("2026-12-24T12:00"),
            "UTC",
            holidays=(*NEW_YEAR, date(2026, 12, 26), date(2026, 12, 25)),
            delay=Delay(business_days=4),
        ),
        utc("2027-01-04T12:00"),
    ),
    "calendar days come before business days": (
        Case(utc("2026-05-01T12:00"), "UTC", delay=Delay(days=1, business_days=1)),
        utc("2026-05-04T12:00"),
    ),
    "at a time that is still to come is today": (
        Case(utc("2026-05-01T06:59"), "Europe/Berlin", delay=Delay(at=time(9))),
        utc("2026-05-01T07:00"),
    ),
    "at the very time is now": (
        Case(utc("2026-05-01T07:00"), "Europe/Berlin", delay=Delay(at=time(9))),
        utc("2026-05-01T07:00"),
    ),
    "at a time that is past is tomorrow": (
        Case(utc("2026-05-01T07:01"), "Europe/Berlin", delay=Delay(at=time(9))),
        utc("2026-05-02T07:00"),
    ),
    "at a time in the gap is an hour later": (
        Case(utc("2026-03-28T12:00"), "Europe/Berlin", delay=Delay(days=1, at=time(2, 30))),
        utc("2026-03-29T01:30"),
    ),
    "at a time that comes twice is the second": (
        Case(utc("2026-10-24T12:00"), "Europe/Berlin", delay=Delay(days=1, at=time(2, 30))),
        utc("2026-10-25T01:30"),
    ),
    "Apia had no Friday to wait for": (
        Case(utc("2011-12-29T20:00"), "Pacific/Apia", delay=Delay(days=1)),
        utc("2011-12-30T20:00"),
    ),
    "Apia counts the Friday it had not": (
        Case(utc("2011-12-29T20:00"), "Pacific/Apia", delay=Delay(business_days=2)),
        utc("2012-01-01T20:00"),
    ),
    "Lord Howe skips half an hour of a day later": (
        Case(utc("2026-10-02T15:45"), "Australia/Lord_Howe", delay=Delay(days=1)),
        utc("2026-10-03T15:45"),
    ),
    "a delay into a weekend waits for the window": (
        Case(utc("2026-05-01T21:00"), "Asia/Tokyo", (OFFICE,), delay=Delay(days=1)),
        utc("2026-05-04T00:00"),
    ),
    "a window whose zone is ahead of UTC asks its own weekday": (
        Case(utc("2026-05-03T23:00"), "Asia/Tokyo", (Window(SUNDAY, time(9), time(17)),)),
        utc("2026-05-10T00:00"),
    ),
}


@pytest.mark.parametrize("name", REGRESSIONS)
def test_X5_a_window_opens(connection: psycopg.Connection, name: str) -> None:
    case, answer = REGRESSIONS[name]
    assert answers(connection, [case]) == [answer]
    compare(connection, [case])


@pytest.mark.parametrize("name", DELAYS)
def test_X5_a_delay_leads_to(connection: psycopg.Connection, name: str) -> None:
    case, answer = DELAYS[name]
    assert answers(connection, [case]) == [answer]
    compare(connection, [case])


def test_X5_a_window_that_never_opens_is_looked_at_again(connection: psycopg.Connection) -> None:
    start = date(2026, 1, 1)
    at = datetime(2026, 1, 1, 12, tzinfo=UTC)
    never = Case(
        at, "UTC", (Window(ALL, time(9), time(17)),), tuple(start + n * DAY for n in range(500))
    )
    assert opening(never) is None
    compare(connection, [never])
    (answer,) = answers(connection, [never])
    assert answer == at + 400 * DAY


def test_steps_without_window_and_business_days_are_planned_in_line(
    connection: psycopg.Connection,
) -> None:
    rows = connection.execute(
        "explain (verbose) select drip_core._plan_step(c.created_at, s.delay_elapsed, s.delay_days,"
        " s.delay_business_days, s.delay_at, coalesce(w.timezone, c.timezone, o.timezone),"
        " w.weekdays, w.starts, w.ends, w.holidays)"
        " from drip_core.steps as s, drip_core.contacts as c, drip_core.organizations as o,"
        " drip_core._sending_windows(1, 'email') as w"
    ).fetchall()
    plan = "\n".join(row[0] for row in rows)
    assert "_plan_local" in plan
    assert "_plan_step" not in plan


@pytest.mark.parametrize("zone", ["UTC+3", "FOO3", "+03", "Mars/Olympus", "america/new york", ""])
def test_X4_what_is_no_zone_name_is_refused(connection: psycopg.Connection, zone: str) -> None:
    with pytest.raises(psycopg.Error) as problem, connection.transaction():
        connection.execute("select drip.create_organization('Org', timezone => %s)", (zone,))
    assert problem.value.sqlstate == "PT422"
