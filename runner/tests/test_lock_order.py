"""The lock order of docs/architecture.md is what really happens, for every function that locks.

A row is held by one session; a rival starts, and either ends or waits for that row. Whoever waits
must hold nothing that comes later in the order: then no two of them can wait for each other. Both
are tried: what each one holds while it waits, and every pair of them let go at once. Everything
rolls back, so the same small world serves all.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from psycopg import errors

from engine import START, TWO_STEPS, Engine

pytestmark = pytest.mark.timeout(600)

#: The kinds of rows in the order in which they are locked: table, key, and the strongest lock that
#: a function takes. The key share of a foreign key waits for `for update` only.
KINDS = {
    "sequence": ("sequences", "id", "update"),
    "account": ("channel_accounts", "id", "no key update"),
    "contact": ("contacts", "id", "no key update"),
    "deal": ("deals", "id", "no key update"),
    "enrollment": ("enrollments", "id", "no key update"),
    "lane": ("lanes", "channel_account_id", "no key update"),
    "queue": ("queues", "channel_account_id, sequence_id", "no key update"),
}
ORDER = list(KINDS)

LATER = START + timedelta(minutes=6)

#: Every function that locks, with what it waits for: one line each. `{…}` is filled from the world,
#: arrays in descending order: a function that locks in the order of its arguments is found out.
CALLERS: dict[str, tuple[str, set[str]]] = {
    "claim": ("select count(*) from drip.claim(100, '5 minutes', 'x', {org})", set()),
    "tick": ("select drip.tick()", set()),
    "next_due_at": ("select drip.next_due_at()", set()),
    "hand_over": ("select drip.hand_over({claims})", {"enrollment"}),
    "advance": ("select count(*) from drip.advance({results})", {"enrollment", "lane"}),
    "release": ("select drip.release({claims})", {"enrollment", "lane"}),
    "resolve_unknown": (
        "select drip.resolve_unknown({org}, {held}, {held_token}, 'sent')",
        {"enrollment", "lane"},
    ),
    "enroll_many": (
        "select count(*) from drip.enroll_many({org}, 'one', {contacts})",
        {"sequence", "queue"},
    ),
    "retry_failed": (
        "select count(*) from drip.retry_failed({org}, {enrollments})",
        {"sequence", "enrollment"},
    ),
    "pause_enrollments": (
        "select count(*) from drip.pause_enrollments({org}, {enrollments})",
        {"enrollment"},
    ),
    "resume_enrollments": (
        "select count(*) from drip.resume_enrollments({org}, {enrollments})",
        {"enrollment"},
    ),
    "remove_enrollments": (
        "select count(*) from drip.remove_enrollments({org}, {enrollments})",
        {"enrollment"},
    ),
    "replace_sender": (
        "select drip.replace_sender({org}, 'a', 'b')",
        {"sequence", "enrollment", "queue"},
    ),
    "migrate_enrollments": (
        "select count(*) from drip.migrate_enrollments({org}, 'two', 2, false)",
        {"sequence", "enrollment", "queue"},
    ),
    "pause a sequence": (
        "select drip.set_sequence_status({org}, 'one', 'paused')",
        {"sequence", "queue"},
    ),
    "archive a sequence": (
        "select drip.set_sequence_status({org}, 'two', 'archived')",
        {"sequence", "enrollment", "queue"},
    ),
    "apply_sequence": (
        "select count(*) from drip.apply_sequence({org}, {definition})",
        {"sequence", "queue"},
    ),
    "publish and archive": (
        "select count(*) from drip.apply_sequence({org}, {archived_definition})",
        {"sequence", "enrollment", "queue"},
    ),
    "apply_channel_account": (
        'select drip.apply_channel_account({org}, \'{{"key": "a", "daily_limit": 50}}\')',
        {"account", "lane"},
    ),
    "record_recipient_check": (
        "select drip.record_recipient_check({org}, {held}, {held_token},"
        " '{{\"reachable\": true}}')",
        {"contact"},
    ),
    "record_connection": (
        "select drip.record_connection({org}, 'a', '{{\"state\": \"banned\"}}')",
        {"lane"},
    ),
    "pause_lane": ("select drip.pause_lane({org}, {lane}, 'x')", {"lane"}),
    "upsert_contact": (
        "select drip.upsert_contact({org}, {opt_out})",
        {"contact", "enrollment"},
    ),
    "upsert_contacts": (
        "select count(*) from drip.upsert_contacts({org}, {opt_outs})",
        {"contact", "enrollment"},
    ),
    "upsert_deal": (
        'select drip.upsert_deal({org}, \'{{"external_id": "dx", "stage": "won"}}\')',
        {"deal", "enrollment"},
    ),
    "tag contacts": (
        "select count(*) from drip.upsert_contacts({org}, {tagged})",
        {"contact", "queue"},
    ),
    "record_inbound": (
        "select drip.record_inbound({org}, {stop})",
        {"contact", "enrollment", "lane"},
    ),
    "record_provider_event": (
        "select drip.record_provider_event({org}, {bounce})",
        {"contact", "enrollment", "lane"},
    ),
    "record_account_reports": (
        "select count(*) from drip.record_account_reports({org}, 'a', {reports})",
        {"account", "contact", "enrollment", "lane"},
    ),
    "record_open": ("select drip.record_open({held_link}, 'x', null)", {"enrollment", "lane"}),
    "unsubscribe": ("select drip.unsubscribe({link})", {"contact", "enrollment"}),
    "suppress": (
        "select drip.suppress({org}, 'email', {address}, 'unsubscribed')",
        {"contact", "enrollment"},
    ),
    "suppress_many": (
        "select count(*) from drip.suppress_many({org}, {suppressions})",
        {"contact", "enrollment"},
    ),
    "reconsent": (
        "select drip.reconsent({org}, {contact}, 'email', '{{\"source\": \"form\"}}')",
        {"contact"},
    ),
    "erase_contact": (
        "select drip.erase_contact({org}, {contact})",
        {"contact", "deal", "enrollment"},
    ),
}


#: Functions that may write and are not among the callers, each for a reason.
OTHERS = {
    "add_member": "memberships only",
    "remove_member": "memberships and tests of its own, which are taken with skip locked elsewhere",
    "send_test": "the organization's row, which nobody else waits for but who changes its settings",
    "apply_retention": "the settings only; the tick takes them with skip locked",
    "apply_whatsapp_template": "the template only",
    "classify_hits": "hits only",
    "rebuild_rollups": "report_facts only, and another rebuild",
    "create_organization": "rows nobody else can see yet",
    "doctor": "reads",
    "enroll": "enroll_many",
    "enroll_deals": "enroll_many",
    "enroll_tagged": "enroll_many",
    "export_contact": "reads, and writes to the audit trail",
    "pause_enrollment": "pause_enrollments",
    "inbox_read": "its own row only",
    "record_click": "record_open",
    "record_provider_events": "record_provider_event, one by one",
    "remove_enrollment": "remove_enrollments",
    "resume_enrollment": "resume_enrollments",
    "resume_lane": "pause_lane",
    "assign_secret": "its own row only",
    "rotate_link_key": "the key only",
    "withdraw_secret": "its own row only",
    "sync_whatsapp_templates": "templates only",
    "update_organization": "the organization only",
    "simulate": "writes copies that nobody else can see",
    "unsubscribe_info": "reads",
    "why": "reads",
}


@dataclass
class Session:
    """A connection whose statements can be started and waited for."""

    connection: psycopg.Connection[Any]
    pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1))

    @property
    def pid(self) -> int:
        return self.connection.info.backend_pid

    def start(self, statement: str, *, then_roll_back: bool) -> Future[None]:
        def work() -> None:
            try:
                self.connection.execute(statement.encode())
            finally:
                if then_roll_back:
                    self.connection.rollback()

        return self.pool.submit(work)

    def close(self) -> None:
        self.pool.shutdown()
        self.connection.close()


@dataclass
class World:
    """A small organization in which each function has something to do, and four sessions."""

    engine: Engine
    fills: dict[str, str] = field(default_factory=dict)
    sessions: dict[str, Session] = field(default_factory=dict)

    def build(self) -> None:
        engine = self.engine
        engine.mailbox("a")
        engine.mailbox("b")
        rules = {"exit_on": {"deal_stages": ["won"]}, "enroll_on": [{"tag_added": "lead"}]}
        engine.sequence("one", TWO_STEPS, senders=["a", "b"], **rules)
        engine.sequence("two", TWO_STEPS, senders=["a", "b"])
        contacts = engine.contacts(8)
        for number in (1, 2, 3):
            engine.rows(
                "select drip.upsert_deal(%s, jsonb_build_object('external_id', %s::text,"
                " 'contact_external_id', %s::text))",
                *(engine.organization_id, f"d{number}", f"c{number}"),
            )
        engine.enroll(contacts[:6], "one")
        engine.enroll(contacts[:6], "two")
        # some in flight, one of unknown outcome, one given up, some due, two paused
        claims = engine.claim(8)
        assert len(claims) == 8
        engine.settle(claims[:1], "unknown")
        engine.settle(claims[1:2], "rejected", reason="rejected_content")
        rest = sorted(claims[2:], key=lambda claim: -claim["enrollment_id"])
        assert len({claim["channel_account_id"] for claim in rest}) == 2
        ids = [row["id"] for row in engine.rows("select id from drip_core.enrollments order by 1")]
        due = "select id from drip_core.enrollments where claim_token is null and status = 'active'"
        some = [row["id"] for row in engine.rows(due)][:2]
        engine.rows("select * from drip.pause_enrollments(%s, %s)", engine.organization_id, some)
        engine.sequence("two", [{**step, "text": "Good day"} for step in TWO_STEPS], ["a", "b"])
        outcomes = ["sent", "retry", "rejected", "sent", "throttled", "unknown"]
        results = [
            {**claim, "outcome": outcome, "reason": "invalid_address"}
            for claim, outcome in zip(rest, outcomes, strict=True)
        ]
        definition = {
            "key": "two",
            "senders": [{"account": "b"}, {"account": "a"}],
            "steps": TWO_STEPS[:1],
        }
        query = "select email from drip_core.contacts order by id desc"
        emails = [row["email"] for row in engine.rows(query)][2:]
        link = "select drip.get_message(%s, %s, 's1') ->> 'link_token'"
        sent = claims[1]["enrollment_id"]
        held = engine.rows("select * from drip_report.unknown_outcomes")[0]
        opt_outs = [
            {"external_id": f"c{number}", "consent": {"email": "opted_out"}}
            for number in (6, 4, 2, 1, 9)
        ]
        make = (
            "select drip_core._make_token(k.key_id, k.inner_pad, k.outer_pad, %s, %s,"
            " h.enrollment_id, h.step_id) from drip_core._current_key('link') as k,"
            " drip_core.held_messages as h where h.enrollment_id = %s"
        )
        open_query = (
            "select max(e.contact_id) from drip_core.enrollments as e join drip_core.sequences as q"
            " on q.id = e.sequence_id where q.key = 'one' and e.status in ('active', 'paused')"
        )
        engine.rows(
            "select drip.upsert_deal(%s, jsonb_build_object('external_id', 'dx',"
            " 'contact_id', %s::bigint))",
            *(engine.organization_id, engine.value(open_query)),
        )
        token, held_link = (
            engine.value(make, purpose, engine.organization_id, held["enrollment_id"])
            for purpose in ("message", "link")
        )
        tagged = [{"external_id": f"c{number}", "tags": ["lead"]} for number in (8, 7, 3)]
        stop = {
            "channel": "email",
            "from_address": emails[0],
            "text": "stop",
            "in_reply_to": [token],
        }
        self.fills = {
            "tagged": _json(tagged),
            "stop": _json(stop),
            "bounce": _json({"message_token": token, "type": "bounced"}),
            "reports": _json(
                [{"type": "blocked", "address": f"{key}@sender.example"} for key in ("b", "a")]
                + [{"type": "opted_out", "contact_address": email} for email in emails]
                + [{"type": "limit", "address": f"{key}@sender.example"} for key in ("b", "a")]
            ),
            "held_link": f"'{held_link}'",
            "org": str(engine.organization_id),
            "claims": _json(rest),
            "results": _json(results),
            "held": str(held["enrollment_id"]),
            "held_token": str(held["claim_token"]),
            "contacts": f"array{contacts[::-1]}",
            "enrollments": f"array{ids[::-1]}",
            "definition": _json({**definition, "key": "one"}),
            "archived_definition": _json({**definition, "status": "archived"}),
            "lane": "(select min(channel_account_id) from drip_core.lanes)",
            "contact": str(contacts[1]),
            "address": f"'{emails[0]}'",
            "suppressions": _json([{"channel": "email", "address": email} for email in emails]),
            "link": f"'{engine.value(link, engine.organization_id, sent)}'",
            "opt_out": _json(opt_outs[2]),
            "opt_outs": _json(opt_outs),
        }
        for name in ("holder", "first", "second", "observer"):
            connection = psycopg.connect(engine.url, autocommit=name == "observer")
            connection.execute("set deadlock_timeout = '50ms'")
            connection.execute(
                "select set_config('drip.organization_id', %s, false),"
                " set_config('drip.now', %s, false)",
                (str(engine.organization_id), LATER.isoformat()),
            )
            connection.commit()
            self.sessions[name] = Session(connection)

    def statement(self, caller: str) -> str:
        return CALLERS[caller][0].format(**self.fills)

    def rows(self) -> list[tuple[str, int]]:
        """Every row that may be locked: its kind, and its place among its kind."""
        counts = {
            kind: self.engine.value(f"select count(*) from drip_core.{table}")
            for kind, (table, _, _) in KINDS.items()
        }
        assert all(count >= 2 for count in counts.values()), counts
        return [(kind, place) for kind in KINDS for place in range(counts[kind])]

    def hold(self, kind: str, place: int) -> None:
        """Lock a row and write it: `on conflict` waits for who writes, not for who only locks."""
        table, key, strength = KINDS[kind]
        row = (
            f"({key}) = (select {key} from drip_core.{table} order by {key} offset {place} limit 1)"
        )
        holder = self.sessions["holder"].connection
        holder.execute(f"select from drip_core.{table} where {row} for {strength}".encode())
        holder.execute(
            f"update drip_core.{table} set organization_id = organization_id where {row}".encode()
        )

    def let_go(self) -> None:
        self.sessions["holder"].connection.rollback()

    def until_it_waits_or_ends(self, name: str, future: Future[None]) -> bool:
        """Whether it waits; no sleep: the server is asked until it says so, or the call is over.

        For one of ours: an autovacuum that cuts off the empty end of a table also blocks, for a
        moment and without waiting for anybody.
        """
        ours = [session.pid for session in self.sessions.values()]
        while not future.done():
            row = (
                self.sessions["observer"]
                .connection.execute(
                    "select pg_blocking_pids(%s) && %s::int[]", (self.sessions[name].pid, ours)
                )
                .fetchone()
            )
            if row == (True,):
                return True
        return False

    def locked(self, kind: str) -> list[int]:
        """The places of the rows of a kind that somebody has locked."""
        table, key, strength = KINDS[kind]
        observer = self.sessions["observer"].connection
        with observer.transaction():
            rows = observer.execute(
                f"with free as materialized (select {key} from drip_core.{table}"
                f" for {strength} skip locked)"
                f" select a.place from (select {key}, row_number() over (order by {key}) - 1"
                f" as place from drip_core.{table}) as a"
                f" where ({key}) not in (select {key} from free)".encode()
            ).fetchall()
        return [row[0] for row in rows]

    def close(self) -> None:
        for session in self.sessions.values():
            session.close()


def _json(document: Any) -> str:
    text = json.dumps(document, default=str).replace("'", "''")
    return f"'{text}'::jsonb"


@pytest.fixture
def world(database: str) -> Iterator[World]:
    engine = Engine(database)
    world = World(engine)
    world.build()
    yield world
    world.close()
    engine.close()


def _waits(world: World) -> dict[str, list[tuple[str, int]]]:
    """For each caller the rows it waits for; fails when it holds then what comes later."""
    found: dict[str, list[tuple[str, int]]] = {}
    first = world.sessions["first"]
    for caller in CALLERS:
        found[caller] = []
        for kind, place in world.rows():
            world.hold(kind, place)
            future = first.start(world.statement(caller), then_roll_back=False)
            if world.until_it_waits_or_ends("first", future):
                found[caller].append((kind, place))
                for other in ORDER[ORDER.index(kind) :]:
                    later = [p for p in world.locked(other) if other != kind or p > place]
                    assert not later, f"{caller} waits for {kind} {place} and holds {other} {later}"
            world.let_go()
            future.result(timeout=60)
            first.connection.rollback()
    return found


def test_every_function_that_may_write_is_among_the_callers(world: World) -> None:
    rows = world.engine.rows(
        "select distinct p.proname as name from pg_proc as p"
        " where p.pronamespace = 'drip'::regnamespace and p.provolatile = 'v'"
    )
    called = set(re.findall(r"drip\.(\w+)\(", " ".join(text for text, _ in CALLERS.values())))
    assert {row["name"] for row in rows} <= called | set(OTHERS)
    assert not called & set(OTHERS)


def test_whoever_waits_holds_nothing_that_comes_later(world: World) -> None:
    waits = _waits(world)
    assert {caller: {kind for kind, _ in rows} for caller, rows in waits.items()} == {
        caller: kinds for caller, (_, kinds) in CALLERS.items()
    }
    assert world.engine.violations() == []


# the order itself is tested above, on every version; this follows from it, and takes minutes
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_no_two_callers_wait_for_each_other(world: World) -> None:
    """The first waits at a held row, the second starts; let go, both end.

    For every pair, at the last row of each kind that the first one waits for.
    """
    waits = _waits(world)
    first, second = world.sessions["first"], world.sessions["second"]
    tried = 0
    for caller, rows in waits.items():
        for held in dict(rows).items():
            for rival in CALLERS:
                world.hold(*held)
                one = first.start(world.statement(caller), then_roll_back=True)
                assert world.until_it_waits_or_ends("first", one)
                two = second.start(world.statement(rival), then_roll_back=True)
                world.until_it_waits_or_ends("second", two)
                world.let_go()
                for future in (one, two):
                    try:
                        future.result(timeout=60)
                    except errors.DeadlockDetected as problem:
                        pytest.fail(f"{caller} and {rival} at {held}: {problem}")
                tried += 1
    assert tried >= 25 * len(CALLERS)
    assert world.engine.violations() == []
