"""A place for crashes: a durable cluster, a slow mail server, runners as processes of their own."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.rows import dict_row

from campaign import ONE_STEP, open_campaign
from pgdrip import migrate
from pgdrip.demo.smtp_world import SmtpWorld
from servers import Cluster

LOGIN = "pgdrip_crash_runner"

#: What a crash of the server must not lose, it must have written.
DURABLE = {"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on"}


class RestartableCluster(Cluster):
    """A private cluster that keeps what was committed, and can be crashed and started again."""

    def _start(self) -> None:
        super()._start()
        with psycopg.connect(self.url, autocommit=True) as connection:
            for name, value in DURABLE.items():
                connection.execute(f"alter system set {name} = {value}".encode())
            connection.execute("select pg_reload_conf()")

    def crash_and_restart(self) -> None:
        """Every backend dies at once; returns when the server has recovered."""
        self._run(
            *("pg_ctl", "restart", "-D", "data", "-l", "log", "-m", "immediate", "-w", "-t", "60")
        )

    def crash(self) -> None:
        """Every backend dies at once, and the server stays away."""
        self._run("pg_ctl", "stop", "-D", "data", "-m", "immediate", "-w")

    def start_again(self) -> None:
        """Returns when the server has recovered."""
        self._run("pg_ctl", "start", "-D", "data", "-l", "log", "-w", "-t", "60")


class SlowWorld(SmtpWorld):
    """A server that takes its time in every stage, so that a kill can land in each.

    ``delay`` in seconds is the most one stage takes. A message counts as accepted when the server
    decides so, a moment before it says 250; it is accepted also where the client is gone by then.
    """

    def __init__(self, *, delay: float, seed: int) -> None:
        super().__init__()
        self.delay = delay
        self._random = random.Random(seed)  # noqa: S311

    @property
    def moments(self) -> int:
        """How many things happened here: commands, contents, acceptances."""
        return self.command_count.total() + self.content_count + len(self.accepted)

    async def _read_content(self, reader: asyncio.StreamReader) -> bytes:
        content = await super()._read_content(reader)
        await self._dawdle()
        return content

    async def _answer(
        self, session: Any, stage: str, reply: str, rcpt_to: str | None = None
    ) -> None:
        await self._dawdle()
        await super()._answer(session, stage, reply, rcpt_to)

    async def _dawdle(self) -> None:
        if self.delay:
            await asyncio.sleep(self._random.uniform(0, self.delay))


class Runner:
    """``pgdrip run`` as a process; its log lines are in a file."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self._log = log

    def lines(self) -> list[dict[str, Any]]:
        """What it logged so far; a kill may have cut the last line short."""
        lines = []
        for line in self._log.read_text().splitlines():
            with contextlib.suppress(json.JSONDecodeError):
                lines.append(json.loads(line))
        return lines

    def logged(self, event: str) -> bool:
        """Whether a line with this event is there."""
        return any(line["event"] == event for line in self.lines())

    def end(self, number: signal.Signals) -> int:
        """Send the signal and wait for the end; returns the exit code."""
        self.process.send_signal(number)
        return self.process.wait(timeout=60)

    def stop(self) -> None:
        """Stop gracefully; fails the test when it does not."""
        assert self.process.poll() is None, self.lines()[-5:]
        assert self.end(signal.SIGTERM) == 0, self.lines()[-5:]


@dataclass
class Site:
    """A campaign, its mail server, and the ways to look at both.

    Nothing keeps a connection: the database may go away at any time.
    """

    cluster: RestartableCluster
    url: str
    world: SlowWorld
    logs: Path
    runner_url: str = field(init=False)
    organization_id: int = field(init=False)
    settings: dict[str, str] = field(default_factory=dict)
    started: int = 0

    def __post_init__(self) -> None:
        self.runner_url = make_conninfo(self.url, user=LOGIN)

    def set_up(self, messages: int, lanes: int, *, on_unknown: str = "hold") -> None:
        """Migrate, make senders, and enroll one contact per message."""
        migrate.apply(self.url)
        with contextlib.contextmanager(open_campaign)(self.url, now=None) as campaign:
            self.organization_id = campaign.organization_id
            senders = [f"mailbox{number}" for number in range(lanes)]
            for sender in senders:
                campaign.account(sender, config=self.world.config, on_unknown=on_unknown)
            campaign.sequence(steps=ONE_STEP, senders=senders, retry={"backoff": ["0"] * 10})
            for first in range(0, messages, 1000):
                campaign.enroll(min(1000, messages - first), prefix=f"p{first}-")
            with psycopg.connect(self.url, autocommit=True) as connection:
                connection.execute("vacuum analyze")
                connection.execute(f"drop role if exists {LOGIN}".encode())
                connection.execute(f"create role {LOGIN} login in role drip_runner".encode())

    @contextlib.contextmanager
    def runner(self) -> Iterator[Runner]:
        """A runner with the site's settings, killed if it is still there at the end."""
        self.started += 1
        log = self.logs / f"runner{self.started}.log"
        with (
            log.open("wb") as file,
            subprocess.Popen(
                [sys.executable, "-m", "pgdrip", "run", "--log-format", "json"],
                env={
                    **os.environ,
                    "DATABASE_URL": self.runner_url,
                    "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
                    **self.settings,
                },
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
            ) as process,
        ):
            try:
                yield Runner(process, log)
            finally:
                if process.poll() is None:
                    process.kill()

    def rows(self, statement: str, *args: Any) -> list[dict[str, Any]]:
        """Run a statement as superuser, for the site's organization."""
        with psycopg.connect(self.url, autocommit=True, row_factory=dict_row) as connection:
            connection.execute(
                "select set_config('drip.organization_id', %s, false)", (str(self.organization_id),)
            )
            return connection.execute(statement.encode(), args).fetchall()

    def value(self, statement: str, *args: Any) -> Any:
        """The first column of the only row."""
        (row,) = self.rows(statement, *args)
        return next(iter(row.values()))

    def wait_for_backends(self) -> None:
        """After a kill the server finishes the statement that the process had sent."""
        query = "select count(*) as n from pg_stat_activity where usename = %s"
        until(lambda: self.value(query, LOGIN) == 0)

    def claims(self, *, handed_over: bool) -> set[tuple[int, int]]:
        """(enrollment, token) of what is under a lease now, or of what was handed over."""
        rows = self.rows(
            "select id, claim_token from drip_core.enrollments"
            " where lease_expires_at is not null and (handed_over_at is not null or not %s)",
            handed_over,
        )
        return {(row["id"], row["claim_token"]) for row in rows}

    def held(self) -> set[tuple[int, int]]:
        """(enrollment, token) of the held messages, as reported."""
        rows = self.rows("select enrollment_id, claim_token from drip_report.unknown_outcomes")
        return {(row["enrollment_id"], row["claim_token"]) for row in rows}

    def sent(self) -> Counter[int]:
        """Messages recorded as sent, by enrollment."""
        rows = self.rows("select enrollment_id from drip_core.messages where status = 'sent'")
        return Counter(row["enrollment_id"] for row in rows)

    def accepted(self) -> Counter[int]:
        """Messages that the mail server accepted, by enrollment."""
        rows = self.rows(
            "select e.id, c.email from drip_core.enrollments as e join drip_core.contacts as c"
            " on c.organization_id = e.organization_id and c.id = e.contact_id"
        )
        enrollments = {row["email"]: row["id"] for row in rows}
        return Counter(enrollments[entry.rcpt_to] for entry in list(self.world.accepted))

    def statuses(self) -> dict[str, int]:
        """Enrollments by status."""
        rows = self.rows("select status::text, count(*) as n from drip_core.enrollments group by 1")
        return {row["status"]: row["n"] for row in rows}

    def finish(self, seconds: float = 120) -> None:
        """Let one runner work, without delays, until nothing is due or leased."""
        self.world.delay = 0
        with self.runner() as runner:
            self.drain(seconds)
            runner.stop()
        self.rows("select drip.tick()")
        assert self.is_drained()

    def drain(self, seconds: float = 120) -> None:
        """Wait until nothing is due or leased."""
        until(self.is_drained, seconds, pause=0.2)

    def is_drained(self) -> bool:
        """Nothing waits but what is held."""
        return bool(
            self.value(
                "select drip.next_due_at() is null and not exists"
                " (select from drip_core.enrollments where lease_expires_at is not null)"
            )
        )

    def resolve(self, held: Sequence[tuple[int, int]], accepted: Counter[int]) -> None:
        """What an operator does with the log of the mail server in hand."""
        for enrollment_id, claim_token in held:
            self.rows(
                "select drip.resolve_unknown(organization_id => %s, enrollment_id => %s,"
                " claim_token => %s, outcome => %s)",
                self.organization_id,
                enrollment_id,
                claim_token,
                "sent" if accepted[enrollment_id] else "retry",
            )

    def assert_consistent(self) -> None:
        """Nothing contradicts anything."""
        assert self.rows("select * from drip_core.invariant_violations") == []


def until(condition: Callable[[], bool], seconds: float = 60, pause: float = 0.005) -> None:
    """Look until it holds; fails the test after ``seconds``."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(pause)
