"""Webhooks of WAHA and Evolution API over real HTTP: signed or with a secret, in any order."""

from __future__ import annotations

import json
import random
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import httpx
import psycopg
import pytest
import uvicorn
from psycopg.conninfo import make_conninfo
from psycopg.types.json import Jsonb

from engine import START, Engine
from pgdrip.demo.gateways import Evolution, Gateway, SentText, Waha
from pgdrip.web.app import make_app
from pgdrip.web.webhooks import MAX_BODY, Webhooks
from pgdrip.web.webhooks.gateways import check_hmac, read_event
from pgdrip.web.webhooks.mapping import mapping_of
from pgdrip.web.webhooks.source import Facts, Refused

pytestmark = pytest.mark.timeout(120)

SECRET = "hook-secret"
NAME = "pgdrip_test_gateway_hooks"
CHAT = [
    {"key": "s1", "channel": "whatsapp_lite", "text": "Hi {{ contact.first_name }}"},
    {"key": "s2", "channel": "whatsapp_lite", "delay": "5 days", "text": "{{ contact.last_name }}"},
]
#: The same facts in the words of each gateway.
ACKS = {
    "waha": {"error": "ERROR", "sent": "SERVER", "delivered": "DEVICE", "read": "READ"},
    "evolution": {
        "error": "ERROR",
        "sent": "SERVER_ACK",
        "delivered": "DELIVERY_ACK",
        "read": "READ",
    },
}


@dataclass
class Receiver:
    """``pgdrip serve`` with webhooks, in a thread, and a gateway that never calls by itself."""

    engine: Engine
    gateway: Gateway
    base: str
    numbers: list[str] = field(default_factory=list)

    @property
    def kind(self) -> str:
        return "waha" if isinstance(self.gateway, Waha) else "evolution"

    @property
    def address(self) -> str:
        return f"{self.base}/webhooks/{self.engine.organization_id}/line"

    def post(
        self, body: Any, *, headers: dict[str, str] | None = None, address: str = ""
    ) -> httpx.Response:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        signed = self.gateway.signed(raw) if headers is None else headers
        return httpx.post(address or self.address, content=raw, headers=signed, timeout=60)

    def messages(self, count: int, prefix: str = "c") -> list[dict[str, Any]]:
        """Claims, each with what the gateway would report of it."""
        contacts = [
            {
                "external_id": f"{prefix}{n}",
                "first_name": "Ann",
                "last_name": "Ex",
                "phone": f"+4915{ord(prefix)}{n:07}",
            }
            for n in range(count)
        ]
        ids = [
            row["contact_id"]
            for row in self.engine.rows(
                "select contact_id from drip.upsert_contacts(%s, %s)",
                self.engine.organization_id,
                Jsonb(contacts),
            )
        ]
        assert self.engine.enroll(ids, "chat") == {"enrolled": count}
        claims = self.engine.rows("select * from drip.claim(1000)")
        assert len(claims) == count
        for number, claim in enumerate(claims):
            text = SentText(START, claim["to_address"][1:], "x", f"3EB0{ord(prefix)}{number:08X}")
            claim["sent"] = text
        return claims

    def settle(self, claims: list[dict[str, Any]]) -> None:
        for claim in claims:
            self.engine.settle(
                [{key: claim[key] for key in ("organization_id", "enrollment_id", "claim_token")}],
                provider_message_id=claim["sent"].id,
            )

    def ack(self, claim: dict[str, Any], what: str) -> dict[str, Any]:
        return self.gateway.ack_event(claim["sent"], ACKS[self.kind][what])

    def events(self) -> Counter[str]:
        rows = self.engine.rows(
            "select type::text from drip_core.events where channel is not null and type::text ="
            " any('{delivered,opened,bounced,replied}')"
        )
        return Counter(row["type"] for row in rows)

    def lane(self) -> tuple[str, str | None]:
        (row,) = self.engine.rows(
            "select status, detail from drip_report.lane_status where channel_account_key = 'line'"
        )
        return row["status"], row["detail"]


def serve(engine: Engine) -> tuple[str, Callable[[], None]]:
    """The receiver's address, and how to stop it."""
    listener = socket.create_server(("127.0.0.1", 0))

    async def fetch(url: str) -> bytes:
        raise AssertionError(f"nothing is fetched, least of all {url}")

    secret = {"HOOK": SECRET}.__getitem__
    app = make_app(
        make_conninfo(engine.url, user=NAME),
        webhooks=lambda pool: Webhooks(pool, fetch, secret).receive,
    )
    server = uvicorn.Server(uvicorn.Config(app, access_log=False, log_level="warning"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()

    def stop() -> None:
        server.should_exit = True
        thread.join(timeout=30)

    return f"http://127.0.0.1:{listener.getsockname()[1]}", stop


@pytest.fixture(params=["waha", "evolution"])
def receiver(database: str, request: pytest.FixtureRequest) -> Iterator[Receiver]:
    with psycopg.connect(database, autocommit=True) as admin:
        admin.execute(f"drop role if exists {NAME}")
        admin.execute(f"create role {NAME} login in role drip_public, drip_runner")
    engine = Engine(database)
    session = "session" if request.param == "waha" else "instance"
    engine.mailbox(
        "line",
        channel="whatsapp_lite",
        provider=request.param,
        address="+15550001111",
        config={session: "default", "webhook": {"secret_ref": "HOOK"}},
        **dict.fromkeys(("min_gap", "max_gap", "daily_limit", "ramp_start", "ramp_increment")),
    )
    # no webhook, no secret, no such secret
    engine.mailbox("silent", channel="whatsapp_lite", provider=request.param)
    engine.mailbox("bare", channel="whatsapp_lite", provider=request.param, config={"webhook": {}})
    engine.sequence("chat", CHAT, ["line"], on_reply="pause")
    base, stop = serve(engine)
    kind = Waha if request.param == "waha" else Evolution
    with kind(webhook_secret=SECRET, clock=lambda: START + timedelta(hours=1)) as gateway:
        yield Receiver(engine, gateway, base)
    stop()
    engine.close()
    with psycopg.connect(database, autocommit=True) as admin:
        admin.execute(f"drop role {NAME}")


def test_acks_reordered_duplicated_early_batched_and_replayed_count_once(
    receiver: Receiver,
) -> None:
    claims = receiver.messages(30)
    early, rest = claims[:10], claims[10:]
    receiver.settle(rest)
    reports = [
        receiver.ack(claim, what) for claim in claims for what in ("sent", "delivered", "read")
    ]
    shuffled = random.Random(7).sample(reports * 2, 2 * len(reports))  # noqa: S311
    nonsense: list[Any] = [{"event": 7}, "x", None, {"event": "some.future"}, {}]
    for start in range(0, len(shuffled), 31):
        answer = receiver.post([*shuffled[start : start + 31], *nonsense])
        assert (answer.status_code, answer.text) == (200, "ok\n")
    assert receiver.events() == {"delivered": 20, "opened": 20}
    receiver.settle(early)
    receiver.engine.at(None)
    receiver.engine.connection.execute(
        "update drip_core.provider_events set next_try_at = '-infinity' where state = 'parked'"
    )
    receiver.engine.value("select drip.tick()")
    assert receiver.events() == {"delivered": 30, "opened": 30}
    for report in reports[:5]:
        assert receiver.post(report).status_code == 200, "one event per call, as they really come"
    assert receiver.events() == {"delivered": 30, "opened": 30}
    assert receiver.engine.violations() == []


def test_an_ack_settles_a_message_of_unknown_outcome_by_its_id_only(receiver: Receiver) -> None:
    """What failed at WhatsApp is a fault of the message; what nobody sent is visible."""
    sent, other = receiver.messages(2)
    receiver.settle([sent])
    receiver.engine.settle(
        [{key: other[key] for key in ("organization_id", "enrollment_id", "claim_token")}],
        "unknown",
    )
    assert receiver.post(receiver.ack(sent, "error")).status_code == 200
    assert receiver.post(receiver.ack(other, "delivered")).status_code == 200
    assert receiver.events() == {"bounced": 1}
    (row,) = receiver.engine.rows(
        "select reason::text from drip_core.events where type = 'bounced' and channel is not null"
    )
    assert row["reason"] == "rejected_policy", "it says nothing of the number"
    assert receiver.engine.value("select count(*) from drip_core.suppressions") == 0
    assert receiver.engine.value("select count(*) from drip_report.unknown_outcomes") == 1


def test_people_write_stop_and_answer_and_others_are_not_heard(receiver: Receiver) -> None:
    stops, answers, quotes, silent = claims = receiver.messages(4)
    receiver.settle(claims)
    gateway = receiver.gateway
    number = stops["to_address"][1:]
    server = "c.us" if receiver.kind == "waha" else "s.whatsapp.net"
    for chat in ("120363@g.us", "status@broadcast", "120363@newsletter", "x", ""):
        event = gateway.message_event(number, "stop", None, chat or f"{number}@g.us")
        assert receiver.post(event).status_code == 200
    own = gateway.message_event(silent["to_address"][1:], "stop", None, "")
    if receiver.kind == "waha":
        own["payload"]["fromMe"] = True
    else:
        own["data"]["key"]["fromMe"] = True
    other = gateway.message_event(silent["to_address"][1:], "stop", None, "")
    other["session" if receiver.kind == "waha" else "instance"] = "another"
    for event in (own, other):
        assert receiver.post(event).status_code == 200
    assert receiver.engine.value("select count(*) from drip_core.inbound_messages") == 0

    stop = gateway.message_event(number, "STOP", None, f"{number}:7@{server}")
    answer = gateway.message_event(answers["to_address"][1:], "Tell me more", None, "")
    quote = gateway.message_event("0", "Yes", f"true_1@c.us_{quotes['sent'].id}", "99887766@lid")
    for event in (stop, answer, quote, stop):
        assert receiver.post(event).status_code == 200
    states = {
        row["id"]: row["status"]
        for row in receiver.engine.rows("select id, status::text from drip_core.enrollments")
    }
    assert states == {
        stops["enrollment_id"]: "unsubscribed",
        answers["enrollment_id"]: "paused",
        quotes["enrollment_id"]: "paused",
        silent["enrollment_id"]: "active",
    }
    rows = receiver.engine.rows(
        "select from_address, to_address, text_body, received_at from drip_core.inbound_messages"
        " order by id"
    )
    assert [(row["from_address"], row["text_body"]) for row in rows] == [
        (stops["to_address"], "STOP"),
        (answers["to_address"], "Tell me more"),
        ("99887766@lid", "Yes"),
    ]
    assert {row["to_address"] for row in rows} == {"+15550001111"}


def test_what_is_not_from_the_gateway_is_not_read(receiver: Receiver) -> None:
    (claim,) = receiver.messages(1)
    receiver.settle([claim])
    gateway = receiver.gateway
    body = json.dumps(gateway.message_event(claim["to_address"][1:], "stop", None, "")).encode()
    good = gateway.signed(body)
    bad: list[dict[str, str]] = [{}]
    if receiver.kind == "waha":
        bad += [
            {**good, "X-Webhook-Hmac": ""},
            {**good, "X-Webhook-Hmac": "ab"},
            {**good, "X-Webhook-Hmac": good["X-Webhook-Hmac"][:-1] + "g"},
            {**good, "X-Webhook-Hmac-Algorithm": "sha1"},
            # a secret that a URL gives away is not enough where there is a signature
            {"Authorization": f"Bearer {SECRET}"},
            Waha(webhook_secret="other").signed(body),
        ]
        tampered = body.replace(b"stop", b"cont")
        assert receiver.post(tampered, headers=good).status_code == 401
    else:
        bad += [
            {"Authorization": "Bearer other"},
            {"Authorization": SECRET},
            {"Authorization": f"Basic {SECRET}"},
            {"X-Webhook-Secret": ""},
        ]
    for headers in bad:
        assert receiver.post(body, headers=headers).status_code == 401, headers
    assert (
        receiver.post(body, address=f"{receiver.address}?secret=x", headers={}).status_code == 401
    )
    root = f"{receiver.base}/webhooks"
    for path, status in (
        (f"{receiver.engine.organization_id}/silent", 404),
        (f"{receiver.engine.organization_id}/nobody", 404),
        (f"{receiver.engine.organization_id}/bare", 401),
        (f"{receiver.engine.organization_id + 1000}/line", 404),
    ):
        assert receiver.post(body, address=f"{root}/{path}").status_code == status, path
    assert httpx.get(receiver.address).status_code == 405
    assert receiver.post(b"[" + b" " * MAX_BODY + b"]").status_code == 413
    assert receiver.post(b"\xff\xfenonsense").status_code == 200, "genuine, and of no use"
    assert receiver.post(b"[[[[1]]]]").status_code == 200
    assert receiver.engine.value("select count(*) from drip_core.inbound_messages") == 0
    if receiver.kind == "evolution":
        for headers, address in (
            ({"X-Webhook-Secret": SECRET}, receiver.address),
            ({}, f"{receiver.address}?secret={SECRET}"),
        ):
            assert receiver.post(body, headers=headers, address=address).status_code == 200
    else:
        assert receiver.post(body).status_code == 200
    assert receiver.engine.statuses() == {"unsubscribed": 1}


def test_a_session_that_is_lost_or_banned_stops_the_sender_X10(receiver: Receiver) -> None:
    gateway = receiver.gateway
    now = START

    def say(state: str, code: int | None = None) -> dict[str, Any]:
        nonlocal now
        now += timedelta(minutes=1)
        gateway.clock = lambda: now
        event = gateway.state_event(state, code)
        assert receiver.post(event).status_code == 200
        return event

    lost, back = ("STOPPED", "WORKING") if receiver.kind == "waha" else ("close", "open")
    starting = "STARTING" if receiver.kind == "waha" else "connecting"
    say(back)
    say(starting)
    assert receiver.lane() == ("active", None)
    say(lost, 428)
    assert receiver.lane()[0] == "blocked"
    good_news = say(back)
    assert receiver.lane()[0] == "active"
    say(lost, 428)
    assert receiver.post(good_news).status_code == 200
    assert receiver.lane()[0] == "blocked", "a replay of good news is old news"
    say(back)
    if receiver.kind == "waha":
        say("FAILED")
        assert receiver.lane() == ("blocked", "banned: FAILED")
    else:
        say("close", 403)
        assert receiver.lane() == ("blocked", "banned: close 403")
    say(back)
    assert receiver.lane()[0] == "blocked", "after a ban a person decides"
    receiver.engine.rows(
        "select drip.resume_lane(organization_id, channel_account_id)"
        " from drip_report.lane_status where status = 'blocked'"
    )
    assert receiver.lane()[0] == "active"


def test_an_outage_is_answered_with_503_and_the_retry_is_taken(receiver: Receiver) -> None:
    (claim,) = receiver.messages(1)
    receiver.settle([claim])
    report = receiver.ack(claim, "delivered")
    with psycopg.connect(receiver.engine.url, autocommit=True) as admin:
        admin.execute(f"alter role {NAME} nologin")
        admin.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where datname = %s and usename = %s",
            (admin.info.dbname, NAME),
        )
        answer = receiver.post(report)
        assert answer.status_code == 503
        assert "retry-after" in answer.headers
        admin.execute(f"alter role {NAME} login")
    while receiver.post(report).status_code != 200:
        pass
    assert receiver.post(report).status_code == 200
    assert receiver.events() == {"delivered": 1}


def test_the_vector_of_waha_and_what_is_not_it() -> None:
    body = b'{"event":"message","session":"default","engine":"WEBJS"}'
    signature = (
        "208f8a55dde9e05519e898b10b89bf0d0b3b0fdf11fdbf09b6b90476301b98d8"
        "097c462b2b17a6ce93b6b47a136cf2e78a33a63f6752c2c1631777076153fa89"
    )
    check_hmac("my-secret-key", signature, body)
    check_hmac("my-secret-key", signature.upper(), body)
    for key, hexadecimal, raw in (
        ("my-secret-key", signature, body + b" "),
        ("my-secret-kez", signature, body),
        ("my-secret-key", signature[:-1] + "8", body),
        ("my-secret-key", "", body),
        ("my-secret-key", "\u00e4", body),
    ):
        with pytest.raises(Refused):
            check_hmac(key, hexadecimal, raw)


def test_acks_of_the_gateways_differ_by_one() -> None:
    meanings = {name: mapping_of(name)["ack"]["meaning"] for name in ("waha", "evolution")}
    for number in range(-1, 5):
        one, two = meanings["waha"][str(number)], meanings["evolution"][str(number + 1)]
        assert one == two, number
    assert [meanings["waha"][str(n)] for n in range(-1, 5)] == [
        *("failed", None, "sent", "delivered", "opened", "opened"),
    ]
    #: numbers and words, in both places where Baileys puts an id
    for status in (4, "READ"):
        for data in (
            {"key": {"id": "3EB0"}, "update": {"status": status}},
            {"keyId": "3EB0", "fromMe": True, "status": status},
        ):
            facts = Facts()
            event = {"event": "messages.update", "instance": "main", "data": data}
            read_event("evolution", {"session": "main"}, event, facts)
            assert [fact["type"] for fact in facts.events] == ["opened"]
    facts = Facts()
    for payload in (
        {"id": "false_1@c.us_AAA", "fromMe": False, "ack": 3},
        {"id": None, "ack": 3},
        {"ack": 3},
        {"id": "true_1@c.us_3EB0", "ack": 99},
        {"id": "true_1@c.us_3EB0", "ack": None},
    ):
        read_event("waha", {}, {"event": "message.ack", "payload": payload}, facts)
    assert facts == Facts(), "acks of others' messages, and what says nothing"


def test_a_number_behind_a_hidden_id_is_taken_where_the_gateway_tells_it() -> None:
    facts = Facts()
    data = {
        "key": {
            "remoteJid": "99887766@lid",
            "remoteJidAlt": "14155550123@s.whatsapp.net",
            "id": "A",
        },
        "message": {"extendedTextMessage": {"text": "stop"}},
        "messageTimestamp": "1785751200",
    }
    read_event("evolution", {"address": "+1"}, {"event": "MESSAGES_UPSERT", "data": [data]}, facts)
    payload = {"id": "false_9@lid_B", "from": "9@lid", "fromMe": False, "body": "Hi\0"}
    event = {"event": "message", "payload": payload, "timestamp": 1785751200000}
    read_event("waha", {"address": "+1"}, event, facts)
    reaction = {**data, "messageType": "reactionMessage"}
    read_event("evolution", {}, {"event": "messages.upsert", "data": reaction}, facts)
    assert facts.messages == [
        {
            "channel": "whatsapp_lite",
            "from_address": "+14155550123",
            "to_address": "+1",
            "text": "stop",
            "external_id": "14155550123:A",
            "received_at": "2026-08-03T10:00:00+00:00",
        },
        {
            "channel": "whatsapp_lite",
            "from_address": "9@lid",
            "to_address": "+1",
            "text": "Hi",
            "external_id": "9:B",
            "received_at": "2026-08-03T10:00:00+00:00",
        },
    ]
