"""Random histories through the public API: every view says what a recomputation says.

Before counts are added up, after, after a rebuild, after repairs of what was spoilt, and when the
months of the events are gone.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from psycopg.types.json import Jsonb

import report_oracle as oracle
from engine import START, Claim, Engine

pytestmark = pytest.mark.timeout(900)

Connect = Callable[..., psycopg.Connection]

WAITS = (
    timedelta(seconds=1),
    timedelta(minutes=20),
    timedelta(hours=5),
    timedelta(days=1),
    timedelta(days=3),
    timedelta(days=26),
)
EMAIL = {"channel": "email", "subject": "Hi", "text": "Hello"}
PHONE = {"channel": "whatsapp_lite", "text": "Hello", "allow_identical_text": True}
HTML = '<p>Hello <a href="https://example.com/a">a</a> <a href="https://example.com/b">b</a></p>'
VERSIONS: list[list[dict[str, Any]]] = [
    [
        {**EMAIL, "key": "s1", "html": HTML},
        {**PHONE, "key": "s2", "delay": "1 day"},
        {**EMAIL, "key": "s3", "delay": "2 days"},
    ],
    [
        {**EMAIL, "key": "s1", "html": HTML},
        {**EMAIL, "key": "s3", "delay": "1 day", "text": "Other words"},
        {**PHONE, "key": "s2", "delay": "1 day"},
        {**EMAIL, "key": "s4", "delay": "1 day"},
    ],
]
RULES = {
    "reentry": "when_finished",
    "on_reply": "continue",
    "goal": {"deal_stages": ["won"]},
    "retry": {"backoff": ["5 min"]},
}
RESULTS: list[dict[str, Any]] = [
    {"outcome": "sent"},
    {"outcome": "sent"},
    {"outcome": "sent"},
    {"outcome": "retry", "error_code": "451"},
    {"outcome": "rejected", "reason": "invalid_address", "error_code": "5.1.1"},
    {"outcome": "rejected", "reason": "rejected_content", "error_code": "spam_words"},
    {"outcome": "throttled"},
    {"outcome": "unknown"},
]
REPORTS: list[dict[str, Any]] = [
    {"type": "delivered"},
    {"type": "opened"},
    {"type": "opened", "detail": {"is_machine": True}},
    {"type": "clicked"},
    {"type": "clicked", "detail": {"is_machine": True}},
    {"type": "bounced", "reason": "soft"},
    {"type": "bounced", "detail": {"status": "5.1.1"}},
    {"type": "complained"},
    {"type": "unsubscribed"},
]
LETTERS: list[dict[str, Any]] = [
    {"text": "Sounds good"},
    {"text": "Away", "headers": {"Auto-Submitted": "auto-replied"}},
    {"text": "STOP"},
]
AGENTS = ("Mozilla/5.0 (X11) Firefox/128.0", "Mozilla/5.0", "curl/8", "Judged/1.0")


class History:
    """One organization and what happens to it; each step is drawn as (name, number, number)."""

    def __init__(self, url: str, zone: str) -> None:
        self.engine = Engine(url)
        self.now = START + timedelta(days=4)
        organization = self.engine.value(
            "select drip.create_organization('Acme', %s, %s)",
            zone,
            Jsonb({"public_base_url": "https://mail.example.com", "tracking": True}),
        )
        self.engine.organization_id = organization
        self.engine.set("drip.organization_id", str(organization))
        self.at(self.now)
        for key in ("one", "two"):
            self.engine.mailbox(key)
        self.engine.mailbox(
            "line",
            channel="whatsapp_lite",
            provider="waha",
            address="+493012345",
            **{"min_gap": None, "max_gap": None, "daily_limit": None},
        )
        self.published = 0
        self.engine.sequence("welcome", VERSIONS[0], ("one", "two", "line"), **RULES)
        self.engine.sequence("other", VERSIONS[0][:1], (), **RULES)
        self.contacts: list[int] = []
        for number in range(5):
            contact = {"external_id": f"c{number}", "email": f"c{number}@example.net"}
            if number % 2:
                contact["phone"] = f"+4930{1000000 + number}"
            self.contacts.append(
                self.engine.value(
                    "select drip.upsert_contact(%s, %s)", organization, Jsonb(contact)
                )
            )
        self.in_flight: list[Claim] = []
        self.claimed: list[Claim] = []
        self.count = 0
        #: Events of months that were dropped.
        self.gone: list[dict[str, Any]] = []

    def at(self, now: Any) -> None:
        self.now = now
        self.engine.at(now)

    def rows(self, statement: str, *args: Any) -> list[dict[str, Any]]:
        return self.engine.rows(statement, self.engine.organization_id, *args)

    # ------------------------------------------------------------------------------ what happens

    def wait(self, a: int, b: int) -> None:
        self.at(self.now + WAITS[a % len(WAITS)] + timedelta(seconds=b))

    def enroll(self, a: int, b: int) -> None:
        some = [c for i, c in enumerate(self.contacts) if (a + 1) & (1 << i)] or self.contacts
        self.rows("select * from drip.enroll_many(%s, %s, %s)", ("welcome", "other")[b % 2], some)

    def claim(self, a: int, b: int) -> None:
        claims = self.engine.rows(
            "select * from drip.claim(%s, '5 minutes', null, %s)",
            *(1 + a % 10, self.engine.organization_id),
        )
        if b % 3:
            self.engine.value(
                "select drip.hand_over(%s)",
                Jsonb(
                    [
                        {k: c[k] for k in ("organization_id", "enrollment_id", "claim_token")}
                        for c in claims
                    ]
                ),
            )
        self.in_flight += claims
        self.claimed += claims

    def settle(self, a: int, b: int) -> None:
        taken, self.in_flight = self.in_flight[: 1 + a % 10], self.in_flight[1 + a % 10 :]
        self.engine.advance(
            {
                **{k: c[k] for k in ("organization_id", "enrollment_id", "claim_token")},
                "occurred_at": self.now - timedelta(minutes=b % 50),
                **RESULTS[(b + i * 5) % len(RESULTS)],
            }
            for i, c in enumerate(taken)
        )

    def work(self, a: int, b: int) -> None:
        """A runner's turn in which all is well."""
        self.claim(9, 1)
        self.engine.settle(
            {k: c[k] for k in ("organization_id", "enrollment_id", "claim_token")}
            for c in self.in_flight
        )
        self.in_flight = []

    def of_claimed(self, number: int) -> Claim | None:
        return self.claimed[-1 - number % len(self.claimed)] if self.claimed else None

    def report(self, a: int, b: int) -> None:
        claim = self.of_claimed(a)
        if claim is not None:
            self.count += 1
            event = {
                **REPORTS[b % len(REPORTS)],
                "message_token": claim["message_token"],
                "external_id": f"r{self.count}",
                "occurred_at": (self.now - WAITS[(a + b) % 5]).isoformat(),
            }
            self.rows("select drip.record_provider_event(%s, %s)", Jsonb(event))

    def letter(self, a: int, b: int) -> None:
        claim = self.of_claimed(a)
        if claim is not None and claim["channel"] == "email":
            self.count += 1
            message = {
                **LETTERS[b % len(LETTERS)],
                "channel": "email",
                "from_address": claim["to_address"],
                "in_reply_to": [claim["headers"].get("Message-ID", "<x@y>")],
                "external_id": f"l{self.count}",
                "received_at": (self.now - WAITS[(a + b) % 4]).isoformat(),
            }
            self.rows("select drip.record_inbound(%s, %s)", Jsonb(message))

    def hit(self, a: int, b: int) -> None:
        claim = self.of_claimed(a)
        if claim is not None:
            agent = AGENTS[b % len(AGENTS)]
            if b % 3:
                self.engine.rows(
                    "select drip.record_open(%s, %s, '192.0.2.1')", claim["link_token"], agent
                )
            else:
                self.engine.rows(
                    "select drip.record_click(%s, %s, %s, '192.0.2.2')",
                    *(claim["link_token"], 1 + b % 2, agent),
                )

    def judge(self, a: int, b: int) -> None:
        """The rules change, and what was judged is judged anew."""
        if a % 2:
            self.engine.rows(
                "insert into drip_core.machine_agents values ('judged', 'a test')"
                " on conflict do nothing returning note"
            )
        else:
            self.engine.rows(
                "delete from drip_core.machine_agents where pattern = 'judged' returning 1 as x"
            )
        self.rows("select drip.classify_hits(%s)")

    def deal(self, a: int, b: int) -> None:
        deal = {"external_id": f"d{a % 4}", "contact_id": self.contacts[a % 5], "amount": b}
        deal |= {"stage": ("new", "won")[b % 2], "currency": "EUR"}
        self.rows("select drip.upsert_deal(%s, %s)", Jsonb(deal))

    def unsubscribe(self, a: int, b: int) -> None:
        claim = self.of_claimed(a)
        if claim is not None and b % 2:
            self.engine.rows("select drip.unsubscribe(%s)", claim["link_token"])

    def opt_out(self, a: int, b: int) -> None:
        if b % 4 == 0:
            contact = {"external_id": f"c{a % 5}", "consent": {"email": "opted_out"}}
            self.rows("select drip.upsert_contact(%s, %s)", Jsonb(contact))

    def change(self, a: int, b: int) -> None:
        found = self.rows(
            "select id from drip_core.enrollments where organization_id = %s"
            " and status in ('active', 'paused') order by id"
        )
        ids = [row["id"] for i, row in enumerate(found) if (a + 1) & (1 << i % 8)]
        name = ("pause", "resume", "pause", "resume", "remove")[b % 5]
        self.rows(f"select * from drip.{name}_enrollments(%s, %s)", ids)

    def retry(self, a: int, b: int) -> None:
        found = self.rows(
            "select id from drip_core.enrollments where organization_id = %s and status = 'failed'"
        )
        self.rows("select * from drip.retry_failed(%s, %s)", [row["id"] for row in found])

    def publish(self, a: int, b: int) -> None:
        self.published = (self.published + 1) % 2
        self.engine.sequence("welcome", VERSIONS[self.published], ("one", "two", "line"), **RULES)
        if a % 2:
            (row,) = self.rows(
                "select current_version from drip_core.sequences"
                " where organization_id = %s and key = 'welcome'"
            )
            self.rows(
                "select * from drip.migrate_enrollments(%s, 'welcome', %s, false)",
                row["current_version"],
            )

    def replace_sender(self, a: int, b: int) -> None:
        keys = ("one", "two") if a % 2 else ("two", "one")
        self.rows("select drip.replace_sender(%s, %s, %s)", *keys)

    def tick(self, a: int, b: int) -> None:
        self.engine.rows("select drip.tick()")

    # --------------------------------------------------------------------------- what is compared

    def run(self, steps: list[tuple[str, int, int]]) -> None:
        for name, a, b in steps:
            getattr(self, name)(a, b)

    def exported(self) -> oracle.Export:
        raw = oracle.export(self.engine.connection, self.engine.organization_id)
        return replace(raw, events=sorted(self.gone + raw.events, key=lambda v: int(v["id"])))

    def agree(self, when: str) -> None:
        """Every figure of every view is what the events say."""
        actual = oracle.shown(self.engine.connection, self.engine.organization_id)
        expected = oracle.reports(self.exported())
        if self.gone:
            # a list of events, not a count: it goes with them
            del actual["recent_activity"][:], expected["recent_activity"][:]
        assert oracle.differences(actual, expected) == [], when

    def drop_months(self) -> int:
        """Drop the months that have ended, as an operator would: whole partitions."""
        self.at((self.now.replace(day=1) + timedelta(days=32)).replace(day=1))
        self.engine.rows("select drip.tick()")
        month = self.now.replace(hour=0, minute=0, second=0)
        self.gone = [v for v in self.exported().events if v["recorded_at"] < month]
        partitions = self.engine.rows(
            "select c.relname from pg_inherits as i join pg_class as c on c.oid = i.inhrelid"
            " where i.inhparent = 'drip_core.events'::regclass and c.relname ~ '^events_[0-9]'"
        )
        dropped = 0
        for row in partitions:
            if row["relname"] < f"events_{self.now:%Y_%m}":
                self.engine.connection.execute(f"drop table drip_core.{row['relname']}".encode())
                dropped += 1
        (left,) = self.rows(
            "select count(*) as n from drip_core.events"
            " where organization_id = %s and recorded_at < %s",
            month,
        )
        assert left["n"] == 0
        return dropped

    def spoil(self) -> None:
        """Counts go wrong, as by a hand in the tables."""
        self.rows(
            "update drip_core.report_cells set enrolled = enrolled + 3, messages_sent = 7,"
            " step_replies = step_replies + 1, occurrences = 1"
            " where organization_id = %s returning 1 as x"
        )
        self.rows("delete from drip_core.report_facts where organization_id = %s returning 1 as x")


NAMES = [
    *("wait", "wait", "enroll", "claim", "settle", "work", "work", "report", "report", "letter"),
    *("hit", "hit", "judge", "deal", "unsubscribe", "opt_out", "change", "retry", "publish"),
    *("replace_sender", "tick"),
]
STEPS = st.lists(
    st.tuples(st.sampled_from(NAMES), st.integers(0, 63), st.integers(0, 63)), max_size=40
)
BEGINNING = [("enroll", 30, 0), ("work", 0, 0), ("report", 0, 1)]


def tell(url: str, zone: str, first: Any, second: Any, third: Any) -> None:
    """A history in three parts, and all comparisons."""
    history = History(url, zone)
    try:
        history.run(BEGINNING + first)
        history.agree("before counts are added up")
        history.engine.rows("select drip.tick()")
        assert history.rows("select from drip_core.report_deltas where organization_id = %s") == []
        history.agree("once they are added up")
        history.run(second)
        history.agree("added up in part")
        history.rows("select drip.rebuild_rollups(organization_id => %s)")
        history.agree("after a rebuild")
        history.engine.rows("select drip.tick()")
        history.agree("after a rebuild and a tick")
        history.spoil()
        assert history.rows("select drip.rebuild_rollups(organization_id => %s) as n")[0]["n"] > 0
        history.agree("after a repair")
        broken = history.engine.violations()
        assert [v for v in broken if v["organization_id"] == history.engine.organization_id] == []
        history.drop_months()
        history.agree("when the months of the events are gone")
        history.run([step for step in third if step[0] != "judge"])
        history.agree("and facts about them come later")
        history.rows("select drip.rebuild_rollups(organization_id => %s)")
        history.agree("after a rebuild without those months")
    finally:
        history.engine.close()


@settings(
    max_examples=6,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
    database=None,
    # an example is a second long
    phases=[Phase.generate],
)
@given(zone=st.sampled_from(["America/New_York", "UTC"]), first=STEPS, second=STEPS, third=STEPS)
def _few(url: str, zone: str, first: Any, second: Any, third: Any) -> None:
    tell(url, zone, first, second, third)


def test_M1_M3_M4_M5_G1_G5_views_equal_an_independent_recomputation(database: str) -> None:
    _few(database)


@pytest.mark.thorough
@pytest.mark.timeout(3600)
def test_M1_M3_M4_M5_G1_G5_views_equal_it_for_many_histories(database: str) -> None:
    settings(
        max_examples=int(os.environ.get("PGDRIP_REPORT_EXAMPLES", "250")),
        deadline=None,
        suppress_health_check=list(HealthCheck),
        database=None,
        phases=[Phase.generate],
    )(
        given(
            zone=st.sampled_from(["America/New_York", "Pacific/Auckland", "UTC"]),
            first=STEPS,
            second=STEPS,
            third=STEPS,
        )(lambda zone, first, second, third: tell(database, zone, first, second, third))
    )()
