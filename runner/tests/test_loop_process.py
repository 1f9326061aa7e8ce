"""``pgdrip run`` as a process of its own: signals, kills, and what they leave behind."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from campaign import Campaign, Clock, open_campaign, open_pool, options, providers
from pgdrip.demo.smtp_world import SmtpWorld
from pgdrip.loop import tick_once


@pytest.fixture
def campaign(database: str) -> Iterator[Campaign]:
    """A campaign on the real clock: the process knows no other."""
    yield from open_campaign(database, now=None)


@pytest.fixture
def world() -> Iterator[SmtpWorld]:
    """A server in a thread."""
    with SmtpWorld().in_thread() as running:
        yield running


class Runner:
    """The process and the log lines it wrote so far."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[dict[str, Any]] = []
        self._news = threading.Condition()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            with self._news:
                self.lines.append(json.loads(line))
                self._news.notify_all()

    def wait_for(self, event: str) -> dict[str, Any]:
        """Wait for the first log line of this event."""

        def found() -> dict[str, Any] | None:
            return next((line for line in self.lines if line["event"] == event), None)

        with self._news:
            assert self._news.wait_for(lambda: found() is not None, timeout=30), self.lines
            line = found()
        assert line is not None
        return line

    def finish(self) -> int:
        """Wait for the end; returns the exit code."""
        code = self.process.wait(timeout=60)
        self._reader.join()
        return code


@contextlib.contextmanager
def running(url: str, *arguments: str, **environment: str) -> Iterator[Runner]:
    """``pgdrip run`` against this database, killed if it is still there at the end."""
    with subprocess.Popen(
        [sys.executable, "-m", "pgdrip", "run", "--log-format", "json", *arguments],
        env={
            **os.environ,
            "DATABASE_URL": url,
            "PGDRIP_MAX_SLEEP": "0.2",
            "PGDRIP_PROVIDER_TIMEOUT": "20",
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
            **environment,
        },
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        runner = Runner(process)
        try:
            yield runner
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()
            runner._reader.join()


def until(
    condition: Callable[[], bool], seconds: float = 30, state: Callable[[], object] = lambda: ""
) -> None:
    """Look until it holds; fails the test after ``seconds``, and says the ``state`` by then."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"it never came true {state()}"
        time.sleep(0.02)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_X1_a_graceful_stop_settles_what_was_handed_over_and_releases_the_rest(
    campaign: Campaign, world: SmtpWorld, number: signal.Signals
) -> None:
    campaign.account(config={**world.config, "max_connections": 2})
    campaign.sequence()
    campaign.enroll(20)
    world.hold()
    with running(campaign.url, "--concurrency", "2") as runner:
        until(lambda: world.content_count == 2)
        until(lambda: _handed_over(campaign) == 4)
        runner.process.send_signal(number)
        released = runner.wait_for("released")["messages"]
        assert runner.process.poll() is None
        assert campaign.sent() == 0
        world.resume()
        assert runner.finish() == 0
        stopped = runner.wait_for("runner stopped")
    assert len(world.accepted) == campaign.sent() == 4
    assert released == stopped["claimed"] - 4 > 0
    assert stopped["unsettled"] == 0
    assert campaign.statuses() == {"completed": 4, "active": 16}
    # Nothing is left behind: all of the rest may be claimed at once.
    leases = "select count(*) as n from drip_core.enrollments where claim_token is not null"
    assert campaign.row(leases)["n"] == 0
    assert campaign.lane()["due"] == 16
    assert campaign.rows("select * from drip_report.unknown_outcomes") == []
    campaign.assert_consistent()


def test_X1_a_second_signal_holds_only_what_was_on_the_wire(
    campaign: Campaign, world: SmtpWorld
) -> None:
    campaign.account(config={**world.config, "max_connections": 2})
    campaign.sequence()
    campaign.enroll(20)
    world.hold()
    with running(campaign.url, "--concurrency", "2") as runner:
        until(lambda: world.content_count == 2)
        runner.process.send_signal(signal.SIGTERM)
        runner.wait_for("released")
        runner.process.send_signal(signal.SIGTERM)
        assert runner.finish() == 0
        world.resume()
    assert len(campaign.rows("select * from drip_report.unknown_outcomes")) == 2
    assert campaign.statuses() == {"active": 20}
    campaign.assert_consistent()


def test_X1_a_killed_runner_loses_nothing_and_repeats_nothing(
    campaign: Campaign, world: SmtpWorld
) -> None:
    campaign.account(config={**world.config, "max_connections": 2})
    campaign.sequence()
    campaign.enroll(12)
    with running(campaign.url, "--concurrency", "2") as runner:
        until(lambda: campaign.sent() >= 1)
        world.hold()
        campaign.enroll(12, prefix="more")
        held = world.content_count
        until(lambda: world.content_count > held)
        runner.process.kill()
        runner.finish()
    # The messages that were on the wire arrive after all.
    world.resume()

    async def finish() -> None:
        clock = Clock(_real_now(campaign))
        cache = providers(clock)
        async with open_pool(campaign.url, clock) as pool:
            for _ in range(3):
                # Past every lease.
                clock.now += options().delivery.lease * 2
                await pool.fetch_value("select drip.tick()")
                while (await tick_once(pool, cache, options(clock))).claimed:
                    pass
        await cache.close()

    asyncio.run(finish())
    recipients = [entry.rcpt_to for entry in world.accepted]
    assert len(recipients) == len(set(recipients))
    held_now = campaign.rows("select * from drip_report.unknown_outcomes")
    assert 1 <= len(held_now) <= 4
    assert campaign.statuses() == {"completed": 24 - len(held_now), "active": len(held_now)}
    campaign.assert_consistent()


def test_run_once_sends_one_batch_and_ends(campaign: Campaign, world: SmtpWorld) -> None:
    campaign.account(config=world.config)
    campaign.sequence()
    campaign.enroll(15)
    with running(campaign.url, "--once", "--batch-size", "10") as runner:
        assert runner.finish() == 0
        stopped = runner.wait_for("runner stopped")
    assert (stopped["claimed"], stopped["sent"]) == (10, 10)
    assert campaign.sent() == len(world.accepted) == 10


def _handed_over(campaign: Campaign) -> int:
    return int(
        campaign.row(
            "select count(*) as n from drip_core.enrollments where handed_over_at is not null"
        )["n"]
    )


def _real_now(campaign: Campaign) -> Any:
    return campaign.row("select clock_timestamp() as now")["now"]
