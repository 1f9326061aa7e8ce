"""L8: the hot statements use their indexes, and their cost does not grow with the backlog."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from engine import START, TWO_STEPS, Claim, Engine
from pgdrip import migrate

Node = dict[str, Any]

BIG = 100_000
SMALL = 1_000
HOT_TABLES = {
    *("enrollments", "messages", "contacts", "suppressions", "consent_ledger", "queues", "deals"),
    *("held_messages", "late_results", "contact_tags"),
}


@pytest.fixture(scope="module")
def engine(server: Any, template_database: str) -> Iterator[Engine]:
    """100,000 enrollments due by one sender and 1,000 by another, between much history."""
    name = f"pgdrip_plans_{server.major}"
    url = server.create_database(name, template_database)
    engine = Engine(url)
    try:
        _fill(engine)
        yield engine
    finally:
        engine.close()
        server.drop_database(name)


def _fill(engine: Engine) -> None:
    org = engine.organization_id
    senders = {key: engine.mailbox(key) for key in ("big", "small", "old")}
    for key in senders:
        engine.sequence(key, TWO_STEPS, senders=[key])
    ids = engine.contacts(BIG)
    engine.connection.execute("vacuum (analyze, freeze) drip_core.contacts")
    engine.enroll(ids, "big")
    engine.at(START + timedelta(seconds=1))
    engine.enroll(ids[:SMALL], "small")
    engine.enroll(ids[: BIG // 5], "old")
    # history in bulk: rows that the statements under test must find their way around
    for statement in (
        "insert into drip_core.messages (organization_id, enrollment_id, step_id, contact_id,"
        " sequence_id, version, channel, channel_account_id, status, attempts, settled_at,"
        " lane_day, merge_values) select e.organization_id, e.id, e.step_id, e.contact_id,"
        " e.sequence_id, 1, 'email', e.channel_account_id, 'sent', 1, e.enrolled_at,"
        " '2026-01-01', '{}' from drip_core.enrollments as e"
        f" where e.channel_account_id = {senders['old']}",
        "update drip_core.enrollments set status = 'completed', next_step_at = null"
        f" where channel_account_id = {senders['old']}",
        "insert into drip_core.suppressions (organization_id, channel, address_hash, reason)"
        f" select {org}, 'email', sha256(convert_to('gone' || g, 'UTF8')), 'unsubscribed'"
        " from generate_series(1, 20000) as g",
        "insert into drip_core.consent_ledger (organization_id, contact_id, channel, state,"
        " is_effective, source, occurred_at) select c.organization_id, c.id, 'whatsapp_lite',"
        " 'opted_in', true, 'test', drip_core.now() from drip_core.contacts as c"
        " where c.id % 5 = 0",
        "insert into drip_core.deals (organization_id, contact_id, name)"
        " select c.organization_id, c.id, 'x' from drip_core.contacts as c where c.id % 10 = 0",
        "insert into drip_core.contact_tags (organization_id, contact_id, tag)"
        " select c.organization_id, c.id, 'x' from drip_core.contacts as c where c.id % 10 = 0",
        # many senders and sequences that are of no interest now
        "insert into drip_core.channel_accounts (organization_id, key, channel, provider, address)"
        f" select {org}, 'idle-' || g, 'email', 'smtp', 'idle@sender.example'"
        " from generate_series(1, 1000) as g",
        "insert into drip_core.lanes (organization_id, channel_account_id, status, ready_at)"
        f" select {org}, a.id, 'active', 'infinity' from drip_core.channel_accounts as a"
        " where a.key like 'idle-%'",
        "insert into drip_core.queues (organization_id, channel_account_id, sequence_id, is_open,"
        " due_from, recheck_at)"
        f" select {org}, a.id, s.id, true, 'infinity', 'infinity'"
        " from drip_core.channel_accounts as a cross join drip_core.sequences as s"
        " where a.key like 'idle-%'",
    ):
        engine.connection.execute(statement.encode())
    engine.connection.execute("vacuum (analyze)")


class Recorder:
    """Runs statements and keeps the plan of every statement nested in them (auto_explain)."""

    def __init__(self, engine: Engine) -> None:
        self.plans: list[Node] = []
        self.engine = engine.rival(START + timedelta(minutes=1))
        connection = self.engine.connection
        connection.execute("load 'auto_explain'")
        for name, value in {
            "auto_explain.log_min_duration": "0",
            "auto_explain.log_nested_statements": "on",
            "auto_explain.log_format": "json",
            "auto_explain.log_analyze": "on",
            "auto_explain.log_timing": "off",
            "client_min_messages": "log",
            "plan_cache_mode": "force_generic_plan",
        }.items():
            self.engine.set(name, value)
        connection.add_notice_handler(self._note)

    def _note(self, notice: psycopg.errors.Diagnostic) -> None:
        _, plan, document = (notice.message_primary or "").partition("plan:\n")
        if plan:
            self.plans.append(json.loads(document))

    def scans(self) -> set[str]:
        """Hot tables that were read sequentially, with the statement that did."""
        return {
            f"{node['Relation Name']}: {plan.get('Query Text', '')[:300]}"
            for plan in self.plans
            for node in _nodes(plan["Plan"])
            if node["Node Type"] == "Seq Scan"
            and (node["Relation Name"] in HOT_TABLES or node["Relation Name"].startswith("events"))
        }

    def compiled(self) -> list[str]:
        """Statements that were compiled: no hot one lasts as long as that takes."""
        return [plan.get("Query Text", "")[:300] for plan in self.plans if "JIT" in plan]

    def rows_read(self) -> int:
        """Rows that scans of tables produced or threw away, in all nested statements."""
        return int(
            sum(
                node.get("Actual Loops", 1)
                * (node.get("Actual Rows", 0) + node.get("Rows Removed by Filter", 0))
                for plan in self.plans
                for node in _nodes(plan["Plan"])
                if "Relation Name" in node and node["Node Type"].endswith("Scan")
            )
        )


def _nodes(node: Node) -> Iterator[Node]:
    yield node
    for child in node.get("Plans", []):
        yield from _nodes(child)


def _claim_ids(engine: Engine, sequence: str, count: int) -> list[int]:
    rows = engine.rows(
        "select contact_id from drip_core.enrollments where sequence_id ="
        " (select id from drip_core.sequences where key = %s) order by id limit %s",
        *(sequence, count),
    )
    return [row["contact_id"] for row in rows]


def _later(engine: Engine, statement: str) -> Any:
    engine.at(START + timedelta(minutes=30))
    return engine.rows(statement)


STATEMENTS: dict[str, Callable[[Engine, list[Claim]], Any]] = {
    "claim": lambda e, claims: e.claim(100),
    "claim of one": lambda e, claims: e.claim(1),
    "claim for all": lambda e, claims: e.rows("select enrollment_id from drip.claim(100)"),
    "claim for all, read from the beginning": lambda e, claims: _later(
        e, "select enrollment_id from drip.claim(100)"
    ),
    "hand_over": lambda e, claims: e.rows("select drip.hand_over(%s)", json.dumps(claims)),
    "advance sent": lambda e, claims: e.settle(claims),
    "advance retry": lambda e, claims: e.settle(claims, "retry"),
    "advance rejected": lambda e, claims: e.settle(claims, "rejected", reason="invalid_address"),
    "advance unknown": lambda e, claims: e.settle(claims, "unknown"),
    "advance stale": lambda e, claims: e.settle({**claim, "claim_token": 1} for claim in claims),
    "release": lambda e, claims: e.rows("select drip.release(%s)", json.dumps(claims)),
    "enroll": lambda e, claims: e.enroll(_claim_ids(e, "big", 50_000)[49_990:], "small"),
    "pause": lambda e, claims: e.rows(
        "select * from drip.pause_enrollments(%s, %s)",
        *(e.organization_id, [claim["enrollment_id"] for claim in claims]),
    ),
    "next_due_at": lambda e, claims: e.next_due_at(),
    "tick": lambda e, claims: e.rows("select drip.tick()"),
    "tick after the leases": lambda e, claims: _later(e, "select drip.tick()"),
}


# what looks for expired leases reads the due entries of a queue once: every five minutes
FROM_THE_BEGINNING = {"claim for all, read from the beginning", "tick after the leases"}


@pytest.mark.parametrize("what", STATEMENTS)
def test_L8_no_hot_statement_reads_a_big_table_from_end_to_end(engine: Engine, what: str) -> None:
    recorder = Recorder(engine)
    session = recorder.engine
    with session.connection.transaction(force_rollback=True):
        session.claim(10)  # finds that the third sender has nothing to do
        claims = session.claim(100)
        assert len(claims) == 100
        recorder.plans.clear()
        STATEMENTS[what](session, claims)
        assert recorder.plans, "auto_explain said nothing"
        if what == "enroll":
            # the setting of this session is not the engine's way of finding contacts
            recorder.plans = [p for p in recorder.plans if "order by id limit" not in str(p)]
        assert recorder.scans() == set()
        assert recorder.compiled() == []
        # an index that is no help is read from end to end as well
        limit = 3 * BIG if what in FROM_THE_BEGINNING else BIG // 5
        assert recorder.rows_read() < limit


def test_L8_what_somebody_holds_makes_no_claim_read_the_backlog(engine: Engine) -> None:
    recorder = Recorder(engine)
    session, rival = recorder.engine, engine.rival()
    with (
        rival.connection.transaction(force_rollback=True),
        session.connection.transaction(force_rollback=True),
    ):
        rival.connection.execute(
            "select from drip_core.enrollments where id in (select min(id)"
            " from drip_core.enrollments where status = 'active' group by sequence_id) for update"
        )
        assert len(session.claim(100)) == 100
        session.at(START + timedelta(minutes=1, seconds=2))
        recorder.plans.clear()
        assert len(session.claim(100)) == 100
        assert recorder.rows_read() < BIG // 5


def test_L8_a_claim_costs_the_same_whatever_the_backlog(engine: Engine) -> None:
    costs: dict[str, int] = {}
    for waiting, other in (("small", "big"), ("big", "small")):
        recorder = Recorder(engine)
        session = recorder.engine
        with session.connection.transaction(force_rollback=True):
            session.rows(
                "select drip.set_sequence_status(%s, %s, 'paused')",
                *(engine.organization_id, other),
            )
            assert len(session.claim(50)) > 0  # reads the queue from its beginning
            recorder.plans.clear()
            assert len(session.claim(50)) > 0
            costs[waiting] = recorder.rows_read()
    assert costs["small"] > 0
    assert costs["big"] < 1.5 * costs["small"], costs


def test_L8_a_backlog_before_statistics_costs_no_more(
    database: str,
) -> None:
    """An import is followed by its enrollment at once, before anything analysed the tables."""
    engine = Engine(database)
    engine.connection.execute("alter table drip_core.contacts set (autovacuum_enabled = off)")
    engine.connection.execute("alter table drip_core.enrollments set (autovacuum_enabled = off)")
    engine.mailbox()
    engine.sequence()
    ids = engine.contacts(3_000)
    recorder = Recorder(engine)
    session = recorder.engine
    assert session.enroll(ids) == {"enrolled": 3_000}
    assert recorder.rows_read() < 20 * 3_000
    recorder.plans.clear()
    claims = session.claim(200)
    assert len(claims) == 200
    assert recorder.rows_read() < 100 * 200
    recorder.plans.clear()
    assert session.settle(claims) == ["completed"] * 200
    assert recorder.rows_read() < 100 * 200
    engine.close()


@pytest.mark.one_version
def test_L8_an_answer_is_found_by_its_token_not_by_trying_every_enrollment(
    empty_database: str,
) -> None:
    """As in a new installation after its first import, before anything was analyzed."""
    migrate.apply(empty_database)
    engine = Engine(empty_database)
    engine.set("track_functions", "all")
    engine.mailbox()
    engine.sequence()
    engine.enroll(engine.contacts(200))
    claims = engine.rows("select * from drip.claim(200)")
    engine.settle(claims)
    letter = {
        "channel": "email",
        "from_address": claims[7]["to_address"],
        "text": "Yes",
        "in_reply_to": [claims[7]["headers"]["Message-ID"]],
    }
    with engine.connection.transaction():
        call = "select drip.record_inbound(%s, %s)"
        engine.value(call, engine.organization_id, Jsonb(letter))
        read = engine.value(
            "select sum(calls)::int from pg_stat_xact_user_functions where funcname = '_read_token'"
        )
    engine.close()
    assert 1 <= read <= 3, "each token is read once"
