"""The lifecycle of enrollments as the design states it: a model without a database.

Times are whole microseconds since 1970. Where the design leaves a choice to the engine (which due
messages a claim takes, the length of a random gap, the sender of a new enrollment) the model says
what is allowed, and the test tells it what was chosen. Methods that change something assume that
the caller has checked that they may; `now` is the instant at which they happen.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

MINUTE = 60_000_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR

OPEN = ("active", "paused")
ENDS_AS = {
    "opted_out": "unsubscribed",
    "invalid_address": "bounced",
    "no_address": "failed",
    "rejected_content": "failed",
    "rejected_policy": "failed",
    "retries_exhausted": "failed",
}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def instant(moment: int) -> datetime:
    """The point in time of `moment`."""
    return _EPOCH + timedelta(microseconds=moment)


def microseconds(moment: datetime) -> int:
    """The inverse of `instant`."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


@dataclass
class Lane:
    """A channel account and its lane. `slot` is the range in which the next slot begins."""

    id: int
    key: str
    channel: str
    zone: str
    daily_limit: int | None = None
    ramp: tuple[int, int] | None = None
    gap: tuple[int, int] | None = None
    on_unknown: str = "hold"
    status: str = "active"
    slot: tuple[int, int] | None = None
    day: date | None = None
    first_day: date | None = None
    sent: Counter[date] = field(default_factory=Counter)

    def local_day(self, now: int) -> date:
        """The day of the counter were the lane used at `now`: it moves only forward."""
        today = instant(now).astimezone(ZoneInfo(self.zone)).date()
        return today if self.day is None else max(self.day, today)

    def limit_on(self, day: date) -> int | None:
        """Messages of a local day: the daily limit and the ramp, whichever is lower."""
        limits = [] if self.daily_limit is None else [self.daily_limit]
        if self.ramp is not None:
            start, increment = self.ramp
            limits.append(start + increment * (day - (self.first_day or day)).days)
        return min(limits, default=None)

    def midnights(self, after: int, count: int) -> Iterator[int]:
        """The beginnings of the lane's next local days after an instant."""
        zone = ZoneInfo(self.zone)
        today = instant(after).astimezone(zone).date()
        for days in range(1, count + 1):
            day = today + timedelta(days=days)
            yield microseconds(datetime(day.year, day.month, day.day, tzinfo=zone))

    def wait_until(self, earliest: int, latest: int) -> None:
        """The next slot is not before an instant that lies in a range."""
        low, high = self.slot or (earliest, latest)
        self.slot = (max(low, earliest), max(high, latest))

    def restart_gap(self, now: int) -> None:
        """Next slot = settled time (or lease expiry) + random gap."""
        if self.gap is not None:
            self.wait_until(now + self.gap[0], now + self.gap[1])


@dataclass(frozen=True)
class Step:
    """A step: its channel and the delay before it."""

    channel: str
    delay: int


@dataclass(frozen=True)
class Version:
    """An immutable version. `senders` has the lanes that each channel may use."""

    steps: tuple[Step, ...]
    backoff: tuple[int, ...]
    reentry: str
    cooling: int
    senders: dict[str, frozenset[int]]

    @property
    def channels(self) -> list[str]:
        return list(dict.fromkeys(step.channel for step in self.steps))


@dataclass
class Sequence:
    """A sequence; the last version is the one that new enrollments follow."""

    id: int
    key: str
    status: str = "active"
    versions: list[Version] = field(default_factory=list)


@dataclass
class Contact:
    """A person with an address for each channel, or none."""

    id: int
    addresses: dict[str, str | None]
    opted_out: set[str] = field(default_factory=set)


@dataclass
class Message:
    """A settled message."""

    status: str
    reason: str | None
    attempts: int
    day: date
    lane_id: int


@dataclass
class Enrollment:
    """One contact going through one version. A held one has a token but neither lease nor clock."""

    id: int
    sequence: Sequence
    version: Version
    contact: Contact
    senders: dict[str, Lane]
    next_at: int | None
    step_no: int | None = 1
    status: str = "active"
    reason: str | None = None
    ended_at: int | None = None
    attempt: int = 0
    token: int | None = None
    lease: int | None = None
    handed_over: bool = False
    held: bool = False
    to_address: str | None = None
    # the channel of the step where it stands; an ended one keeps its step
    channel: str = ""
    events: Counter[str] = field(default_factory=Counter)
    messages: dict[int, Message] = field(default_factory=dict)

    @property
    def lane(self) -> Lane:
        return self.senders[self.channel]

    @property
    def is_open(self) -> bool:
        return self.status in OPEN

    @property
    def is_due_some_day(self) -> bool:
        """It is in the due set of an open queue, today or later."""
        return self.status == "active" and self.sequence.status == "active" and not self.held

    @property
    def would_be_held(self) -> bool:
        """Whether the expiry of its lease leaves an unknown outcome."""
        return self.handed_over and self.lane.on_unknown == "hold"


class Model:
    """All that one organization has."""

    def __init__(self) -> None:
        self.lanes: dict[int, Lane] = {}
        self.sequences: list[Sequence] = []
        self.contacts: list[Contact] = []
        self.enrollments: dict[int, Enrollment] = {}
        self.suppressed: dict[tuple[str, str], str] = {}
        self.late_results = 0

    # ------------------------------------------------------------------------------ enrolling

    def enroll_outcome(self, sequence: Sequence, contact: Contact, now: int) -> str:
        """The typed answer to enrolling a contact."""
        version = sequence.versions[-1]
        entries = [
            e for e in self.enrollments.values() if e.sequence is sequence and e.contact is contact
        ]
        blocks = {
            self.suppressed.get((channel, contact.addresses[channel] or ""))
            for channel in version.channels
        }
        if any(e.is_open for e in entries):
            return "already_active"
        if sequence.status != "active":
            return "sequence_not_active"
        if "invalid_address" in blocks:
            return "bounced"
        if "opted_out" in blocks or contact.opted_out.intersection(version.channels):
            return "opted_out"
        if entries and version.reentry == "never":
            return "already_finished"
        if entries and version.reentry == "after":
            last = max(e.ended_at or 0 for e in entries)
            if last + version.cooling > now:
                return "cooling_down"
        if not any(contact.addresses[channel] for channel in version.channels):
            return "no_address"
        return "enrolled"

    def enroll(
        self,
        enrollment_id: int,
        sequence: Sequence,
        contact: Contact,
        senders: dict[str, Lane],
        start: int,
    ) -> None:
        """A new enrollment at the first step, `active`, with its event."""
        version = sequence.versions[-1]
        first = version.steps[0]
        self.enrollments[enrollment_id] = Enrollment(
            id=enrollment_id,
            sequence=sequence,
            version=version,
            contact=contact,
            senders=senders,
            next_at=start + first.delay,
            channel=first.channel,
            events=Counter(["enrolled"]),
        )

    def allowed_senders(self, version: Version, channel: str) -> frozenset[int]:
        """Listed senders; without any, the active accounts of the channel."""
        if version.senders.get(channel):
            return version.senders[channel]
        candidates = [lane.id for lane in self.lanes.values() if lane.channel == channel]
        # "its enrollments wait, unharmed": with every sender stopped, any of them will do
        return frozenset(self.active_lanes(channel) or candidates)

    def active_lanes(self, channel: str) -> list[int]:
        """The lanes that serve a channel for which a version lists no sender."""
        lanes = self.lanes.values()
        return [lane.id for lane in lanes if lane.channel == channel and lane.status == "active"]

    # --------------------------------------------------------------------- statuses and facts

    def change_status(self, e: Enrollment, status: str, reason: str | None, now: int) -> None:
        """Status changes cannot happen without an event; a terminal one has no clock."""
        e.status, e.reason = status, reason
        event = "resumed" if status == "active" else status
        e.events[event if reason is None else f"{event}:{reason}"] += 1
        if status not in OPEN:
            e.next_at = None
            e.ended_at = now

    def resume(self, e: Enrollment, now: int) -> None:
        """Keeps a future clock, makes a past one due now, never what is leased or held."""
        self.change_status(e, "active", None, now)
        if e.token is None and e.next_at is not None:
            e.next_at = max(e.next_at, now)

    def change_sequence(self, sequence: Sequence, status: str, now: int) -> None:
        """`archived`: open ones become exited; other statuses touch no enrollment."""
        sequence.status = status
        if status == "archived":
            for e in self.enrollments.values():
                if e.sequence is sequence and e.is_open:
                    self.change_status(e, "exited", "sequence_archived", now)

    def can_migrate(self, e: Enrollment, version: Version) -> bool:
        """ "Skips leased and held rows and rows without a target step": keys are numbers here."""
        return e.token is None and e.step_no is not None and e.step_no <= len(version.steps)

    def migrate(self, e: Enrollment, version: Version, senders: dict[str, Lane]) -> None:
        """The same step of another version: its time stays, attempts are those of a channel."""
        assert e.step_no is not None
        channel = version.steps[e.step_no - 1].channel
        if channel != e.channel:
            e.attempt = 0
        e.version, e.channel = version, channel
        e.senders = e.senders | senders
        e.events["migrated"] += 1

    def opt_out(self, contact: Contact, channel: str, now: int) -> None:
        """Consent, suppression and every affected enrollment at once (C1)."""
        if channel in contact.opted_out:
            return
        contact.opted_out.add(channel)
        self.suppress(channel, contact.addresses[channel], "opted_out")
        for e in self.enrollments.values():
            if e.contact is contact and e.is_open and channel in e.version.channels:
                self.change_status(e, "unsubscribed", "opted_out", now)

    def suppress(self, channel: str, address: str | None, reason: str) -> None:
        """An address that is listed stays listed for its first reason."""
        if address is not None:
            self.suppressed.setdefault((channel, address), reason)

    # ---------------------------------------------------------------------------- the claim

    def refusal(self, e: Enrollment) -> str | None:
        """Why a due message must not go out, at this moment."""
        address = e.contact.addresses[e.channel]
        if e.channel in e.contact.opted_out:
            return "opted_out"
        if address is not None and (e.channel, address) in self.suppressed:
            return self.suppressed[e.channel, address]
        return "no_address" if address is None else None

    def refuse(self, e: Enrollment, now: int) -> None:
        """A missing address skips the step while a later one can be delivered (M8)."""
        reason = self.refusal(e)
        assert reason is not None
        assert e.step_no is not None
        later = e.version.steps[e.step_no :]
        if reason == "no_address" and any(e.contact.addresses[s.channel] for s in later):
            e.events[f"skipped:{reason}"] += 1
            self._move_on(e, now)
        else:
            self.change_status(e, ENDS_AS[reason], reason, now)

    def claim(self, e: Enrollment, token: int, lease: int) -> None:
        """Reserves capacity: the lane's counters follow from its enrollments."""
        lane = e.lane
        e.token, e.lease, e.handed_over = token, lease, False
        e.to_address = e.contact.addresses[e.channel]
        if lane.first_day is None:
            lane.first_day = lane.day

    def expire(self, e: Enrollment, now: int) -> None:
        """In flight on a `hold` lane: held. Never handed over, or `resend`: due again."""
        e.lane.restart_gap(now)
        if e.would_be_held:
            e.events["held:outcome_unknown"] += 1
            e.held, e.lease, e.next_at = True, None, None
        else:
            self._let_go(e)

    def release(self, e: Enrollment) -> None:
        """Claimed but never handed to a provider: simply due again."""
        self._let_go(e)

    def hand_over(self, e: Enrollment) -> None:
        """On `hold` lanes the runner marks the hand-over."""
        if e.lane.on_unknown == "hold":
            e.handed_over = True

    # ------------------------------------------------------------------------- the settlement

    def settle(
        self, e: Enrollment, outcome: str, reason: str | None, retry_at: int | None, now: int
    ) -> str:
        """Settles a valid result and answers its disposition."""
        assert e.step_no is not None
        lane = e.lane
        lane.day = lane.local_day(now)
        lane.restart_gap(now)
        if outcome == "throttled":
            until = max(retry_at or now + MINUTE, now + 1_000_000)
            lane.wait_until(until, until)
        if outcome == "sender_error":
            lane.status = "blocked"

        if outcome == "sent":
            e.events["sent"] += 1
            lane.sent[lane.day] += 1
            e.messages[e.step_no] = Message("sent", None, e.attempt + 1, lane.day, lane.id)
            disposition = "advanced"
            e.attempt = 0
            if e.is_open and e.step_no == len(e.version.steps):
                self.change_status(e, "completed", None, now)
                e.step_no = None
                disposition = "completed"
            elif e.is_open:
                self._move_on(e, now)
        elif outcome == "unknown" and lane.on_unknown == "hold":
            if not e.held:
                e.events["held:outcome_unknown"] += 1
            e.held, e.lease, e.next_at, e.handed_over = True, None, None, False
            return "held"
        elif outcome == "rejected":
            disposition = self._give_up(e, reason or "rejected_policy", now)
        elif outcome in ("throttled", "sender_error"):
            disposition = "deferred"
            if e.is_open:
                e.next_at = now if e.next_at is None else e.next_at
        elif not e.is_open:
            e.events["attempt_failed"] += 1
            disposition = "deferred"
        elif e.attempt < len(e.version.backoff):
            e.events["attempt_failed"] += 1
            e.next_at = max(now + e.version.backoff[e.attempt], retry_at or 0)
            e.attempt += 1
            disposition = "retry_scheduled"
        else:
            disposition = self._give_up(e, "retries_exhausted", now)
        self._let_go(e)
        return disposition

    def _give_up(self, e: Enrollment, reason: str, now: int) -> str:
        assert e.step_no is not None
        assert e.lane.day is not None
        e.attempt += 1
        e.events[f"attempt_failed:{reason}"] += 1
        e.messages[e.step_no] = Message("failed", reason, e.attempt, e.lane.day, e.lane.id)
        if reason == "invalid_address":
            self.suppress(e.channel, e.to_address, reason)
        if e.is_open:
            self.change_status(e, ENDS_AS[reason], reason, now)
        return "bounced" if reason == "invalid_address" else "failed"

    def _move_on(self, e: Enrollment, now: int) -> None:
        assert e.step_no is not None
        following = e.version.steps[e.step_no]
        e.step_no += 1
        e.attempt = 0
        e.channel = following.channel
        e.next_at = now + following.delay

    @staticmethod
    def _let_go(e: Enrollment) -> None:
        e.token, e.lease, e.handed_over, e.held = None, None, False, False

    # --------------------------------------------------------------------- what may happen next

    def leased(self, lane: Lane) -> list[Enrollment]:
        return [e for e in self.enrollments.values() if e.lease is not None and e.lane is lane]

    def held(self, lane: Lane) -> list[Enrollment]:
        return [e for e in self.enrollments.values() if e.held and e.lane is lane]

    def used(self, lane: Lane) -> int:
        """`reserved + sent` of the counter's day."""
        sent = 0 if lane.day is None else lane.sent[lane.day]
        return len(self.leased(lane)) + len(self.held(lane)) + sent

    def can_claim(self, lane: Lane, at: int, now: int, *, expiring: bool) -> bool:
        """Whether a claim at an instant would find work that the lane may do.

        With `expiring`, leases that have expired by then were dealt with at their expiry, or now.
        """
        if lane.status != "active" or (lane.slot is not None and lane.slot[0] > at):
            return False
        leased = self.leased(lane)
        gone = [e for e in leased if expiring and max(e.lease or 0, now) <= at]
        if lane.gap is not None:
            if len(leased) > len(gone):
                return False
            if any(max(e.lease or 0, now) + lane.gap[0] > at for e in gone):
                return False
        day = lane.local_day(at)
        limit = lane.limit_on(day)
        if limit is not None:
            used = self.used(lane) - sum(not e.would_be_held for e in gone)
            if day != lane.day and lane.day is not None:
                used -= lane.sent[lane.day]
            if used >= limit:
                return False
        return any(
            e.lane is lane
            and e.is_due_some_day
            and e.next_at is not None
            and e.next_at <= at
            and (e.token is None or (e in gone and not e.would_be_held))
            for e in self.enrollments.values()
        )

    def first_claimable(self, now: int) -> int | None:
        """The earliest instant at which a claim finds work, if nothing else happens until then."""
        found = [moment for lane in self.lanes.values() if (moment := self._first(lane, now))]
        return min(found, default=None)

    def _first(self, lane: Lane, now: int) -> int | None:
        moments = {now}
        if lane.slot is not None:
            moments.add(lane.slot[0])
        for e in self.enrollments.values():
            if e.lane is not lane:
                continue
            if e.next_at is not None:
                moments.add(e.next_at)
            if e.lease is not None:
                expiry = max(e.lease, now)
                moments |= {expiry, expiry + (lane.gap[0] if lane.gap else 0)}
        moments = {moment for moment in moments if moment >= now}
        if lane.limit_on(lane.local_day(now)) is not None:
            for moment in list(moments):
                moments.update(lane.midnights(moment, 1 if lane.ramp is None else 20))
        for moment in sorted(moments):
            if self.can_claim(lane, moment, now, expiring=True):
                return moment
        return None

    def awaits_expiry(self) -> bool:
        """A lease in flight whose expiry leaves an open queue something to look at."""
        return any(
            e.lease is not None and e.lane.status == "active" for e in self.enrollments.values()
        )
