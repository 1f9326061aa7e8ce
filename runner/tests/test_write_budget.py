"""Writes of a message: claim 1 HOT update, hand-over 1 more, advance 1 update and 2 inserts."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from psycopg.types.json import Jsonb

from engine import TWO_STEPS, Engine

BATCH = 200


@pytest.fixture
def engine(database: str) -> Iterator[Engine]:
    engine = Engine(database)
    yield engine
    engine.close()


def _writes(engine: Engine) -> dict[str, tuple[int, int, int]]:
    """(inserted, updated, deleted) rows of each table in this transaction; partitions as events."""
    rows = engine.rows(
        "select case when relname like 'events%' then 'events' else relname end as name,"
        " sum(n_tup_ins)::int as ins, sum(n_tup_upd)::int as upd, sum(n_tup_del)::int as del"
        " from pg_stat_xact_user_tables where schemaname = 'drip_core' group by 1"
        " having sum(n_tup_ins + n_tup_upd + n_tup_del) > 0"
    )
    return {row["name"]: (row["ins"], row["upd"], row["del"]) for row in rows}


def _hot_updates(engine: Engine) -> int:
    return int(
        engine.value(
            "select n_tup_hot_upd from pg_stat_xact_user_tables"
            " where relid = 'drip_core.enrollments'::regclass"
        )
    )


def test_each_part_of_the_tick_writes_what_it_must_and_no_more(engine: Engine) -> None:
    engine.mailbox()
    engine.sequence(steps=TWO_STEPS)
    engine.enroll(engine.contacts(4 * BATCH))
    engine.settle(engine.claim(BATCH))
    # pg_stat_xact_* counts from the last report of the session: an own session per measurement
    runner = engine.rival()
    with runner.connection.transaction():
        claims = runner.claim(BATCH)
        assert len(claims) == BATCH
        assert _writes(runner) == {
            "enrollments": (0, BATCH, 0),
            "lanes": (0, 1, 0),
            "queues": (0, 1, 0),
            **_woken(runner),
        }
        assert _hot_updates(runner) >= 0.6 * BATCH

    runner = engine.rival()
    with runner.connection.transaction():
        assert runner.value("select drip.hand_over(%s)", Jsonb(claims)) == BATCH
        assert _writes(runner) == {"enrollments": (0, BATCH, 0)}
        assert runner.value("select drip.hand_over(%s)", Jsonb(claims)) == BATCH
        assert _writes(runner) == {"enrollments": (0, BATCH, 0)}

    runner = engine.rival()
    with runner.connection.transaction():
        assert runner.settle(claims) == ["advanced"] * BATCH
        assert _writes(runner) == {
            "enrollments": (0, BATCH, 0),
            "messages": (BATCH, 0, 0),
            "events": (BATCH, 0, 0),
            "lanes": (0, 1, 0),
            # by the hour: what bounce rates are measured against
            "sender_hours": (0, 1, 0),
            # by what counts alike: what the reports are read from
            "report_deltas": (1, 0, 0),
        }


def _woken(runner: Engine) -> dict[str, tuple[int, int, int]]:
    """Wake-ups are consumed by the first claim that sees them, however many messages it takes."""
    writes = _writes(runner).get("wakeups")
    if writes is None:
        return {}
    assert writes[0] == writes[1] == 0
    assert writes[2] <= 2
    return {"wakeups": writes}


def test_where_the_sender_resends_the_hand_over_writes_nothing(engine: Engine) -> None:
    engine.mailbox(on_unknown="resend")
    engine.sequence()
    engine.enroll(engine.contacts(10))
    claims = engine.claim()
    runner = engine.rival()
    with runner.connection.transaction():
        assert runner.value("select drip.hand_over(%s)", Jsonb(claims)) == 10
        assert _writes(runner) == {}


def test_claims_of_rows_on_different_pages_are_all_hot(engine: Engine) -> None:
    engine.mailbox()
    engine.sequence()
    ids = engine.contacts(1_000)
    engine.enroll(ids)
    # only every 40th is due: the others of its page wait
    engine.rows(
        "update drip_core.enrollments set next_step_at = next_step_at + interval '1 day'"
        " where id % 40 <> 0 returning id"
    )
    engine.connection.execute("vacuum (freeze) drip_core.enrollments")
    runner = engine.rival()
    with runner.connection.transaction():
        assert len(runner.claim(BATCH)) == 25
        assert _hot_updates(runner) == 25


@pytest.mark.parametrize("held", ["a daily limit", "a paused lane", "a paused sequence"])
def test_C2_what_may_not_send_costs_no_writes(engine: Engine, held: str) -> None:
    lane = engine.mailbox(daily_limit=5)
    engine.sequence()
    engine.enroll(engine.contacts(50))
    if held == "a paused lane":
        engine.rows("select drip.pause_lane(%s, %s, 'x')", engine.organization_id, lane)
    if held == "a paused sequence":
        engine.rows(
            "select drip.set_sequence_status(%s, 'welcome', 'paused')", engine.organization_id
        )
    engine.settle(engine.claim())
    engine.claim()
    runner = engine.rival()
    with runner.connection.transaction():
        for _ in range(5):
            assert runner.claim() == []
        assert _writes(runner) == {}


def test_no_index_of_enrollments_names_what_a_claim_writes(engine: Engine) -> None:
    rows = engine.rows(
        "select pg_get_indexdef(indexrelid) as definition from pg_index"
        " where indrelid = 'drip_core.enrollments'::regclass"
    )
    assert rows
    for column in ("claim_token", "lease_expires_at", "handed_over_at", "merge_values"):
        assert [r["definition"] for r in rows if column in r["definition"]] == []
