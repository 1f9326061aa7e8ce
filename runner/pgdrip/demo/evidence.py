"""What both sides know after the demo: the server's log, and the database, read in bulk."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pgdrip.commands.session import Connection
from pgdrip.demo.check import Delivery, Sender
from pgdrip.demo.gateways import Gateway
from pgdrip.demo.smtp_world import SmtpWorld
from pgdrip.demo.whatsapp_world import WhatsappWorld


@dataclass(frozen=True)
class Failure:
    """A message that was given up: to whom, and the typed reason."""

    recipient: str
    reason: str


@dataclass(frozen=True)
class DatabaseSide:
    """What the database says: ``deliveries`` by mail, ``chats`` on WhatsApp. ``retried``: messages
    that needed more than one attempt; ``completed``: addresses of those who completed; ``steps``:
    of the one sequence."""

    deliveries: Sequence[Delivery]
    failures: Sequence[Failure]
    senders: Sequence[Sender]
    statuses: dict[str, int]
    completed: Sequence[str]
    steps: int
    failed_attempts: Counter[str]
    retried: int
    held: int
    violations: Sequence[str]
    chats: Sequence[Delivery] = ()

    @property
    def enrolled(self) -> int:
        """Enrollments of any status."""
        return sum(self.statuses.values())


@dataclass(frozen=True)
class Answers:
    """The facts that came in, of the history alone: addresses by type; messages (address and step)
    that people and that machines opened or clicked in, and that a provider said it delivered."""

    people: dict[str, set[str]]
    messages: dict[str, tuple[set[tuple[str, str]], set[tuple[str, str]]]]
    delivered: set[tuple[str, str]]


@dataclass(frozen=True)
class ServerSide:
    """What the logs say: of the mail server, and (``chats``, by address) of the WhatsApp API and
    the gateway."""

    deliveries: Sequence[Delivery]
    unknown_users: Sequence[str]
    greylisted: Counter[str]
    turned_away: int
    chats: Sequence[Delivery] = ()


def read_server(
    world: SmtpWorld,
    chats: WhatsappWorld,
    gateway: Gateway,
    gateway_number: str,
    addresses: Mapping[str, str],
) -> ServerSide:
    """Sort the logs; ``addresses`` are those of phone numbers: one name for a person."""
    refused = world.refused
    return ServerSide(
        deliveries=[
            Delivery(each.message_id, each.mail_from.lower(), each.rcpt_to.lower(), each.at)
            for each in world.accepted
        ],
        chats=[
            Delivery(each.wamid, chats.number, addresses[each.recipient], each.at)
            for each in chats.accepted
        ]
        + [
            Delivery(each.id, gateway_number, addresses[f"+{each.number}"], each.at)
            for each in gateway.sent
        ],
        unknown_users=[str(each.rcpt_to).lower() for each in refused if each.code == 550],
        greylisted=Counter(str(each.rcpt_to).lower() for each in refused if each.code == 451),
        turned_away=sum(each.code in (0, 421) for each in refused),
    )


def read_answers(connection: Connection, organization_id: int) -> Answers:
    """Read the facts that came in. Needs a superuser: tables are no interface."""
    rows = connection.execute(
        "select distinct v.type::text as type, lower(c.email) as address, s.key as step,"
        " v.channel is not null as is_about_a_message, v.is_machine"
        " from drip_core.events as v"
        " join drip_core.contacts as c"
        " on c.organization_id = v.organization_id and c.id = v.contact_id"
        " left join drip_core.steps as s"
        " on s.organization_id = v.organization_id and s.id = v.step_id"
        " where v.organization_id = %s",
        (organization_id,),
    ).fetchall()
    kinds = ("replied", "auto_replied", "complained", "unsubscribed", "converted")
    people = {kind: {row["address"] for row in rows if row["type"] == kind} for kind in kinds}
    people["unsubscribed"] -= people["complained"]
    people["bounced"] = {
        row["address"] for row in rows if row["type"] == "bounced" and row["is_about_a_message"]
    }
    messages = {
        kind: (
            {(r["address"], r["step"]) for r in rows if r["type"] == kind and not r["is_machine"]},
            {(r["address"], r["step"]) for r in rows if r["type"] == kind and r["is_machine"]},
        )
        for kind in ("opened", "clicked")
    }
    delivered = {(row["address"], row["step"]) for row in rows if row["type"] == "delivered"}
    return Answers(people, messages, delivered)


def read_database(connection: Connection, organization_id: int) -> DatabaseSide:
    """Read what the check compares, a query each. Needs a superuser: tables are no interface."""
    organization = (organization_id,)
    sent = connection.execute(
        "select drip.get_message(m.organization_id, m.enrollment_id, s.key)"
        " -> 'headers' ->> 'Message-ID' as message_id, m.channel::text as channel,"
        " m.provider_message_id,"
        " lower(a.address) as sender, lower(c.email) as recipient, m.settled_at"
        " from drip_core.messages as m"
        " join drip_core.steps as s on s.organization_id = m.organization_id and s.id = m.step_id"
        " join drip_core.contacts as c"
        " on c.organization_id = m.organization_id and c.id = m.contact_id"
        " join drip_core.channel_accounts as a"
        " on a.organization_id = m.organization_id and a.id = m.channel_account_id"
        " where m.organization_id = %s and m.status = 'sent'",
        organization,
    ).fetchall()
    failed = connection.execute(
        "select lower(c.email) as recipient, m.reason::text as reason"
        " from drip_core.messages as m"
        " join drip_core.contacts as c"
        " on c.organization_id = m.organization_id and c.id = m.contact_id"
        " where m.organization_id = %s and m.status = 'failed'",
        organization,
    ).fetchall()
    senders = connection.execute(
        "select a.key, lower(a.address) as address, coalesce(a.timezone, o.timezone) as timezone,"
        " a.daily_limit, a.ramp_start, a.ramp_increment"
        " from drip_core.channel_accounts as a"
        " join drip_core.organizations as o on o.id = a.organization_id"
        " where a.organization_id = %s order by a.key",
        organization,
    ).fetchall()
    statuses = connection.execute(
        "select e.status::text as status, count(*) as enrollments from drip_core.enrollments as e"
        " where e.organization_id = %s group by e.status order by e.status",
        organization,
    ).fetchall()
    attempts = connection.execute(
        "select lower(c.email) as recipient, count(*) as attempts from drip_core.events as v"
        " join drip_core.contacts as c"
        " on c.organization_id = v.organization_id and c.id = v.contact_id"
        " where v.organization_id = %s and v.type = 'attempt_failed' group by lower(c.email)",
        organization,
    ).fetchall()
    completed = connection.execute(
        "select lower(c.email) as recipient from drip_core.enrollments as e"
        " join drip_core.contacts as c"
        " on c.organization_id = e.organization_id and c.id = e.contact_id"
        " where e.organization_id = %s and e.status = 'completed' order by c.id",
        organization,
    ).fetchall()
    counts = connection.execute(
        "select count(*) filter (where m.attempts > 1) as retried,"
        " (select count(*) from drip_core.held_messages as h where h.organization_id = %(id)s)"
        " as held,"
        " (select count(*) from drip_core.steps as s where s.organization_id = %(id)s) as steps"
        " from drip_core.messages as m where m.organization_id = %(id)s",
        {"id": organization_id},
    ).fetchone()
    violations = connection.execute(
        "select v::text as violation from drip_core.invariant_violations as v"
    ).fetchall()
    assert counts is not None  # noqa: S101 - an aggregate has one row
    return DatabaseSide(
        deliveries=[
            Delivery(row["message_id"], row["sender"], row["recipient"], row["settled_at"])
            for row in sent
            if row["channel"] == "email"
        ],
        chats=[
            Delivery(row["provider_message_id"], row["sender"], row["recipient"], row["settled_at"])
            for row in sent
            if row["channel"] != "email"
        ],
        failures=[Failure(row["recipient"], row["reason"]) for row in failed],
        senders=[Sender(**row) for row in senders],
        statuses={row["status"]: row["enrollments"] for row in statuses},
        completed=[row["recipient"] for row in completed],
        steps=counts["steps"],
        failed_attempts=Counter({row["recipient"]: row["attempts"] for row in attempts}),
        retried=counts["retried"],
        held=counts["held"],
        violations=[row["violation"] for row in violations],
    )
