"""Organizations take turns, and so do lanes: however many are ready, whoever holds locks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from engine import START, Engine

Claims = Callable[[int], Counter[int]]
LATER = START + timedelta(seconds=10)
READY = START + timedelta(seconds=1)


@pytest.fixture
def engine(database: str) -> Iterator[Engine]:
    engine = Engine(database, now=LATER)
    yield engine
    engine.close()


def organizations(engine: Engine, count: int, lanes: int = 1, messages: int = 1) -> list[int]:
    """Organizations past the API, each with that many lanes, and as many messages due per lane.

    As claims before have left them: nothing is woken, every lane is ready since `READY`.
    """
    at = {"due": START, "ready": READY}
    ids = [
        row["id"]
        for row in engine.rows(
            "insert into drip_core.organizations (name, public_base_url)"
            " select 'o' || g, 'https://mail.example.com' from generate_series(1, %s) as g"
            " returning id",
            count,
        )
    ]
    for org in ids:
        engine.set("drip.organization_id", str(org))
        senders = [f"s{n}" for n in range(lanes)]
        engine.connection.execute(
            "with made as (insert into drip_core.channel_accounts"
            " (organization_id, key, channel, provider, address)"
            " select %(org)s, k, 'email', 'noop', k || '@sender.example'"
            " from unnest(%(senders)s::text[]) with ordinality as u (k, n) order by n"
            " returning organization_id, id) insert into drip_core.lanes"
            " (organization_id, channel_account_id) select organization_id, id from made",
            {"org": org, "senders": senders},
        )
        speaker = Engine(engine.url, org, LATER) if count < 5 else engine
        speaker.organization_id, before = org, speaker.organization_id
        speaker.sequence(senders=senders)
        contacts = speaker.contacts(lanes * messages, "x")
        speaker.organization_id = before
        if speaker is not engine:
            speaker.close()
        engine.set("session_replication_role", "replica")
        engine.connection.execute(
            "insert into drip_core.enrollments (organization_id, sequence_id, version, contact_id,"
            " entry_no, step_id, channel_account_id, sender_ids, next_step_at, source)"
            " select q.organization_id, q.sequence_id, 1, (%(ids)s::bigint[])[n], 1, s.id,"
            " q.channel_account_id, array[q.channel_account_id], %(due)s, 'bulk'"
            " from (select u.*, row_number() over (order by u.channel_account_id) as place"
            " from drip_core.queues as u where u.organization_id = %(org)s) as q"
            " join drip_core.steps as s on s.organization_id = q.organization_id"
            " cross join generate_series((q.place - 1) * %(messages)s + 1,"
            " q.place * %(messages)s) as n",
            {"org": org, "ids": contacts, "messages": messages, **at},
        )
        engine.set("session_replication_role", "origin")
    engine.connection.execute("delete from drip_core.wakeups")
    engine.connection.execute("update drip_core.queues set due_from = %(due)s", at)
    engine.connection.execute("update drip_core.lanes set ready_at = %(ready)s", at)
    return ids


def wake(engine: Engine) -> None:
    """Every lane is woken instead, as new work does; it is not ready by its own clock."""
    engine.connection.execute("update drip_core.lanes set ready_at = 'infinity'")
    engine.connection.execute(
        "insert into drip_core.wakeups (organization_id, channel_account_id, sequence_id, due_at)"
        " select organization_id, channel_account_id, sequence_id, %s from drip_core.queues",
        (START,),
    )


def later(engine: Engine, organization_id: int) -> None:
    """Its lanes became ready after those of the others."""
    engine.connection.execute(
        "update drip_core.lanes set ready_at = %s where organization_id = %s",
        (READY + timedelta(seconds=1), organization_id),
    )


@pytest.fixture(params=["a runner of all", "a bound runner"])
def claims(engine: Engine, request: pytest.FixtureRequest) -> Claims:
    """Claim; how many messages of which organization."""

    def claim(batch_size: int) -> Counter[int]:
        if request.param == "a bound runner":
            engine.connection.execute(
                "insert into drip_core.login_organizations (organization_id, login)"
                " select id, session_user from drip_core.organizations on conflict do nothing"
            )
        rows = engine.rows("select organization_id from drip.claim(%s)", batch_size)
        engine.connection.execute("delete from drip_core.login_organizations")
        return Counter(row["organization_id"] for row in rows)

    return claim


def test_locked_lanes_of_one_organization_do_not_keep_another_one_from_its_share(
    engine: Engine, claims: Claims
) -> None:
    (many,) = organizations(engine, 1, lanes=420)
    (few,) = organizations(engine, 1, messages=50)
    later(engine, few)
    rival = engine.rival()
    with rival.connection.transaction(force_rollback=True):
        rival.connection.execute(
            "select drip.pause_lane(l.organization_id, l.channel_account_id, 'x')"
            " from drip_core.lanes as l where l.organization_id = %s",
            (many,),
        )
        assert claims(100) == {few: 50}
    assert claims(100) == {many: 100}


@pytest.mark.parametrize("how", ["ready", "woken"])
def test_locked_lanes_do_not_hide_a_free_one_of_their_organization(
    engine: Engine, claims: Claims, how: str
) -> None:
    (org,) = organizations(engine, 1, lanes=420)
    if how == "woken":
        wake(engine)
    rival = engine.rival()
    with rival.connection.transaction(force_rollback=True):
        rival.connection.execute(
            "select from drip_core.lanes where channel_account_id"
            " < (select max(channel_account_id) from drip_core.lanes) for update"
        )
        assert claims(100) == {org: 1}


def test_an_organization_with_many_ready_lanes_does_not_go_first_as_a_whole(
    engine: Engine, claims: Claims
) -> None:
    (many,) = organizations(engine, 1, lanes=1_500)
    (few,) = organizations(engine, 1, messages=50)
    later(engine, few)
    assert claims(20) == {many: 10, few: 10}
    assert claims(100) == {many: 60, few: 40}


def test_an_organization_behind_many_ready_lanes_and_many_organizations_is_found(
    engine: Engine,
) -> None:
    """More of both than one claim looks at."""
    organizations(engine, 1, lanes=1_100, messages=1)
    engine.connection.execute(
        "insert into drip_core.organizations (name) select 'x' from generate_series(1, 6000)"
    )
    (few,) = organizations(engine, 1, messages=50)
    later(engine, few)
    engine.set("drip.turn", "0")
    served = [
        row["organization_id"]
        for _ in range(4)
        for row in engine.rows("select organization_id from drip.claim(10)")
    ]
    assert Counter(served)[few] == 5
    assert len(served) == 40


@pytest.mark.parametrize("turn", ["", "-1", "x", "9" * 30, "999999999999999999", "0"])
def test_whatever_a_session_says_of_its_turn_everybody_has_one(engine: Engine, turn: str) -> None:
    ids = organizations(engine, 3)
    engine.set("drip.turn", turn)
    served = [
        row["organization_id"]
        for _ in ids
        for row in engine.rows("select organization_id from drip.claim(1)")
    ]
    assert sorted(served) == sorted(ids)


@pytest.mark.parametrize("how", ["ready", "woken"])
def test_more_organizations_than_places_take_turns(
    engine: Engine, claims: Claims, how: str
) -> None:
    ids = organizations(engine, 25, messages=3)
    if how == "woken":
        wake(engine)
    served: Counter[int] = Counter()
    for _ in range(3):
        got = claims(10)
        assert set(got.values()) == {1}
        assert got.total() == 10
        served += got
    assert set(served) == set(ids)
    for _ in range(5):
        served += claims(10)
    assert all(2 <= n <= 3 for n in served.values())


@pytest.mark.parametrize("how", ["ready", "woken"])
def test_organizations_whose_lanes_are_all_locked_hide_no_other(
    engine: Engine, claims: Claims, how: str
) -> None:
    *_, free = organizations(engine, 60)
    if how == "woken":
        wake(engine)
    else:
        later(engine, free)
    rival = engine.rival()
    with rival.connection.transaction(force_rollback=True):
        rival.connection.execute(
            "select from drip_core.lanes where organization_id <> %s for update", (free,)
        )
        served = [claims(10) for _ in range(6)]
        assert sum(served, Counter()) == {free: 1}


def test_places_that_another_organization_leaves_go_to_lanes_with_one_message_each(
    engine: Engine, claims: Claims
) -> None:
    (gaps,) = organizations(engine, 1, lanes=60, messages=2)
    (few,) = organizations(engine, 1)
    engine.connection.execute(
        "update drip_core.channel_accounts set min_gap = '1 minute', max_gap = '1 minute'"
        " where organization_id = %s",
        (gaps,),
    )
    assert claims(50) == {gaps: 49, few: 1}
