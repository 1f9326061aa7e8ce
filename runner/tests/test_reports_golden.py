"""A ledger of cases whose figures were worked out by hand: what every view shows of each.

A case is a short history of one organization, told through the API, and the figures that it must
lead to. Each is read three times: as it happened, once drip.tick has added up what changed, and
after a rebuild. Names carry the rules (M1-M5, G1-G6). What a case does not name must be zero.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from psycopg.types.json import Jsonb

import report_oracle as oracle
from engine import Claim, Engine
from servers import Server

pytestmark = pytest.mark.timeout(300)

Row = dict[str, Any]
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
#: A Monday.
START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
MONDAY = date(2026, 3, 2)
EMAIL: Row = {"channel": "email", "subject": "Hi", "text": "Hello"}
PHONE: Row = {"channel": "whatsapp_lite", "text": "Hello", "allow_identical_text": True}
TWO: list[Row] = [{**EMAIL, "key": "s1"}, {**EMAIL, "key": "s2", "delay": "1 day"}]
PERSON = "Mozilla/5.0 (X11; Linux x86_64) Firefox/128.0"
MACHINE = "curl/8.0"

CASES: dict[str, tuple[Callable[[Ledger], None], str, datetime]] = {}


class Ledger:
    """One organization, its senders `one` and `two` and a phone line, and a clock."""

    def __init__(self, engine: Engine, zone: str = "UTC", start: datetime = START) -> None:
        self.engine = engine
        self.engine.at(start)
        self.now = start
        self.organization: int = engine.value(
            "select drip.create_organization('Acme', %s, %s)",
            zone,
            Jsonb({"public_base_url": "https://mail.example.com", "tracking": True}),
        )
        engine.organization_id = self.organization
        engine.set("drip.organization_id", str(self.organization))
        self.numbers = 0
        self.expected: dict[str, list[Row]] = {}
        self.open_gaps: Row = {"min_gap": None, "max_gap": None, "daily_limit": None}
        self.engine.mailbox("one")

    # -- what happens

    def at(self, after: timedelta) -> None:
        """Move the clock to so long after the start."""
        self.engine.at(self.now + after)

    def line(self) -> None:
        self.engine.mailbox(
            "line",
            channel="whatsapp_lite",
            provider="waha",
            address="+493012345",
            **self.open_gaps,
        )

    def publish(self, steps: list[Row] = TWO, **extra: Any) -> None:
        senders = extra.pop("senders", ["one"])
        self.engine.sequence("welcome", steps, senders, **extra)

    def people(self, count: int, **extra: Any) -> list[int]:
        ids = []
        for _ in range(count):
            self.numbers += 1
            contact = {"external_id": f"c{self.numbers}", "email": f"c{self.numbers}@example.net"}
            ids.append(
                self.engine.value(
                    "select drip.upsert_contact(%s, %s)", self.organization, Jsonb(contact | extra)
                )
            )
        return ids

    def enroll(self, count: int = 1, **extra: Any) -> list[int]:
        """New people, enrolled; the ids of their enrollments."""
        return self.enroll_again(self.people(count, **extra))

    def enroll_again(self, people: list[int]) -> list[int]:
        rows = self.engine.rows(
            "select enrollment_id from drip.enroll_many(%s, 'welcome', %s)"
            " where outcome = 'enrolled' order by contact_id",
            *(self.organization, people),
        )
        return [row["enrollment_id"] for row in rows]

    def claim(self) -> list[Claim]:
        return self.engine.rows(
            "select * from drip.claim(100, '5 minutes', null, %s)", self.organization
        )

    def settle(self, claims: list[Claim], outcome: str = "sent", **extra: Any) -> list[str]:
        keys = ("organization_id", "enrollment_id", "claim_token")
        return self.engine.settle([{k: c[k] for k in keys} for c in claims], outcome, **extra)

    def send(self, outcome: str = "sent", **extra: Any) -> list[Claim]:
        """All that is due, with one outcome."""
        claims = self.claim()
        assert claims
        self.settle(claims, outcome, **extra)
        return claims

    def report(self, claim: Claim, type_: str, at: timedelta | None = None, **extra: Any) -> None:
        """A provider's report of a message; `at` after the start (by default now)."""
        self.numbers += 1
        event = {"message_token": claim["message_token"], "type": type_, **extra}
        event["external_id"] = f"r{self.numbers}"
        if at is not None:
            event["occurred_at"] = (self.now + at).isoformat()
        self.engine.value(
            "select drip.record_provider_event(%s, %s)", self.organization, Jsonb(event)
        )

    def open(self, claim: Claim, agent: str = PERSON) -> None:
        self.engine.rows("select drip.record_open(%s, %s, '192.0.2.1')", claim["link_token"], agent)

    def letter(self, claim: Claim, text: str = "Sounds good", **headers: str) -> None:
        self.numbers += 1
        message = {
            "channel": "email",
            "from_address": claim["to_address"],
            "in_reply_to": [claim["headers"]["Message-ID"]],
            "text": text,
            "headers": {k.replace("_", "-"): v for k, v in headers.items()},
            "external_id": f"l{self.numbers}",
        }
        self.engine.value("select drip.record_inbound(%s, %s)", self.organization, Jsonb(message))

    def deal(self, contact: int, stage: str, name: str = "d", **extra: Any) -> None:
        deal = {"external_id": name, "contact_id": contact, "stage": stage, **extra}
        self.engine.value("select drip.upsert_deal(%s, %s)", self.organization, Jsonb(deal))

    def call(self, name: str, *args: Any) -> None:
        marks = ", ".join(["%s"] * (1 + len(args)))
        self.engine.rows(f"select * from drip.{name}({marks})", self.organization, *args)

    # -- what it must lead to

    def expect(self, view: str, *rows: Row) -> None:
        """The rows of a view, each with the figures that are neither zero nor null."""
        self.expected[view] = list(rows)

    def overview(self, **figures: Any) -> None:
        self.expect("sequence_overview", {"sequence_key": "welcome", "version": 1, **figures})

    def check(self, when: str) -> None:
        for view, rows in self.expected.items():
            actual = [
                {k: v for k, v in row.items() if k not in IGNORED.get(view, ()) and v}
                for row in self.engine.rows(
                    f"select * from drip_report.{view} where organization_id = %s",
                    self.organization,
                )
            ]
            assert by_text(actual) == by_text(rows), f"{view}, {when}"


NEVER = ("organization_id", "sequence_name", "sequence_status")
IGNORED = {
    "sequence_overview": (*NEVER, "share"),
    "enrollment_status": NEVER,
    "step_funnel": (*NEVER, "step_no", "step_version", "channel", "sequence_key", "version"),
    "cohorts": (*NEVER, "sequence_key", "version"),
    "sender_performance": (*NEVER, "channel", "sequence_key", "version"),
    "channel_performance": (*NEVER, "sequence_key", "version"),
    "daily_activity": (*NEVER, "step_version", "channel", "sequence_key", "version"),
    "outcome_reasons": (*NEVER, "step_version", "channel", "sequence_key", "version"),
    "delivery_errors": (*NEVER, "step_version", "channel", "sequence_key", "version"),
    "conversions": (*NEVER, "enrollment_id", "contact_id", "deal_id", "step_version", "channel"),
    "recent_activity": (*NEVER, "event_id", "recorded_at", "contact_id", "enrollment_id"),
}


def by_text(rows: list[Row]) -> list[str]:
    """Rows in an order that does not matter, numbers alike whatever their type."""
    return sorted(
        json.dumps({k: plain(v) for k, v in sorted(row.items())}, default=str) for row in rows
    )


def plain(value: Any) -> Any:
    """Numbers to four digits, whatever their type; all else as it is."""
    return round(float(value), 4) if isinstance(value, Decimal | float | int) else value


def case(
    zone: str = "UTC", start: datetime = START
) -> Callable[[Callable[[Ledger], None]], Callable[[Ledger], None]]:
    """Add a history to the ledger, of an organization in a time zone, from an instant on."""

    def add(function: Callable[[Ledger], None]) -> Callable[[Ledger], None]:
        CASES[function.__name__] = (function, zone, start)
        return function

    return add


@pytest.fixture(scope="module")
def engine(server: Server, template_database: str) -> Iterator[Engine]:
    """One database and session for the whole ledger: each case has an organization of its own."""
    name = f"pgdrip_test_{os.getpid()}_golden"
    session = Engine(server.create_database(name, template_database))
    try:
        yield session
    finally:
        session.close()
        server.drop_database(name)


# ----------------------------------------------------------------------------- M1: sent and failed


@case()
def M1_nothing_sent_has_no_rates(led: Ledger) -> None:
    led.publish()
    led.enroll(3)
    led.overview(enrolled=3, active=3)
    led.expect("step_funnel", {"step_key": "s1", "enrolled": 3}, {"step_key": "s2", "enrolled": 3})
    led.expect("sender_performance")
    led.expect("channel_performance")
    led.expect("daily_activity", {"day": MONDAY, "enrolled": 3})


@case()
def M1_nobody_enrolled_is_a_row_of_zeros(led: Ledger) -> None:
    led.publish()
    led.overview()
    led.expect("cohorts")
    led.expect("daily_activity")
    led.expect("outcome_reasons")
    led.expect("recent_activity")


@case()
def M1_sent_counts_sent_only(led: Ledger) -> None:
    led.publish()
    led.enroll(4)
    claims = led.claim()
    led.settle(claims[:3])
    led.settle(claims[3:], "rejected", reason="rejected_content", error_code="spam")
    led.overview(
        enrolled=4, active=3, failed=1, contacted=3, messages_sent=3, messages_failed=1,
        success_rate=0.75,
    )  # fmt: skip
    led.expect(
        "delivery_errors",
        {"day": MONDAY, "step_key": "s1", "channel_account_key": "one", "errors": 1,
         "outcome": "attempt_failed", "reason": "rejected_content", "error_code": "spam"},
    )  # fmt: skip


@case()
def M1_a_skipped_step_is_neither_sent_nor_failed(led: Ledger) -> None:
    led.line()
    steps = [{**PHONE, "key": "call"}, {**EMAIL, "key": "mail"}]
    led.publish(steps, senders=["one", "line"])
    led.enroll(1)
    assert led.claim() == []
    led.at(MINUTE)
    led.send()
    led.overview(
        enrolled=1, completed=1, contacted=1, messages_sent=1, success_rate=1,
    )  # fmt: skip
    led.expect(
        "step_funnel",
        {"step_key": "call", "enrolled": 1, "reached": 1, "reach_rate": 1, "skipped": 1},
        {"step_key": "mail", "enrolled": 1, "reached": 1, "reach_rate": 1, "messages_sent": 1,
         "success_rate": 1},
    )  # fmt: skip
    led.expect(
        "outcome_reasons",
        {"day": MONDAY, "step_key": "call", "channel_account_key": "line", "subject": "message",
         "outcome": "skipped", "reason": "no_address", "occurrences": 1},
    )  # fmt: skip
    led.expect(
        "daily_activity",
        {"day": MONDAY, "enrolled": 1, "completed": 1},
        {"day": MONDAY, "step_key": "call", "skipped": 1},
        {"day": MONDAY, "step_key": "mail", "channel_account_key": "one", "messages_sent": 1,
         "success_rate": 1},
    )  # fmt: skip


@case()
def M1_a_retry_that_succeeds_is_one_message(led: Ledger) -> None:
    led.publish()
    led.enroll(1)
    led.send("retry", error_code="451")
    led.at(10 * MINUTE)
    led.send()
    led.overview(
        enrolled=1, active=1, contacted=1, messages_sent=1, success_rate=1
    )  # fmt: skip
    led.expect(
        "delivery_errors",
        {"day": MONDAY, "step_key": "s1", "channel_account_key": "one", "errors": 1,
         "outcome": "attempt_failed", "error_code": "451"},
    )  # fmt: skip


@case()
def M1_retries_exhausted_are_one_failed_message(led: Ledger) -> None:
    led.publish(retry={"backoff": ["5 min"]})
    led.enroll(1)
    led.send("retry", error_code="451")
    led.at(10 * MINUTE)
    led.send("retry", error_code="421")
    led.overview(enrolled=1, failed=1, messages_failed=1)
    led.expect(
        "outcome_reasons",
        {"day": MONDAY, "step_key": "s1", "channel_account_key": "one", "subject": "message",
         "outcome": "attempt_failed", "occurrences": 1},
        {"day": MONDAY, "step_key": "s1", "channel_account_key": "one", "subject": "message",
         "outcome": "attempt_failed", "reason": "retries_exhausted", "occurrences": 1},
        {"day": MONDAY, "step_key": "s1", "channel_account_key": "one", "subject": "enrollment",
         "outcome": "failed", "reason": "retries_exhausted", "occurrences": 1},
    )  # fmt: skip


@case()
def M1_a_retried_failure_is_an_entry_of_its_own(led: Ledger) -> None:
    led.publish()
    (e,) = led.enroll(1)
    led.send("rejected", reason="rejected_policy")
    led.call("retry_failed", [e])
    led.at(MINUTE)
    led.send()
    led.overview(
        enrolled=2, active=1, failed=1, contacted=1, messages_sent=1, messages_failed=1,
        success_rate=0.5,
    )  # fmt: skip


@case()
def M1_a_cap_waits_and_counts_nothing(led: Ledger) -> None:
    led.engine.mailbox("one", daily_limit=2)
    led.publish()
    led.enroll(5)
    led.send()
    assert led.claim() == []
    led.overview(enrolled=5, active=5, contacted=2, messages_sent=2, success_rate=1)
    led.expect("outcome_reasons")
    led.expect("delivery_errors")


@case()
def M1_a_throttled_message_counts_nothing_until_it_is_sent(led: Ledger) -> None:
    led.publish()
    led.enroll(1)
    led.send("throttled")
    led.overview(enrolled=1, active=1)
    led.expect("outcome_reasons")


@case()
def M1_what_nobody_knows_is_neither_sent_nor_failed(led: Ledger) -> None:
    led.publish()
    led.enroll(1)
    led.send("unknown", error_code="timeout")
    led.overview(enrolled=1, active=1)
    led.expect(
        "delivery_errors",
        {"day": MONDAY, "step_key": "s1", "channel_account_key": "one", "errors": 1,
         "outcome": "held", "reason": "outcome_unknown", "error_code": "timeout"},
    )  # fmt: skip


@case()
def M1_an_error_that_is_no_code_is_not_a_key_of_a_report(led: Ledger) -> None:
    led.publish()
    led.enroll(1)
    led.send("rejected", reason="rejected_content", error_code="no such user ann@example.net")
    led.expect(
        "delivery_errors",
        {"day": MONDAY, "step_key": "s1", "channel_account_key": "one", "errors": 1,
         "outcome": "attempt_failed", "reason": "rejected_content", "error_code": "other"},
    )  # fmt: skip


@case()
def M1_a_test_message_is_in_no_report(led: Ledger) -> None:
    led.publish()
    led.enroll(1)
    led.send()
    led.engine.rows(
        "insert into drip_core.events (organization_id, occurred_at, recorded_at, type, reason,"
        " enrollment_id, contact_id, sequence_id, version, step_id, channel, channel_account_id,"
        " is_test)"
        " select m.organization_id, m.settled_at, m.settled_at, t.type, null, m.enrollment_id,"
        " m.contact_id, m.sequence_id, m.version, m.step_id, m.channel, m.channel_account_id, true"
        " from drip_core.messages as m cross join unnest(enum_range(null::drip.event_type))"
        " as t (type) where m.organization_id = %s and t.type in ("
        " 'delivered', 'opened', 'clicked', 'replied', 'auto_replied', 'attempt_failed', 'held',"
        " 'skipped', 'converted', 'complained', 'bounced') returning id",
        led.organization,
    )
    led.overview(enrolled=1, active=1, contacted=1, messages_sent=1, success_rate=1)
    led.expect("outcome_reasons")
    led.expect("conversions")
    led.expect(
        "daily_activity",
        {"day": MONDAY, "enrolled": 1},
        {"day": MONDAY, "step_key": "s1", "channel_account_key": "one", "messages_sent": 1,
         "success_rate": 1},
    )  # fmt: skip
    led.expect(
        "recent_activity",
        {"occurred_at": START, "type": "enrolled", "sequence_key": "welcome", "version": 1,
         "step_version": 1, "step_key": "s1", "channel": "email"},
        {"occurred_at": START, "type": "sent", "sequence_key": "welcome", "version": 1,
         "step_version": 1, "step_key": "s1", "channel": "email", "channel_account_key": "one"},
    )  # fmt: skip


# ----------------------------------------------------------------------------- M3: one cohort


@case()
def M3_an_unsubscribe_before_any_message_is_in_no_rate(led: Ledger) -> None:
    led.publish()
    led.enroll(2)
    led.call("upsert_contact", Jsonb({"external_id": "c1", "consent": {"email": "opted_out"}}))
    led.send()
    led.overview(
        enrolled=2, active=1, unsubscribed=1, contacted=1, messages_sent=1, success_rate=1
    )  # fmt: skip


@case()
def M3_an_unsubscribe_counts_for_the_cohort_whenever_it_comes(led: Ledger) -> None:
    led.publish()
    led.enroll(2)
    led.send()
    led.at(DAY)
    led.enroll(1)
    claims = led.send()
    led.at(9 * DAY)
    first = next(c for c in claims if c["to_address"] == "c1@example.net")
    led.engine.value("select drip.unsubscribe(%s)", first["link_token"])
    led.expect(
        "cohorts",
        {"enrolled_on": MONDAY, "enrolled": 2, "completed": 2, "contacted": 2, "messages_sent": 4,
         "success_rate": 1, "unsubscribes": 1, "unsubscribe_rate": 0.5},
        {"enrolled_on": date(2026, 3, 3), "enrolled": 1, "active": 1, "contacted": 1,
         "messages_sent": 1, "success_rate": 1},
    )  # fmt: skip


@case()
def M3_a_complaint_is_no_unsubscribe(led: Ledger) -> None:
    led.publish()
    led.enroll(2)
    claims = led.send()
    led.report(claims[0], "complained")
    led.overview(
        enrolled=2, active=1, unsubscribed=1, contacted=2, messages_sent=2, success_rate=1,
        complaints=1, complaint_rate=0.5,
    )  # fmt: skip
    led.expect(
        "outcome_reasons",
        {"day": MONDAY, "step_key": "s1", "channel_account_key": "one", "subject": "message",
         "outcome": "complained", "reason": "complained", "occurrences": 1},
        {"day": MONDAY, "step_key": "s1", "channel_account_key": "one", "subject": "enrollment",
         "outcome": "unsubscribed", "reason": "complained", "occurrences": 1},
    )  # fmt: skip


@case()
def M3_re_entry_is_an_enrollment_of_its_own(led: Ledger) -> None:
    led.publish(TWO[:1], reentry="when_finished")
    people = led.people(1)
    led.enroll_again(people)
    (first,) = led.send()
    led.letter(first)
    led.at(DAY)
    led.enroll_again(people)
    led.send()
    led.overview(
        enrolled=2, completed=2, contacted=2, messages_sent=2, success_rate=1, replies=1,
        reply_rate=0.5,
    )  # fmt: skip
    led.expect(
        "cohorts",
        {"enrolled_on": MONDAY, "enrolled": 1, "completed": 1, "contacted": 1, "messages_sent": 1,
         "success_rate": 1, "replies": 1, "reply_rate": 1},
        {"enrolled_on": date(2026, 3, 3), "enrolled": 1, "completed": 1, "contacted": 1,
         "messages_sent": 1, "success_rate": 1},
    )  # fmt: skip


# ----------------------------------------------------------------------- M4: all states, always


@case()
def M4_every_state_is_shown_and_they_sum_to_enrolled(led: Ledger) -> None:
    led.publish(on_reply="exit")
    ids = led.enroll(8)
    claims = {c["to_address"]: c for c in led.claim()}
    claim = [claims[f"c{n}@example.net"] for n in range(1, 9)]
    led.settle([claim[1]], "rejected", reason="rejected_content")
    led.settle([claim[2]], "rejected", reason="invalid_address")
    led.settle([claim[3], claim[4], claim[5]])
    led.engine.value("select drip.unsubscribe(%s)", claim[3]["link_token"])
    led.letter(claim[4])
    led.call("pause_enrollment", ids[6])
    led.call("remove_enrollment", ids[7])
    led.at(DAY)
    # the first, whose claim had come to nothing, gets s1, the sixth s2
    assert len(led.send()) == 2
    led.overview(
        enrolled=8, active=1, failed=1, bounced=1, unsubscribed=1, exited=1, completed=1, paused=1,
        removed=1, contacted=4, messages_sent=5, messages_failed=2, success_rate=0.7143,
        unsubscribes=1, unsubscribe_rate=0.25, replies=1, reply_rate=0.25,
    )  # fmt: skip
    led.expect(
        "enrollment_status",
        *(
            {"sequence_key": "welcome", "version": 1, "status": status, "enrollments": 1,
             "share": 0.125}
            for status in ("active", "failed", "bounced", "unsubscribed", "exited", "completed",
                           "paused", "removed")
        ),
    )  # fmt: skip


@case()
def M4_paused_and_resumed_is_active(led: Ledger) -> None:
    led.publish()
    ids = led.enroll(2)
    led.call("pause_enrollments", ids)
    led.call("resume_enrollments", ids[:1])
    led.overview(enrolled=2, active=1, paused=1)
    led.expect(
        "outcome_reasons",
        {"day": MONDAY, "step_key": "s1", "channel_account_key": "one", "subject": "enrollment",
         "outcome": "paused", "reason": "manual", "occurrences": 2},
    )  # fmt: skip


@case()
def M4_archiving_exits_what_is_open(led: Ledger) -> None:
    led.publish()
    led.enroll(3)
    led.at(DAY)
    led.call("set_sequence_status", "welcome", "archived")
    led.overview(enrolled=3, exited=3)
    led.expect(
        "daily_activity",
        {"day": MONDAY, "enrolled": 3},
        {"day": date(2026, 3, 3), "exited": 3},
    )  # fmt: skip


@case()
def M4_a_version_change_in_flight_stays_in_its_cohort(led: Ledger) -> None:
    led.publish()
    led.enroll(1)
    led.send()
    led.publish([TWO[0], {**TWO[1], "text": "Other words"}, {**EMAIL, "key": "s3"}])
    led.enroll(1)
    led.call("migrate_enrollments", "welcome", 2, False)
    led.at(DAY)
    led.send()
    led.expect(
        "sequence_overview",
        {"sequence_key": "welcome", "version": 1, "enrolled": 1, "active": 1, "contacted": 1,
         "messages_sent": 2, "success_rate": 1},
        {"sequence_key": "welcome", "version": 2, "enrolled": 1, "active": 1, "contacted": 1,
         "messages_sent": 1, "success_rate": 1},
    )  # fmt: skip
    sent = {"enrolled": 1, "reached": 1, "reach_rate": 1, "messages_sent": 1, "success_rate": 1}
    led.expect(
        "step_funnel",
        {"step_key": "s1", **sent},
        {"step_key": "s2", "enrolled": 1},
        # of version 2, taken by the enrollment of version 1
        {"step_key": "s2", **sent},
        {"step_key": "s1", **sent},
        {"step_key": "s2", "enrolled": 1},
        {"step_key": "s3", "enrolled": 1},
    )


# -------------------------------------------------------------------------------- M5: local days


# 23:30 on Sunday in New York
@case("America/New_York", datetime(2026, 3, 2, 4, 30, tzinfo=UTC))
def M5_a_day_is_a_day_of_the_organization(led: Ledger) -> None:
    led.publish()
    led.enroll(1)
    led.at(HOUR)
    led.send()
    led.expect(
        "daily_activity",
        {"day": date(2026, 3, 1), "enrolled": 1},
        {"day": MONDAY, "step_key": "s1", "channel_account_key": "one", "messages_sent": 1,
         "success_rate": 1},
    )  # fmt: skip
    led.expect(
        "cohorts",
        {"enrolled_on": date(2026, 3, 1), "enrolled": 1, "active": 1, "contacted": 1,
         "messages_sent": 1, "success_rate": 1},
    )  # fmt: skip


# clocks go from 02:00 to 03:00 on 2026-03-08: the day is 05:00Z to 04:00Z
@case("America/New_York", datetime(2026, 3, 8, 5, 0, tzinfo=UTC))
def M5_the_day_that_loses_an_hour_has_23(led: Ledger) -> None:
    led.publish()
    led.at(-MINUTE)
    led.enroll(1)
    led.at(timedelta(0))
    led.enroll(2)
    led.at(23 * HOUR - MINUTE)
    led.enroll(4)
    led.at(23 * HOUR)
    led.enroll(8)
    led.expect(
        "cohorts",
        *(
            {"enrolled_on": date(2026, 3, day), "enrolled": n, "active": n}
            for day, n in ((7, 1), (8, 6), (9, 8))
        ),
    )


# 2026-10-25 in Berlin: 22:00Z the day before to 23:00Z
@case("Europe/Berlin", datetime(2026, 10, 24, 22, 0, tzinfo=UTC))
def M5_the_day_that_gains_an_hour_has_25(led: Ledger) -> None:
    led.publish()
    led.enroll(1)
    led.at(25 * HOUR - MINUTE)
    led.enroll(2)
    led.at(25 * HOUR)
    led.enroll(4)
    led.expect(
        "daily_activity",
        {"day": date(2026, 10, 25), "enrolled": 3},
        {"day": date(2026, 10, 26), "enrolled": 4},
    )


@case()
def M5_a_message_counts_for_the_day_it_left_not_the_day_it_was_settled(led: Ledger) -> None:
    led.publish()
    led.enroll(1)
    led.at(15 * HOUR - MINUTE)
    claims = led.claim()
    led.at(15 * HOUR + MINUTE)
    led.settle(claims, occurred_at=START + 15 * HOUR - MINUTE)
    led.expect(
        "daily_activity",
        {"day": MONDAY, "enrolled": 1},
        {"day": MONDAY, "step_key": "s1", "channel_account_key": "one", "messages_sent": 1,
         "success_rate": 1},
    )  # fmt: skip


@case()
def M5_a_late_webhook_corrects_the_day_it_is_of(led: Ledger) -> None:
    led.publish()
    led.enroll(1)
    (claim,) = led.send()
    led.at(3 * DAY)
    led.report(claim, "opened", 3 * DAY - MINUTE)
    led.engine.rows("select drip.tick()")
    led.report(claim, "delivered", MINUTE)
    led.report(claim, "opened", HOUR)
    mail = {"step_key": "s1", "channel_account_key": "one"}
    led.expect(
        "daily_activity",
        {"day": MONDAY, "enrolled": 1},
        # the earlier open is the first, and moves to its day
        {"day": MONDAY, **mail, "messages_sent": 1, "success_rate": 1, "delivered": 1,
         "messages_opened": 1},
    )  # fmt: skip
    led.overview(
        enrolled=1, active=1, contacted=1, messages_sent=1, success_rate=1, delivered=1,
        delivery_rate=1, messages_opened=1, open_rate=1,
    )  # fmt: skip


# --------------------------------------------------------------------------- G1: opens and clicks


@case()
def G1_opens_count_messages_not_hits(led: Ledger) -> None:
    led.publish()
    led.enroll(2)
    claims = led.send()
    led.at(MINUTE)
    for _ in range(3):
        led.open(claims[0])
    led.report(claims[0], "opened")
    led.overview(
        enrolled=2, active=2, contacted=2, messages_sent=2, success_rate=1, messages_opened=1,
        open_rate=0.5,
    )  # fmt: skip


@case()
def G1_machines_are_kept_apart(led: Ledger) -> None:
    led.publish()
    led.enroll(2)
    claims = led.send()
    led.at(MINUTE)
    led.open(claims[0], MACHINE)
    led.open(claims[1], MACHINE)
    led.open(claims[1])
    led.report(claims[0], "clicked", detail={"is_machine": True})
    led.report(claims[1], "clicked")
    led.overview(
        enrolled=2, active=2, contacted=2, messages_sent=2, success_rate=1, messages_opened=1,
        open_rate=0.5, machine_opens=2, messages_clicked=1, click_rate=0.5, machine_clicks=1,
    )  # fmt: skip


@case()
def G1_a_judgement_that_changes_corrects_what_was_counted(led: Ledger) -> None:
    led.publish()
    led.enroll(1)
    (claim,) = led.send()
    led.at(MINUTE)
    led.open(claim, "Judged/1.0")
    led.at(DAY)
    led.open(claim)
    led.engine.rows("select drip.tick()")
    led.engine.rows("insert into drip_core.machine_agents values ('^Judged', 'x') returning note")
    led.call("classify_hits")
    led.engine.rows("delete from drip_core.machine_agents where pattern = '^Judged' returning note")
    mail = {"step_key": "s1", "channel_account_key": "one"}
    led.expect(
        "daily_activity",
        {"day": MONDAY, "enrolled": 1},
        {"day": MONDAY, **mail, "messages_sent": 1, "success_rate": 1, "machine_opens": 1},
        {"day": date(2026, 3, 3), **mail, "messages_opened": 1},
    )  # fmt: skip


@case()
def G1_an_open_before_its_message_is_settled_counts_once_it_is(led: Ledger) -> None:
    led.publish()
    led.enroll(1)
    claims = led.claim()
    led.open(claims[0])
    led.expect("step_funnel", {"step_key": "s1", "enrolled": 1}, {"step_key": "s2", "enrolled": 1})
    led.check("in flight")
    led.settle(claims)
    led.overview(
        enrolled=1, active=1, contacted=1, messages_sent=1, success_rate=1, messages_opened=1,
        open_rate=1,
    )  # fmt: skip
    del led.expected["step_funnel"]


# ------------------------------------------------------------------------------------- G2: replies


@case()
def G2_an_automatic_answer_is_no_reply(led: Ledger) -> None:
    led.publish(on_reply="continue")
    led.enroll(2)
    claims = led.send()
    led.letter(claims[0], "Away", Auto_Submitted="auto-replied")
    led.letter(claims[1])
    led.letter(claims[1], "And another thing")
    led.overview(
        enrolled=2, active=2, contacted=2, messages_sent=2, success_rate=1, replies=1,
        reply_rate=0.5,
    )  # fmt: skip
    mail = {"day": MONDAY, "step_key": "s1", "channel_account_key": "one"}
    led.expect(
        "daily_activity",
        {"day": MONDAY, "enrolled": 2},
        {**mail, "messages_sent": 2, "success_rate": 1, "replies": 1, "auto_replies": 1},
    )  # fmt: skip


@case()
def G2_a_reply_counts_for_the_step_and_sender_it_answers(led: Ledger) -> None:
    led.line()
    steps = [TWO[0], {**PHONE, "key": "call", "delay": "1 day"}]
    led.publish(steps, senders=["one", "line"], on_reply="continue")
    led.enroll(1, phone="+4915112345678")
    (mail,) = led.send()
    led.at(DAY)
    led.send()
    led.letter(mail)
    led.expect(
        "sender_performance",
        {"channel_account_key": "one", "contacted": 1, "messages_sent": 1, "success_rate": 1,
         "replies": 1, "reply_rate": 1},
        {"channel_account_key": "line", "contacted": 1, "messages_sent": 1, "success_rate": 1},
    )  # fmt: skip
    led.expect(
        "channel_performance",
        {"channel": "email", "contacted": 1, "messages_sent": 1, "success_rate": 1, "replies": 1,
         "reply_rate": 1},
        {"channel": "whatsapp_lite", "contacted": 1, "messages_sent": 1, "success_rate": 1},
    )  # fmt: skip
    sent = {"enrolled": 1, "reached": 1, "reach_rate": 1, "messages_sent": 1, "success_rate": 1}
    led.expect(
        "step_funnel", {"step_key": "s1", **sent, "replies": 1}, {"step_key": "call", **sent}
    )


@case()
def G2_replies_to_two_steps_are_one_enrollment(led: Ledger) -> None:
    led.publish(on_reply="continue")
    led.enroll(1)
    (first,) = led.send()
    led.letter(first)
    led.at(DAY)
    (second,) = led.send()
    led.letter(second)
    led.expect(
        "sender_performance",
        {"channel_account_key": "one", "contacted": 1, "messages_sent": 2, "success_rate": 1,
         "replies": 1, "reply_rate": 1},
    )  # fmt: skip
    sent = {"enrolled": 1, "reached": 1, "reach_rate": 1, "messages_sent": 1, "success_rate": 1}
    led.expect(
        "step_funnel",
        {"step_key": "s1", **sent, "replies": 1},
        {"step_key": "s2", **sent, "replies": 1},
    )


# ----------------------------------------------------------------------- G3: delivered and bounced


@case()
def G3_delivered_is_null_where_nobody_reports_it(led: Ledger) -> None:
    led.publish()
    led.enroll(1)
    led.send()
    row = "select delivered, delivery_rate from drip_report.sequence_overview"
    led.overview(enrolled=1, active=1, contacted=1, messages_sent=1, success_rate=1)
    assert led.engine.rows(f"{row} where organization_id = %s", led.organization) == [
        {"delivered": None, "delivery_rate": None}
    ]


@case()
def G3_what_came_back_is_out_of_the_base_of_opens(led: Ledger) -> None:
    led.publish()
    led.enroll(4)
    claims = led.send()
    for claim in claims:
        led.report(claim, "delivered")
    led.report(claims[0], "opened")
    led.report(claims[0], "bounced", detail={"status": "5.1.1"})
    led.report(claims[1], "opened")
    led.overview(
        enrolled=4, active=3, bounced=1, contacted=4, messages_sent=4, success_rate=1, delivered=4,
        delivery_rate=1, messages_bounced=1, bounce_rate=0.25, messages_opened=1, open_rate=0.3333,
    )  # fmt: skip


@case()
def G3_all_came_back_has_no_open_rate(led: Ledger) -> None:
    led.publish()
    led.enroll(1)
    (claim,) = led.send()
    led.report(claim, "opened")
    led.report(claim, "bounced", reason="soft")
    led.report(claim, "bounced", reason="soft")
    led.overview(
        enrolled=1, active=1, contacted=1, messages_sent=1, success_rate=1, messages_bounced=1,
        bounce_rate=1,
    )  # fmt: skip
    mail = {"day": MONDAY, "step_key": "s1", "channel_account_key": "one"}
    led.expect(
        "outcome_reasons",
        {**mail, "subject": "message", "outcome": "bounced", "reason": "soft_bounced",
         "occurrences": 2},
    )  # fmt: skip


# -------------------------------------------------------------------------- G4: reasons; G5: funnel


@case()
def G4_everything_that_ends_has_its_reason(led: Ledger) -> None:
    led.publish(on_reply="exit")
    ids = led.enroll(3)
    claims = {c["to_address"]: c for c in led.send()}
    led.call("remove_enrollment", ids[0])
    led.letter(claims["c2@example.net"])
    led.engine.value("select drip.unsubscribe(%s)", claims["c3@example.net"]["link_token"])
    led.expect(
        "outcome_reasons",
        {"day": MONDAY, "step_key": "s2", "channel_account_key": "one", "subject": "enrollment",
         "outcome": "removed", "reason": "manual", "occurrences": 1},
        # of an end that answers a message: the step of that
        {"day": MONDAY, "step_key": "s1", "channel_account_key": "one", "subject": "enrollment",
         "outcome": "exited", "reason": "replied", "occurrences": 1},
        {"day": MONDAY, "step_key": "s1", "channel_account_key": "one", "subject": "enrollment",
         "outcome": "unsubscribed", "reason": "unsubscribed", "occurrences": 1},
    )  # fmt: skip


@case()
def G5_the_funnel_counts_enrollments_of_one_cohort(led: Ledger) -> None:
    led.publish()
    led.enroll(4)
    claims = led.claim()
    led.settle(claims[:3])
    led.settle(claims[3:], "retry")
    led.at(DAY)
    again = led.claim()
    led.settle([c for c in again if c["step_key"] == "s2"][:1])
    led.expect(
        "step_funnel",
        {"step_key": "s1", "enrolled": 4, "reached": 3, "reach_rate": 0.75, "messages_sent": 3,
         "success_rate": 1},
        {"step_key": "s2", "enrolled": 4, "reached": 1, "reach_rate": 0.25, "messages_sent": 1,
         "success_rate": 1},
    )  # fmt: skip


# --------------------------------------------------------------------------------- G6: conversions


@case()
def G6_a_conversion_has_time_value_and_the_message_it_follows(led: Ledger) -> None:
    led.publish(goal={"deal_stages": ["won"]})
    people = led.people(2)
    led.enroll_again(people)
    led.send()
    led.at(DAY - HOUR)
    led.deal(people[0], "won", amount=120.5, currency="EUR")
    led.overview(
        enrolled=2, active=1, exited=1, contacted=2, messages_sent=2, success_rate=1,
        conversions=1, conversion_rate=0.5,
    )  # fmt: skip
    led.expect(
        "conversions",
        {"sequence_key": "welcome", "version": 1, "step_key": "s1", "channel_account_key": "one",
         "converted_at": START + DAY - HOUR, "converted_on": date(2026, 3, 3),
         "enrolled_on": MONDAY, "amount": 120.5, "currency": "EUR"},
    )  # fmt: skip


@case()
def G6_a_goal_before_any_message_is_no_conversion(led: Ledger) -> None:
    led.publish(goal={"deal_stages": ["won"]})
    people = led.people(1)
    led.enroll_again(people)
    led.deal(people[0], "won")
    led.overview(enrolled=1, exited=1)
    led.expect("conversions")


def test_the_ledger_has_at_least_thirty_cases() -> None:
    assert len(CASES) >= 30


@pytest.mark.parametrize("name", CASES)
def test_golden(engine: Engine, name: str) -> None:
    tell, zone, start = CASES[name]
    ledger = Ledger(engine, zone, start)
    tell(ledger)
    ledger.check("as it happened")
    engine.rows("select drip.tick()")
    ledger.check("added up")
    assert (
        engine.value("select drip.rebuild_rollups(organization_id => %s)", ledger.organization) == 0
    )
    ledger.check("rebuilt")


#: Cases that together write every word that a report filters on.
EVERY_WORD = (
    *("M1_a_skipped_step_is_neither_sent_nor_failed", "M1_what_nobody_knows_is_neither_sent_nor"),
    *("M1_retries_exhausted_are_one_failed_message", "M3_a_complaint_is_no_unsubscribe"),
    *("M4_every_state_is_shown_and_they_sum_to_enrolled", "G1_machines_are_kept_apart"),
    *("G2_an_automatic_answer_is_no_reply", "G3_what_came_back_is_out_of_the_base_of_opens"),
    "G6_a_conversion_has_time_value_and_the_message_it_follows",
)


def test_M2_every_filter_of_a_report_is_reached(engine: Engine) -> None:
    organizations = []
    for name in EVERY_WORD:
        (found,) = (case for case in CASES if case.startswith(name))
        tell, zone, start = CASES[found]
        ledger = Ledger(engine, zone, start)
        tell(ledger)
        organizations.append(ledger.organization)
    engine.rows("select drip.tick()")

    def reached(column: str, table: str) -> set[str]:
        rows = engine.rows(
            f"select distinct {column}::text as word from drip_core.{table}"
            " where organization_id = any (%s)",
            organizations,
        )
        return {row["word"] for row in rows if row["word"] is not None}

    assert reached("outcome", "report_cells") == oracle.OUTCOMES
    assert reached("subject", "report_cells") == {"message", "enrollment"}
    assert reached("scope", "report_cells") == {"cohort", "step", "day", "outcome"}
    assert reached("unnest(kinds)", "report_facts") == {
        *("skipped", "delivered", "bounced", "opened", "clicked", "machine_opened"),
        *("machine_clicked", "replied", "unsubscribed", "complained", "converted"),
    }


def test_no_case_of_the_ledger_breaks_an_invariant(engine: Engine) -> None:
    assert engine.violations() == []
