"""What the tests of execution share: an organization in a few lines, claims, settlements."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any, TypeVar

import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

Claim = dict[str, Any]
T = TypeVar("T")

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
ONE_STEP = [{"key": "s1", "channel": "email", "subject": "Hi", "text": "Hello"}]
TWO_STEPS = [*ONE_STEP, {**ONE_STEP[0], "key": "s2", "delay": "1 day"}]


class Engine:
    """One session that speaks for one organization, on a clock of its own (None: the real one)."""

    def __init__(self, url: str, organization_id: int = 0, now: datetime | None = START) -> None:
        self.url = url
        self._rivals: list[Engine] = []
        self.connection = psycopg.connect(url, autocommit=True, row_factory=dict_row)
        self.at(now)
        self.organization_id = organization_id or self._new_organization()
        self.set("drip.organization_id", str(self.organization_id))

    def _new_organization(self) -> int:
        settings = Jsonb({"public_base_url": "https://mail.example.com"})
        return int(self.value("select drip.create_organization('Acme', 'UTC', %s)", settings))

    def rival(self, now: datetime | None = START) -> Engine:
        """Another session of the same organization; it closes with this one."""
        self._rivals.append(Engine(self.url, self.organization_id, now))
        return self._rivals[-1]

    def rivals_let_go(self) -> None:
        """Roll back what the other sessions of this one hold."""
        for session in self._rivals:
            session.connection.rollback()

    def close(self) -> None:
        for session in (*self._rivals, self):
            session.connection.close()

    def set(self, name: str, value: str) -> None:
        self.connection.execute("select set_config(%s, %s, false)", (name, value))

    def at(self, now: datetime | None) -> None:
        """Move the clock of this session."""
        self.set("drip.now", "" if now is None else now.isoformat())

    def rows(self, statement: str, *args: Any) -> list[dict[str, Any]]:
        return self.connection.execute(statement.encode(), args or None).fetchall()

    def value(self, statement: str, *args: Any) -> Any:
        (row,) = self.rows(statement, *args)
        (value,) = row.values()
        return value

    def mailbox(self, key: str = "mailbox", **settings: Any) -> int:
        """A sender; returns its id."""
        account = {"channel": "email", "provider": "smtp", "address": f"{key}@sender.example"}
        return int(
            self.value(
                "select drip.apply_channel_account(%s, %s)",
                self.organization_id,
                Jsonb({"key": key, **account, **settings}),
            )
        )

    def sequence(
        self,
        key: str = "welcome",
        steps: Sequence[Mapping[str, Any]] = ONE_STEP,
        senders: Sequence[str] = (),
        **extra: Any,
    ) -> int:
        """Publish a sequence; returns its id."""
        definition = {"key": key, "steps": list(steps), **extra}
        definition["senders"] = [{"account": sender} for sender in senders]
        return int(
            self.value(
                "select sequence_id from drip.apply_sequence(%s, %s)",
                self.organization_id,
                Jsonb(definition),
            )
        )

    def contacts(self, count: int, prefix: str = "c") -> list[int]:
        """Contacts in bulk, past the API (fast); ids in ascending order."""
        rows = self.rows(
            "insert into drip_core.contacts"
            " (organization_id, external_id, email, email_hash, first_name)"
            " select %s, %s || g, %s || g || '@example.net',"
            " drip_core._hash_address('email', %s || g || '@example.net'), 'Name ' || g"
            " from generate_series(1, %s) as g returning id",
            *(self.organization_id, prefix, prefix, prefix, count),
        )
        return sorted(row["id"] for row in rows)

    def enroll(self, contact_ids: Sequence[int], key: str = "welcome") -> dict[str, int]:
        """Enroll contacts; how many there were of each outcome."""
        rows = self.rows(
            "select outcome::text, count(*)::int from drip.enroll_many(%s, %s, %s) group by 1",
            *(self.organization_id, key, list(contact_ids)),
        )
        return {row["outcome"]: row["count"] for row in rows}

    def claim(self, batch_size: int = 100, lease: str = "5 minutes") -> list[Claim]:
        """Claim; what identifies each message, and its lane."""
        return self.rows(
            "select organization_id, enrollment_id, claim_token, channel_account_id"
            " from drip.claim(%s, %s::interval, null, %s)",
            *(batch_size, lease, self.organization_id),
        )

    def advance(self, results: Iterable[Mapping[str, Any]]) -> list[str]:
        """Settle results; the dispositions in their order."""
        document = json.dumps(list(results), default=str)
        return [r["disposition"] for r in self.rows("select * from drip.advance(%s)", document)]

    def settle(self, claims: Iterable[Claim], outcome: str = "sent", **extra: Any) -> list[str]:
        """Settle claims with one outcome."""
        return self.advance({**claim, "outcome": outcome, **extra} for claim in claims)

    def next_due_at(self) -> datetime | None:
        value: datetime | None = self.value("select drip.next_due_at()")
        return value

    def statuses(self) -> dict[str, int]:
        """Enrollments by status."""
        rows = self.rows(
            "select status::text, count(*)::int from drip_core.enrollments"
            " where organization_id = %s group by 1",
            self.organization_id,
        )
        return {row["status"]: row["count"] for row in rows}

    def violations(self, rule: str | None = None) -> list[dict[str, Any]]:
        """What drip_core.invariant_violations says, of one rule or of all."""
        statement = "select * from drip_core.invariant_violations"
        with self.connection.transaction():
            # compiling it takes seconds, running it on a few rows milliseconds
            self.connection.execute("set local jit = off")
            if rule is None:
                return self.rows(statement)
            return self.rows(f"{statement} where rule = %s", rule)

    def waits_for_a_lock(self) -> bool:
        """Whether this session waits for a lock; to be asked by another thread."""
        with psycopg.connect(self.url, autocommit=True) as observer:
            row = observer.execute(
                "select wait_event_type = 'Lock' from pg_stat_activity where pid = %s",
                (self.connection.info.backend_pid,),
            ).fetchone()
        return row == (True,)


def together(count: int, work: Callable[[int], T]) -> list[T]:
    """Run work(0) … work(count - 1) at once, each in its own thread; raises what one raised."""
    with ThreadPoolExecutor(count) as pool:
        return [future.result() for future in [pool.submit(work, n) for n in range(count)]]


def until_it_waits(rival: Engine, future: Future[T]) -> None:
    """Return as soon as the rival's statement waits for a lock; it must not end before."""
    while not rival.waits_for_a_lock():
        assert not future.done(), "it was to wait for a lock"
