"""The engine beside a model: random calls of the SQL API on a real database, compared after each.

An example is a transaction that is rolled back, so the next one starts from nothing; the clock is
virtual. `PGDRIP_HYPOTHESIS=thorough` searches at random and for minutes; without it the same
examples run every time. A failure prints the calls that lead to it, and a blob that repeats it.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from psycopg.types.json import Jsonb

import model
from conftest import Connect
from model import DAY, HOUR, MINUTE, Enrollment, Lane, Model, Step, Version, instant, microseconds

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

START = 1_767_607_200_000_000  # 2026-01-05 10:00 UTC

COMMON: dict[str, Any] = {
    "deadline": None,
    "print_blob": True,
    "suppress_health_check": list(HealthCheck),
    # no "explain": it traces every line
    "phases": [Phase.reuse, Phase.generate, Phase.shrink],
}
PROFILES = {
    "default": settings(
        max_examples=150, stateful_step_count=40, derandomize=True, database=None, **COMMON
    ),
    "thorough": settings(
        max_examples=int(os.environ.get("PGDRIP_HYPOTHESIS_EXAMPLES", "3000")),
        stateful_step_count=60,
        **COMMON,
    ),
}

#: Everything that is compared, in one statement: one round trip after each call.
SNAPSHOT = """
  with micros as (
    select
      e.id, e.status::text, e.status_reason::text, s.step_no, e.channel_account_id,
      (extract(epoch from e.next_step_at) * 1000000)::bigint as next_at,
      e.attempt, e.claim_token,
      (extract(epoch from e.lease_expires_at) * 1000000)::bigint as lease,
      e.handed_over_at is not null as handed_over,
      h.enrollment_id is not null as held
    from drip_core.enrollments as e
    left join drip_core.steps as s on s.organization_id = e.organization_id and s.id = e.step_id
    left join drip_core.held_messages as h
      on h.organization_id = e.organization_id and h.enrollment_id = e.id
      and h.claim_token = e.claim_token
    where e.organization_id = %(org)s
  ),
  lanes as (
    select
      l.channel_account_id as id, l.status::text,
      (extract(epoch from l.next_slot_at) * 1000000)::bigint as slot,
      l.counter_day, l.used, l.leased, l.held
    from drip_core.lanes as l
    where l.organization_id = %(org)s
  ),
  facts as (
    select v.enrollment_id, concat_ws(':', v.type, v.reason) as fact, count(*) as number
    from drip_core.events as v
    where v.organization_id = %(org)s
    group by 1, 2
  ),
  settled as (
    select m.enrollment_id, s.step_no, m.status::text, m.reason::text, m.attempts, m.lane_day,
      m.channel_account_id
    from drip_core.messages as m
    join drip_core.steps as s on s.organization_id = m.organization_id and s.id = m.step_id
    where m.organization_id = %(org)s
  )
  select
    (select coalesce(jsonb_agg(to_jsonb(micros)), '[]') from micros),
    (select coalesce(jsonb_agg(to_jsonb(lanes)), '[]') from lanes),
    (select coalesce(jsonb_agg(to_jsonb(facts)), '[]') from facts),
    (select coalesce(jsonb_agg(to_jsonb(settled)), '[]') from settled),
    (select coalesce(jsonb_object_agg(q.id, q.status::text), '{}')
      from drip_core.sequences as q where q.organization_id = %(org)s),
    (select count(*) from drip_core.late_results as r where r.organization_id = %(org)s),
    (select coalesce(jsonb_agg(to_jsonb(i)), '[]')
      from drip_core.invariant_violations as i where i.organization_id = %(org)s),
    (extract(epoch from drip.next_due_at()) * 1000000)::bigint
"""

SAME_START = """
  select setseed(0.5), (
    select count(setval(format('%I.%I', s.schemaname, s.sequencename), 1000))
    from pg_sequences as s
    where s.schemaname = 'drip_core'
  )
"""

CHANNELS = ("email", "whatsapp_lite")
AT_ALL_TIMES = {
    "days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"],
    "start": "00:00",
    "end": "24:00",
    "timezone": "contact",
}
OUTCOMES: tuple[tuple[str, str | None], ...] = (
    ("sent", None),
    ("retry", None),
    ("rejected", "invalid_address"),
    ("rejected", "rejected_content"),
    ("throttled", None),
    ("sender_error", None),
    ("unknown", None),
)
DELAYS = {"0": 0, "30 minutes": 30 * MINUTE, "2 days": 2 * DAY}
BACKOFFS: dict[tuple[str, ...] | None, tuple[int, ...]] = {
    None: (5 * MINUTE, 10 * MINUTE, 20 * MINUTE),
    (): (),
    ("1 min", "2 hours"): (MINUTE, 2 * HOUR),
}
REENTRIES: dict[str, tuple[str, int]] = {
    "never": ("never", 0),
    "when_finished": ("when_finished", 0),
    "1 day": ("after", DAY),
}
GAPS = {None: None, (1, 19): (MINUTE, 19 * MINUTE), (10, 10): (10 * MINUTE, 10 * MINUTE)}
SPANS = (1_000_000, MINUTE, 6 * MINUTE, 17 * MINUTE, HOUR, 5 * HOUR, DAY, 3 * DAY)

picks = st.lists(st.integers(0, 9), min_size=1, max_size=4)
outcomes = st.sampled_from(OUTCOMES[:1] * 3 + OUTCOMES[:2] + OUTCOMES)
limits = st.fixed_dictionaries(
    {
        "daily_limit": st.sampled_from([None, None, None, 5, 2, 1, 0]),
        "ramp": st.sampled_from([None, None, None, (1, 1), (2, 0)]),
        "gap": st.sampled_from([None, *GAPS]),
        "on_unknown": st.sampled_from(["hold", "resend"]),
    }
)
definitions = st.fixed_dictionaries(
    {
        "steps": st.lists(
            st.tuples(st.sampled_from(CHANNELS[:1] * 2 + CHANNELS), st.sampled_from(list(DELAYS))),
            min_size=1,
            max_size=3,
        ),
        "backoff": st.sampled_from(list(BACKOFFS)),
        "reentry": st.sampled_from(list(REENTRIES)),
        "lists_senders": st.booleans(),
    }
)
CHANGES: list[tuple[str, st.SearchStrategy[dict[str, Any]]]] = [
    (
        "change_lane",
        st.fixed_dictionaries(
            {"number": st.integers(0, 2), "pause": st.sampled_from([False, False, True])}
        ),
    ),
    (
        "change_sequence",
        st.fixed_dictionaries(
            {
                "which": st.integers(0, 1),
                "status": st.sampled_from(["active"] * 5 + ["paused"] * 3 + ["archived"]),
            }
        ),
    ),
    ("publish", st.fixed_dictionaries({"which": st.integers(0, 1), "definition": definitions})),
    (
        "migrate",
        st.fixed_dictionaries(
            {
                "which": st.integers(0, 1),
                "number": st.integers(0, 3),
                "dry_run": st.sampled_from([False, False, True]),
            }
        ),
    ),
    ("change_limits", st.fixed_dictionaries({"number": st.integers(0, 2), "limit": limits})),
    (
        "change_addresses",
        st.fixed_dictionaries(
            {
                "number": st.integers(0, 4),
                "generation": st.integers(0, 2),
                "missing": st.sampled_from(
                    [(), (), (), ("email",), ("whatsapp_lite",), CHANNELS],
                ),
            }
        ),
    ),
    (
        "opt_out",
        st.fixed_dictionaries(
            {"number": st.integers(0, 4), "channel": st.sampled_from(CHANNELS)},
        ),
    ),
]


class Lifecycle(RuleBasedStateMachine):
    """One organization with three senders, two sequences and five contacts."""

    connection: ClassVar[psycopg.Connection]

    def __init__(self) -> None:
        super().__init__()
        self.model = Model()
        self.now = START
        self.org = 0
        self.claims: list[tuple[int, int]] = []
        self.is_compared = False
        self.connection.execute("begin")
        # ids and random gaps decide senders and times: an example must repeat exactly
        self.connection.execute(SAME_START)
        self.set_clock(START)

    def teardown(self) -> None:
        self.connection.execute("rollback")

    # ------------------------------------------------------------------------------- plumbing

    def query(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        self.is_compared = False
        return self.connection.execute(statement, values).fetchall()

    def value(self, statement: str, *values: Any) -> Any:
        return self.query(statement, *values)[0][0]

    def set_clock(self, now: int) -> None:
        assert now >= self.now
        self.now = now
        self.query("select set_config('drip.now', %s, false)", instant(now).isoformat())

    def enrollments(self, numbers: Iterable[int]) -> list[Enrollment]:
        known = list(self.model.enrollments.values())
        return [known[n % len(known)] for n in dict.fromkeys(numbers)] if known else []

    def unsettled(self) -> list[Enrollment]:
        return [e for e in self.model.enrollments.values() if e.token is not None]

    def claim_refs(self, claims: Iterable[tuple[int, int | None]]) -> Jsonb:
        return Jsonb(
            [
                {"organization_id": self.org, "enrollment_id": e, "claim_token": token}
                for e, token in claims
            ]
        )

    def refused(self, state: str, statement: str, *values: Any) -> None:
        """The call raises, and changes nothing."""
        with (
            pytest.raises(psycopg.Error) as caught,
            self.connection.transaction(),
        ):
            self.connection.execute(statement, values)
        assert caught.value.sqlstate == state

    # ------------------------------------------------------------------------------- beginning

    @initialize(
        accounts=st.lists(limits, min_size=3, max_size=3),
        sequences=st.lists(definitions, min_size=2, max_size=2),
        without=st.lists(st.sampled_from([(), ("email",), CHANNELS]), min_size=1, max_size=1),
    )
    def begin(
        self,
        accounts: list[dict[str, Any]],
        sequences: list[dict[str, Any]],
        without: list[tuple[str, ...]],
    ) -> None:
        self.org = self.value(
            "select drip.create_organization('Acme', 'UTC', %s)",
            # without working hours in one channel only: the model knows no windows
            Jsonb({"public_base_url": "https://acme.test", "default_window": AT_ALL_TIMES}),
        )
        self.query("select set_config('drip.organization_id', %s, false)", str(self.org))
        places = (("email", "UTC"), ("email", "Pacific/Auckland"), ("whatsapp_lite", "UTC"))
        for number, (limit, (channel, zone)) in enumerate(zip(accounts, places, strict=True)):
            lane = Lane(0, f"account-{number}", channel, zone)
            self.apply_limits(lane, limit)
            self.model.lanes[lane.id] = lane
        for number, definition in enumerate(sequences):
            self.model.sequences.append(model.Sequence(0, f"sequence-{number}"))
            self.publish_version(self.model.sequences[-1], definition)
        for number in range(5):
            missing = without[number] if number < len(without) else ()
            self.model.contacts.append(
                model.Contact(0, {channel: None for channel in CHANNELS}),
            )
            self.set_addresses(number, 0, missing)
        for which in (0, 1):
            self.enroll(which, [0, 1, 2, 3, 4], later=False)

    def apply_limits(self, lane: Lane, limit: dict[str, Any]) -> None:
        ramp = limit["ramp"] or (None, None)
        gap = limit["gap"] or (None, None)
        lane.id = self.value(
            "select drip.apply_channel_account(%s, %s)",
            self.org,
            Jsonb(
                {
                    "key": lane.key,
                    "channel": lane.channel,
                    "provider": "noop",
                    "address": "sender@acme.test" if lane.channel == "email" else "+491511234567",
                    "timezone": None if lane.zone == "UTC" else lane.zone,
                    "daily_limit": limit["daily_limit"],
                    "ramp_start": ramp[0],
                    "ramp_increment": ramp[1],
                    "min_gap": gap[0] and f"{gap[0]} minutes",
                    "max_gap": gap[1] and f"{gap[1]} minutes",
                    "on_unknown": limit["on_unknown"],
                }
            ),
        )
        lane.daily_limit, lane.ramp = limit["daily_limit"], limit["ramp"]
        lane.gap, lane.on_unknown = GAPS[limit["gap"]], limit["on_unknown"]

    def publish_version(self, sequence: model.Sequence, definition: dict[str, Any]) -> None:
        senders: dict[str, frozenset[int]] = {}
        content: dict[str, Any] = {
            "key": sequence.key,
            "steps": [
                {"key": f"step-{n}", "channel": channel, "delay": delay, "text": "Hello"}
                | ({"subject": "Hi"} if channel == "email" else {"allow_identical_text": True})
                for n, (channel, delay) in enumerate(definition["steps"], start=1)
            ],
            "reentry": definition["reentry"],
        }
        if definition["reentry"] == "1 day":
            content["reentry"] = {"after": "1 day"}
        if definition["backoff"] is not None:
            content["retry"] = {"backoff": list(definition["backoff"])}
        if definition["lists_senders"]:
            listed = [lane for lane in self.model.lanes.values() if lane.key != "account-1"]
            content["senders"] = [{"account": lane.key} for lane in listed]
            senders = {lane.channel: frozenset([lane.id]) for lane in listed}
        statement = "select * from drip.apply_sequence(%s, %s)"
        if not all(
            senders.get(channel) or self.model.active_lanes(channel)
            for channel, _ in definition["steps"]
        ):
            # "none is a publish error"
            self.refused("PT422", statement, self.org, Jsonb(content))
            return
        ((sequence.id, number, status),) = self.query(statement, self.org, Jsonb(content))
        assert status == sequence.status
        version = Version(
            steps=tuple(Step(channel, DELAYS[delay]) for channel, delay in definition["steps"]),
            backoff=BACKOFFS[definition["backoff"]],
            reentry=REENTRIES[definition["reentry"]][0],
            cooling=REENTRIES[definition["reentry"]][1],
            senders=senders,
        )
        if not sequence.versions or sequence.versions[-1] != version:
            sequence.versions.append(version)
        assert number == len(sequence.versions)

    def set_addresses(self, number: int, generation: int, missing: tuple[str, ...]) -> None:
        contact = self.model.contacts[number]
        contact.addresses = {
            "email": f"c{number}-{generation}@example.test",
            "whatsapp_lite": f"+4915100{number}000{generation}",
        } | dict.fromkeys(missing)
        contact.id = self.value(
            "select drip.upsert_contact(%s, %s)",
            self.org,
            Jsonb(
                {
                    "external_id": f"c{number}",
                    "email": contact.addresses["email"],
                    "phone": contact.addresses["whatsapp_lite"],
                }
            ),
        )

    # ---------------------------------------------------------------------------------- rules

    @rule(
        which=st.integers(0, 1),
        numbers=st.lists(st.integers(0, 4), min_size=1, max_size=6),
        later=st.booleans(),
    )
    def enroll(self, which: int, numbers: list[int], later: bool) -> None:
        sequence = self.model.sequences[which]
        contacts = [self.model.contacts[n] for n in dict.fromkeys(numbers)]
        start = self.now + HOUR if later else self.now
        expected = [self.model.enroll_outcome(sequence, c, self.now) for c in contacts]
        if len(numbers) == 1:
            answers = self.query(
                "select * from drip.enroll(%s, %s, %s, start_at => %s)",
                self.org, sequence.key, contacts[0].id, instant(start) if later else None,
            )  # fmt: skip
        else:
            answers = self.query(
                "select * from drip.enroll_many(%s, %s, %s, start_at => %s)",
                self.org, sequence.key, [self.model.contacts[n].id for n in numbers],
                instant(start) if later else None,
            )  # fmt: skip
        assert [(a[0], a[2]) for a in answers] == [
            (c.id, outcome) for c, outcome in zip(contacts, expected, strict=True)
        ]
        for contact, (_, enrollment_id, outcome) in zip(contacts, answers, strict=True):
            if outcome == "already_active":
                assert self.model.enrollments[enrollment_id].contact is contact
                assert self.model.enrollments[enrollment_id].is_open
            if outcome == "enrolled":
                senders = self.chosen_senders(enrollment_id, sequence.versions[-1])
                self.model.enroll(enrollment_id, sequence, contact, senders, start)

    def chosen_senders(self, enrollment_id: int, version: Version) -> dict[str, Lane]:
        """By weight is the engine's choice; that it is a sender of the channel is not."""
        ids = self.value(
            "select sender_ids from drip_core.enrollments where organization_id = %s and id = %s",
            self.org, enrollment_id,
        )  # fmt: skip
        chosen = dict(zip(version.channels, ids, strict=True))
        for channel, sender in chosen.items():
            assert sender in self.model.allowed_senders(version, channel)
        return {channel: self.model.lanes[sender] for channel, sender in chosen.items()}

    @rule(
        batch=st.sampled_from([1, 2, 3, 100]),
        lease=st.sampled_from([5 * MINUTE, HOUR, DAY]),
        everywhere=st.booleans(),
        upkeep=st.booleans(),
        wait=st.sampled_from([True, True, False]),
    )
    def claim(self, batch: int, lease: int, everywhere: bool, upkeep: bool, wait: bool) -> None:
        if wait:
            self.wait_until_due()
        if upkeep:
            self.tick()
        for _ in range(2 * len(self.model.lanes)):
            expected = any(
                self.model.can_claim(lane, self.now, self.now, expiring=False)
                for lane in self.model.lanes.values()
            )
            progress = self.claim_once(batch, lease, everywhere)
            if progress or not expected:
                break
        else:
            pytest.fail("work is due on a lane that may send, and a claim does not find it")
        if upkeep and not progress:
            due = self.next_due()
            assert due is None or due > self.now, "called again and again, a claim finds nothing"

    def claim_once(self, batch: int, lease: int, everywhere: bool) -> bool:
        """One claim; true when it returned or ended something."""
        rows = self.query(
            "select enrollment_id, claim_token, channel_account_id, channel::text, to_address,"
            " attempt, sequence_key, step_key, lease_expires_at"
            " from drip.claim(%s, %s::text::interval, 'test', %s)",
            batch, f"{lease // 1_000_000} seconds", None if everywhere else self.org,
        )  # fmt: skip
        assert len(rows) <= batch, "a claim never takes more than was asked for"
        actual = self.actual_enrollments()
        days = {lane["id"]: lane["counter_day"] for lane in self.actual[1]}
        progress = bool(rows)
        returned = {row[0] for row in rows}
        assert len(returned) == len(rows)

        # what the claim did to others on its way: dealt with expired leases, ended the ineligible
        for e in self.model.enrollments.values():
            row = actual[e.id]
            if (
                e.lease is not None
                and e.lease <= self.now
                and (e.id in returned or row["lease"] is None)
            ):
                self.model.expire(e, self.now)
            if e.id in returned:
                continue
            due = e.is_due_some_day and e.next_at is not None and e.next_at <= self.now
            moved = (row["status"], row["step_no"]) != (e.status, e.step_no)
            if due and moved and e.token is None and self.model.refusal(e):
                self.model.refuse(e, self.now)
                progress = True

        claimed: Counter[int] = Counter()
        for enrollment_id, token, lane_id, channel, address, attempt, key, step, expires in rows:
            e = self.model.enrollments[enrollment_id]
            lane = e.lane
            assert e.token is None, "what is unsettled is not claimed"
            assert e.status == "active"
            assert e.sequence.status == "active"
            assert e.next_at is not None
            assert e.next_at <= self.now
            assert self.model.refusal(e) is None
            assert lane.status == "active", "a lane that may not send is not visited"
            assert lane.slot is None or lane.slot[1] <= self.now, "gaps hold (H1)"
            assert lane.gap is None or not self.model.leased(lane), "one unsettled message (H1)"
            assert all(token > older for _, older in self.claims), "a token is never used again"
            assert (lane_id, channel) == (lane.id, e.channel)
            assert address == e.contact.addresses[channel]
            assert (attempt, key, step) == (e.attempt + 1, e.sequence.key, f"step-{e.step_no}")
            assert microseconds(expires) == self.now + lease
            claimed[lane.id] += 1
        for enrollment_id, token, *_ in rows:
            e = self.model.enrollments[enrollment_id]
            e.lane.day = e.lane.local_day(self.now)
            self.model.claim(e, token, self.now + lease)
            self.claims.append((enrollment_id, token))
        for lane in self.model.lanes.values():
            # visited or not, the engine's choice: a visit makes the counter's day today's
            if str(lane.local_day(self.now)) == days[lane.id]:
                lane.day = lane.local_day(self.now)
            if claimed[lane.id]:
                limit = lane.limit_on(lane.local_day(self.now))
                assert lane.gap is None or claimed[lane.id] == 1
                assert limit is None or self.model.used(lane) <= limit, "over the limit (M6)"
        self.compare()
        return progress

    @precondition(lambda self: self.unsettled())
    @rule(numbers=picks, stale=st.booleans())
    def hand_over(self, numbers: list[int], stale: bool) -> None:
        chosen = self.pick_unsettled(numbers)
        refs: list[tuple[int, int | None]] = [(e.id, e.token) for e in chosen]
        if stale:
            refs += [c for c in self.claims[:1] if self.model.enrollments[c[0]].token != c[1]]
        valid = [e for e in chosen if e.lease is not None]
        assert self.value("select drip.hand_over(%s)", self.claim_refs(refs)) == len(valid)
        for e in valid:
            self.model.hand_over(e)

    def pick_unsettled(self, numbers: Iterable[int]) -> list[Enrollment]:
        unsettled = self.unsettled()
        if not unsettled:
            return []
        return list({e.id: e for e in (unsettled[n % len(unsettled)] for n in numbers)}.values())

    @precondition(lambda self: self.unsettled())
    @rule(
        results=st.lists(
            st.tuples(st.integers(0, 9), outcomes, st.sampled_from([None, -HOUR, 3 * HOUR])),
            min_size=1,
            max_size=6,
        )
    )
    def advance(self, results: list[tuple[int, tuple[str, str | None], int | None]]) -> None:
        unsettled = self.unsettled()
        self.settle(
            [
                (e.id, e.token or 0, outcome, reason, delay)
                for number, (outcome, reason), delay in results
                for e in [unsettled[number % len(unsettled)]]
            ]
        )

    @precondition(lambda self: self.claims)
    @rule(number=st.integers(0, 30), outcome=outcomes)
    def advance_late(self, number: int, outcome: tuple[str, str | None]) -> None:
        enrollment_id, token = self.claims[number % len(self.claims)]
        self.settle([(enrollment_id, token, *outcome, None)])

    def settle(self, results: list[tuple[int, int, str, str | None, int | None]]) -> None:
        """Duplicates, superseded tokens and any order; answers come in the order of the input."""
        sent = []
        for enrollment_id, token, outcome, reason, delay in results:
            retry_at = None if delay is None else instant(self.now + delay).isoformat()
            sent.append(
                {
                    "organization_id": self.org,
                    "enrollment_id": enrollment_id,
                    "claim_token": token,
                    "outcome": outcome,
                    "reason": reason,
                    "retry_at": retry_at,
                }
            )
        answers = self.query("select * from drip.advance(%s)", Jsonb(sent))
        expected = []
        blocked = {lane.id for lane in self.model.lanes.values() if lane.status == "blocked"}
        for enrollment_id, token, outcome, reason, delay in results:
            e = self.model.enrollments[enrollment_id]
            first = (enrollment_id, token) not in {(a, b) for a, b, _ in expected}
            if first and e.token == token:
                retry_at = None if delay is None else self.now + delay
                answer = self.model.settle(e, outcome, reason, retry_at, self.now)
            else:
                self.model.late_results += 1
                answer = "stale"
            expected.append((enrollment_id, token, answer))
        assert answers == [(a, c) for a, _, c in expected]
        assert blocked <= {i for i, lane in self.model.lanes.items() if lane.status == "blocked"}

    @precondition(lambda self: self.unsettled())
    @rule(numbers=picks)
    def release(self, numbers: list[int]) -> None:
        chosen = self.pick_unsettled(numbers)
        refs = self.claim_refs((e.id, e.token) for e in chosen)
        free = [e for e in chosen if e.lease is not None and not e.handed_over]
        assert self.value("select drip.release(%s)", refs) == len(free)
        for e in free:
            self.model.release(e)

    @rule()
    def tick(self) -> None:
        counts = self.value("select drip.tick()")
        expired = [
            e
            for e in self.model.enrollments.values()
            if e.lease is not None and e.lease <= self.now
        ]
        held = [e for e in expired if e.would_be_held]
        for e in expired:
            self.model.expire(e, self.now)
        assert counts["messages_held"] == len(held)
        assert counts["leases_released"] == len(expired) - len(held)
        self.compare()

    @rule(span=st.sampled_from(SPANS))
    def wait(self, span: int) -> None:
        self.set_clock(self.now + span)

    def wait_until_due(self) -> None:
        due = self.next_due()
        if due is not None:
            self.set_clock(max(due, self.now))

    @rule(mostly=st.lists(outcomes, min_size=1, max_size=3), rounds=st.integers(1, 4))
    def work(self, mostly: list[tuple[str, str | None]], rounds: int) -> None:
        """What the runner does: wait until something is due, claim it, deliver it, say so."""
        for _ in range(rounds):
            self.claim(100, 5 * MINUTE, everywhere=True, upkeep=True, wait=True)
            leased = [e for e in self.unsettled() if e.lease is not None]
            self.settle(
                [(e.id, e.token or 0, *mostly[n % len(mostly)], None) for n, e in enumerate(leased)]
            )
            self.compare()

    @rule(change=st.one_of([st.tuples(st.just(name), args) for name, args in CHANGES]))
    def change(self, change: tuple[str, dict[str, Any]]) -> None:
        """One rule for all that users do besides, so that most calls are those of a runner."""
        name, arguments = change
        getattr(self, name)(**arguments)

    @precondition(lambda self: self.model.enrollments)
    @rule(
        to=st.sampled_from(["paused", "active", "paused", "removed"]),
        numbers=picks,
        in_flight=st.booleans(),
        one=st.booleans(),
    )
    def change_enrollments(self, to: str, numbers: list[int], in_flight: bool, one: bool) -> None:
        word = {"paused": "pause", "active": "resume", "removed": "remove"}[to]
        possible = {"paused": ["active"], "active": ["paused"], "removed": list(model.OPEN)}[to]
        chosen = (in_flight and self.pick_unsettled(numbers)) or self.enrollments(numbers)
        if to == "active":
            paused = [e for e in self.model.enrollments.values() if e.status == "paused"]
            chosen = paused[: len(numbers)] or chosen
        if one and len(chosen) == 1:
            (e,) = chosen
            statement = f"select drip.{word}_enrollment(%s, %s, 'because')"
            if e.status not in possible:
                if e.status == to:
                    assert self.value(statement, self.org, e.id) == e.status
                else:
                    self.refused("PT409", statement, self.org, e.id)
                return
            assert self.value(statement, self.org, e.id) == to
        else:
            ids = [e.id for e in chosen]
            self.query(f"select * from drip.{word}_enrollments(%s, %s, 'because')", self.org, ids)
        for e in chosen:
            if e.status in possible and to == "active":
                self.model.resume(e, self.now)
            elif e.status in possible:
                self.model.change_status(e, to, "manual", self.now)

    def change_lane(self, number: int, pause: bool) -> None:
        lane = list(self.model.lanes.values())[number]
        if pause:
            self.query("select drip.pause_lane(%s, %s, 'because')", self.org, lane.id)
        else:
            self.query("select drip.resume_lane(%s, %s)", self.org, lane.id)
        lane.status = "paused" if pause else "active"

    def change_sequence(self, which: int, status: str) -> None:
        sequence = self.model.sequences[which]
        statement = "select drip.set_sequence_status(%s, %s, %s)"
        if sequence.status == "archived" and status != "archived":
            self.refused("PT409", statement, self.org, sequence.key, status)
            return
        self.query(statement, self.org, sequence.key, status)
        if status != sequence.status:
            self.model.change_sequence(sequence, status, self.now)

    def publish(self, which: int, definition: dict[str, Any]) -> None:
        self.publish_version(self.model.sequences[which], definition)

    def migrate(self, which: int, number: int, dry_run: bool) -> None:
        sequence = self.model.sequences[which]
        number = 1 + number % len(sequence.versions)
        version = sequence.versions[number - 1]
        statement = "select * from drip.migrate_enrollments(%s, %s, %s, %s)"
        values = (self.org, sequence.key, number, dry_run)
        if sequence.status == "archived":
            self.refused("PT409", statement, *values)
            return
        others = [
            e
            for e in self.model.enrollments.values()
            if e.sequence is sequence and e.is_open and e.version is not version
        ]
        moving = [e for e in others if self.model.can_migrate(e, version)]
        expected = Counter((f"step-{e.step_no}", e in moving) for e in others)
        assert self.query(statement, *values) == [
            (key, key if moves else None, expected[key, moves])
            for key, moves in sorted(expected, key=lambda row: (row[0], not row[1]))
        ]
        for e in [] if dry_run else moving:
            self.model.migrate(e, version, self.migrated_senders(e, version))

    def migrated_senders(self, e: Enrollment, version: Version) -> dict[str, Lane]:
        """Sticky for life; a channel that is new gets one of its senders."""
        ids = self.value(
            "select sender_ids from drip_core.enrollments where organization_id = %s and id = %s",
            self.org, e.id,
        )  # fmt: skip
        chosen = dict(zip(version.channels, ids, strict=False))
        for channel, sender in chosen.items():
            if channel in e.senders:
                assert sender == e.senders[channel].id
            else:
                assert sender in self.model.allowed_senders(version, channel)
        return {channel: self.model.lanes[sender] for channel, sender in chosen.items()}

    def change_limits(self, number: int, limit: dict[str, Any]) -> None:
        self.apply_limits(list(self.model.lanes.values())[number], limit)

    @precondition(lambda self: self.unsettled())
    @rule(
        number=st.integers(0, 9),
        outcome=st.sampled_from(["sent", "retry", "rejected"]),
        wrong=st.integers(0, 5),
    )
    def resolve_unknown(self, number: int, outcome: str, wrong: int) -> None:
        unsettled = self.unsettled()
        held = [e for e in unsettled if e.held] or unsettled
        e = held[number % len(held)]
        token = 1 if wrong == 0 else e.token
        statement = "select drip.resolve_unknown(%s, %s, %s, %s)"
        if not e.held or token != e.token:
            self.refused("PT409", statement, self.org, e.id, token, outcome)
            return
        answer = self.value(statement, self.org, e.id, token, outcome)
        assert answer == self.model.settle(e, outcome, None, None, self.now)

    def change_addresses(self, number: int, generation: int, missing: tuple[str, ...]) -> None:
        self.set_addresses(number, generation, missing)

    def opt_out(self, number: int, channel: str) -> None:
        contact = self.model.contacts[number]
        self.query(
            "select drip.upsert_contact(%s, %s)",
            self.org,
            Jsonb({"external_id": f"c{number}", "consent": {channel: "opted_out"}}),
        )
        self.model.opt_out(contact, channel, self.now)

    # ------------------------------------------------------------------------------ comparing

    def snapshot(self) -> None:
        self.actual = self.connection.execute(SNAPSHOT, {"org": self.org}).fetchall()[0]

    def actual_enrollments(self) -> dict[int, dict[str, Any]]:
        self.snapshot()
        return {row["id"]: row for row in self.actual[0]}

    def next_due(self) -> int | None:
        due = self.connection.execute(
            "select (extract(epoch from drip.next_due_at()) * 1000000)::bigint"
        ).fetchall()[0][0]
        assert due is None or isinstance(due, int)
        return due

    @invariant()
    def agree(self) -> None:
        self.compare()

    def compare(self) -> None:
        """The database equals the model, row by row; chosen gaps are taken over from it."""
        if self.is_compared:
            return
        self.is_compared = True
        self.snapshot()
        enrollments, lanes, facts, settled, sequences, late, violations, due = self.actual
        assert violations == []
        assert sequences == {str(s.id): s.status for s in self.model.sequences}
        assert late == self.model.late_results
        self.compare_lanes(lanes)

        assert len(enrollments) == len(self.model.enrollments)
        for row in enrollments:
            expected = self.expected_row(self.model.enrollments[row["id"]])
            different = {
                key: (row[key], value) for key, value in expected.items() if row[key] != value
            }
            assert not different, f"enrollment {row['id']}: actual and expected differ: {different}"
        history: dict[int, Counter[str]] = {}
        for fact in facts:
            history.setdefault(fact["enrollment_id"], Counter())[fact["fact"]] = fact["number"]
        assert history == {e.id: e.events for e in self.model.enrollments.values()}
        assert sorted(
            (m["enrollment_id"], m["step_no"], m["status"], m["reason"] or "", m["attempts"],
             m["lane_day"], m["channel_account_id"])
            for m in settled
        ) == sorted(
            (e.id, step_no, m.status, m.reason or "", m.attempts, str(m.day), m.lane_id)
            for e in self.model.enrollments.values()
            for step_no, m in e.messages.items()
        )  # fmt: skip
        self.compare_due(due)

    def compare_lanes(self, rows: Sequence[dict[str, Any]]) -> None:
        for row in rows:
            lane = self.model.lanes[row["id"]]
            assert row["status"] == lane.status
            assert row["counter_day"] == (None if lane.day is None else str(lane.day))
            assert (row["used"], row["leased"], row["held"]) == (
                self.model.used(lane),
                len(self.model.leased(lane)),
                len(self.model.held(lane)),
            )
            if lane.slot is None:
                assert row["slot"] is None
            else:
                assert lane.slot[0] <= row["slot"] <= lane.slot[1]
                lane.slot = (row["slot"], row["slot"])

    @staticmethod
    def expected_row(e: Enrollment) -> dict[str, Any]:
        return {
            "id": e.id,
            "status": e.status,
            "status_reason": e.reason,
            "step_no": e.step_no,
            "channel_account_id": None if e.step_no is None else e.lane.id,
            "next_at": e.next_at,
            "attempt": e.attempt,
            "claim_token": e.token,
            "lease": e.lease,
            "handed_over": e.handed_over,
            "held": e.held,
        }

    def compare_due(self, due: int | None) -> None:
        """Never later than the first claimable instant; null exactly when nothing waits."""
        first = self.model.first_claimable(self.now)
        if first is not None:
            assert due is not None, "work waits, and next_due_at does not say when"
            assert due <= max(first, self.now)
        elif due is not None:
            assert self.model.awaits_expiry(), "nothing waits, and next_due_at says it does"


@pytest.fixture
def engine(database: str, connect: Connect) -> psycopg.Connection:
    connection = connect(database)
    # months made ahead here are not made, and taken back, in every example
    for month in range(0, 12, 3):
        moment = instant(START + month * 30 * DAY).isoformat()
        connection.execute("select set_config('drip.now', %s, false), drip.tick()", (moment,))
    connection.execute("select set_config('drip.now', '', false)")
    return connection


@pytest.mark.timeout(0)
def test_M6_X1_X8_the_engine_does_what_the_model_says(engine: psycopg.Connection) -> None:
    profile = PROFILES[os.environ.get("PGDRIP_HYPOTHESIS", "default")]

    def machine() -> Lifecycle:
        example = type("Lifecycle", (Lifecycle,), {"connection": engine})
        return example()

    run_state_machine_as_test(machine, settings=profile)
