"""Nothing lost, nothing doubled, when processes, servers and the database die in the middle."""

from __future__ import annotations

import itertools
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from crash_site import RestartableCluster, Runner, Site, SlowWorld, until

from pgdrip.demo.smtp_world import HANG, Mailbox, SmtpWorld
from servers import Server
from tools.postgres import bin_dirs

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

Report = Callable[..., None]

_numbers = itertools.count(1)

#: Short, so that what a kill leaves behind comes back while the test runs; long enough for a slow
#: machine to settle within it.
SHORT_LEASE = {
    "PGDRIP_LEASE": "6 s",
    "PGDRIP_PROVIDER_TIMEOUT": "2",
    "PGDRIP_CONCURRENCY": "4",
    "PGDRIP_MAX_SLEEP": "0.2",
    "PGDRIP_MAINTENANCE_INTERVAL": "1",
}


@pytest.fixture(scope="module")
def cluster() -> Iterator[RestartableCluster]:
    """A cluster of the newest version that has programs here; the dev extra brings one."""
    available = bin_dirs()
    with RestartableCluster(available[max(available)]) as running:
        yield running


@pytest.fixture
def site(cluster: RestartableCluster, tmp_path: Path) -> Iterator[Site]:
    """A database of the test's own and a mail server, nothing set up yet."""
    server = Server(cluster.url, 0, cluster.bin_dir)
    name = f"crash_{next(_numbers)}"
    url = server.create_database(name)
    with SlowWorld(delay=0.02, seed=1).in_thread() as world:
        yield Site(cluster, url, world, tmp_path)
    server.drop_database(name)


@pytest.fixture
def report(capfd: pytest.CaptureFixture[str], request: pytest.FixtureRequest) -> Report:
    """Prints figures, also where the test passes."""
    started = time.monotonic()

    def say(**figures: Any) -> None:
        seconds = f"{time.monotonic() - started:.0f} s"
        text = ", ".join(f"{name} {value}" for name, value in figures.items())
        with capfd.disabled():
            print(f"\n  {request.node.name}: {text}, {seconds}")

    return say


def kill_often(site: Site, *, messages: int, kills: int, handed_over: bool) -> set[tuple[int, int]]:
    """Run and kill one runner after the other; returns what was in flight at the kills."""
    choose = random.Random(20260302)  # noqa: S311
    in_flight: set[tuple[int, int]] = set()
    for left in range(kills, 0, -1):
        with site.runner() as runner:
            if choose.random() < 0.1:
                # anywhere, also while the program starts
                time.sleep(choose.uniform(0, 1.5))
            else:
                # after some moments of the mail server: at least five make a message
                spent = len(site.world.accepted) + len(in_flight)
                share = max(messages - spent, 0) / left
                target = site.world.moments + choose.randint(1, max(int(share * 10), 5))
                until(lambda moments=target: site.world.moments >= moments, pause=0.001)
                time.sleep(choose.uniform(0, 0.03))
            assert runner.process.poll() is None, runner.lines()[-5:]
            assert runner.end(signal.SIGKILL) == -signal.SIGKILL
        site.wait_for_backends()
        in_flight |= site.claims(handed_over=handed_over)
    return in_flight


def test_X1_a_runner_killed_200_times_loses_nothing_and_doubles_nothing(
    site: Site, report: Report
) -> None:
    messages, kills = 5000, 200
    site.set_up(messages, lanes=3)
    site.settings = SHORT_LEASE
    in_flight = kill_often(site, messages=messages - 100, kills=kills, handed_over=True)
    before = len(site.world.accepted)
    site.finish()

    accepted, sent, held = site.accepted(), site.sent(), site.held()
    held_ids = {enrollment_id for enrollment_id, _ in held}
    arrived = {enrollment_id for enrollment_id in held_ids if accepted[enrollment_id]}
    report(
        kills=kills,
        messages=messages,
        accepted_during_kills=before,
        held=len(held),
        held_accepted=len(arrived),
        held_not_accepted=len(held_ids - arrived),
        most_accepted=max(accepted.values()),
    )
    assert before > messages / 2
    assert max(accepted.values()) == max(sent.values()) == 1
    assert held == in_flight
    assert sent.keys().isdisjoint(held_ids)
    assert len(sent) + len(held_ids) == messages
    assert accepted.keys() == sent.keys() | arrived
    assert arrived
    assert site.statuses() == {"completed": len(sent), "active": len(held)}
    site.assert_consistent()

    site.resolve(sorted(held), accepted)
    site.finish()
    assert site.held() == set()
    assert site.accepted() == site.sent()
    assert Counter(site.accepted().values()) == {1: messages}
    assert site.statuses() == {"completed": messages}
    site.assert_consistent()


def test_X1_where_the_sender_resends_only_what_was_in_flight_may_come_twice(
    site: Site, report: Report
) -> None:
    messages, kills = 500, 20
    site.set_up(messages, lanes=2, on_unknown="resend")
    site.settings = SHORT_LEASE
    in_flight = kill_often(site, messages=messages, kills=kills, handed_over=False)
    site.finish()
    accepted, sent = site.accepted(), site.sent()
    doubled = {enrollment_id for enrollment_id, count in accepted.items() if count > 1}
    report(kills=kills, messages=messages, in_flight=len(in_flight), doubled=len(doubled))
    assert len(accepted) == messages
    assert Counter(sent.values()) == {1: messages}
    claimed_times = Counter(enrollment_id for enrollment_id, _ in in_flight)
    assert all(count - 1 <= claimed_times[one] for one, count in accepted.items())
    assert site.held() == set()
    assert site.statuses() == {"completed": messages}
    site.assert_consistent()


def test_X1_a_database_restarted_10_times_loses_nothing_and_doubles_nothing(
    site: Site, report: Report
) -> None:
    messages, restarts = 2000, 10
    choose = random.Random(20260303)  # noqa: S311
    site.set_up(messages, lanes=3)
    site.settings = {
        **SHORT_LEASE,
        "PGDRIP_LEASE": "20 s",
        "PGDRIP_PROVIDER_TIMEOUT": "5",
        "PGDRIP_CONCURRENCY": "8",
    }
    with site.runner() as runner:
        for _ in range(restarts):
            wanted = len(site.world.accepted) + choose.randint(50, 180)
            until(lambda count=wanted: len(site.world.accepted) >= count)
            time.sleep(choose.uniform(0, 0.05))
            site.cluster.crash_and_restart()
        during = len(site.world.accepted)
        site.world.delay = 0
        site.drain()
        runner.stop()
        lines = runner.lines()
    accepted, sent = site.accepted(), site.sent()
    held_on_the_way = site.value("select count(*) from drip_core.events where type = 'held'")
    codes = Counter(line["code"] for line in lines if "code" in line)
    report(
        restarts=restarts,
        messages=messages,
        accepted_before_the_last=during,
        held=len(site.held()),
        held_on_the_way=held_on_the_way,
        errors=dict(codes),
    )
    assert during < messages
    assert codes.keys() <= {"RUN03", "RUN05", "RUN06", "RUN09", "RUN15", "RUN16"}
    assert site.held() == set()
    assert accepted == sent
    assert Counter(accepted.values()) == {1: messages}
    assert site.statuses() == {"completed": messages}
    site.assert_consistent()


def test_X1_results_are_settled_even_when_the_database_was_away_for_longer_than_the_lease(
    site: Site, report: Report
) -> None:
    site.set_up(100, lanes=1)
    site.settings = {**SHORT_LEASE, "PGDRIP_PROVIDER_TIMEOUT": "3"}
    site.world.hold()
    with site.runner() as runner:
        until(lambda: site.world.content_count >= 4)
        expiry = site.value("select max(lease_expires_at) from drip_core.enrollments")
        site.cluster.crash()
        site.world.resume()
        until(lambda: len(site.world.accepted) >= 4)
        # the leases are over before the database is back, whatever the recovery takes
        until(lambda: time.time() > expiry.timestamp())
        site.cluster.start_again()
        site.drain()
        runner.stop()
        lines = runner.lines()
    report(held_on_the_way=site.value("select count(*) from drip_core.events where type = 'held'"))
    assert not [line for line in lines if line.get("code") == "RUN08"]
    assert site.held() == set()
    assert site.accepted() == site.sent()
    assert Counter(site.accepted().values()) == {1: 100}
    site.assert_consistent()


def test_X1_two_runners_stopped_at_random_hold_nothing_lose_nothing_double_nothing(
    site: Site, report: Report
) -> None:
    messages, stops = 1500, 40
    choose = random.Random(20260304)  # noqa: S311
    site.set_up(messages, lanes=3)
    # a released message is due at once: nothing here waits for the end of a lease
    site.settings = {**SHORT_LEASE, "PGDRIP_LEASE": "10 min", "PGDRIP_PROVIDER_TIMEOUT": "60"}
    with ExitStack() as stack:
        runners = [stack.enter_context(site.runner()) for _ in range(2)]
        for _ in range(stops):
            target = site.world.moments + choose.randint(1, 6 * messages // stops)
            until(lambda moments=target: site.world.moments >= moments, pause=0.001)
            slot = choose.randrange(2)
            end_gracefully(runners[slot])
            runners[slot] = stack.enter_context(site.runner())
        during = len(site.world.accepted)
        site.world.delay = 0
        site.drain()
        for runner in runners:
            end_gracefully(runner)
    accepted, sent = site.accepted(), site.sent()
    report(stops=stops, messages=messages, accepted_before_the_last=during)
    assert during < messages
    assert site.value("select count(*) from drip_core.events where type = 'held'") == 0
    assert accepted == sent
    assert Counter(accepted.values()) == {1: messages}
    assert site.statuses() == {"completed": messages}
    site.assert_consistent()


def end_gracefully(runner: Runner) -> None:
    """SIGTERM; before the program listens for it, it simply ends the program."""
    code = runner.end(signal.SIGTERM)
    assert code == 0 or (code == -signal.SIGTERM and not runner.logged("runner started"))


def test_X1_a_server_that_never_answers_holds_its_messages_and_delays_no_other(
    site: Site, report: Report
) -> None:
    """Silence after the content: nobody knows. Silence before anything was said: not sent."""
    site.world.delay = 0
    site.set_up(40, lanes=1)
    silent = {f"p0-{number}@example.org" for number in range(3)}
    site.world.mailboxes = {address: Mailbox(content=HANG) for address in silent}
    site.settings = SHORT_LEASE
    with site.runner() as runner:
        started = time.monotonic()
        until(lambda: sum(site.sent().values()) == 37, pause=0.05)
        others = time.monotonic() - started
        until(lambda: len(site.held()) == 3, pause=0.05)
        site.drain()
        runner.stop()
    report(others_after=f"{others:.1f} s", held=len(site.held()))
    refused = [entry.rcpt_to for entry in site.world.refused]
    assert sorted(refused) == sorted(silent)
    assert site.held().isdisjoint(site.sent())
    (error,) = site.rows("select distinct error_code from drip_report.unknown_outcomes")
    assert error["error_code"] == "RUN04"
    assert len(site.world.accepted) == 37
    assert site.statuses() == {"completed": 37, "active": 3}
    site.assert_consistent()


def test_X1_a_server_that_only_accepts_the_connection_costs_no_message(
    site: Site, report: Report
) -> None:
    with SmtpWorld(replies={"connect": HANG}).in_thread() as mute:
        site.world.delay = 0
        site.set_up(40, lanes=2)
        site.rows(
            "update drip_core.channel_accounts set config = config || jsonb_build_object("
            "'port', %s::int) where key = 'mailbox0' returning id",
            mute.port,
        )
        site.settings = SHORT_LEASE
        of_lane = (
            "select count(*) from drip_core.enrollments as e join drip_core.channel_accounts as a"
            " on a.organization_id = e.organization_id and a.id = e.channel_account_id"
            " where a.key = %s and e.status = 'active'"
        )
        waiting = site.value(of_lane, "mailbox0")
        with site.runner() as runner:
            until(lambda: site.value(of_lane, "mailbox1") == 0, pause=0.05)
            until(lambda: mute.connection_count > 0)
            until(lambda: runner.logged("sender stopped"), pause=0.05)
            until(lambda: site.claims(handed_over=False) == set(), pause=0.05)
            runner.stop()
    report(waiting=waiting)
    assert 0 < waiting < 40
    assert site.held() == set()
    assert len(site.world.accepted) == 40 - waiting
    attempts = site.value("select max(attempt) from drip_core.enrollments where status = 'active'")
    assert attempts == 0
    assert site.statuses() == {"completed": 40 - waiting, "active": waiting}
    site.assert_consistent()
