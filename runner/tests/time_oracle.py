"""An oracle of time arithmetic on `zoneinfo`: sending windows, and delays that lead into them.

What it says where clocks change, which is what is documented:

* a local time that is skipped is as much later (02:30 is 03:30);
* of a local time that comes twice the second is meant, by a delay and by the start of a window;
* an end that comes twice closes at its first time, and one that is skipped where the clocks change;
* a local day that a zone leaves out counts as a calendar day and as a business day, and leads to
  the same time of the day behind it.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

DAY = timedelta(days=1)

#: A window that does not open in so many days is looked at again then.
HORIZON = 400

#: Zones with every kind of change: of an hour, of half an hour, at midnight, of a day, against the
#: season, none at all; with instants near their changes.
ZONES = {
    "UTC": ["2026-01-01T00:00"],
    "America/New_York": ["2026-03-08T07:00", "2026-11-01T06:00"],
    "America/Havana": ["2024-03-10T05:00", "2024-11-03T05:00"],
    "America/Nuuk": ["2024-03-31T01:00", "2024-10-27T01:00"],
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
class Delay:
    """Calendar days, business days, the local time of day, and what elapses behind them."""

    days: int = 0
    business_days: int = 0
    at: time | None = None
    elapsed: timedelta = timedelta()


NONE = Delay()


@dataclass(frozen=True)
class Case:
    """One question: from when, where, which windows, after which delay."""

    at: datetime
    zone: str
    windows: tuple[Window, ...] = ()
    holidays: tuple[date, ...] = ()
    delay: Delay = NONE

    def as_json(self) -> dict[str, object]:
        """As the statement reads it."""
        return {
            "at": self.at.isoformat(),
            "zone": self.zone,
            "weekdays": [sum(1 << day for day in w.days) for w in self.windows],
            "starts": [w.start.isoformat() for w in self.windows],
            "ends": [w.end.isoformat() if w.end else "24:00" for w in self.windows],
            "holidays": [day.isoformat() for day in self.holidays],
            "days": self.delay.days,
            "business_days": self.delay.business_days,
            "at_time": self.delay.at and self.delay.at.isoformat(),
            "elapsed": f"{self.delay.elapsed.total_seconds()} seconds",
        }


def first(local: datetime, zone: ZoneInfo) -> datetime:
    """The instant of a local time: the first of two; of a skipped one by the offset before."""
    return local.replace(tzinfo=zone, fold=0).astimezone(UTC)


def last(local: datetime, zone: ZoneInfo) -> datetime:
    """The instant of a local time: the second of two; of a skipped one by the offset before."""
    return max(first(local, zone), local.replace(tzinfo=zone, fold=1).astimezone(UTC))


def shown(at: datetime, zone: ZoneInfo) -> datetime:
    """What the clock on the wall shows."""
    return at.astimezone(zone).replace(tzinfo=None)


def opening(case: Case) -> datetime | None:
    """The earliest of the instant itself and all openings that is inside a window."""
    zone = ZoneInfo(case.zone)
    today = shown(case.at, zone).date()
    best: datetime | None = None
    for n in range(-2, HORIZON + 1):
        day = today + n * DAY
        for window in case.windows:
            if day.isoweekday() not in window.days or day in case.holidays:
                continue
            start, end = window.on(day)
            candidate = max(case.at, last(start, zone))
            if shown(candidate, zone) < end and candidate < first(end, zone):
                best = min(best or candidate, candidate)
        # far behind it: no day that follows can come before
        if best is not None and best < case.at + (n - 4) * DAY:
            break
    return best


def wanted(case: Case) -> datetime:
    """The instant to which the delay leads, whatever the windows are."""
    zone, delay = ZoneInfo(case.zone), case.delay
    if not delay.days and not delay.business_days and delay.at is None:
        return case.at + delay.elapsed
    local = shown(case.at, zone)
    day = local.date() + delay.days * DAY
    for _ in range(delay.business_days):
        day += DAY
        while day.isoweekday() > 5 or day in case.holidays:
            day += DAY
    clock = local.time() if delay.at is None else delay.at
    at = last(datetime.combine(day, clock), zone)
    if at < case.at:
        at = last(datetime.combine(day + DAY, clock), zone)
    return at + delay.elapsed


def planned(case: Case) -> datetime:
    """When the step is due."""
    at = wanted(case)
    if not case.windows:
        return at
    return opening(replace(case, at=at)) or at + HORIZON * DAY


def is_shown_inside(case: Case, at: datetime) -> bool:
    """Whether the clock on the wall is inside a window: no more than what a recipient sees."""
    if not case.windows:
        return True
    local = shown(at, ZoneInfo(case.zone))
    return any(
        day.isoweekday() in window.days and day not in case.holidays and start <= local < end
        for day in (local.date() - DAY, local.date())
        for window in case.windows
        for start, end in [window.on(day)]
    )


def _clock(source: random.Random) -> time:
    """Mostly full and half hours, where clocks change; often in the first ones of a day."""
    hour = source.randrange(4) if source.random() < 0.3 else source.randrange(24)
    return time(hour, source.choice([0, 0, 30, 15, 45, 59]))


def _window(source: random.Random) -> Window:
    """Any window: across midnight, of 24 hours, to the end of the day."""
    days = frozenset(source.sample(range(1, 8), source.choice([1, 2, 3, 5, 5, 7])))
    return Window(days, _clock(source), _clock(source) if source.random() < 0.8 else None)


def _delay(source: random.Random) -> Delay:
    """Each part often left out."""
    at = _clock(source) if source.random() < 0.4 else None
    return Delay(
        days=source.choice([0, 0, 0, 1, 1, 2, 3, 7, 30]),
        business_days=source.choice([0, 0, 0, 1, 1, 2, 3, 5, 10, 23]),
        at=at,
        elapsed=timedelta(minutes=0 if source.random() < 0.6 else source.randrange(4 * 1440)),
    )


def draw(source: random.Random) -> Case:
    """A question about an instant near a change of clocks, so many days before one, or anywhere."""
    zone = source.choice(list(ZONES))
    delay = _delay(source)
    if source.random() < 0.2:
        at = utc("2011-01-01T00:00") + timedelta(minutes=source.randrange(15 * 365 * 1440))
    else:
        spread = source.choice([2 * 60, 2 * 1440, 30 * 1440])
        at = utc(source.choice(ZONES[zone])) + timedelta(minutes=source.randint(-spread, spread))
        if source.random() < 0.6:
            at -= (delay.days + delay.business_days * 7 // 5) * DAY + delay.elapsed
    if source.random() < 0.2:
        at += timedelta(microseconds=source.randrange(60_000_000))
    windows = tuple(_window(source) for _ in range(source.choice([0, 1, 1, 1, 2, 3])))
    span = 9 + delay.days + delay.business_days * 7 // 5
    away = [source.randint(-2, span) for _ in range(source.choice([0, 0, 1, 3, 10]))]
    return Case(at, zone, windows, tuple(at.date() + n * DAY for n in away), delay)


def smaller(case: Case) -> Iterator[Case]:
    """The same question with less of something."""
    for n in range(len(case.windows)):
        yield replace(case, windows=case.windows[:n] + case.windows[n + 1 :])
    for n in range(len(case.holidays)):
        yield replace(case, holidays=case.holidays[:n] + case.holidays[n + 1 :])
    for part in ("days", "business_days", "at", "elapsed"):
        if getattr(case.delay, part) != getattr(NONE, part):
            yield replace(case, delay=replace(case.delay, **{part: getattr(NONE, part)}))
    for part in ("days", "business_days"):
        if getattr(case.delay, part) > 1:
            yield replace(case, delay=replace(case.delay, **{part: getattr(case.delay, part) - 1}))
    if case.at.microsecond or case.at.second:
        yield replace(case, at=case.at.replace(second=0, microsecond=0))
