"""The loop on real wires: runners, a mail server, the pages; facts that stop, and a crawler."""

from __future__ import annotations

import email
import email.policy
import os
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from psycopg.types.json import Jsonb

from campaign import Campaign, open_campaign
from pgdrip.demo.smtp_world import Accepted, SmtpWorld
from test_loop_process import running, until
from test_serve import Links, Site, public_url, site

__all__ = ["public_url", "site"]
pytestmark = pytest.mark.timeout(180)

PEOPLE = 60
LEAVING = 18
STEPS = [
    {"key": f"s{n}", "channel": "email", "delay": "0", "subject": f"Hi {n}", "text": "Hello"}
    for n in range(1, 6)
]
LATER = {**STEPS[0], "key": "later", "delay": "30 days"}
#: What makes the mails to somebody stop: a call with the organization, and what it is told.
STOPS: dict[str, str] = {
    "reply": "select drip.record_inbound(%(org)s, jsonb_build_object('channel', 'email',"
    " 'from_address', %(email)s::text, 'text', 'Yes',"
    " 'in_reply_to', jsonb_build_array(%(id)s::text)))",
    "stop": "select drip.record_inbound(%(org)s, jsonb_build_object('channel', 'email',"
    " 'from_address', %(email)s::text, 'text', 'STOP'))",
    "link": "select drip.unsubscribe(%(link)s)",
    "complaint": "select drip.record_provider_event(%(org)s, jsonb_build_object("
    "'message_token', %(token)s::text, 'type', 'complained'))",
    "deal": "select drip.upsert_deal(%(org)s, jsonb_build_object('external_id', %(email)s::text,"
    " 'contact_id', %(contact)s::bigint, 'stage', 'won'))",
    "removed": "select drip.remove_enrollment(%(org)s, %(enrollment)s)",
}


@pytest.fixture
def campaign(database: str) -> Iterator[Campaign]:
    yield from open_campaign(database, now=None)


@pytest.fixture
def world() -> Iterator[SmtpWorld]:
    with SmtpWorld(keep_content=True).in_thread() as server:
        yield server


def _stop(campaign: Campaign, kind: str, enrollment_id: int) -> tuple[str, int]:
    """Tell the fact; whom it is about, and how many messages were in flight at its commit."""
    who = campaign.row(
        "select e.contact_id, c.email, x ->> 'message_token' as token, x ->> 'link_token' as link"
        " from drip_core.enrollments as e"
        " join drip_core.contacts as c"
        " on c.organization_id = e.organization_id and c.id = e.contact_id"
        " cross join lateral drip.get_message(e.organization_id, e.id, 's1') as x"
        " where e.organization_id = %s and e.id = %s",
        *(campaign.organization_id, enrollment_id),
    )
    arguments = {
        **{"org": campaign.organization_id, "email": who["email"], "contact": who["contact_id"]},
        **{"token": who["token"], "link": who["link"], "enrollment": enrollment_id},
        "id": f"<{who['token']}@sender.example>",
    }
    with campaign.connection.transaction():
        campaign.connection.execute(STOPS[kind].encode(), arguments)
        ended = campaign.row(
            "select status::text, claim_token is not null as is_in_flight"
            " from drip_core.enrollments where organization_id = %s and id = %s",
            *(campaign.organization_id, enrollment_id),
        )
    assert ended["status"] != "active", kind
    return who["email"], int(ended["is_in_flight"])


@pytest.mark.slow
def test_X9_four_runners_send_nothing_after_a_fact_that_stops_also_30_days_later(
    campaign: Campaign, world: SmtpWorld
) -> None:
    for sender in ("a", "b", "c"):
        campaign.account(sender, config=world.config)
    off = {"guardrails": {"bounce_rate": None, "complaint_rate": None}}
    campaign.rows("select drip.update_organization(%s, %s)", campaign.organization_id, Jsonb(off))
    campaign.sequence(
        *("welcome", [*STEPS, LATER], ["a", "b", "c"]),
        on_reply="exit",
        exit_on={"deal_stages": ["won"]},
    )
    kinds = list(STOPS)
    told: list[tuple[str, int, int]] = []

    def tell(number: int, enrollment_id: int) -> None:
        address, in_flight = _stop(campaign, kinds[number % len(kinds)], enrollment_id)
        told.append((address, _mails(world)[address], in_flight))

    url = campaign.url
    enrolled = campaign.enroll(PEOPLE)
    with ExitStack() as stack:
        runners = [stack.enter_context(running(url)) for _ in range(4)]
        # some leave while the mails go out: as soon as they have the first …
        for number in range(LEAVING):
            (leaving,) = campaign.enroll(1, prefix=f"x{number}-")
            until(lambda e=leaving: _is_sent(campaign, e, "s1"), 90)  # type: ignore[misc]
            tell(number, leaving)
        until(lambda: all(_is_sent(campaign, e, "s5") for e in enrolled), 90)
        # … others in the middle of the 30 days
        for number in range(LEAVING):
            tell(number, enrolled[number])
        for runner in runners:
            runner.process.terminate()
        assert [runner.finish() for runner in runners] == [0] * 4
    later = (datetime.now(UTC) + timedelta(days=31)).isoformat()
    with ExitStack() as stack:
        # each session of theirs has the clock of a month later
        options = f"{os.environ.get('PGOPTIONS', '')} -c drip.now={later.replace(' ', 'T')}"
        runners = [stack.enter_context(running(url, PGOPTIONS=options)) for _ in range(4)]
        until(lambda: all(_is_sent(campaign, e, "later") for e in enrolled[LEAVING:]), 90)
        for runner in runners:
            runner.process.terminate()
        assert [runner.finish() for runner in runners] == [0] * 4
    mails = _mails(world)
    assert len(told) == 2 * LEAVING
    for address, had, in_flight in told:
        assert mails[address] - had <= in_flight, (address, had, mails[address], in_flight)
    cut_short = [address for address, *_ in told[:LEAVING] if mails[address] < len(STEPS)]
    assert len(cut_short) > LEAVING / 2, "they left in the middle of it"
    assert {mails[f"c{n}@example.org"] for n in range(LEAVING)} == {5}
    assert {mails[f"c{n}@example.org"] for n in range(LEAVING, PEOPLE)} == {6}
    assert campaign.statuses()["completed"] == PEOPLE - LEAVING
    campaign.assert_consistent()


def _mails(world: SmtpWorld) -> Counter[str]:
    return Counter(entry.rcpt_to for entry in list(world.accepted))


def _is_sent(campaign: Campaign, enrollment_id: int, step_key: str) -> bool:
    return bool(
        campaign.row(
            "select exists (select from drip_core.messages as m join drip_core.steps as s"
            " on s.organization_id = m.organization_id and s.id = m.step_id"
            " where m.organization_id = %s and m.enrollment_id = %s and s.key = %s) as is_sent",
            *(campaign.organization_id, enrollment_id, step_key),
        )["is_sent"]
    )


BROWSER = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/131.0 Safari/537.36"
BODY = '<p><a href="https://example.com/one">one</a> <a href="https://example.com/two">two</a></p>'


def _links(content: bytes) -> set[str]:
    """Every address in a mail as a server received it: of each part, and of the headers."""
    message = email.message_from_bytes(content, policy=email.policy.default)
    found = set(re.findall(r"https?://[^\s<>,]+", str(message["List-Unsubscribe"])))
    kinds = []
    for part in message.walk():
        if part.get_content_maintype() != "text":
            continue
        kinds.append(part.get_content_subtype())
        text = part.get_content()
        if kinds[-1] == "html":
            links = Links()
            links.feed(text)
            found |= set(links.found)
        else:
            found |= set(re.findall(r"https?://[^\s<>]+", text))
    assert kinds == ["plain", "html"]
    return found


@pytest.mark.one_version
def test_X6_a_crawler_that_gets_every_link_of_every_mail_received_unsubscribes_nobody(
    site: Site, world: SmtpWorld
) -> None:
    organization = site.engine.organization_id
    site.engine.at(None)
    site.engine.rows(
        "select drip.update_organization(%s, jsonb_build_object('tracking', true))", organization
    )
    config = {**world.config, "unsubscribe_address": "leave@sender.example"}
    site.engine.mailbox(config=config)
    steps = [
        {"key": key, "channel": "email", "subject": "Hi", "text": "Hello", "html": BODY, **delay}
        for key, delay in (("s1", {}), ("s2", {"delay": "30 days"}))
    ]
    site.engine.sequence("welcome", steps)
    site.engine.enroll(site.engine.contacts(12, "x"))
    with running(site.engine.url) as runner:
        until(lambda: len(world.accepted) == 12)
        runner.process.terminate()
        assert runner.finish() == 0
    received: list[Accepted] = list(world.accepted)
    visited: Counter[str] = Counter()
    with httpx.Client(timeout=30, headers={"User-Agent": BROWSER}) as crawler:
        for number, mail in enumerate(received):
            assert mail.content is not None
            links = _links(mail.content)
            for link in sorted(links):
                assert link.startswith(site.base), link
                headers = {"X-Forwarded-For": f"192.0.2.{number}"}
                answer = crawler.get(link, headers=headers)
                kind = link.removeprefix(site.base)[:3]
                visited[kind] += 1
                assert answer.status_code == (302 if kind == "/c/" else 200), link
    assert visited == {"/u/": 12, "/c/": 24, "/o/": 12}
    assert site.states() == {"active": 12}
    assert site.sources() == []
    assert site.engine.value("select count(*) from drip_core.suppressions") == 0
    rows = site.engine.rows(
        "select type::text, is_machine from drip_core.events where type in ('opened', 'clicked')"
    )
    hits = Counter((row["type"], row["is_machine"]) for row in rows)
    assert hits == {("opened", True): 12, ("clicked", True): 24}
    (report,) = site.engine.rows(
        "select open_rate, click_rate, unsubscribe_rate from drip_report.sequence_overview"
        " where sequence_key = 'welcome' and enrolled > 0"
    )
    assert set(report.values()) == {0}
