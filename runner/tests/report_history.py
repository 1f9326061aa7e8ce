"""A small history through the public functions, the same every time, for tests of the report.

Ten contacts of "Acme <script>…" in Berlin go through two steps by two senders. Every figure that a
report shows of it can be counted on the fingers.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from engine import Engine

#: A Monday; 10:00 in Berlin.
START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
HOSTILE = "<script>alert('&amp;')</script>\"><b>"
#: In the order in which they are enrolled, c9 a day after the others.
FATES = {
    "c0": "opens, clicks and replies",
    "c1": "opens; unsubscribes in step two",
    "c2": "a machine opens",
    "c3": "buys after step one",
    "c4": "opens step two",
    "c5": "does nothing",
    "c6": "bounces after it was accepted",
    "c7": "does not exist",
    "c8": "nobody knows",
    "c9": "a day later",
}


def make_history(url: str) -> Engine:
    """Write it; the engine's clock is then six days after the start."""
    engine = Engine(url, organization(url), START)
    for key in ("sales", "support"):
        engine.mailbox(key, display_name=f"{key} {HOSTILE}", daily_limit=200)
    steps = [
        {"key": "intro", "channel": "email", "delay": "0", "subject": "Hi", "text": "Hello"},
        {"key": "nudge", "channel": "email", "delay": "2 days", "subject": "Again", "text": "Hm"},
    ]
    engine.sequence(
        "welcome",
        steps,
        ["sales"],
        name=f"Welcome {HOSTILE}",
        goal={"deal_stages": ["won"], "within": "30 days"},
    )
    engine.sequence("second", steps[:1], ["support"], name="Nobody is in it")
    contacts = {
        name: engine.value(
            "select drip.upsert_contact(%s, %s)",
            engine.organization_id,
            Jsonb({"external_id": name, "email": f"{name}@example.net"}),
        )
        for name in FATES
    }
    early = [number for name, number in contacts.items() if name != "c9"]
    assert engine.enroll(early) == {"enrolled": 9}
    refused = {"reason": "invalid_address", "error_code": "550 5.1.1"}
    intro = send(engine, c7=("rejected", refused), c8=("unknown", {}))
    for hours, name, type_, detail in (
        *((1, f"c{n}", "delivered", {}) for n in range(6)),
        (2, "c0", "opened", {"is_machine": False}),
        (3, "c0", "clicked", {"is_machine": False, "url": "https://example.com"}),
        (2, "c1", "opened", {"is_machine": False}),
        (2, "c2", "opened", {"is_machine": True}),
        (4, "c6", "bounced", {"status": "5.1.1"}),
    ):
        tell(engine, intro[name], hours, type_, detail)
    engine.at(START + timedelta(hours=5))
    letter = {
        "channel": "email",
        "from_address": "c0@example.net",
        "in_reply_to": [intro["c0"]["headers"]["Message-ID"]],
        "text": "Sounds good",
        "received_at": (START + timedelta(hours=5)).isoformat(),
    }
    engine.value("select drip.record_inbound(%s, %s)", engine.organization_id, Jsonb(letter))
    deal = {
        "external_id": "d1",
        "contact_external_id": "c3",
        "name": "Deal",
        "stage": "won",
        "amount": 1200,
        "currency": "EUR",
    }
    engine.value("select drip.upsert_deal(%s, %s)", engine.organization_id, Jsonb(deal))

    engine.at(START + timedelta(days=1))
    assert engine.enroll([contacts["c9"]]) == {"enrolled": 1}
    send(engine)
    engine.at(START + timedelta(days=2, minutes=1))
    nudge = send(engine)
    assert sorted(nudge) == ["c1", "c2", "c4", "c5"]
    tell(engine, nudge["c4"], 50, "opened", {"is_machine": False})
    engine.at(START + timedelta(hours=51))
    engine.value("select drip.unsubscribe(%s)", nudge["c1"]["link_token"])
    engine.at(START + timedelta(days=6))
    return engine


def organization(url: str) -> int:
    """The organization, with a name that wants to be markup."""
    settings = {"public_base_url": "https://mail.example.com", "postal_address": "1 Test Street"}
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute(
            "select drip.create_organization(%s, 'Europe/Berlin', %s)",
            (f"Acme {HOSTILE}", Jsonb(settings)),
        ).fetchone()
    assert row is not None
    return int(row[0])


def send(engine: Engine, **others: tuple[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Claim what is due and settle it as sent, or as said; the messages by contact."""
    claims = engine.rows("select * from drip.claim(100)")
    found = {claim["to_address"].partition("@")[0]: claim for claim in claims}
    for name, claim in found.items():
        outcome, extra = others.get(name, ("sent", {}))
        engine.settle([claim], outcome, **extra)
    return found


def tell(
    engine: Engine, claim: dict[str, Any], hours: int, type_: str, detail: dict[str, Any]
) -> None:
    """A provider's report of a message, of so many hours after the start."""
    at = START + timedelta(hours=hours)
    engine.at(at)
    event = {
        "message_token": claim["message_token"],
        "type": type_,
        "occurred_at": at.isoformat(),
        "detail": detail,
    }
    engine.value("select drip.record_provider_event(%s, %s)", engine.organization_id, Jsonb(event))
