"""Does the database say what the mail server saw? Compared message by message.

The server's log is evidence that the database had no part in: envelopes and Message-IDs as they
arrived over the wire, with the time on the virtual clock.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from zoneinfo import ZoneInfo


@dataclass(frozen=True)
class Delivery:
    """One message, as the server accepted it or as the database counts it sent."""

    message_id: str
    sender: str
    recipient: str
    at: datetime


@dataclass(frozen=True)
class Sender:
    """A mailbox and what it may send: ``limit_on(day, first_day)`` messages (null: any number)."""

    key: str
    address: str
    timezone: str
    daily_limit: int | None
    ramp_start: int | None
    ramp_increment: int | None

    def local_day(self, at: datetime) -> date:
        """The calendar day of the sender."""
        return at.astimezone(ZoneInfo(self.timezone)).date()

    def limit_on(self, day: date, first_day: date) -> int | None:
        """The most that may leave on ``day`` when the first message left on ``first_day``."""
        limits = [] if self.daily_limit is None else [self.daily_limit]
        if self.ramp_start is not None:
            age = max((day - first_day).days, 0)
            limits.append(self.ramp_start + (self.ramp_increment or 0) * age)
        return min(limits, default=None)


@dataclass(frozen=True)
class OfficeHours:
    """The sending window of the example, by the clock on the wall of each recipient."""

    weekdays: frozenset[int]
    start: time
    end: time
    holidays: frozenset[date]
    timezones: Mapping[str, str]
    default_timezone: str

    def shown_at(self, delivery: Delivery) -> datetime:
        """What the recipient's clock showed."""
        zone = self.timezones.get(delivery.recipient) or self.default_timezone
        return delivery.at.astimezone(ZoneInfo(zone))

    def contain(self, delivery: Delivery) -> bool:
        """Whether the message arrived while the window was open."""
        shown = self.shown_at(delivery)
        return (
            shown.isoweekday() in self.weekdays
            and shown.date() not in self.holidays
            and self.start <= shown.time() < self.end
        )


@dataclass(frozen=True)
class Finding:
    """One line of the check: what was compared, with figures, and what is wrong (none: agreed)."""

    claim: str
    problems: Sequence[str]

    @property
    def holds(self) -> bool:
        """Whether the claim is true."""
        return not self.problems


def compare_deliveries(
    server: Sequence[Delivery], database: Sequence[Delivery], whose: str = "the server"
) -> Iterable[Finding]:
    """Both sides name the same messages, each once, with the same sender, recipient and time."""
    seen = Counter(delivery.message_id for delivery in server)
    yield Finding(
        f"{whose} accepted {len(seen):,} messages, none of them twice",
        [f"{message_id} arrived {times} times" for message_id, times in seen.items() if times > 1],
    )
    recorded = {delivery.message_id: delivery for delivery in database}
    yield Finding(
        f"each of the {len(recorded):,} messages sent in the database is in {whose}'s log",
        [f"{each} is not in {whose}'s log" for each in recorded.keys() - seen.keys()],
    )
    yield Finding(
        f"each of the {len(seen):,} messages in {whose}'s log is sent in the database",
        [f"{each} is not in the database" for each in seen.keys() - recorded.keys()],
    )
    both = [(each, recorded[each.message_id]) for each in server if each.message_id in recorded]
    yield Finding(
        "sender, recipient and time agree for every one of them",
        [f"{ours} was received as {theirs}" for theirs, ours in both if theirs != ours],
    )


def compare_sets(
    claim: str, server: Iterable[str], database: Iterable[str], what: Callable[[str], str] = str
) -> Finding:
    """The same members on both sides."""
    left, right = set(server), set(database)
    return Finding(
        claim,
        [f"{what(each)}: only the server says so" for each in sorted(left - right)]
        + [f"{what(each)}: only the database says so" for each in sorted(right - left)],
    )


def per_sender_and_day(
    deliveries: Iterable[Delivery], senders: Sequence[Sender]
) -> dict[str, Counter[date]]:
    """Messages by sender key and by the sender's own calendar day."""
    by_address = {sender.address: sender for sender in senders}
    counts: defaultdict[str, Counter[date]] = defaultdict(Counter)
    for delivery in deliveries:
        sender = by_address[delivery.sender]
        counts[sender.key][sender.local_day(delivery.at)] += 1
    return dict(counts)


def check_limits(counts: Mapping[str, Counter[date]], senders: Sequence[Sender]) -> Finding:
    """No sender exceeded its limit on any of its days, counted by the server."""
    problems: list[str] = []
    full_days = 0
    for sender in senders:
        days = counts.get(sender.key)
        if not days:
            continue
        first = min(days)
        for day, sent in sorted(days.items()):
            limit = sender.limit_on(day, first)
            if limit is not None and sent > limit:
                problems.append(f"{sender.key} sent {sent} on {day}, its limit was {limit}")
            full_days += sent == limit
    return Finding(
        f"no sender exceeded its daily limit (used up on {full_days} days, never passed)", problems
    )


def check_hours(deliveries: Sequence[Delivery], hours: OfficeHours) -> Finding:
    """Nobody was written to outside the window, by the server's log and the recipient's clock."""
    zones = {hours.timezones.get(each.recipient) or hours.default_timezone for each in deliveries}
    return Finding(
        f"every message arrived in the sending window of its recipient, in {len(zones)} time zones",
        [
            f"{each.recipient} got {each.message_id} at {hours.shown_at(each):%A %d %B %H:%M %Z}"
            for each in deliveries
            if not hours.contain(each)
        ],
    )


def check_rotation(
    deliveries: Iterable[Delivery], weights: Mapping[str, int], tolerance: float = 0.06
) -> Iterable[Finding]:
    """Each recipient has one sender; senders have recipients by their weights (by address)."""
    senders: defaultdict[str, set[str]] = defaultdict(set)
    for delivery in deliveries:
        senders[delivery.recipient].add(delivery.sender)
    yield Finding(
        f"each of the {len(senders):,} recipients heard from one sender only",
        [
            f"{recipient} heard from {', '.join(sorted(each))}"
            for recipient, each in senders.items()
            if len(each) > 1
        ],
    )
    recipients = Counter(sender for each in senders.values() for sender in each)
    total, whole = recipients.total(), sum(weights.values())
    yield Finding(
        "the senders share the recipients by their weights ("
        + ", ".join(f"{recipients[sender]:,}" for sender in weights)
        + ")",
        [
            f"{sender} has {recipients[sender]:,} of {total:,} recipients, its weight is"
            f" {weight} of {whole}"
            for sender, weight in weights.items()
            if abs(recipients[sender] / max(total, 1) - weight / whole) > tolerance
        ],
    )
