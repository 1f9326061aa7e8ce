"""After an unsubscribe, in every order: nothing is sent and every enrollment is refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.types.json import Jsonb

from engine import ONE_STEP, Engine

pytestmark = pytest.mark.timeout(300)

#: What may be done to a contact, its person or its address; none of it is a consent.
STEPS = [
    "opt in by upsert",
    "opt in by import",
    "opt out and in again",
    "change the case",
    "change the address",
    "change it back",
    "erase and import again",
    "another contact with the address",
    "another external id",
]
REFUSALS = {"opted_out", "suppressed", "contact_not_found"}


class Person:
    """One address, and whoever has it now."""

    def __init__(self, engine: Engine, number: int) -> None:
        self.engine = engine
        self.email = f"person{number}@example.net"
        self.external_id = f"p{number}"
        self.number = number
        self.extra = 0
        self.upsert(email=self.email, tags=[f"t{number}"])
        engine.enroll([self.contact_id], "first")
        (claim,) = engine.rows("select * from drip.claim(10)")
        assert claim["to_address"] == self.email
        engine.settle([claim])
        engine.value("select drip.unsubscribe(%s)", claim["link_token"])

    def upsert(self, **contact: Any) -> None:
        document = Jsonb({"external_id": self.external_id, **contact})
        self.contact_id = self.engine.value(
            "select drip.upsert_contact(%s, %s)", self.engine.organization_id, document
        )

    def bulk(self, **contact: Any) -> None:
        document = Jsonb([{"external_id": self.external_id, **contact}])
        (row,) = self.engine.rows(
            "select * from drip.upsert_contacts(%s, %s)", self.engine.organization_id, document
        )
        self.contact_id = row["contact_id"]

    def do(self, step: str) -> None:
        opt_in = {"consent": {"email": "opted_in"}}
        if step == "opt in by upsert":
            self.upsert(**opt_in)
        elif step == "opt in by import":
            self.bulk(email=self.email, **opt_in)
        elif step == "opt out and in again":
            self.upsert(consent={"email": "opted_out"})
            self.upsert(**opt_in)
        elif step == "change the case":
            self.bulk(email=f" {self.email.upper()} ", **opt_in)
        elif step == "change the address":
            self.upsert(email=f"other{self.number}.{self.extra}@example.net", **opt_in)
        elif step == "change it back":
            self.upsert(email=self.email)
        elif step == "erase and import again":
            self.engine.rows(
                "select drip.erase_contact(%s, %s)", self.engine.organization_id, self.contact_id
            )
            self.bulk(email=self.email, tags=[f"t{self.number}"], **opt_in)
        else:
            self.extra += 1
            self.external_id = f"p{self.number}-{self.extra}"
            self.upsert(email=self.email, tags=[f"t{self.number}"], **opt_in)

    def refusals(self) -> set[str]:
        """What the four ways of enrolling answer."""
        organization = self.engine.organization_id
        self.engine.rows(
            "select drip.upsert_deal(%s, %s)",
            organization,
            Jsonb({"external_id": self.external_id, "contact_id": self.contact_id, "stage": "x"}),
        )
        ways = (
            ("drip.enroll(%s, 'second', %s)", [self.contact_id]),
            ("drip.enroll_many(%s, 'second', %s)", [[self.contact_id]]),
            ("drip.enroll_tagged(%s, 'second', %s)", [f"t{self.number}"]),
            (
                "drip.enroll_deals(%s, 'second', deal_ids => array("
                "select id from drip_core.deals where external_id = %s))",
                [self.external_id],
            ),
        )
        return {
            row["outcome"]
            for call, arguments in ways
            for row in self.engine.rows(
                f"select outcome::text from {call}", organization, *arguments
            )
        }


@pytest.fixture
def engine(database: str) -> Iterator[Engine]:
    engine = Engine(database)
    engine.mailbox()
    engine.sequence("first", ONE_STEP)
    engine.sequence("second", ONE_STEP)
    yield engine
    engine.close()


def test_H4_X7_whatever_is_done_after_an_unsubscribe_only_a_reconsent_helps(engine: Engine) -> None:
    numbers = iter(range(1_000_000))

    @settings(
        max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), database=None
    )
    @given(st.lists(st.sampled_from(STEPS), min_size=1, max_size=len(STEPS)))
    def check(steps: list[str]) -> None:
        person = Person(engine, next(numbers))
        for step in steps:
            person.do(step)
            outcomes = person.refusals()
            assert outcomes, "somebody was asked for"
            assert outcomes <= REFUSALS, (steps, step, outcomes)
        assert engine.claim(10) == []
        person.do("change it back")
        engine.value(
            "select drip.reconsent(%s, %s, 'email', %s)",
            *(engine.organization_id, person.contact_id, Jsonb({"source": "form"})),
        )
        assert "enrolled" in person.refusals()
        (claim,) = engine.rows("select * from drip.claim(10)")
        assert claim["to_address"].strip().lower() == person.email
        engine.settle([claim])

    check()
    assert engine.violations() == []
