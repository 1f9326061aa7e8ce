"""A small campaign for the runner's tests: an organization, senders, a sequence, contacts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from pgdrip.db import Connection, Database
from pgdrip.delivery import DeliveryOptions
from pgdrip.loop import LoopOptions
from pgdrip.providers.base import (
    Account,
    ClaimedMessage,
    Provider,
    ProviderContext,
    ProviderFactory,
    SendResult,
)
from pgdrip.providers.registry import ProviderCache

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)

ONE_STEP: list[dict[str, Any]] = [
    {"key": "intro", "channel": "email", "delay": "0", "subject": "Hi", "text": "Hello"}
]
THREE_STEPS: list[dict[str, Any]] = [
    {
        "key": "intro",
        "channel": "email",
        "delay": "0",
        "subject": "Hi {{ contact.first_name | default: 'there' }}",
        "text": "Hello",
        "html": "<p>Hello {{ contact.first_name | default: 'there' }}</p>",
    },
    {"key": "nudge", "channel": "email", "delay": "2 days", "subject": "Again", "text": "Hello"},
    {"key": "bump", "channel": "email", "delay": "3 days", "thread": True, "text": "Hello?"},
]


class Clock:
    """One virtual instant for the database connections, the runner and the server."""

    def __init__(self, now: datetime = START) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    async def on_checkout(self, connection: Connection) -> None:
        await connection.execute("select set_config('drip.now', %s, false)", (str(self.now),))


@dataclass
class Campaign:
    """What was set up, and how to look at it."""

    url: str
    organization_id: int
    connection: psycopg.Connection[dict[str, Any]]
    accounts: dict[str, int] = field(default_factory=dict)

    def account(self, key: str = "mailbox", **values: Any) -> int:
        """Apply a channel account; returns its id."""
        document = {
            "key": key,
            "channel": "email",
            "provider": "smtp",
            "address": f"{key}@sender.example",
            "display_name": key.title(),
            **values,
        }
        row = self.row(
            "select drip.apply_channel_account(organization_id => %s, account => %s) as id",
            self.organization_id,
            Jsonb(document),
        )
        self.accounts[key] = row["id"]
        return int(row["id"])

    def sequence(
        self,
        key: str = "welcome",
        steps: Sequence[Mapping[str, Any]] = ONE_STEP,
        senders: Sequence[str] = ("mailbox",),
        **values: Any,
    ) -> None:
        """Publish a sequence."""
        definition = {
            "key": key,
            "name": key.title(),
            "senders": [{"account": sender} for sender in senders],
            "steps": list(steps),
            **values,
        }
        self.rows(
            "select * from drip.apply_sequence(organization_id => %s, definition => %s)",
            self.organization_id,
            Jsonb(definition),
        )

    def enroll(self, count: int, key: str = "welcome", prefix: str = "c") -> list[int]:
        """Make ``count`` contacts ``c0@example.org …`` and enroll them; returns enrollment ids."""
        contacts = [
            {
                "external_id": f"{prefix}{n}",
                "email": f"{prefix}{n}@example.org",
                "first_name": f"Ann {n}",
            }
            for n in range(count)
        ]
        rows = self.rows(
            "select e.contact_id, e.enrollment_id, e.outcome::text from drip.enroll_many("
            "organization_id => %s, sequence_key => %s, contact_ids => array(select u.contact_id"
            " from drip.upsert_contacts(organization_id => %s, contacts => %s) as u)) as e"
            " order by e.enrollment_id",
            self.organization_id,
            key,
            self.organization_id,
            Jsonb(contacts),
        )
        assert {row["outcome"] for row in rows} == {"enrolled"}
        return [row["enrollment_id"] for row in rows]

    def set_clock(self, now: datetime) -> None:
        """Set the virtual clock of this connection."""
        self.connection.execute("select set_config('drip.now', %s, false)", (str(now),))

    def rows(self, statement: str, *args: Any) -> list[dict[str, Any]]:
        """Run a statement."""
        return self.connection.execute(statement.encode(), args).fetchall()

    def row(self, statement: str, *args: Any) -> dict[str, Any]:
        """Run a statement that returns one row."""
        (row,) = self.rows(statement, *args)
        return row

    def statuses(self) -> dict[str, int]:
        """Enrollments by status."""
        return {
            row["status"]: row["count"]
            for row in self.rows(
                "select status::text, count(*)::int as count from drip_core.enrollments group by 1"
            )
        }

    def sent(self) -> int:
        """Messages recorded as sent."""
        return int(
            self.row("select count(*) as n from drip_core.messages where status = 'sent'")["n"]
        )

    def lane(self, key: str = "mailbox") -> dict[str, Any]:
        """The row of ``drip_report.lane_status``."""
        return self.row("select * from drip_report.lane_status where channel_account_key = %s", key)

    def assert_consistent(self) -> None:
        """Nothing contradicts anything."""
        assert self.rows("select * from drip_core.invariant_violations") == []


def open_campaign(url: str, now: datetime | None = START) -> Iterator[Campaign]:
    """A campaign in this database; ``now`` None leaves the clock alone."""
    with psycopg.connect(url, autocommit=True, row_factory=dict_row) as connection:
        campaign = Campaign(url, 0, connection)
        if now is not None:
            campaign.set_clock(now)
        campaign.organization_id = campaign.row(
            "select drip.create_organization(name => 'Test', settings => %s) as id",
            Jsonb(
                {
                    "public_base_url": "https://mail.sender.example",
                    "postal_address": "1 Test Street",
                }
            ),
        )["id"]
        connection.execute(
            "select set_config('drip.organization_id', %s, false)",
            (str(campaign.organization_id),),
        )
        yield campaign


class Script:
    """A provider whose answers the test decides; counts and remembers what it was given."""

    def __init__(self, answer: Callable[[ClaimedMessage], Any] | None = None) -> None:
        self.answer = answer or (lambda message: SendResult(outcome="sent"))
        self.given: list[ClaimedMessage] = []
        self.most_at_once = 0
        self._at_once = 0
        self._changed = asyncio.Event()

    def __call__(self, account: Account, context: ProviderContext) -> Provider:
        return self

    async def send(self, message: ClaimedMessage) -> SendResult:
        self.given.append(message)
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        self._changed.set()
        self._changed.clear()
        try:
            result = self.answer(message)
            if asyncio.iscoroutine(result):
                result = await result
            return result
        finally:
            self._at_once -= 1

    async def close(self) -> None:
        pass

    async def wait_for(self, count: int) -> None:
        """Wait until ``count`` messages were given."""
        while len(self.given) < count:
            await self._changed.wait()


def providers(clock: Clock, factory: ProviderFactory | None = None) -> ProviderCache:
    """The runner's providers, or ``factory`` in place of ``smtp``."""
    return ProviderCache(
        ProviderContext(secret=lambda ref: "", clock=clock),
        None if factory is None else {"smtp": factory},
    )


def options(clock: Clock | None = None, **values: Any) -> LoopOptions:
    """Loop options; those of ``DeliveryOptions`` may be given too."""
    names = {f.name for f in fields(DeliveryOptions)}
    delivery = DeliveryOptions(**{k: v for k, v in values.items() if k in names})
    if clock is not None:
        delivery = replace(delivery, clock=clock)
    rest = {name: value for name, value in values.items() if name not in names}
    return LoopOptions(runner_name="test", delivery=delivery, **rest)


def open_pool(url: str, clock: Clock | None = None, **values: Any) -> Database:
    """A pool whose connections follow the clock."""
    return Database(
        url,
        application_name="pgdrip test",
        on_checkout=None if clock is None else clock.on_checkout,
        **values,
    )


DAY = timedelta(days=1)
