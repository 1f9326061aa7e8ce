"""Reports while others write: what commits late, what comes twice at once, who waits for whom."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

import report_oracle as oracle
from engine import START, TWO_STEPS, Claim, Engine, together, until_it_waits

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def engine(database: str) -> Iterator[Engine]:
    engine = Engine(database)
    engine.mailbox()
    engine.sequence(steps=TWO_STEPS)
    yield engine
    engine.close()


def sent(engine: Engine, count: int) -> list[Claim]:
    """Messages that have been sent, with their tokens."""
    engine.enroll(engine.contacts(count))
    claims = engine.rows("select * from drip.claim(1000)")
    engine.settle(
        {k: c[k] for k in ("organization_id", "enrollment_id", "claim_token")} for c in claims
    )
    return claims


def figures(engine: Engine) -> dict[str, Any]:
    (row,) = engine.rows("select * from drip_report.sequence_overview")
    return row


def open_(engine: Engine, claim: Claim) -> None:
    engine.rows("select drip.record_open(%s, 'Firefox/128.0', '192.0.2.1')", claim["link_token"])


def agree(engine: Engine) -> None:
    exported = oracle.export(engine.connection, engine.organization_id)
    actual = oracle.shown(engine.connection, engine.organization_id)
    assert oracle.differences(actual, oracle.reports(exported)) == []
    assert engine.violations() == []


def test_what_commits_after_later_facts_were_added_up_is_counted_once(engine: Engine) -> None:
    claims = sent(engine, 3)
    slow = engine.rival()
    with slow.connection.transaction():
        open_(slow, claims[0])
        # a later fact, with a higher id, is added up before the first one commits
        open_(engine, claims[1])
        engine.rows("select drip.tick()")
        assert figures(engine)["messages_opened"] == 1
    assert figures(engine)["messages_opened"] == 2
    engine.rows("select drip.tick()")
    engine.rows("select drip.tick()")
    assert figures(engine)["messages_opened"] == 2
    agree(engine)


def test_G1_first_opens_at_the_same_moment_count_once(engine: Engine) -> None:
    claims = sent(engine, 5)
    rivals = [engine.rival(START + timedelta(minutes=1)) for _ in range(4)]
    together(4, lambda i: [open_(rivals[i], c) for c in (claims, claims[::-1])[i % 2]])
    assert figures(engine)["messages_opened"] == 5
    agree(engine)


def test_an_open_and_the_settlement_of_its_message_see_each_other(engine: Engine) -> None:
    engine.enroll(engine.contacts(1))
    (claim,) = engine.rows("select * from drip.claim()")
    slow, runner = engine.rival(), engine.rival()
    ref = {k: claim[k] for k in ("organization_id", "enrollment_id", "claim_token")}
    with ThreadPoolExecutor(1) as pool:
        with slow.connection.transaction():
            open_(slow, claim)
            future = pool.submit(runner.settle, [ref])
            until_it_waits(runner, future)
        assert future.result() == ["advanced"]
    assert figures(engine)["messages_opened"] == 1
    agree(engine)


def test_a_claim_waits_for_no_fact_that_is_being_written(engine: Engine) -> None:
    claims = sent(engine, 2)
    engine.at(START + timedelta(days=1))
    # one of them must end when it is claimed; what is known of it is being written meanwhile
    engine.rows(
        "insert into drip_core.suppressions (organization_id, channel, address_hash, reason)"
        " select %s, 'email', email_hash, 'opted_out' from drip_core.contacts"
        " where external_id = 'c1' returning id",
        engine.organization_id,
    )
    slow = engine.rival(START + timedelta(days=1))
    with slow.connection.transaction():
        open_(slow, next(c for c in claims if c["to_address"] == "c1@example.net"))
        engine.set("statement_timeout", "5s")
        assert len(engine.claim()) == 1
        assert engine.statuses() == {"active": 2}
    engine.at(START + timedelta(days=1, seconds=20))
    engine.claim()
    assert engine.statuses() != {"active": 2}
    agree(engine)


def test_two_sessions_add_up_once(engine: Engine) -> None:
    sent(engine, 50)
    rivals = [engine.rival() for _ in range(4)]
    together(4, lambda i: rivals[i].rows("select drip.tick()"))
    engine.rows("select drip.tick()")
    assert figures(engine)["messages_sent"] == 50
    agree(engine)


def test_L5_what_was_there_before_counts_is_counted_by_the_tick(engine: Engine) -> None:
    claims = sent(engine, 20)
    open_(engine, claims[0])
    for table in ("report_deltas", "report_cells", "report_facts"):
        engine.rows(f"delete from drip_core.{table} returning 1 as x")
    engine.rows(
        "insert into drip_core.report_builds select id from drip_core.organizations returning 1"
    )
    # and what comes before the tick gets there
    open_(engine, claims[1])
    engine.rows("select drip.tick()")
    assert figures(engine)["messages_opened"] == 2
    agree(engine)
    assert engine.rows("select from drip_core.report_builds") == []


def test_a_rebuild_is_exact_whatever_is_written_meanwhile(engine: Engine) -> None:
    claims = sent(engine, 30)
    engine.rows("delete from drip_core.report_facts returning 1 as x")
    engine.rows("update drip_core.report_deltas set enrolled = 0, active = 7 returning 1 as x")
    writer, repairer = engine.rival(START + timedelta(minutes=5)), engine.rival()
    stop = threading.Event()

    def write() -> None:
        for claim in claims:
            open_(writer, claim)
            writer.rows("select drip.tick()")
        stop.set()

    def repair() -> None:
        while not stop.is_set():
            repairer.rows("select drip.rebuild_rollups()")

    together(2, lambda i: (write, repair)[i]())
    engine.rows("select drip.rebuild_rollups()")
    assert figures(engine)["messages_opened"] == 30
    assert engine.value("select drip.rebuild_rollups()") == 0
    agree(engine)


@pytest.mark.slow
def test_M4_states_sum_to_enrolled_at_every_instant_of_four_runners(engine: Engine) -> None:
    engine.at(None)
    engine.enroll(engine.contacts(4000))
    runners = [engine.rival(None) for _ in range(4)]
    outcomes = ("sent", "sent", "retry", "rejected", "unknown")
    watcher = engine.rival(None)
    done = threading.Event()
    samples = 0

    def run(number: int) -> None:
        runner = runners[number]
        for turn in range(40):
            claims = runner.claim(25)
            runner.settle(claims, outcomes[(turn + number) % 5])
            if turn % 3 == number % 3:
                runner.rows("select drip.tick()")
            if turn % 7 == 0 and claims:
                ids = [c["enrollment_id"] for c in claims[:3]]
                runner.rows(
                    "select * from drip.pause_enrollments(%s, %s, null)",
                    *(engine.organization_id, ids),
                )

    def watch() -> None:
        nonlocal samples
        while not done.is_set():
            for view in ("sequence_overview", "cohorts"):
                row = watcher.rows(
                    "select sum(enrolled)::int as enrolled, sum(active + paused + completed"
                    " + failed + exited + removed + bounced + unsubscribed)::int as states"
                    f" from drip_report.{view}"
                )
                assert row == [{"enrolled": 4000, "states": 4000}], view
            row = watcher.rows(
                "select sum(enrollments)::int as states, sum(share) as share"
                " from drip_report.enrollment_status"
            )
            assert row[0]["states"] == 4000
            assert abs(row[0]["share"] - 1) < 1e-9
            assert (
                watcher.violations("the reports count the enrollments and messages that there are")
                == []
            )
            samples += 1

    with ThreadPoolExecutor(1) as pool:
        watching = pool.submit(watch)
        try:
            together(4, run)
        finally:
            done.set()
        watching.result()
    assert samples > 10
    agree(engine)
