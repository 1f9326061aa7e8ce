"""Reports of a running campaign: at every instant that anybody looks, every view tells one story.

Four runners, a mail server that also refuses, people who answer, operators who pause and migrate.
What is looked at is derived from the catalog: a view that gets a column of statuses is in it, and
one that this file does not know how to add up fails it.
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import Any, LiteralString

import psycopg
import pytest
from psycopg import sql
from psycopg.rows import dict_row

import report_oracle as oracle
from campaign import Campaign, open_campaign
from pgdrip.demo.smtp_world import DROP_AFTER_DATA, UNKNOWN_USER, Mailbox, SmtpWorld, greylist
from report_oracle import ENDS, STATUSES, Row
from test_loop_process import running, until

RUNNERS = 4
#: People come in waves, each after so many samples.
WAVES, PEOPLE_PER_WAVE, SAMPLES_PER_WAVE = 50, 24, 20
CAP = 60
#: Few messages at once: what is settled, claimed and added up changes all the time.
SMALL_STEPS = ("--batch-size", "4", "--concurrency", "2")
OFTEN = {"PGDRIP_MAINTENANCE_INTERVAL": "0.3", "PGDRIP_MAX_SLEEP": "0.05"}

#: What the mail server says to each twelfth of the people; the others' mailboxes accept.
BEHAVIOURS: dict[int, Mailbox] = {
    0: UNKNOWN_USER,
    1: Mailbox(rcpt="550 5.7.1 Not from you"),
    2: greylist(1),
    3: greylist(2),
    4: DROP_AFTER_DATA,
}

#: What becomes of a message, in turns: calls that get the organization, who it was, and its tokens.
FACTS: tuple[str, ...] = (
    "select drip.record_open(%(link)s, 'Mozilla/5.0 Firefox/128.0', '192.0.2.7')",
    "select drip.record_inbound(%(org)s, jsonb_build_object('channel', 'email', 'text', 'Yes',"
    " 'from_address', %(email)s::text, 'in_reply_to', jsonb_build_array(%(id)s::text)))",
    "select drip.record_provider_event(%(org)s, jsonb_build_object("
    "'message_token', %(token)s::text, 'type', 'delivered'))",
    "select drip.record_provider_event(%(org)s, jsonb_build_object('message_token',"
    " %(token)s::text, 'type', 'bounced', 'detail', jsonb '{\"status\": \"5.1.1\"}'))",
    "select drip.unsubscribe(%(link)s)",
    "select drip.record_provider_event(%(org)s, jsonb_build_object('message_token',"
    " %(token)s::text, 'type', 'opened', 'detail', jsonb '{\"is_machine\": true}'))",
    "select drip.upsert_deal(%(org)s, jsonb_build_object('external_id', %(email)s::text,"
    " 'contact_id', %(contact)s::bigint, 'stage', 'won', 'amount', 12))",
    "select * from drip.remove_enrollments(%(org)s, array[%(enrollment)s]::bigint[])",
    "select drip.record_provider_event(%(org)s, jsonb_build_object("
    "'message_token', %(token)s::text, 'type', 'complained'))",
    "select * from drip.pause_enrollments(%(org)s, array[%(enrollment)s]::bigint[])",
    "select * from drip.resume_enrollments(%(org)s, array[%(enrollment)s]::bigint[])",
    "select drip.record_provider_event(%(org)s, jsonb_build_object('message_token',"
    " %(token)s::text, 'type', 'clicked', 'detail', jsonb '{\"is_machine\": false}'))",
)

#: Counts of messages: the sum over all rows is the same in each view that has them.
MESSAGES = (
    *("messages_sent", "messages_failed", "delivered", "messages_bounced", "messages_opened"),
    *("messages_clicked", "machine_opens", "machine_clicks"),
)


@pytest.fixture
def campaign(database: str) -> Iterator[Campaign]:
    yield from open_campaign(database, now=None)


class UnhurriedWorld(SmtpWorld):
    """Takes a moment for each message, so that the runners are at it while they are watched."""

    async def _read_content(self, reader: asyncio.StreamReader) -> bytes:
        await asyncio.sleep(0.02)
        return await super()._read_content(reader)


@pytest.fixture
def world() -> Iterator[SmtpWorld]:
    people = (f"w{wave}-{n}@example.org" for wave in range(WAVES) for n in range(PEOPLE_PER_WAVE))
    mailboxes = {
        address: BEHAVIOURS[number % 12]
        for number, address in enumerate(people)
        if number % 12 in BEHAVIOURS
    }
    with UnhurriedWorld(mailboxes=mailboxes).in_thread() as server:
        yield server


@dataclass
class Views:
    """The views that say how many enrolled and what became of them, by the way they say it."""

    columns: dict[str, set[str]]
    #: A row is a set of enrollments, with a column for how many there are and one per status.
    states: list[str] = field(default_factory=list)
    #: A row is a set of enrollments in one status.
    long: list[str] = field(default_factory=list)
    #: A row is what happened on a day: enrolled, and each way to end.
    flows: list[str] = field(default_factory=list)
    #: A row is a part of a cohort, and says how large the whole is.
    parts: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, connection: psycopg.Connection[Any]) -> Views:
        columns: dict[str, set[str]] = defaultdict(set)
        for row in connection.execute(
            "select table_name as view, column_name as name from information_schema.columns"
            " where table_schema = 'drip_report'"
        ):
            columns[row["view"]].add(row["name"])
        views = cls(dict(columns))
        for view, names in sorted(columns.items()):
            statuses = names & set(STATUSES)
            if "enrollments" in names and "status" in names:
                views.long.append(view)
            elif "enrolled" in names and statuses == set(STATUSES):
                views.states.append(view)
            elif "enrolled" in names and statuses == set(ENDS):
                views.flows.append(view)
            elif "enrolled" in names and not statuses:
                views.parts.append(view)
            else:
                assert not names & {*STATUSES, "enrolled", "enrollments"}, (
                    f"{view} counts enrollments in a way that this test cannot add up"
                )
        return views

    @property
    def of_messages(self) -> list[str]:
        """Views that count messages."""
        return sorted(view for view, names in self.columns.items() if "messages_sent" in names)

    @property
    def all(self) -> list[str]:
        return sorted({*self.states, *self.long, *self.flows, *self.parts, *self.of_messages})


@dataclass
class Sampler:
    """Reads all of it as of one instant, again and again."""

    campaign: Campaign
    views: Views
    runners_left: threading.Event
    samples: int = 0
    distinct: set[tuple[int, ...]] = field(default_factory=set)
    most_enrolled: int = 0

    def run(self) -> None:
        """Until the runners are gone; the instant after that is the last."""
        with psycopg.connect(self.campaign.url, row_factory=dict_row) as connection:
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            connection.read_only = True
            last = False
            while not last:
                last = self.runners_left.is_set()
                with connection.transaction():
                    self.look(connection)
                self.samples += 1

    def look(self, connection: psycopg.Connection[Row]) -> None:
        """One snapshot, every view, the tables beside them."""

        def rows(statement: LiteralString | sql.Composed) -> list[Row]:
            return connection.execute(statement).fetchall()

        truth: dict[str, Counter[str]] = defaultdict(Counter)
        for row in rows(
            "select q.key, e.status::text, count(*)::int as n from drip_core.enrollments as e"
            " join drip_core.sequences as q"
            " on q.organization_id = e.organization_id and q.id = e.sequence_id group by 1, 2"
        ):
            truth[row["key"]][row["status"]] = row["n"]
        (sent,) = rows("select count(*)::int as n from drip_core.messages where status = 'sent'")
        shown = {
            view: rows(sql.SQL("select * from drip_report.{}").format(sql.Identifier(view)))
            for view in self.views.all
        }
        check(self.views, shown, truth, sent["n"])
        total = sum(truth.values(), Counter())
        self.most_enrolled = max(self.most_enrolled, total.total())
        self.distinct.add((sent["n"], *(total[status] for status in STATUSES)))


def check(
    views: Views, shown: Mapping[str, list[Row]], truth: Mapping[str, Counter[str]], sent: int
) -> None:
    """Every view sums to the enrollments that there are; all views sum to the same."""
    enrolled: Counter[tuple[str, int]] = Counter()
    states: Counter[tuple[str, int, str]] = Counter()
    for row in shown["sequence_overview"]:
        key = (row["sequence_key"], row["version"])
        enrolled[key] += row["enrolled"]
        for status in STATUSES:
            states[(*key, status)] += row[status]
    # what there is
    for sequence, counts in truth.items():
        of_sequence: Counter[str] = Counter()
        for (key, _, status), n in states.items():
            of_sequence[status] += n if key == sequence else 0
        assert +of_sequence == +counts, sequence
    assert sum(enrolled.values()) == sum(counts.total() for counts in truth.values())

    for view in views.states:
        found: Counter[tuple[str, int]] = Counter()
        found_states: Counter[tuple[str, int, str]] = Counter()
        for row in shown[view]:
            assert sum(row[status] for status in STATUSES) == row["enrolled"], (view, row)
            assert all(row[status] >= 0 for status in STATUSES), (view, row)
            key = (row["sequence_key"], row["version"])
            found[key] += row["enrolled"]
            for status in STATUSES:
                found_states[(*key, status)] += row[status]
        assert +found == +enrolled, view
        assert +found_states == +states, view
    for view in views.long:
        found_states = Counter()
        shares: Counter[tuple[str, int]] = Counter()
        for row in shown[view]:
            key = (row["sequence_key"], row["version"])
            found_states[(*key, row["status"])] += row["enrollments"]
            shares[key] += row["share"] or 0
        assert +found_states == +states, view
        assert all(abs(shares[key] - 1) < 1e-9 for key in +enrolled), (view, shares)
    for view in views.flows:
        found, found_states = Counter(), Counter()
        for row in shown[view]:
            key = (row["sequence_key"], row["version"])
            found[key] += row["enrolled"]
            for status in ENDS:
                found_states[(*key, status)] += row[status]
        assert +found == +enrolled, view
        assert +found_states == +Counter({k: n for k, n in states.items() if k[2] in ENDS}), view
    for view in views.parts:
        for row in shown[view]:
            assert row["enrolled"] == enrolled[row["sequence_key"], row["version"]], (view, row)
            assert row["reached"] <= row["enrolled"], (view, row)
    for name in MESSAGES:
        sums = {
            view: sum(row[name] or 0 for row in shown[view])
            for view in views.of_messages
            if name in views.columns[view]
        }
        assert len(sums) > 1, name
        assert len(set(sums.values())) == 1, (name, sums)
        assert name != "messages_sent" or set(sums.values()) == {sent}, sums


class People:
    """Those behind the mailboxes, and an operator: each message that was sent has a consequence."""

    def __init__(self, campaign: Campaign) -> None:
        self.campaign = campaign
        self.told: Counter[int] = Counter()
        self._seen: set[tuple[int, str]] = set()

    def run(self, runners_left: threading.Event) -> None:
        """Until the runners are gone."""
        organization = self.campaign.organization_id
        with psycopg.connect(
            self.campaign.url, autocommit=True, row_factory=dict_row
        ) as connection:
            connection.execute(
                "select set_config('drip.organization_id', %s, false)", (str(organization),)
            )
            while not runners_left.is_set():
                for row in connection.execute(
                    "select m.enrollment_id, s.key from drip_core.messages as m"
                    " join drip_core.steps as s"
                    " on s.organization_id = m.organization_id and s.id = m.step_id"
                    " where m.status = 'sent'"
                ).fetchall():
                    message = (row["enrollment_id"], row["key"])
                    if message not in self._seen and not runners_left.is_set():
                        self._seen.add(message)
                        self._tell(connection, *message)

    def _tell(self, connection: psycopg.Connection[Row], enrollment: int, step: str) -> None:
        organization = self.campaign.organization_id
        who = connection.execute(
            "select e.contact_id as contact, c.email, x ->> 'message_token' as token,"
            " x ->> 'link_token' as link from drip_core.enrollments as e"
            " join drip_core.contacts as c"
            " on c.organization_id = e.organization_id and c.id = e.contact_id"
            " cross join lateral drip.get_message(e.organization_id, e.id, %s) as x"
            " where e.organization_id = %s and e.id = %s",
            (step, organization, enrollment),
        ).fetchone()
        assert who is not None
        number = len(self._seen) % (2 * len(FACTS))
        if number >= len(FACTS):
            return
        connection.execute(
            FACTS[number].encode(),
            {**who, "org": organization, "enrollment": enrollment}
            | {"id": f"<{who['token']}@sender.example>"},
        )
        self.told[number] += 1


def steps(text: str) -> list[dict[str, str]]:
    """Three mails, one after the other."""
    return [
        {"key": f"s{n}", "channel": "email", "delay": "0", "subject": f"Hi {n}", "text": text}
        for n in (1, 2, 3)
    ]


def add_wave(campaign: Campaign, number: int) -> None:
    """Some people more; half way the sequence gets a new version, and takes along who is in it."""
    organization = campaign.organization_id
    campaign.enroll(PEOPLE_PER_WAVE, ("welcome", "other")[number % 4 == 3], prefix=f"w{number}-")
    if number == WAVES // 2:
        publish(campaign, "A better text")
        campaign.rows(
            "select * from drip.migrate_enrollments(%s, 'welcome', 2, false)", organization
        )


def publish(campaign: Campaign, text: str) -> None:
    campaign.sequence(
        *("welcome", steps(text), ["a", "b", "capped"]),
        retry={"backoff": ["0"] * 5},
        exit_on={"deal_stages": ["won"]},
        goal={"deal_stages": ["won"], "within": "30 days"},
    )


def set_up(campaign: Campaign, world: SmtpWorld) -> None:
    """Three senders, one of them with a cap; two sequences."""
    off = '{"guardrails": {"bounce_rate": null, "complaint_rate": null}}'
    campaign.rows("select drip.update_organization(%s, %s)", campaign.organization_id, off)
    for sender in ("a", "b"):
        campaign.account(sender, config=world.config)
    campaign.account("capped", config=world.config, daily_limit=CAP)
    publish(campaign, "Hello")
    campaign.sequence(*("other", steps("Hello")[:1], ["a", "b"]), retry={"backoff": ["0"] * 5})


@pytest.mark.slow
@pytest.mark.one_version
@pytest.mark.timeout(300)
def test_M4_every_view_sums_to_enrolled_at_every_instant_of_four_runners(
    campaign: Campaign, world: SmtpWorld
) -> None:
    set_up(campaign, world)
    with psycopg.connect(campaign.url, row_factory=dict_row) as connection:
        views = Views.of(connection)
    assert {"sequence_overview", "cohorts"} <= set(views.states)
    assert all((views.long, views.flows, views.parts))
    runners_left = threading.Event()
    sampler = Sampler(campaign, views, runners_left)
    people = People(campaign)
    with ThreadPoolExecutor(2) as pool, ExitStack() as stack:
        stack.callback(runners_left.set)
        runners = [
            stack.enter_context(running(campaign.url, *SMALL_STEPS, **OFTEN))
            for _ in range(RUNNERS)
        ]
        for runner in runners:
            runner.wait_for("runner started")
        threads = [pool.submit(sampler.run), pool.submit(people.run, runners_left)]

        def has_sampled(target: int) -> bool:
            for thread in threads:
                if thread.done():
                    thread.result()
            return sampler.samples >= target

        for number in range(WAVES):
            add_wave(campaign, number)
            until(partial(has_sampled, (number + 1) * SAMPLES_PER_WAVE))
        distinct = len(sampler.distinct)
        until(lambda: has_sampled(0) and _is_idle(campaign), 60, partial(_what_is_due, campaign))
        for runner in runners:
            runner.process.terminate()
        assert [runner.finish() for runner in runners] == [0] * RUNNERS
        runners_left.set()
        for thread in threads:
            thread.result()

    assert distinct > WAVES * SAMPLES_PER_WAVE / 4, "what was looked at was moving"
    assert sampler.most_enrolled == WAVES * PEOPLE_PER_WAVE
    assert len(people.told) == len(FACTS), "every kind of fact arrived"
    statuses = campaign.statuses()
    assert set(statuses) == set(STATUSES), "every status was there"
    capped = campaign.lane("capped")
    assert capped["sent_today"] + capped["held"] == CAP, "the cap was reached"
    stops = [runner.wait_for("runner stopped") for runner in runners]
    assert all(stop.get("sent", 0) > 0 for stop in stops), "each of the runners sent"
    print(
        f"{sampler.samples} samples, {distinct} different ones; {sum(people.told.values())} facts"
    )
    _agrees_with_the_oracle(campaign)
    campaign.rows("select drip.tick()")
    _agrees_with_the_oracle(campaign)
    campaign.assert_consistent()


def _is_idle(campaign: Campaign) -> bool:
    """Nothing is under way, and nothing can be claimed today."""
    return bool(
        campaign.row(
            "select coalesce(drip.next_due_at() > now() + interval '1 minute', true)"
            " and not exists (select from drip_core.enrollments"
            " where lease_expires_at is not null) as is_idle"
        )["is_idle"]
    )


def _what_is_due(campaign: Campaign) -> list[Row]:
    return campaign.rows(
        "select drip.next_due_at() as due, now(), q.*, l.status, l.ready_at, l.next_slot_at,"
        " l.used, l.leased, l.held, (select jsonb_agg(to_jsonb(e)) from drip_core.enrollments as e"
        " where e.channel_account_id = q.channel_account_id and e.sequence_id = q.sequence_id"
        " and e.status = 'active' and e.next_step_at < now() + interval '1 hour') as enrollments"
        " from drip_core.queues as q join drip_core.lanes as l using (channel_account_id)"
    )


def _agrees_with_the_oracle(campaign: Campaign) -> None:
    exported = oracle.export(campaign.connection, campaign.organization_id)
    actual = oracle.shown(campaign.connection, campaign.organization_id)
    assert oracle.differences(actual, oracle.reports(exported)) == []
