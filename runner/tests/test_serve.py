"""The public pages over real HTTP: a process of its own, as a login that is drip_public only."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Any

import httpx
import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from engine import ONE_STEP, Engine

pytestmark = pytest.mark.timeout(120)

#: One for all: a client reads all certificates when it is made, which takes longer than a request.
#: Each request has a connection of its own.
HTTP = httpx.Client(timeout=60, verify=False, limits=httpx.Limits(max_keepalive_connections=0))  # noqa: S501
HTML = '<p>Hi <a href="https://example.com">us</a></p>'


@dataclass
class Site:
    """A running ``pgdrip serve`` and the organization whose links lead to it."""

    engine: Engine
    base: str
    process: subprocess.Popen[bytes]

    def states(self) -> dict[str, int]:
        rows = self.engine.rows(
            "select status::text, count(*)::int from drip_core.enrollments group by 1"
        )
        return {row["status"]: row["count"] for row in rows}

    def messages(self, count: int = 1, prefix: str = "c") -> list[dict[str, Any]]:
        """Messages as a runner gets them, sent."""
        self.engine.enroll(self.engine.contacts(count, prefix))
        claims = self.engine.rows("select * from drip.claim(1000)")
        assert len(claims) == count
        self.engine.settle(claims, "sent")
        return claims

    def sources(self) -> list[str]:
        rows = self.engine.rows("select source from drip_core.consent_ledger order by id")
        return [row["source"] for row in rows]


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start(
    url: str, port: int, *options: str, environment: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """The process, once it answers; its own port tells, not a sleep."""
    command = [sys.executable, "-m", "pgdrip", "serve", "--port", str(port), *options]
    process = subprocess.Popen(
        command,
        env={**os.environ, "DATABASE_URL": url, **(environment or {})},
        stderr=subprocess.PIPE,
    )
    while process.poll() is None:
        try:
            HTTP.get(f"http://127.0.0.1:{port}/healthz", timeout=5)
            break
        except httpx.TransportError:
            continue
    return process


def stop(process: subprocess.Popen[bytes]) -> bytes:
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=30)
    return errors


@pytest.fixture
def public_url(database: str) -> Iterator[str]:
    name = "pgdrip_test_public"
    with psycopg.connect(database, autocommit=True) as admin:
        admin.execute(f"drop role if exists {name}")
        admin.execute(f"create role {name} login in role drip_public")
    yield make_conninfo(database, user=name)
    with psycopg.connect(database, autocommit=True) as admin:
        admin.execute(f"drop role {name}")


@pytest.fixture
def site(database: str, public_url: str) -> Iterator[Site]:
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    engine = Engine(database)
    engine.mailbox()
    engine.rows(
        "select drip.update_organization(%s, jsonb_build_object('public_base_url', %s::text,"
        " 'postal_address', '1 Example Street'))",
        *(engine.organization_id, base),
    )
    steps = [*ONE_STEP, {**ONE_STEP[0], "key": "later", "delay": "30 days"}]
    engine.sequence("welcome", [{**step, "html": HTML} for step in steps])
    process = start(public_url, port)
    yield Site(engine, base, process)
    errors = stop(process)
    engine.close()
    assert process.returncode == 0, errors
    assert b"Traceback" not in errors
    assert not re.search(rb"[0-9a-f]{66}", errors), "a token was logged"


class Links(HTMLParser):
    """Every address a page leads to, and the forms it has."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.forms = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.forms += tag == "form"
        self.found += [value for name, value in attrs if name in {"href", "src"} and value]


def test_a_crawler_that_follows_every_link_unsubscribes_nobody_X6(site: Site) -> None:
    messages = site.messages(20)
    with httpx.Client(timeout=30) as crawler:
        visited = 0
        for message in messages:
            links = Links()
            links.feed(message["html_body"])
            text = " ".join([message["text_body"], *message["headers"].values()])
            found = set(links.found) | set(re.findall(r"https?://[^\s<>]+", text))
            ours = {link for link in found if link.startswith(site.base)}
            assert len(ours) == 1, found
            for link in ours:
                for method in ("GET", "HEAD", "OPTIONS", "PUT", "DELETE"):
                    for suffix in ("", "/", "?List-Unsubscribe=One-Click"):
                        answer = crawler.request(method, link + suffix)
                        assert answer.status_code == (200 if method in {"GET", "HEAD"} else 405)
                        page = Links()
                        page.feed(answer.text)
                        assert not page.found, "the page leads to nowhere by itself"
                        assert page.forms == (method == "GET")
                        visited += 1
                        # each as another client: the limit of page views is another test
                        crawler.headers["X-Forwarded-For"] = f"192.0.2.{visited % 250}"
    assert visited == 300
    assert site.states() == {"active": 20}
    assert site.sources() == []


def _multipart(boundary: str) -> bytes:
    return (
        f'--{boundary}\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\n'
        f"One-Click\r\n--{boundary}--\r\n"
    ).encode()


URLENCODED = "application/x-www-form-urlencoded"
ONE_CLICK = b"List-Unsubscribe=One-Click"
#: What arrives: headers, body, and how it is written down.
REQUESTS: dict[str, tuple[dict[str, str], bytes, str]] = {
    "Gmail": ({"Content-Type": URLENCODED, "User-Agent": "Google-Mail-Unsubscribe"}, ONE_CLICK, ""),
    "Yahoo": ({"Content-Type": "multipart/form-data; boundary=b7"}, _multipart("b7"), ""),
    "Apple": (
        {"Content-Type": f"{URLENCODED}; charset=utf-8", "User-Agent": "Mail/3774 CFNetwork"},
        ONE_CLICK,
        "",
    ),
    "empty body": ({}, b"", "link"),
    "a body that does not parse": ({"Content-Type": "multipart/form-data"}, b"\xff\x00", "link"),
    "another content type": ({"Content-Type": "application/json"}, b"{}", "link"),
    "foreign origin": (
        {"Content-Type": URLENCODED, "Origin": "https://mail.example.org", "Cookie": "a=b"},
        ONE_CLICK,
        "",
    ),
    "a person": ({"Content-Type": URLENCODED, "Accept": "text/html"}, b"", "link"),
}


def test_one_click_is_answered_as_rfc_8058_says(site: Site) -> None:
    messages = site.messages(len(REQUESTS))
    for message, (name, (headers, body, source)) in zip(messages, REQUESTS.items(), strict=True):
        link = f"{site.base}/u/{message['link_token']}"
        for _ in range(2):
            answer = HTTP.post(link, content=body, headers=headers)
            assert answer.status_code == 200, name
            assert not answer.history
            assert "set-cookie" not in answer.headers
        assert site.sources()[-1] == (source or "one_click"), name
    assert site.states() == {"unsubscribed": len(REQUESTS)}
    assert len(site.sources()) == len(REQUESTS), "a repeat is no other statement"
    assert message["headers"]["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert message["headers"]["List-Unsubscribe"] == f"<{link}>"


@pytest.mark.one_version
def test_the_exact_bytes_of_a_one_click_request(site: Site) -> None:
    (message,) = site.messages()
    with closing(socket.create_connection(("127.0.0.1", int(site.base.rpartition(":")[2])))) as raw:
        raw.sendall(
            f"POST /u/{message['link_token']} HTTP/1.1\r\nHost: mail.example.com\r\n"
            "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 26\r\n"
            "Connection: close\r\n\r\nList-Unsubscribe=One-Click".encode()
        )
        answer = b"".join(iter(lambda: raw.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 200 "), answer[:200]
    assert site.states() == {"unsubscribed": 1}


def test_an_unknown_token_answers_like_a_known_one_L4(site: Site) -> None:
    (message,) = site.messages()
    known = message["link_token"]
    site.engine.rows(
        "select drip.erase_contact(%s, contact_id) from"
        " drip_core.enrollments where organization_id = %s",
        *[site.engine.organization_id] * 2,
    )
    for token in ("00" + "ab" * 32, "x", "%00", "ü", "a" * 5000, "'; select 1 --"):
        for method in ("GET", "POST"):
            answer = HTTP.request(method, f"{site.base}/u/{token}")
            assert answer.status_code == 200, (method, token[:20])
            assert "Unsubscribe" in answer.text or "unsubscribed" in answer.text
    answer = HTTP.post(f"{site.base}/u/{known}")
    unknown = HTTP.post(f"{site.base}/u/{'00' + 'ab' * 32}")
    assert answer.status_code == unknown.status_code


def test_the_page_names_the_sender_in_the_language_asked_for(site: Site) -> None:
    (message,) = site.messages()
    site.engine.connection.execute(
        "update drip_core.channel_accounts set display_name = '<script>alert(1)</script> {x} & Co'"
        " where organization_id = %s",
        (site.engine.organization_id,),
    )
    link = f"{site.base}/u/{message['link_token']}"
    for accepted, language, word in (
        ("", "en", "Unsubscribe from"),
        ("de-AT,de;q=0.9,en;q=0.5", "de", "Von"),
        ("en;q=0.2, fr;q=0.9", "fr", "Se désabonner de"),
        ("xx, es;q=nonsense", "en", "Unsubscribe from"),
    ):
        answer = HTTP.get(link, headers={"Accept-Language": accepted})
        assert answer.headers["content-language"] == language
        assert f'<html lang="{language}"' in answer.text
        assert word in answer.text
        assert "&lt;script&gt;alert(1)&lt;/script&gt; {x} &amp; Co" in answer.text
        assert "<script" not in answer.text
        assert "c***@example.net" in answer.text
        assert "c1@example.net" not in answer.text
    for name, part in (
        ("content-security-policy", "default-src 'none'"),
        ("referrer-policy", "no-referrer"),
        ("cache-control", "no-store"),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
    ):
        assert part in answer.headers[name]
        assert part in HTTP.get(f"{site.base}/nothing").headers[name]
    assert "server" not in answer.headers
    done = HTTP.post(link)
    assert "You are unsubscribed" in done.text
    again = HTTP.get(link)
    assert "You are unsubscribed" in again.text
    assert "<form" not in again.text


@pytest.mark.one_version
def test_limits_and_health(site: Site) -> None:
    (message,) = site.messages()
    link = f"{site.base}/u/{message['link_token']}"
    assert HTTP.get(f"{site.base}/healthz").text == "ok\n"
    assert HTTP.get(f"{site.base}/readyz").status_code == 200
    assert HTTP.get(f"{site.base}/").status_code == 404
    assert HTTP.post(link, content=b"x" * 100_000).status_code == 413
    assert site.states() == {"active": 1}
    codes = [HTTP.get(link).status_code for _ in range(62)]
    assert codes[:60] == [200] * 60
    assert codes[60:] == [429] * 2
    assert HTTP.post(link).status_code == 200, "unsubscribing is never limited"
    assert site.states() == {"unsubscribed": 1}


@pytest.mark.one_version
def test_without_a_database_it_asks_to_be_tried_again(site: Site) -> None:
    (message,) = site.messages()
    link = f"{site.base}/u/{message['link_token']}"
    with psycopg.connect(site.engine.url, autocommit=True) as admin:
        name = admin.info.dbname
        admin.execute("alter role pgdrip_test_public nologin")
        admin.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where datname = %s and usename = 'pgdrip_test_public'",
            (name,),
        )
        answer = HTTP.post(link, content=ONE_CLICK, timeout=60)
        assert answer.status_code == 503
        assert "Traceback" not in answer.text
        assert "retry-after" in answer.headers
        assert HTTP.get(f"{site.base}/readyz", timeout=60).status_code == 503
        assert site.states() == {"active": 1}
        admin.execute("alter role pgdrip_test_public login")
    while HTTP.post(link, content=ONE_CLICK, timeout=60).status_code != 200:
        pass
    assert site.states() == {"unsubscribed": 1}


def test_it_can_do_nothing_but_call_token_functions_L7(site: Site, public_url: str) -> None:
    with psycopg.connect(public_url, autocommit=True) as public:
        for statement in (
            "select * from drip_core.contacts",
            "select drip.list_contacts(1)",
            "select * from drip_report.sequence_overview",
            "select drip.claim()",
            "set role drip_app",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                public.execute(statement)


@pytest.mark.one_version
def test_a_login_that_may_not_is_told_at_the_start(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as admin:
        admin.execute("drop role if exists pgdrip_test_nobody")
        admin.execute("create role pgdrip_test_nobody login")
        try:
            url = make_conninfo(database, user="pgdrip_test_nobody")
            process = start(url, free_port())
            _, errors = process.communicate(timeout=30)
        finally:
            admin.execute("drop role pgdrip_test_nobody")
    assert process.returncode == 1
    assert b"WEB02" in errors


@pytest.mark.one_version
def test_what_a_tenant_holds_keeps_no_other_from_unsubscribing_C1_H2(site: Site) -> None:
    (message,) = site.messages()
    other = Engine(site.engine.url)
    other.mailbox()
    other.sequence()
    other.enroll(other.contacts(1))
    mine = "select * from drip.claim(10, organization_id => %s)"
    (others,) = other.rows(mine, other.organization_id)
    other.settle([others])
    link = f"{site.base}/u/{message['link_token']}"
    waiting = "select count(*) from pg_stat_activity where wait_event_type = 'Lock'"
    with psycopg.connect(site.engine.url) as tenant, ThreadPoolExecutor(8) as visitors:
        tenant.execute(
            "select from drip_core.contacts where organization_id = %s for update",
            (site.engine.organization_id,),
        )
        flood = [visitors.submit(HTTP.post, link) for _ in range(8)]
        while other.value(waiting) < 4:
            assert not all(visit.done() for visit in flood), "the pool was to be used up"
        answer = HTTP.post(f"{site.base}/u/{others['link_token']}")
        refused = [visit.result() for visit in flood]
        tenant.rollback()
    other.close()
    assert answer.status_code == 200
    assert {visit.status_code for visit in refused} == {503}
    assert {visit.headers["retry-after"] for visit in refused} == {"60"}
    assert HTTP.post(link).status_code == 200
