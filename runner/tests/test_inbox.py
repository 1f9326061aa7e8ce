"""The mailbox reader against a real IMAP server, and what it makes of messages."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import unquote

import psycopg
import pytest
from imap_tools import MailBoxUnencrypted
from psycopg.conninfo import make_conninfo

from engine import TWO_STEPS, Engine
from pgdrip.inbox import reader
from pgdrip.inbox.parse import parse
from tools import provision

pytestmark = pytest.mark.timeout(180)

TOKEN = "ab" * 33
LETTERS = 16


@dataclass
class Imap:
    """A Dovecot with one mailbox."""

    port: int
    process: subprocess.Popen[bytes]

    def put(self, *messages: bytes) -> None:
        with MailBoxUnencrypted("127.0.0.1", self.port).login("sales", "geheim") as box:
            for message in messages:
                box.append(message, "INBOX")

    def flags(self) -> set[tuple[str, ...]]:
        with MailBoxUnencrypted("127.0.0.1", self.port).login("sales", "geheim") as box:
            return {
                tuple(f for f in message.flags if f != "\\Recent")
                for message in box.fetch(mark_seen=False, headers_only=True)
            }


@pytest.fixture(scope="module")
def dovecot() -> str:
    found = provision.imap_server()
    if found is None:
        pytest.skip("there is no Dovecot on this machine, and none could be installed")
    return found


@pytest.fixture
def imap(dovecot: str) -> Iterator[Imap]:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    folder = Path(tempfile.mkdtemp(prefix="pgdrip-imap-"))
    me = pwd.getpwuid(os.getuid()).pw_name
    owner = "nobody" if os.getuid() == 0 else me
    mail = folder / "mail"
    mail.mkdir()
    if os.getuid() == 0:
        shutil.chown(mail, owner)
        folder.chmod(0o755)
    entry = pwd.getpwnam(owner)
    more = "" if os.getuid() == 0 else f"default_internal_user = {me}\ndefault_login_user = {me}\n"
    (folder / "dovecot.conf").write_text(
        f"base_dir = {folder}/run\nlog_path = {folder}/log\nprotocols = imap\nssl = no\n"
        f"listen = 127.0.0.1\ndisable_plaintext_auth = no\nfirst_valid_uid = 1\n"
        f"first_valid_gid = 1\nmail_location = maildir:{mail}/%u\n{more}"
        f"service imap-login {{\n  chroot =\n  inet_listener imap {{\n    port = {port}\n  }}\n"
        "  inet_listener imaps {\n    port = 0\n  }\n}\nservice anvil {\n  chroot =\n}\n"
        "passdb {\n  driver = static\n  args = password=geheim\n}\n"
        f"userdb {{\n  driver = static\n  args = uid={entry.pw_uid} gid={entry.pw_gid}"
        f" home={mail}/%u\n}}\n"
    )
    process = subprocess.Popen(
        [dovecot, "-F", "-c", str(folder / "dovecot.conf")],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    deadline = time.monotonic() + 30
    while True:
        assert process.poll() is None, process.stderr.read() if process.stderr else b""
        try:
            MailBoxUnencrypted("127.0.0.1", port).login("sales", "geheim").logout()
            break
        except OSError:
            assert time.monotonic() < deadline, (folder / "log").read_text()
    yield Imap(port, process)
    process.terminate()
    process.communicate(timeout=30)
    shutil.rmtree(folder, ignore_errors=True)


@dataclass
class Office:
    """An organization whose mailbox is read by a login that is a runner only."""

    engine: Engine
    url: str
    messages: list[dict[str, Any]]

    def start(self, *options: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "pgdrip", "inbox", *options],
            env={**os.environ, "DATABASE_URL": self.url, "SALES_BOX": "geheim"},
            stderr=subprocess.PIPE,
        )

    def read(self) -> bytes:
        process = self.start("--once")
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
        assert b"geheim" not in errors
        return errors

    def states(self) -> list[str]:
        rows = self.engine.rows(
            "select status || '/' || coalesce(status_reason::text, '-') as state"
            " from drip_core.enrollments order by id"
        )
        return [row["state"] for row in rows]


@pytest.fixture
def office(database: str, imap: Imap) -> Iterator[Office]:
    name = "pgdrip_test_inbox"
    with psycopg.connect(database, autocommit=True) as admin:
        admin.execute(f"drop role if exists {name}")
        admin.execute(f"create role {name} login in role drip_runner")
    engine = Engine(database, now=None)
    inbox = {"host": "127.0.0.1", "port": imap.port, "security": "none", "username": "sales"}
    config = {"inbox": inbox, "unsubscribe_address": "sales+leave@sender.example"}
    engine.mailbox("sales", secret_ref="SALES_BOX", config=config)
    engine.sequence("welcome", TWO_STEPS, on_reply="exit")
    engine.enroll(engine.contacts(7))
    messages = engine.rows("select * from drip.claim(10)")
    engine.settle(messages)
    messages.sort(key=lambda message: int(message["enrollment_id"]))
    yield Office(engine, make_conninfo(database, user=name), messages)
    engine.close()
    with psycopg.connect(database, autocommit=True) as admin:
        admin.execute(f"drop role {name}")


def letter(message: dict[str, Any], text: str, number: int = 1, **headers: str) -> bytes:
    lines = {
        "From": f"Ann <{message['to_address']}>",
        "To": "sales@sender.example",
        "Subject": "Re: Hi",
        "Message-ID": f"<{number}.{message['enrollment_id']}@mail.example.net>",
        "In-Reply-To": message["headers"]["Message-ID"],
        "Content-Type": "text/plain; charset=utf-8",
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"{head}\r\n{text}\r\n".encode()


def mailto(message: dict[str, Any]) -> bytes:
    """What a mail program makes of the second address of List-Unsubscribe."""
    found = re.search(r"<mailto:([^?>]+)\?subject=([^>]+)>", message["headers"]["List-Unsubscribe"])
    assert found is not None
    return (
        f"From: {message['to_address']}\r\nTo: {found[1]}\r\nSubject: {unquote(found[2])}\r\n"
        f"Message-ID: <leave.{message['enrollment_id']}@mail.example.net>\r\n\r\n"
    ).encode()


def bounce(message: dict[str, Any], status: str, action: str = "failed") -> bytes:
    return (
        "From: Mail Delivery System <MAILER-DAEMON@mx.example.net>\r\nTo: sales@sender.example\r\n"
        f"Subject: Undelivered\r\nMessage-ID: <dsn.{message['enrollment_id']}.{status}@mx>\r\n"
        "Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\nContent-Type: multipart/report;"
        ' report-type=delivery-status; boundary="b"\r\n\r\n--b\r\n\r\nSorry.\r\n--b\r\n'
        "Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example.net\r\n\r\n"
        f"Final-Recipient: rfc822; {message['to_address']}\r\nAction: {action}\r\n"
        f"Status: {status}\r\nDiagnostic-Code: smtp; 550 {status} no\r\n\r\n--b\r\n"
        "Content-Type: text/rfc822-headers\r\n\r\n"
        f"Message-ID: {message['headers']['Message-ID']}\r\nSubject: Hi\r\n\r\n--b--\r\n"
    ).encode()


def complaint(message: dict[str, Any], kind: str = "abuse") -> bytes:
    return (
        "From: fbl@isp.example\r\nTo: sales@sender.example\r\nSubject: complaint\r\n"
        f"Message-ID: <arf.{message['enrollment_id']}@isp>\r\nMIME-Version: 1.0\r\n"
        'Content-Type: multipart/report; report-type=feedback-report; boundary="b"\r\n\r\n--b\r\n'
        "\r\nThis is a report.\r\n--b\r\nContent-Type: message/feedback-report\r\n\r\n"
        f"Feedback-Type: {kind}\r\nUser-Agent: ISP/1\r\nVersion: 1\r\n\r\n--b\r\n"
        "Content-Type: message/rfc822\r\n\r\n"
        f"Message-ID: {message['headers']['Message-ID']}\r\nTo: redacted\r\n\r\nHello\r\n--b--\r\n"
    ).encode()


@pytest.mark.one_version
def test_what_comes_back_by_mail_is_recorded_once_X11(office: Office, imap: Imap) -> None:
    human, away, stop, hard, spam, soft, leaves = office.messages
    imap.put(
        letter(human, "Sounds good"),
        letter(away, "I am away\r\n\r\n> Stop\r\n> Unsubscribe", Auto_Submitted="auto-replied"),
        letter(away, "stop", 2, Auto_Submitted="auto-replied"),
        b"\xff\xfe\x00 nonsense without a header\r\n\r\n\xff",
        letter(stop, "Stop.\r\n\r\n> Hello"),
        bounce(hard, "5.1.1"),
        b"Content-Type: multipart/report; report-type=delivery-status\r\n\r\nno parts",
        complaint(spam),
        bounce(soft, "4.2.2", "delayed"),
        bounce(soft, "5.2.2"),
        mailto(leaves),
    )
    for _ in range(2):
        office.read()
        assert office.states() == [
            "exited/replied",
            "active/-",
            "unsubscribed/unsubscribed",
            "bounced/invalid_address",
            "unsubscribed/complained",
            "active/-",
            "unsubscribed/unsubscribed",
        ]
    rows = office.engine.rows("select source from drip_core.consent_ledger order by source")
    assert [row["source"] for row in rows] == ["mailto", "provider", "stop_word"]
    count = "select count(*) from drip_core.{}"
    assert office.engine.value(count.format("inbound_messages")) == 7, "with the two broken ones"
    assert office.engine.value(count.format("provider_events")) == 4
    assert imap.flags() == {()}, "the mailbox is as it was"
    imap.put(letter(soft, "Back again", 2))
    office.read()
    assert office.states()[5] == "exited/replied"
    assert office.engine.violations() == []


@pytest.mark.one_version
def test_a_reader_that_is_killed_loses_and_repeats_nothing_X1(office: Office, imap: Imap) -> None:
    human = office.messages[0]
    imap.put(*(letter(human, f"Letter {number}", number) for number in range(LETTERS)))
    kept = "select count(*) from drip_core.inbound_messages"
    kills = 0
    while office.engine.value(kept) < LETTERS and kills < 30:
        process = office.start("--interval", "1")
        seen = office.engine.value(kept)
        deadline = time.monotonic() + 60
        while office.engine.value(kept) < min(seen + 2, LETTERS):
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=30)
        kills += 1
    assert kills >= 3
    office.read()
    assert office.engine.value(kept) == LETTERS
    events = "select count(*) from drip_core.events where type = 'replied'"
    assert office.engine.value(events) == LETTERS


@pytest.mark.one_version
def test_a_mailbox_that_cannot_be_read_stops_no_other(office: Office, imap: Imap) -> None:
    bad = {"host": "127.0.0.1", "port": imap.port, "security": "none", "username": "sales"}
    office.engine.mailbox("aaa", secret_ref="NOT_THERE", config={"inbox": bad})
    office.engine.mailbox("bbb", config={"inbox": {"host": "mail.example.com", "security": "none"}})
    imap.put(letter(office.messages[0], "Hello"))
    errors = office.read()
    assert errors.count(b"INB03") == 2
    assert office.states()[0] == "exited/replied"
    imap.put(letter(office.messages[1], "Hello"))
    process = office.start("--interval", "1")
    while office.states()[1] != "exited/replied":
        assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert process.returncode == 0


@pytest.mark.one_version
def test_what_a_tenant_holds_keeps_no_other_mailbox_from_being_read_H2(
    office: Office, imap: Imap
) -> None:
    other = Engine(office.engine.url, now=None)
    inbox = {"host": "127.0.0.1", "port": imap.port, "security": "none", "username": "sales"}
    other.mailbox("others", secret_ref="SALES_BOX", config={"inbox": inbox})
    kept = (
        "select count(*) from drip_core.inbound_messages where organization_id = %s"
        " and text_body ~ 'Hello'"
    )
    imap.put(letter(office.messages[0], "Hello"))
    with psycopg.connect(office.engine.url) as tenant:
        # the same letter, recorded and not committed
        name = f"<1.{office.messages[0]['enrollment_id']}@mail.example.net>"
        tenant.execute(
            "select drip.record_inbound(%s, jsonb_build_object('channel', 'email',"
            " 'from_address', 'x@example.net', 'text', 'Hello', 'external_id', %s::text))",
            (office.engine.organization_id, name),
        )
        errors = office.read()
        tenant.rollback()
    assert errors.count(b"INB05") == 1
    assert b"55P03" in errors
    assert other.value(kept, other.organization_id) == 1
    assert office.engine.value(kept, office.engine.organization_id) == 0
    assert b"INB05" not in office.read()
    assert other.value(kept, other.organization_id) == 1
    assert office.engine.value(kept, office.engine.organization_id) == 1
    other.close()


@pytest.mark.one_version
def test_one_mailbox_takes_neither_all_memory_nor_all_time_H2(
    office: Office, imap: Imap, monkeypatch: pytest.MonkeyPatch
) -> None:
    human = office.messages[0]
    imap.put(letter(human, "One", 1), letter(human, "x" * 5000, 2), letter(human, "Two", 3))
    monkeypatch.setattr(reader, "MAX_BYTES", 4000)
    monkeypatch.setattr(reader, "MAX_SECONDS", -1.0)
    texts = "select coalesce(string_agg(trim(e'\\r\\n ' from text_body), ' ' order by id), '')"
    texts += " from drip_core.inbound_messages"
    seen = []
    with psycopg.connect(office.url, autocommit=True) as connection:
        for _ in range(4):
            (box,) = reader.list_inboxes(connection, None)
            tally = reader.read_inbox(connection, box, lambda _: "geheim")
            seen.append((tally.messages, tally.problems, office.engine.value(texts)))
    assert seen == [(1, 0, "One"), (1, 1, "One"), (1, 0, "One Two"), (0, 0, "One Two")]


def test_a_server_that_sends_more_than_it_said_is_not_listened_to_H2() -> None:
    box = SimpleNamespace(client=SimpleNamespace(read=lambda size: b"x" * size))
    reader._bound(box)  # type: ignore[arg-type]
    assert box.client.read(7) == b"x" * 7
    with pytest.raises(reader._TooLargeError):
        box.client.read(reader.MAX_BYTES + 1)


def test_bounces_in_words_are_read_and_answers_are_not_taken_for_them() -> None:
    quoted = f"\r\n\r\n--- Original ---\r\nMessage-ID: <{TOKEN}@example.com>\r\n"
    qmail = (
        "Return-Path: <>\r\nFrom: MAILER-DAEMON@mx.example.net\r\nSubject: failure notice\r\n\r\n"
        "Hi. This is the qmail-send program at mx.example.net.\r\n"
        "I'm afraid I wasn't able to deliver your message to the following addresses.\r\n"
        "This is a permanent error; I've given up. Sorry it didn't work out.\r\n\r\n"
        "<ann@example.net>:\r\nSorry, no mailbox here by that name. (#5.1.1)\r\n" + quoted
    ).encode()
    (fact,) = parse(qmail, "x")
    assert (fact.kind, fact.body["type"]) == ("report", "bounced")
    assert fact.body["message_token"] == TOKEN
    gmail = (
        "Return-Path: <>\r\nFrom: mailer-daemon@googlemail.com\r\nX-Failed-Recipients: a@b.example"
        "\r\nSubject: Delivery Status Notification (Failure)\r\n\r\nThe response was: 550 5.1.1 no"
        + quoted
    ).encode()
    (fact,) = parse(gmail, "x")
    assert fact.body["detail"]["status"] == "5.1.1"
    person = (
        "From: ann@example.net\r\nSubject: Re: Hi\r\nMessage-ID: <1@x>\r\n\r\nYes" + quoted
    ).encode()
    (fact,) = parse(person, "x")
    assert fact.kind == "letter"
    html = (
        b"From: ann@example.net\r\nContent-Type: text/html; charset=nonsense\r\n\r\n"
        b"<style>p{}</style><p>stop</p><blockquote>Hello</blockquote>"
    )
    (fact,) = parse(html, "name")
    assert fact.body["text"].split() == ["stop", ">", "Hello"]
    assert fact.body["external_id"] == "name"
    for raw in (
        b"",
        b"\0" * 100,
        b"From: " + b"x" * 100_000,
        b"Content-Type: multipart/mixed\r\n\r\n",
    ):
        (fact,) = parse(raw, "name")
        assert fact.kind == "letter"
