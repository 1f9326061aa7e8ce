"""Nobody starves, and the cost of a claim depends on the batch, not on what waits or may not send.

Cost is counted in buffers: the pages that a call touches, the same on every machine.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from engine import ONE_STEP, START, Engine

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

DUE = START.isoformat()


@pytest.fixture
def engine(database: str) -> Iterator[Engine]:
    engine = Engine(database)
    yield engine
    engine.close()


def bulk_enroll(engine: Engine, key: str, contact_ids: list[int]) -> None:
    """Enroll at the first step, due since `START`, past API, keys and triggers; lanes in turn."""
    org = engine.organization_id
    engine.set("session_replication_role", "replica")
    engine.connection.execute(
        "insert into drip_core.enrollments (organization_id, sequence_id, version, contact_id,"
        " entry_no, step_id, channel_account_id, sender_ids, next_step_at, source)"
        " select %(org)s, q.id, 1, c.id, 1, s.id, l.ids[1 + c.n %% cardinality(l.ids)],"
        " array[l.ids[1 + c.n %% cardinality(l.ids)]], %(due)s, 'bulk'"
        " from drip_core.sequences as q"
        " join drip_core.steps as s on s.organization_id = q.organization_id"
        " and s.sequence_id = q.id and s.step_no = 1"
        " cross join (select array_agg(u.channel_account_id order by 1) as ids"
        " from drip_core.queues as u join drip_core.sequences as k on k.id = u.sequence_id"
        " where u.organization_id = %(org)s and k.key = %(key)s) as l"
        " cross join unnest(%(contacts)s::bigint[]) with ordinality as c (id, n)"
        " where q.organization_id = %(org)s and q.key = %(key)s",
        {"org": org, "key": key, "due": DUE, "contacts": contact_ids},
    )
    engine.set("session_replication_role", "origin")
    engine.connection.execute(
        "insert into drip_core.wakeups (organization_id, channel_account_id, sequence_id, due_at)"
        " select q.organization_id, q.channel_account_id, q.sequence_id, %s"
        " from drip_core.queues as q join drip_core.sequences as k on k.id = q.sequence_id"
        " where q.organization_id = %s and k.key = %s",
        (DUE, org, key),
    )
    engine.connection.execute("analyze drip_core.enrollments, drip_core.contacts")


def many_lanes(engine: Engine, count: int) -> None:
    """Senders past the API, each with its lane."""
    engine.connection.execute(
        "with made as (insert into drip_core.channel_accounts"
        " (organization_id, key, channel, provider, address)"
        " select %s, 'sender-' || g, 'email', 'noop', 's' || g || '@sender.example'"
        " from generate_series(1, %s) as g returning organization_id, id)"
        " insert into drip_core.lanes (organization_id, channel_account_id)"
        " select organization_id, id from made order by id",
        (engine.organization_id, count),
    )
    engine.connection.execute("analyze drip_core.channel_accounts, drip_core.lanes")


def claim_for_all(engine: Engine, batch_size: int) -> list[dict[str, Any]]:
    """Claim for every organization, as a runner does."""
    return engine.rows("select organization_id, channel_account_id from drip.claim(%s)", batch_size)


def claim_cost(engine: Engine, batch_size: int) -> int:
    """Buffers that a claim touches, everything it calls included; it claims for good."""
    plan = engine.value(
        "explain (analyze, buffers, timing off, format json) select from drip.claim(%s)", batch_size
    )
    root = plan[0]["Plan"]
    return int(root["Shared Hit Blocks"] + root["Shared Read Blocks"])


@pytest.mark.parametrize("lanes", [1, 1_000])
def test_a_small_organization_is_served_beside_200_000_due_of_another(
    engine: Engine, lanes: int
) -> None:
    small = Engine(engine.url)
    try:
        small.mailbox()
        small.sequence()
        small.enroll(small.contacts(1, "early"))
        small.settle(small.claim())

        many_lanes(engine, lanes)
        engine.sequence()
        bulk_enroll(engine, "welcome", engine.contacts(200_000))
        assert len(claim_for_all(engine, 100)) == 100, "the big one alone uses the whole batch"

        small.enroll(small.contacts(10, "small"))
        claimed = claim_for_all(engine, 100) + claim_for_all(engine, 100)
        mine = [c for c in claimed if c["organization_id"] == small.organization_id]
        assert len(mine) == 10
        assert len(claimed) == 200, "and the rest of the batch is not wasted"
    finally:
        small.close()


def test_a_claim_costs_the_same_with_5_000_lanes_as_with_3(engine: Engine) -> None:
    """Of the many, three may send; the others have used their day, wait for a gap or are paused."""
    engine.mailbox("a")
    engine.mailbox("b")
    engine.mailbox("c")
    engine.sequence(senders=["a", "b", "c"])
    bulk_enroll(engine, "welcome", engine.contacts(10_000))
    claim_cost(engine, 100)
    alone = min(claim_cost(engine, 100) for _ in range(3))

    many_lanes(engine, 4_997)
    others = [f"sender-{n}" for n in range(1, 4_998)]
    engine.sequence("other", ONE_STEP, senders=others)
    bulk_enroll(engine, "other", engine.contacts(20_000, "other"))
    engine.connection.execute("delete from drip_core.wakeups")
    engine.connection.execute(
        "update drip_core.lanes as l set"
        " status = case a.id %% 3 when 0 then 'paused' else 'active' end::drip.lane_status,"
        " next_slot_at = case a.id %% 3 when 1 then %(later)s::timestamptz end,"
        " ready_at = %(later)s"
        " from drip_core.channel_accounts as a"
        " where a.organization_id = l.organization_id and a.id = l.channel_account_id"
        " and a.key like 'sender-%%'",
        {"later": "2026-03-03T00:00:00Z"},
    )
    engine.connection.execute("vacuum (analyze) drip_core.lanes, drip_core.wakeups")
    claim_cost(engine, 100)
    costs = [claim_cost(engine, 100) for _ in range(3)]
    assert min(costs) <= 1.3 * alone, f"buffers of a claim: {costs}, with three lanes {alone}"
    assert min(claim_cost(engine, 100) for _ in range(2)) <= 1.3 * alone
    empty = engine.rival().value("select count(*) from drip.claim(100, organization_id => null)")
    assert empty == 100, "the three go on"


def test_a_claim_costs_the_same_with_5_000_organizations_as_with_1(engine: Engine) -> None:
    """Nothing of the others is due."""
    engine.mailbox()
    engine.sequence()
    bulk_enroll(engine, "welcome", engine.contacts(10_000))
    claim_cost(engine, 100)
    alone = min(claim_cost(engine, 100) for _ in range(3))

    engine.connection.execute(
        "with o as (insert into drip_core.organizations (name)"
        " select 'o' || g from generate_series(1, 5000) as g returning id),"
        " a as (insert into drip_core.channel_accounts"
        " (organization_id, key, channel, provider, address)"
        " select id, 'a', 'email', 'noop', 'a@sender.example' from o"
        " returning organization_id, id)"
        " insert into drip_core.lanes (organization_id, channel_account_id, ready_at)"
        " select organization_id, id, '2026-03-03T00:00:00Z' from a"
    )
    engine.connection.execute("vacuum (analyze) drip_core.lanes, drip_core.wakeups")
    claim_cost(engine, 100)
    costs = [claim_cost(engine, 100) for _ in range(3)]
    assert min(costs) <= 1.3 * alone, f"buffers of a claim: {costs}, with one {alone}"


def test_a_million_due_of_a_paused_sequence_are_not_in_the_way(engine: Engine) -> None:
    engine.mailbox()
    engine.sequence("busy")
    engine.sequence("stopped")
    bulk_enroll(engine, "busy", engine.contacts(5_000))
    claim_cost(engine, 100)
    alone = min(claim_cost(engine, 100) for _ in range(3))

    engine.rows("select drip.set_sequence_status(%s, 'stopped', 'paused')", engine.organization_id)
    # nobody looks at their contacts, so there are none
    bulk_enroll(engine, "stopped", list(range(10_000_000, 11_000_000)))
    claim_cost(engine, 100)
    costs = [claim_cost(engine, 100) for _ in range(3)]
    assert min(costs) <= 1.3 * alone, f"buffers of a claim: {costs}, without the paused {alone}"
