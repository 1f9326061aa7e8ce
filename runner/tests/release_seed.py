"""A lived-in database for the upgrade tests, made with the API of the release installed in it.

One organization in which every kind of thing has happened, and some are happening. Only what 0.1.0
offers is called; a later release's own seeds come on top.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from psycopg.types.json import Jsonb

from engine import START, Claim, Engine

NAME = "{{ contact.first_name | default: 'you' }}"
PLAN = "{{ contact.attributes.plan }}"
WELCOME = [
    {
        "key": "intro",
        "channel": "email",
        "subject": f"Hi {NAME}, about {PLAN}",
        "text": f"Größe & <{NAME}>: https://example.com/{PLAN}",
        "html": f"<p>Hello {NAME} <a href='https://example.com/a?b=1'>x</a></p>",
    },
    {"key": "nudge", "channel": "email", "delay": "2 days", "thread": True, "text": "Well?"},
    {"key": "last", "channel": "email", "delay": "3 days", "subject": "Bye", "text": "Bye"},
]
CHAT = [
    {
        "key": "hello",
        "channel": "whatsapp_lite",
        "text": f"Hello {NAME}",
    },
    {"key": "again", "channel": "email", "delay": "1 day", "subject": "Mail", "text": "Mail"},
]
NOTE = [{"key": "note", "channel": "email", "subject": "Note", "text": "Note"}]

#: What 0.1.0 can bring about; a table that stays empty would prove nothing.
STATUSES = {
    *("active", "paused", "completed", "failed", "exited", "removed", "bounced", "unsubscribed"),
}


@dataclass
class Seeds:
    """What a test needs of what was made: claims by what became of them."""

    engine: Engine
    leased: list[Claim]
    handed_over: list[Claim]
    paused_in_flight: list[Claim]
    held: list[Claim]
    sent: list[Claim]

    @property
    def in_flight(self) -> list[Claim]:
        return [*self.leased, *self.handed_over, *self.paused_in_flight]


def plant(url: str) -> Seeds:
    """Fill the database; the clock stands a few minutes after START at the end."""
    engine = Engine(url)
    organization = engine.organization_id
    engine.value(
        "select drip.update_organization(%s, %s)", organization, Jsonb({"postal_address": "1 Way"})
    )
    engine.rows(
        "select drip.add_member(%s, gen_random_uuid(), 'ann@acme.example', '+4930123456')",
        organization,
    )
    engine.rows(
        "insert into drip_core.login_organizations values (%s, 'somebody') returning login",
        organization,
    )
    engine.rows(
        "select drip.apply_whatsapp_template(%s, %s)",
        organization,
        Jsonb({"name": "hello", "status": "approved"}),
    )
    engine.mailbox("mailbox")
    engine.mailbox("warming", daily_limit=5, ramp_start=3, ramp_increment=1, on_unknown="resend")
    engine.mailbox("phone", channel="whatsapp_lite", provider="noop", address="+4930987654")
    engine.sequence("welcome", WELCOME, ["mailbox"])
    engine.sequence("chat", CHAT, ["phone", "warming"])
    engine.sequence("note", NOTE, ["mailbox"])
    engine.sequence("old", NOTE, ["mailbox"])
    people = [_contact(engine, number) for number in range(40)]
    for number in range(5):
        engine.rows(
            "select drip.upsert_deal(%s, %s)",
            organization,
            Jsonb({"external_id": f"d{number}", "contact_id": people[number], "stage": "open"}),
        )

    engine.enroll(people[:16], "welcome")
    engine.enroll(people[16:18], "note")
    first = claim_all(engine)
    assert len(first) == 18
    by_step = {step: [c for c in first if c["step_key"] == step] for step in ("intro", "note")}
    intro = by_step["intro"]
    seeds = Seeds(
        engine,
        sent=[*intro[:4], *by_step["note"]],
        held=intro[4:6],
        handed_over=intro[6:8],
        leased=intro[8:10],
        paused_in_flight=intro[10:11],
    )
    engine.settle(seeds.sent, "sent", provider_message_id="<p1@mta>")
    engine.settle(intro[11:12], "retry", error_code="421", error_message="later")
    engine.settle(intro[12:13], "rejected", reason="rejected_content", error_code="554")
    engine.settle(intro[13:14], "rejected", reason="invalid_address", error_code="550")
    assert engine.value("select drip.hand_over(%s)", _keys(seeds.handed_over + seeds.held)) == 4
    engine.settle(seeds.held, "unknown", error_message="timeout")
    assert engine.settle(seeds.sent[:1], "retry") == ["stale"]
    for claim in seeds.paused_in_flight:
        engine.value("select drip.pause_enrollment(%s, %s, 'x')", *_place(claim))
    # 14 and 15 are leased and forgotten
    engine.enroll(people[18:26], "welcome")
    engine.enroll(people[26:34], "chat")
    engine.enroll(people[34:36], "old")
    engine.value("select drip.set_sequence_status(%s, 'old', 'archived')", organization)
    waiting = engine.rows(
        "select enrollment_id from drip.list_enrollments(%s, 'welcome', after => %s)",
        organization,
        max(claim["enrollment_id"] for claim in first),
    )
    ids = [row["enrollment_id"] for row in waiting]
    engine.value("select drip.pause_enrollment(%s, %s, 'holidays')", organization, ids[0])
    engine.value("select drip.remove_enrollment(%s, %s, 'asked')", organization, ids[1])
    _contact(engine, 20, consent={"email": "opted_out"})
    second = claim_all(engine)
    phone = [claim for claim in second if claim["channel"] == "whatsapp_lite"]
    seeds.leased += [claim for claim in second if claim["channel"] == "email"]
    assert len(phone) == 1
    engine.settle(phone, "sent", provider_message_id="wa-1")
    seeds.sent += phone
    engine.sequence("welcome", [*WELCOME[:2], {**WELCOME[2], "subject": "Good bye"}], ["mailbox"])
    engine.enroll(people[36:40], "welcome")
    assert engine.violations() == []
    assert set(engine.statuses()) == STATUSES
    return seeds


def later(seeds: Seeds, **delta: float) -> None:
    """Move the clock of the seeds on from START."""
    seeds.engine.at(START + timedelta(**delta))


def _contact(engine: Engine, number: int, **more: Any) -> int:
    contact = {
        "external_id": f"crm-{number}",
        "email": f"person{number}@example.net",
        "phone": f"+49301234{number:03}",
        "first_name": f"Ünal <{number}>" if number % 3 else None,
        "timezone": "Asia/Tokyo" if number % 2 else None,
        "tags": ["lead", f"group {number % 4}"],
        "attributes": {"plan": f"plan {number % 3} & more", "deep": {"n": [1, None, "x"]}},
        "consent": {"email": "opted_in", "whatsapp_lite": "opted_in"},
        **more,
    }
    return int(
        engine.value("select drip.upsert_contact(%s, %s)", engine.organization_id, Jsonb(contact))
    )


def claim_all(engine: Engine) -> list[Claim]:
    """Claim as a runner of 0.1.0 does, and keep all columns."""
    return engine.rows(
        "select * from drip.claim(batch_size => %s, lease => %s::interval, runner => %s,"
        " organization_id => %s)",
        *(100, "10 minutes", "a runner", engine.organization_id),
    )


def _keys(claims: list[Claim]) -> Jsonb:
    names = ("organization_id", "enrollment_id", "claim_token")
    return Jsonb([{name: claim[name] for name in names} for claim in claims])


def _place(claim: Claim) -> tuple[int, int]:
    return claim["organization_id"], claim["enrollment_id"]
