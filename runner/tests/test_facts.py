"""Facts that come in, in any order: valid, twice, early, after a migration, after an erasure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.types.json import Jsonb

from engine import ONE_STEP, START, Engine

pytestmark = pytest.mark.timeout(300)

FIRST = {**ONE_STEP[0], "html": '<a href="https://example.com/a">a</a>'}
STEPS = [
    FIRST,
    {**FIRST, "key": "s2", "delay": "2 days"},
    {**FIRST, "key": "s3", "delay": "2 days"},
]
RULES = {"exit_on": {"deal_stages": ["won"]}}
#: In the order in which they happened, a minute apart.
REPORTS = {
    "delivered": {"type": "delivered"},
    "opened": {"type": "opened"},
    "opened by a machine": {"type": "opened", "detail": {"is_machine": True}},
    "clicked": {"type": "clicked", "detail": {"url": "https://example.com"}},
    "deferred": {"type": "deferred"},
    "bounced for now": {"type": "bounced", "reason": "soft"},
    "bounced by policy": {"type": "bounced", "reason": "policy"},
    "bounced for good": {"type": "bounced", "detail": {"status": "5.1.1"}},
    "complained": {"type": "complained"},
    "unsubscribed at the provider's": {"type": "unsubscribed"},
}
LETTERS: dict[str, dict[str, Any]] = {
    "replied": {"text": "Sounds good"},
    "away": {
        "text": "Away until 2026-03-20",
        "headers": {"Auto-Submitted": "auto-replied"},
    },
    "ticket": {"text": "Received", "headers": {"Auto-Submitted": "auto-generated"}},
    "stop": {"text": "STOP"},
}
#: What arrives over the links, and is a fact each time.
HITS = ["fetched the pixel", "fetched a link"]
DEAL = "bought"
FACTS = [*REPORTS, *LETTERS, "followed the link", DEAL, *HITS]
ENDING = {
    "bounced for good",
    "complained",
    "unsubscribed at the provider's",
    "stop",
    "followed the link",
}
FACT_EVENTS = ("delivered", "opened", "clicked", "bounced", "complained", "replied", "auto_replied")


class Person:
    """A contact with one message in flight."""

    def __init__(self, engine: Engine, name: str) -> None:
        self.engine = engine
        self.name = name
        engine.at(START)
        self.contact = engine.value(
            "select drip.upsert_contact(%s, %s)",
            engine.organization_id,
            Jsonb({"external_id": name, "email": f"{name}@example.net"}),
        )
        engine.enroll([self.contact])
        (self.claim,) = engine.rows("select * from drip.claim(10)")
        self.enrollment = self.claim["enrollment_id"]

    def settle(self) -> None:
        assert self.engine.settle([self.claim]) == ["advanced"]

    def erase(self) -> None:
        organization = self.engine.organization_id
        self.engine.rows("select drip.erase_contact(%s, %s)", organization, self.contact)

    def tell(self, fact: str) -> None:
        """Record a fact as it arrives; its own time is that of its place among all facts."""
        organization = self.engine.organization_id
        happened = START + timedelta(minutes=1 + FACTS.index(fact))
        name = f"{self.name}/{fact}"
        if fact in REPORTS:
            event = {
                **REPORTS[fact],
                "message_token": self.claim["message_token"],
                "external_id": name,
                "occurred_at": happened.isoformat(),
            }
            call = "select drip.record_provider_event(%s, %s)"
            self.engine.value(call, organization, Jsonb(event))
        elif fact in LETTERS:
            letter = {
                **LETTERS[fact],
                "channel": "email",
                "from_address": f"{self.name}@example.net",
                "in_reply_to": [self.claim["headers"]["Message-ID"]],
                "external_id": name,
                "received_at": happened.isoformat(),
            }
            self.engine.value("select drip.record_inbound(%s, %s)", organization, Jsonb(letter))
        elif fact in HITS:
            call = "record_open(%s, %s, %s)" if fact == HITS[0] else "record_click(%s, 1, %s, %s)"
            self.engine.rows(f"select drip.{call}", self.claim["link_token"], "curl/8", "192.0.2.1")
        elif fact == DEAL:
            deal = {"external_id": name, "contact_id": self.contact, "stage": "won"}
            self.engine.value("select drip.upsert_deal(%s, %s)", organization, Jsonb(deal))
        else:
            self.engine.value("select drip.unsubscribe(%s)", self.claim["link_token"])

    def state(self) -> dict[str, Any]:
        """What counts of a person when all is said: facts, consent, whether and when it goes on."""
        engine, organization = self.engine, self.engine.organization_id
        events = engine.rows(
            "select v.type::text, v.reason::text, s.key, v.occurred_at, v.is_machine"
            " from drip_core.events as v"
            " join drip_core.steps as s"
            " on s.organization_id = v.organization_id and s.id = v.step_id"
            " where v.organization_id = %s and v.enrollment_id = %s and v.type::text = any(%s)"
            " and v.channel is not null",
            *(organization, self.enrollment, list(FACT_EVENTS)),
        )
        (enrollment,) = engine.rows(
            # what has ended keeps the step it had then
            "select case when e.status in ('active', 'paused') then e.status::text end as status,"
            " case when e.status in ('active', 'paused') then s.key end as step, e.next_step_at"
            " from drip_core.enrollments as e"
            " left join drip_core.steps as s"
            " on s.organization_id = e.organization_id and s.id = e.step_id"
            " where e.organization_id = %s and e.id = %s",
            *(organization, self.enrollment),
        )
        with engine.connection.transaction(force_rollback=True):
            is_welcome = engine.value(
                "select outcome = 'enrolled' from drip.enroll(%s, 'other', %s)",
                *(organization, self.contact),
            )
        unsubscribed = engine.value(
            "select count(*) > 0 from drip_core.events where organization_id = %s"
            " and enrollment_id = %s and type = 'unsubscribed' and reason <> 'complained'",
            *(organization, self.enrollment),
        )
        return {
            "events": Counter(tuple(event.values()) for event in events),
            "enrollment": enrollment,
            "consent": engine.value(
                "select drip_core._consent_of(%s, %s, 'email')::text", organization, self.contact
            ),
            "may be written to": is_welcome,
            "unsubscribed": unsubscribed,
        }


class World:
    """An organization for many examples."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.count = 0
        # nobody bounces and complains like these people: no guardrail here
        off = {"guardrails": {"bounce_rate": None, "complaint_rate": None}}
        settings = {**off, "tracking": True}
        engine.rows(
            "select drip.update_organization(%s, %s)", engine.organization_id, Jsonb(settings)
        )
        engine.mailbox()
        engine.sequence("welcome", STEPS, **RULES)
        engine.sequence("other", ONE_STEP)

    def persons(self) -> tuple[Person, Person]:
        """Two of the same kind: one hears all in order, the other as it comes."""
        self.count += 1
        self.engine.sequence("welcome", STEPS, **RULES)
        both = tuple(Person(self.engine, f"p{self.count}{letter}") for letter in "ab")
        return both[0], both[1]

    def migrate(self) -> None:
        """Everybody to a version with one step less."""
        self.engine.sequence("welcome", STEPS[:2], **RULES)
        organization = self.engine.organization_id
        version = self.engine.value(
            "select current_version from drip_core.sequences where organization_id = %s"
            " and key = 'welcome'",
            organization,
        )
        self.engine.rows(
            "select * from drip.migrate_enrollments(%s, 'welcome', %s, false)",
            *(organization, version),
        )

    def later(self) -> None:
        """What was early is looked for again."""
        for hours in (1, 2):
            self.engine.at(START + timedelta(hours=hours))
            self.engine.value("select drip.tick()")
        self.engine.at(START + timedelta(hours=1))


@pytest.fixture
def world(database: str) -> Iterator[World]:
    engine = Engine(database)
    yield World(engine)
    engine.close()


def _in_order(facts: Sequence[str]) -> list[str]:
    """In the order in which they happened, once each."""
    return sorted(set(facts), key=FACTS.index)


def test_facts_in_any_order_end_as_in_order_H5_X9(world: World) -> None:
    @settings(
        max_examples=150, deadline=None, suppress_health_check=list(HealthCheck), database=None
    )
    @given(
        arrivals=st.lists(st.sampled_from(FACTS), min_size=1, max_size=10),
        early=st.integers(0, 10),
        migrates=st.booleans(),
    )
    def check(arrivals: list[str], early: int, migrates: bool) -> None:
        arrivals = [
            fact for n, fact in enumerate(arrivals) if fact not in HITS or fact not in arrivals[:n]
        ]
        ordered, shuffled = world.persons()
        ordered.settle()
        for fact in arrivals[:early]:
            shuffled.tell(fact)
        shuffled.settle()
        if migrates:
            world.migrate()
        for fact in arrivals[early:]:
            shuffled.tell(fact)
        for fact in _in_order(arrivals):
            ordered.tell(fact)
        world.later()
        state = ordered.state()
        assert shuffled.state() == state
        assert state["may be written to"] != bool(ENDING & set(arrivals))
        assert world.engine.value("select count(*) from drip_core.reaction_failures") == 0

    check()
    assert world.engine.violations() == []


def test_facts_after_an_erasure_count_and_name_nobody_X7(world: World) -> None:
    @settings(
        max_examples=50, deadline=None, suppress_health_check=list(HealthCheck), database=None
    )
    @given(
        # a hit after the erasure is judged for itself, a deal has nobody to belong to
        arrivals=st.lists(
            st.sampled_from([fact for fact in FACTS if fact not in (DEAL, *HITS)]),
            min_size=1,
            max_size=8,
        ),
        before=st.integers(0, 8),
    )
    def check(arrivals: list[str], before: int) -> None:
        ordered, shuffled = world.persons()
        for person in (ordered, shuffled):
            person.settle()
        for fact in _in_order(arrivals):
            ordered.tell(fact)
        ordered.erase()
        for fact in arrivals[:before]:
            shuffled.tell(fact)
        shuffled.erase()
        for fact in arrivals[before:]:
            shuffled.tell(fact)
        world.later()
        assert shuffled.state()["events"] == ordered.state()["events"]
        for person in (ordered, shuffled):
            assert not person.state()["may be written to"]
            for table in ("inbound_messages", "provider_events", "events", "suppressions"):
                found = world.engine.value(
                    f"select count(*) from drip_core.{table} as t where strpos(t::text, %s) > 0",
                    f"{person.name}@example.net",
                )
                assert found == 0, table
        assert world.engine.value("select count(*) from drip_core.reaction_failures") == 0

    check()
    assert world.engine.violations() == []


def _facts(engine: Engine, kind: str) -> list[str]:
    table = {"report": "provider_events", "note": "inbound_messages"}[kind]
    rows = engine.rows(
        f"select state::text from drip_core.{table} where organization_id = %s order by id",
        engine.organization_id,
    )
    return [row["state"] for row in rows]


def _attempts(engine: Engine) -> list[tuple[int, bool]]:
    rows = engine.rows(
        "select attempts, resolved_at is not null as is_resolved from drip_core.reaction_failures"
        " where organization_id = %s order by id",
        engine.organization_id,
    )
    return [(row["attempts"], row["is_resolved"]) for row in rows]


def _complain(engine: Engine, claims: Sequence[dict[str, Any]]) -> set[str]:
    return {
        engine.value(
            "select drip.record_provider_event(%s, %s)",
            engine.organization_id,
            Jsonb({"message_token": claim["message_token"], "type": "complained"}),
        )
        for claim in claims
    }


@pytest.fixture
def tenants(database: str) -> Iterator[tuple[Engine, Engine]]:
    both = (Engine(database), Engine(database))
    for engine in both:
        engine.mailbox()
        engine.sequence("welcome", STEPS)
    yield both
    for engine in both:
        engine.close()


def _hold(tenant: Engine) -> Engine:
    """Another session of the tenant that holds what its facts are about."""
    session = tenant.rival()
    session.connection.execute("begin")
    session.rows(
        "select from drip_core.enrollments where organization_id = %s for no key update",
        tenant.organization_id,
    )
    return session


def test_what_a_tenant_holds_costs_the_tick_one_wait_and_nobody_a_fact_H5_X2(
    tenants: tuple[Engine, Engine],
) -> None:
    one, other = tenants
    for engine, count in ((one, 6), (other, 1)):
        engine.at(START if engine is one else START + timedelta(seconds=1))
        engine.enroll(engine.contacts(count))
        claims = engine.rows(
            "select * from drip.claim(10, organization_id => %s)", engine.organization_id
        )
        assert _complain(engine, claims) == {"parked"}
        for claim in claims:
            engine.rows(
                "select drip.record_inbound(%s, %s)",
                engine.organization_id,
                Jsonb(
                    {
                        "channel": "email",
                        "from_address": claim["to_address"],
                        "in_reply_to": [claim["headers"]["Message-ID"]],
                        "text": "away",
                        "headers": {"Auto-Submitted": "auto-replied"},
                    }
                ),
            )
        assert engine.settle(claims) == ["advanced"] * count
    assert set(_facts(one, "note")) == set(_facts(other, "note")) == {"parked"}
    _hold(one)
    runner = other
    runner.at(START + timedelta(seconds=30))

    # four of the tenant's come first, one of which is waited for; then its last two and the other's
    match = "select drip_core._match_parked(null, 4)"
    assert (runner.value(match), runner.value(match)) == (0, 2)

    assert _facts(other, "report") == _facts(other, "note") == ["applied"]
    assert sorted(_facts(one, "report")) == ["parked"] * 4 + ["pending"] * 2
    assert _facts(one, "note") == ["parked"] * 6
    assert len(_attempts(one)) == 2

    # nothing is lost: let go, and all are found
    one.rivals_let_go()
    runner.at(START + timedelta(minutes=2))
    runner.rows("select drip.tick()")
    runner.at(START + timedelta(minutes=3))
    runner.rows("select drip.tick()")
    assert set(_facts(one, "report")) == {"applied"}
    assert set(_facts(one, "note")) == {"applied"}


def test_reactions_of_others_are_tried_again_whoever_holds_theirs_H5_X2(
    tenants: tuple[Engine, Engine],
) -> None:
    one, other = tenants
    for engine, count in ((one, 3), (other, 1)):
        engine.enroll(engine.contacts(count))
        claims = engine.rows(
            "select * from drip.claim(10, organization_id => %s)", engine.organization_id
        )
        assert engine.settle(claims) == ["advanced"] * count
        _hold(engine)
        assert _complain(engine, claims) == {"pending"}
    other.rivals_let_go()
    other.at(START + timedelta(minutes=1))

    assert other.value("select drip_core._retry_reactions(null, 100)") == 1

    assert _attempts(other) == [(2, True)]
    assert sorted(_attempts(one)) == [(1, False), (1, False), (2, False)]
    # they are not due again at once
    assert other.value("select drip_core._retry_reactions(null, 100)") == 0
    assert sorted(_attempts(one)) == [(1, False), (1, False), (2, False)]
