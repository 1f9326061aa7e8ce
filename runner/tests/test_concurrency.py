"""Several sessions at once: nobody waits for what is slow, nobody takes what another one took."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from psycopg import errors
from psycopg.types.json import Jsonb

from engine import START, TWO_STEPS, Engine, together, until_it_waits

MINUTE = timedelta(minutes=1)


@pytest.fixture
def engine(database: str) -> Iterator[Engine]:
    engine = Engine(database)
    yield engine
    engine.close()


def test_H3_X12_sixteen_callers_enroll_the_same_contacts_once(engine: Engine) -> None:
    engine.mailbox()
    engine.sequence()
    ids = engine.contacts(10_000)
    callers = [engine.rival() for _ in range(16)]
    start = threading.Barrier(16)

    def call(n: int) -> dict[str, int]:
        mine = random.Random(n).sample(ids, len(ids))  # noqa: S311
        start.wait()
        return callers[n].enroll(mine)

    answers = together(16, call)

    assert sum(a.get("enrolled", 0) for a in answers) == 10_000
    assert sum(a.get("already_active", 0) for a in answers) == 150_000
    assert engine.statuses() == {"active": 10_000}
    assert engine.violations() == []


def test_X1_four_claimers_claim_each_enrollment_once(engine: Engine) -> None:
    for sender in ("a", "b", "c"):
        engine.mailbox(sender)
        engine.sequence(f"by-{sender}", senders=[sender])
    engine.mailbox("d")
    engine.sequence("by-all")
    ids = engine.contacts(2_000)
    for key in ("by-a", "by-b", "by-c"):
        engine.enroll(ids[:1_000], key)
    engine.enroll(ids, "by-all")
    claimers = [engine.rival() for _ in range(4)]
    claimed: list[int] = []
    deadline = time.monotonic() + 60

    def work(n: int) -> None:
        while len(claimed) < 5_000:
            assert time.monotonic() < deadline, f"{len(claimed)} of 5000 were claimed"
            claims = claimers[n].claim(50 + 10 * n)
            claimed.extend(claim["enrollment_id"] for claim in claims)
            dispositions = claimers[n].settle(claims)
            assert set(dispositions) <= {"completed"}

    together(4, work)

    assert len(claimed) == len(set(claimed)) == 5_000
    assert engine.statuses() == {"completed": 5_000}
    assert engine.violations() == []


OUTCOMES: list[dict[str, Any]] = [
    {"outcome": "sent"},
    {"outcome": "sent"},
    {"outcome": "sent"},
    {"outcome": "retry"},
    {"outcome": "rejected", "reason": "rejected_content"},
    {"outcome": "throttled"},
    {"outcome": "unknown"},
]


def test_a_claim_in_several_turns_waits_for_no_change_of_a_sequence(engine: Engine) -> None:
    for sender in ("a", "b"):
        engine.mailbox(sender)
        engine.sequence(f"by-{sender}", senders=[sender])
    engine.enroll(engine.contacts(20, "many"), "by-a")
    engine.enroll(engine.contacts(2, "few"), "by-b")
    rival = engine.rival()
    rival.set("lock_timeout", "2s")
    with engine.connection.transaction():
        engine.connection.execute("select from drip_core.sequences for update")
        assert len(rival.claim(10)) == 10, "two of one sender, five and three of the other"
    assert len(rival.claim(20)) == 12


def test_everything_at_once_has_no_deadlock_and_breaks_no_invariant(engine: Engine) -> None:
    for sender in ("a", "b", "c"):
        engine.mailbox(sender, daily_limit=400)
    sequences = ["one", "two", "three"]
    for key in sequences:
        engine.sequence(key, TWO_STEPS)
    contacts = engine.contacts(600)
    for key in sequences:
        engine.enroll(contacts[:300], key)
    enrollments = [row["id"] for row in engine.rows("select id from drip_core.enrollments")]
    minutes = iter(range(1_000_000))
    counted: list[str] = []

    def runner(me: Engine, rng: random.Random) -> None:
        claims = me.claim(40, "3 minutes")
        kept = [c for c in claims if rng.random() < 0.9]
        me.value("select drip.hand_over(%s)", psycopg.types.json.Jsonb(kept[: len(kept) // 2]))
        rng.shuffle(kept)
        counted.extend(me.advance([{**c, **rng.choice(OUTCOMES)} for c in kept]))
        me.value("select drip.release(%s)", psycopg.types.json.Jsonb(claims))

    def pauser(me: Engine, rng: random.Random) -> None:
        some = rng.sample(enrollments, 30)
        me.rows("select * from drip.pause_enrollments(%s, %s)", me.organization_id, some)
        rng.shuffle(some)
        me.rows("select * from drip.resume_enrollments(%s, %s)", me.organization_id, some)

    def remover(me: Engine, rng: random.Random) -> None:
        some = rng.sample(enrollments, 5)
        me.rows("select * from drip.remove_enrollments(%s, %s)", me.organization_id, some)

    def operator(me: Engine, rng: random.Random) -> None:
        key, status = rng.choice(sequences), rng.choice(["active", "paused", "active"])
        me.rows("select drip.set_sequence_status(%s, %s, %s)", me.organization_id, key, status)
        lane = me.value("select min(channel_account_id) from drip_core.lanes")
        me.rows("select drip.pause_lane(%s, %s, 'x')", me.organization_id, lane)
        me.rows("select drip.resume_lane(%s, %s)", me.organization_id, lane)

    def enroller(me: Engine, rng: random.Random) -> None:
        me.enroll(rng.sample(contacts, 60), rng.choice(sequences))

    def ticker(me: Engine, rng: random.Random) -> None:
        me.value("select drip.tick()")
        me.next_due_at()

    roles: list[Callable[[Engine, random.Random], None]] = [
        *(runner, runner, runner, pauser, remover, operator, enroller, ticker, ticker)
    ]
    sessions = [engine.rival() for _ in roles]

    def work(n: int) -> None:
        rng = random.Random(n)  # noqa: S311
        for _ in range(30):
            sessions[n].at(START + next(minutes) * MINUTE)
            roles[n](sessions[n], rng)

    together(len(roles), work)
    assert engine.violations() == []

    # afterwards nothing is stuck: all that is open goes through to its end
    for key in sequences:
        engine.rows(
            "select drip.set_sequence_status(%s, %s, 'active')", engine.organization_id, key
        )
    now = START + next(minutes) * MINUTE
    for _ in range(200):
        now += timedelta(hours=3)
        engine.at(now)
        engine.value("select drip.tick()")
        for held in engine.rows("select * from drip_report.unknown_outcomes"):
            engine.rows(
                "select drip.resolve_unknown(%s, %s, %s, 'sent')",
                *(engine.organization_id, held["enrollment_id"], held["claim_token"]),
            )
        while claims := engine.claim(500):
            engine.settle(claims)
        if engine.next_due_at() is None:
            break
    left = engine.statuses()
    assert left.get("active", 0) == 0
    assert "advanced" in counted
    assert engine.violations() == []


def test_a_host_transaction_delays_no_claim_and_its_work_is_found(engine: Engine) -> None:
    engine.mailbox()
    engine.sequence()
    mine, others = engine.contacts(2), engine.contacts(3, "o")
    engine.enroll(others)
    host, runner = engine.rival(), engine.rival()
    runner.set("lock_timeout", "1s")

    with host.connection.transaction():
        assert host.enroll(mine) == {"enrolled": 2}
        # the lane is drained, and looked at again, while the host goes on
        assert len(runner.claim()) == 3
        assert runner.claim() == []
        runner.at(START + 10 * MINUTE)
        runner.value("select drip.tick()")
        runner.claim()
        runner.at(START)
    assert (runner.next_due_at() or START) <= START
    assert len(runner.claim()) == 2
    assert engine.violations() == []


@pytest.mark.parametrize("archived_first", [True, False], ids=["archive first", "enroll first"])
def test_archiving_and_enrolling_wait_for_each_other(engine: Engine, archived_first: bool) -> None:
    engine.mailbox()
    engine.sequence()
    ids = engine.contacts(3)
    first, second = engine.rival(), engine.rival()

    def archive(session: Engine) -> Any:
        return session.rows(
            "select drip.set_sequence_status(%s, 'welcome', 'archived')", engine.organization_id
        )

    def enroll(session: Engine) -> Any:
        return session.enroll(ids)

    steps = (archive, enroll) if archived_first else (enroll, archive)
    with ThreadPoolExecutor(1) as pool:
        with first.connection.transaction():
            steps[0](first)
            waiting = pool.submit(steps[1], second)
            until_it_waits(second, waiting)
        answer = waiting.result()

    if archived_first:
        assert answer == {"sequence_not_active": 3}
    assert engine.statuses() == ({} if archived_first else {"exited": 3})
    assert engine.violations() == []


RIVALS = {
    "an enrollment": (
        "select from drip_core.enrollments where id ="
        " (select min(id) from drip_core.enrollments) for update",
        2,
    ),
    "every enrollment": ("select from drip_core.enrollments for update", 0),
    "the queue": ("select from drip_core.queues for update", 0),
    "the lane": ("select from drip_core.lanes for update", 0),
    "the sequence": ("select from drip_core.sequences for update", 3),
    "the contacts": ("update drip_core.contacts set first_name = 'x'", 3),
    "a pause": ("select drip.pause_enrollments({org}, {ids})", 0),
    "a removal": ("select drip.remove_enrollments({org}, {ids})", 0),
    "a paused sequence": ("select drip.set_sequence_status({org}, 'welcome', 'paused')", 0),
    "a paused lane": (
        "select drip.pause_lane({org}, (select min(channel_account_id) from drip_core.lanes), 'x')",
        0,
    ),
    "another claim": ("select drip.claim(1)", 0),
    "an enroll": ("select drip.enroll({org}, 'welcome', {extra})", 3),
}


@pytest.mark.parametrize("what", RIVALS)
def test_a_claim_and_a_tick_wait_for_nobody(engine: Engine, what: str) -> None:
    engine.mailbox()
    engine.sequence()
    ids = engine.contacts(4)
    engine.enroll(ids[:3])
    enrollments = [row["id"] for row in engine.rows("select id from drip_core.enrollments")]
    statement, expected = RIVALS[what]
    rival, runner = engine.rival(), engine.rival()
    runner.set("lock_timeout", "100ms")

    with rival.connection.transaction(force_rollback=True):
        rival.connection.execute(
            statement.format(org=engine.organization_id, ids=f"array{enrollments}", extra=ids[3])
        )
        assert len(runner.claim()) == expected
        runner.at(START + 10 * MINUTE)
        runner.value("select drip.tick()")

    # what was passed over is found again
    runner.at(START + 20 * MINUTE)
    runner.value("select drip.tick()")
    assert len(runner.claim()) == 3
    assert engine.violations() == []


@pytest.mark.parametrize("batch_size", [1, 2, 100])
@pytest.mark.parametrize("what", ["an enrollment", "every enrollment", "a pause", "a removal"])
def test_H1_what_a_claim_passed_over_is_claimed_a_second_after_it_is_free(
    engine: Engine, what: str, batch_size: int
) -> None:
    engine.mailbox()
    engine.sequence()
    engine.enroll(engine.contacts(3))
    enrollments = [row["id"] for row in engine.rows("select id from drip_core.enrollments")]
    statement, expected = RIVALS[what]
    rival, runner = engine.rival(), engine.rival()

    claimed: list[int] = []

    def claim() -> int:
        claims = runner.claim(batch_size)
        claimed.extend(c["enrollment_id"] for c in claims)
        return len(claims)

    with rival.connection.transaction(force_rollback=True):
        rival.connection.execute(
            statement.format(org=engine.organization_id, ids=f"array{enrollments}")
        )
        while claim():
            pass
        assert len(claimed) == expected
        # no news, no second look within the second
        assert (runner.next_due_at() or START) <= START
    runner.at(START + timedelta(seconds=1))
    while claim():
        pass
    assert sorted(claimed) == sorted(enrollments)
    assert engine.violations() == []


def test_the_tick_waits_for_nobody_when_claims_of_paused_enrollments_expire(engine: Engine) -> None:
    lane = engine.mailbox()
    engine.sequence()
    engine.enroll(engine.contacts(2))
    claims = engine.claim()
    engine.rows(
        "select drip.pause_enrollments(%s, %s)",
        *(engine.organization_id, [claim["enrollment_id"] for claim in claims]),
    )
    rival, runner = engine.rival(), engine.rival(START + 10 * MINUTE)
    runner.set("lock_timeout", "100ms")
    with rival.connection.transaction(force_rollback=True):
        rival.connection.execute("select from drip_core.lanes for update")
        assert runner.value("select drip.tick()")["leases_released"] == 0
    assert runner.value("select drip.tick()")["leases_released"] == 2
    leased = "select leased from drip_core.lanes where channel_account_id = %s"
    assert engine.value(leased, lane) == 0
    assert engine.violations() == []


@pytest.mark.parametrize("function", ["pause_enrollment", "remove_enrollment"])
def test_X9_what_ends_is_not_claimed(engine: Engine, function: str) -> None:
    engine.mailbox()
    engine.sequence()
    engine.enroll(engine.contacts(3))
    first = engine.value("select min(id) from drip_core.enrollments")
    rival, runner = engine.rival(), engine.rival()
    with rival.connection.transaction():
        rival.rows(f"select drip.{function}(%s, %s)", engine.organization_id, first)
        assert first not in {claim["enrollment_id"] for claim in runner.claim()}
    runner.at(START + 10 * MINUTE)
    runner.value("select drip.tick()")
    assert first not in {claim["enrollment_id"] for claim in runner.claim()}
    assert engine.violations() == []


def test_settlements_of_the_same_lanes_in_any_order_have_no_deadlock(engine: Engine) -> None:
    for sender in ("a", "b", "c", "d"):
        engine.mailbox(sender)
    engine.sequence()
    engine.enroll(engine.contacts(400))
    claims = engine.claim(10_000)
    assert len(claims) == 400
    sessions = [engine.rival() for _ in range(4)]
    start = threading.Barrier(4, timeout=60)

    def settle(n: int) -> list[str]:
        mine = random.Random(n).sample(claims, 400)  # noqa: S311
        start.wait()
        try:
            return sessions[n].settle(mine)
        except errors.DeadlockDetected as problem:
            pytest.fail(str(problem))

    answers = [answer for answers in together(4, settle) for answer in answers]
    assert answers.count("completed") == 400
    assert answers.count("stale") == 1_200
    assert engine.violations() == []


def test_X9_nothing_is_claimed_after_the_commit_of_its_unsubscribe(engine: Engine) -> None:
    engine.mailbox("a")
    engine.mailbox("b")
    for key in ("one", "two", "three"):
        engine.sequence(key, TWO_STEPS, senders=["a", "b"])
    ids = engine.contacts(1_000)
    engine.enroll(ids, "one")
    first = engine.claim(1_000)
    engine.settle(first)
    links = engine.rows(
        "select e.contact_id, drip.get_message(%s, e.id, 's1') ->> 'link_token' as token"
        " from drip_core.enrollments as e where e.organization_id = %s order by e.id limit 200",
        *(engine.organization_id, engine.organization_id),
    )
    engine.enroll(ids, "two")
    engine.enroll(ids, "three")
    runners = [engine.rival() for _ in range(8)]
    people = [engine.rival() for _ in range(4)]
    gone: dict[int, float] = {}
    claimed: list[tuple[float, int]] = []
    deadline = time.monotonic() + 120
    owner = {
        row["id"]: row["contact_id"]
        for row in engine.rows("select id, contact_id from drip_core.enrollments")
    }

    def work(n: int) -> None:
        if n < len(runners):
            while not (len(gone) == len(links) and engine_is_done()):
                assert time.monotonic() < deadline
                begun = time.monotonic()
                claims = runners[n].claim(5)
                claimed.extend((begun, owner[claim["enrollment_id"]]) for claim in claims)
                runners[n].settle(claims)
            return
        person = people[n - len(runners)]
        for link in links[n - len(runners) :: len(people)]:
            # a message or so later, so that the two meet
            until = len(claimed) + 2
            while len(claimed) < until and len(claimed) < 2_000:
                assert time.monotonic() < deadline
                time.sleep(0)
            answer = person.value("select drip.unsubscribe(%s)", link["token"])
            gone[link["contact_id"]] = time.monotonic()
            assert answer["status"] == "unsubscribed"

    def engine_is_done() -> bool:
        return len(claimed) >= 2_000 - 2 * len(links)

    together(len(runners) + len(people), work)

    assert len(gone) == 200
    late = [contact for begun, contact in claimed if contact in gone and begun > gone[contact]]
    assert late == [], "claimed after the commit of its unsubscribe"
    rows = engine.rows(
        "select e.id, u.data ? 'in_flight' as in_flight, s.id is not null as is_sent"
        " from drip_core.enrollments as e"
        " join drip_core.events as u on u.enrollment_id = e.id and u.type = 'unsubscribed'"
        " left join drip_core.events as s"
        " on s.enrollment_id = e.id and s.type = 'sent' and s.id > u.id"
        " where e.organization_id = %s",
        engine.organization_id,
    )
    assert len(rows) >= 200
    assert all(row["in_flight"] == row["is_sent"] for row in rows), "what was in flight is told"
    assert engine.violations() == []


def test_X9_an_enrollment_that_raced_with_an_unsubscribe_is_not_written_to_after_it(
    engine: Engine,
) -> None:
    """It was not there when the unsubscribe looked: the claim judges by what is committed."""
    engine.mailbox()
    for key in ("first", "second"):
        engine.sequence(key, TWO_STEPS)
    (contact,) = engine.contacts(1)
    engine.enroll([contact], "first")
    (message,) = engine.rows("select * from drip.claim(10)")
    engine.settle([message])
    person, host, runner = engine.rival(), engine.rival(), engine.rival()
    with person.connection.transaction():
        answer = person.value("select drip.unsubscribe(%s)", message["link_token"])
        assert (answer["status"], answer["ended"]) == ("unsubscribed", 1)
        # waits for nobody, and knows of no unsubscribe
        assert host.enroll([contact], "second") == {"enrolled": 1}
    assert runner.claim() == []
    assert engine.statuses() == {"unsubscribed": 2}
    # had it been claimed before the commit, it would be in flight; what follows is not
    (other,) = engine.contacts(1, "d")
    engine.enroll([other], "first")
    (message,) = engine.rows("select * from drip.claim(10)")
    engine.settle([message])
    with person.connection.transaction():
        person.value("select drip.unsubscribe(%s)", message["link_token"])
        host.enroll([other], "second")
        (claim,) = runner.claim()
    assert runner.settle([claim]) == ["advanced"]
    runner.at(START + timedelta(days=2))
    assert runner.claim() == []
    assert engine.statuses() == {"unsubscribed": 4}
    assert engine.violations() == []


FACTS_THAT_STOP: dict[str, tuple[str, dict[str, Any]]] = {
    "reply": ("record_inbound", {"channel": "email", "text": "Sounds good"}),
    "stop": ("record_inbound", {"channel": "email", "text": "STOP"}),
    "bounce": ("record_provider_event", {"type": "bounced"}),
    "complaint": ("record_provider_event", {"type": "complained"}),
    "deal": ("upsert_deal", {"stage": "won"}),
}


def test_X9_H5_no_claim_after_the_commit_of_a_fact_that_stops(engine: Engine) -> None:
    """Replies, stop words, bounces, complaints and deals, while four runners are at work."""
    engine.mailbox("a")
    engine.mailbox("b")
    steps = [{**TWO_STEPS[0], "key": f"s{number}"} for number in range(1, 7)]
    engine.sequence("drip", steps, ["a", "b"], on_reply="exit", exit_on={"deal_stages": ["won"]})
    ids = engine.contacts(400)
    engine.enroll(ids, "drip")
    first = engine.rows("select * from drip.claim(1000)")
    assert len(first) == 400
    engine.settle(first)
    messages = sorted(first, key=lambda claim: claim["enrollment_id"])
    contact_of = {
        row["id"]: (row["contact_id"], row["email"])
        for row in engine.rows(
            "select e.id, e.contact_id, c.email from drip_core.enrollments as e"
            " join drip_core.contacts as c on c.organization_id = e.organization_id"
            " and c.id = e.contact_id"
        )
    }
    runners = [engine.rival() for _ in range(4)]
    hearers = [engine.rival() for _ in range(2)]
    gone: dict[int, float] = {}
    claimed: list[tuple[float, int]] = []
    deadline = time.monotonic() + 120
    stopping = messages[:200]

    def tell(session: Engine, number: int, message: dict[str, Any]) -> None:
        kind = list(FACTS_THAT_STOP)[number % len(FACTS_THAT_STOP)]
        function, fact = FACTS_THAT_STOP[kind]
        contact, email = contact_of[message["enrollment_id"]]
        if function == "record_inbound":
            ids = [message["headers"]["Message-ID"]]
            fact = {**fact, "from_address": email, "in_reply_to": ids, "external_id": email}
        elif function == "record_provider_event":
            fact = {**fact, "message_token": message["message_token"]}
        else:
            fact = {**fact, "contact_id": contact, "external_id": email}
        call = f"select drip.{function}(%s, %s)"
        session.value(call, engine.organization_id, Jsonb(fact))

    def work(n: int) -> None:
        if n < len(runners):
            idle = 0
            while len(gone) < len(stopping) or idle < 20:
                assert time.monotonic() < deadline
                begun = time.monotonic()
                claims = runners[n].claim(5)
                claimed.extend((begun, claim["enrollment_id"]) for claim in claims)
                runners[n].settle(claims)
                idle = 0 if claims else idle + 1
            return
        session = hearers[n - len(runners)]
        for number, message in list(enumerate(stopping))[n - len(runners) :: len(hearers)]:
            # a message or so later, so that the two meet
            until = min(len(claimed) + 2, 1_000)
            while len(claimed) < until:
                assert time.monotonic() < deadline
                time.sleep(0)
            tell(session, number, message)
            gone[message["enrollment_id"]] = time.monotonic()

    together(len(runners) + len(hearers), work)

    assert len(gone) == 200
    late = [one for begun, one in claimed if one in gone and begun > gone[one]]
    failures = engine.rows(
        "select kind::text, error_code, resolved_at from drip_core.reaction_failures"
    )
    assert late == [], failures
    # a reaction that did not get its lock in time is made up for
    engine.at(START + 5 * MINUTE)
    engine.value("select drip.tick()")
    rows = engine.rows(
        "select e.status::text, count(*)::int from drip_core.enrollments as e"
        " where e.id = any(%s) group by 1",
        [message["enrollment_id"] for message in messages[200:]],
    )
    assert [(row["status"], row["count"]) for row in rows] == [("completed", 200)]
    rows = engine.rows("select count(*) from drip_core.reaction_failures where resolved_at is null")
    assert [row["count"] for row in rows] == [0]
    assert engine.violations() == []


def _people(*numbers: int) -> Jsonb:
    return Jsonb([{"email": f"p{number}@example.net"} for number in numbers])


def test_L2_two_imports_of_one_new_person_store_one_contact(engine: Engine) -> None:
    first, second = engine.rival(), engine.rival()
    org = engine.organization_id
    with ThreadPoolExecutor(1) as pool:
        with first.connection.transaction():
            kept = first.value("select drip.upsert_contact(%s, %s -> 0)", org, _people(1))
            waiting = pool.submit(
                second.rows, "select * from drip.upsert_contacts(%s, %s)", org, _people(2, 1)
            )
            until_it_waits(second, waiting)
        rows = waiting.result()
    assert [row["outcome"] for row in rows] == ["created", "updated"]
    assert rows[1]["contact_id"] == kept
    assert engine.value("select count(*) from drip_core.contacts") == 2
    assert engine.rows("select * from drip_core.address_locks") == []


def test_imports_of_the_same_new_people_in_any_order_have_no_deadlock(engine: Engine) -> None:
    rivals = [engine.rival() for _ in range(4)]
    start = threading.Barrier(4, timeout=60)

    def work(n: int) -> None:
        for number in range(20):
            people = list(range(100 * number, 100 * number + 20))
            random.Random(n).shuffle(people)  # noqa: S311
            start.wait()
            rivals[n].rows(
                "select drip.upsert_contacts(%s, %s)", engine.organization_id, _people(*people)
            )

    together(4, work)
    assert engine.value("select count(*) from drip_core.contacts") == 400
    assert engine.value("select count(distinct email_hash) from drip_core.contacts") == 400


def test_H2_whoever_waits_for_an_address_holds_up_nobody_elsewhere(engine: Engine) -> None:
    other = Engine(engine.url)
    first, second = engine.rival(), engine.rival()
    statement = "select drip.upsert_contact(%s, %s -> 0)"
    with ThreadPoolExecutor(1) as pool:
        with first.connection.transaction():
            first.value(statement, engine.organization_id, _people(1))
            waiting = pool.submit(second.value, statement, engine.organization_id, _people(1))
            until_it_waits(second, waiting)
            other.set("lock_timeout", "1s")
            assert other.value(statement, other.organization_id, _people(1))
        assert waiting.result()
    other.close()


@pytest.mark.parametrize("how", ["remove", "unmake"])
def test_H2_two_owners_who_unmake_each_other_leave_one(engine: Engine, how: str) -> None:
    ann, bob = (f"00000000-0000-0000-0000-00000000000{n}" for n in (1, 2))
    for person in (ann, bob):
        engine.rows(
            "select drip.add_member(%s, %s, 'x@example.com', role => 'owner')",
            engine.organization_id,
            person,
        )

    def unmake(session: Engine, person: str) -> None:
        if how == "remove":
            session.rows("select drip.remove_member(%s, %s)", session.organization_id, person)
        else:
            session.rows(
                "select drip.add_member(%s, %s, 'x@example.com')", session.organization_id, person
            )

    slow, rival = engine.rival(), engine.rival()
    with ThreadPoolExecutor(1) as pool:
        with slow.connection.transaction():
            unmake(slow, ann)
            future = pool.submit(unmake, rival, bob)
            until_it_waits(rival, future)
        with pytest.raises(psycopg.Error) as refused:
            future.result()
    assert refused.value.sqlstate == "PT409"
    owners = engine.rows("select profile_id::text from drip_core.members where role = 'owner'")
    assert owners == [{"profile_id": bob}]


def test_H2_the_limit_of_tests_holds_in_any_isolation_level(engine: Engine) -> None:
    """Two snapshots of the same morning: the second to write fails, and nothing is stored twice."""
    engine.mailbox()
    engine.sequence()
    (contact,) = engine.contacts(1)
    engine.rows(
        "select drip.add_member(%s, gen_random_uuid(), 'me@example.com')", engine.organization_id
    )
    test = "select drip.send_test(%s, 'welcome', 's1', %s, 'me@example.com')"
    sessions = [engine.rival() for _ in range(2)]
    for session in sessions:
        session.connection.execute("begin isolation level repeatable read")
        session.rows("select drip.version()")
    sessions[0].rows(test, engine.organization_id, contact)
    sessions[0].connection.execute("commit")
    with pytest.raises(psycopg.errors.SerializationFailure):
        sessions[1].rows(test, engine.organization_id, contact)
    sessions[1].connection.execute("rollback")
    assert engine.value("select tests_count from drip_core.organizations") == 1
