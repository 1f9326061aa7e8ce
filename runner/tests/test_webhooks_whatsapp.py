"""Meta's webhooks over real HTTP, as the Cloud API on loopback signs and sends them."""

from __future__ import annotations

import json
import random
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import psycopg
import pytest
import uvicorn
from psycopg.conninfo import make_conninfo
from psycopg.types.json import Jsonb

from engine import START, Claim, Engine
from pgdrip.demo.whatsapp_world import Accepted, WhatsappWorld
from pgdrip.providers.secrets import secret_resolver
from pgdrip.web.app import make_app
from pgdrip.web.webhooks import MAX_BODY, Webhooks

pytestmark = pytest.mark.timeout(120)

STEP = {"key": "s1", "channel": "whatsapp_cloud", "template": "hi"}
SECRETS = {"APP_SECRET": "app-secret", "VERIFY": "word"}
_LOGIN = "pgdrip_test_whatsapp"


@dataclass
class Receiver:
    """``pgdrip serve`` with webhooks, in a thread, and the world that calls it."""

    engine: Engine
    world: WhatsappWorld
    base: str

    def address(self, account: str = "line") -> str:
        return f"{self.base}/webhooks/{self.engine.organization_id}/{account}"

    def people(self, count: int) -> list[Claim]:
        """Contacts with a message that is claimed and not settled yet."""
        contacts = [
            {"external_id": f"p{n}", "phone": f"+4915112{n:06d}"} for n in range(1, count + 1)
        ]
        rows = self.engine.rows(
            "select contact_id from drip.upsert_contacts(%s, %s)",
            *(self.engine.organization_id, Jsonb(contacts)),
        )
        self.engine.enroll([row["contact_id"] for row in rows], "hello")
        claims = self.engine.rows("select * from drip.claim(1000) order by to_address")
        assert len(claims) == count
        return claims

    def accept(self, claims: list[Claim], settled: bool = True) -> list[Accepted]:
        """The world takes the messages; the database knows, or does not know yet."""
        taken = []
        for claim in claims:
            wamid = f"wamid.{claim['enrollment_id']}"
            token, to = claim["message_token"], claim["to_address"]
            taken.append(Accepted(wamid, to, token, START, "template", "Hi"))
        if settled:
            keys = ("organization_id", "enrollment_id", "claim_token")
            results = [
                {key: claim[key] for key in keys}
                | {"outcome": "sent", "provider_message_id": each.wamid}
                for claim, each in zip(claims, taken, strict=True)
            ]
            assert set(self.engine.advance(results)) <= {"completed", "advanced"}
        return taken

    def facts(self) -> Counter[str]:
        rows = self.engine.rows(
            "select type::text from drip_core.events where channel is not null and type::text ="
            " any('{delivered,opened,bounced,replied,unsubscribed}')"
        )
        return Counter(row["type"] for row in rows)

    def post(self, field: str, *values: dict[str, Any]) -> tuple[int, str]:
        return self.world.post(self.world.envelope(field, list(values)))

    def status(self, enrollment_id: int) -> tuple[str, str | None]:
        (row,) = self.engine.rows(
            "select status::text, status_reason::text as reason from drip_core.enrollments"
            " where id = %s",
            enrollment_id,
        )
        return row["status"], row["reason"]


@pytest.fixture
def receiver(database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    with psycopg.connect(database, autocommit=True) as admin:
        admin.execute(f"drop role if exists {_LOGIN}")
        admin.execute(f"create role {_LOGIN} login in role drip_public, drip_runner")
    engine = Engine(database, now=None)
    world = WhatsappWorld()
    webhook = {"secret_ref": "APP_SECRET", "verify_token_ref": "VERIFY"}
    for key, more in (("line", {"webhook": webhook}), ("silent", {})):
        account = {
            "key": key,
            "channel": "whatsapp_cloud",
            "provider": "whatsapp_cloud",
            "address": world.number if key == "line" else "+15550002222",
            "config": {"phone_number_id": world.phone_number_id + key[4:], "waba_id": world.waba_id}
            | more,
        }
        engine.rows(
            "select drip.apply_channel_account(%s, %s)", engine.organization_id, Jsonb(account)
        )
    template = {
        "name": "hi",
        "status": "approved",
        "components": [{"type": "BODY", "text": "Hi"}],
    }
    engine.rows(
        "select drip.apply_whatsapp_template(%s, %s)", engine.organization_id, Jsonb(template)
    )
    off = {"guardrails": {"bounce_rate": None, "complaint_rate": None}}
    engine.rows("select drip.update_organization(%s, %s)", engine.organization_id, Jsonb(off))
    engine.sequence("hello", [STEP, {**STEP, "key": "s2", "delay": "9 days"}], ["line"])
    listener = socket.create_server(("127.0.0.1", 0))
    receiver = Receiver(engine, world, f"http://127.0.0.1:{listener.getsockname()[1]}")
    world.callback = receiver.address()
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    app = make_app(
        make_conninfo(database, user=_LOGIN),
        webhooks=lambda pool: Webhooks(pool, secret=secret_resolver()).receive,
    )
    server = uvicorn.Server(uvicorn.Config(app, access_log=False, log_level="warning"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    yield receiver
    server.should_exit = True
    thread.join(timeout=30)
    engine.close()
    with psycopg.connect(database, autocommit=True) as admin:
        admin.execute(f"drop role {_LOGIN}")


def test_the_question_is_answered_to_who_knows_the_word(receiver: Receiver) -> None:
    asked = {"hub.mode": "subscribe", "hub.challenge": "123", "hub.verify_token": "word"}
    answer = httpx.get(receiver.address(), params=asked)
    assert (answer.status_code, answer.text) == (200, "123")
    assert answer.headers["content-type"].startswith("text/plain")
    for change in (
        {"hub.verify_token": "other"},
        {"hub.verify_token": ""},
        {"hub.verify_token": "wörd"},
        {"hub.mode": "x"},
    ):
        assert httpx.get(receiver.address(), params={**asked, **change}).status_code == 401
    assert httpx.get(receiver.address("silent"), params=asked).status_code == 404


def test_batches_reordered_duplicated_early_and_replayed_count_once(receiver: Receiver) -> None:
    claims = receiver.people(40)
    early, rest = claims[:15], claims[15:]
    messages = receiver.accept(rest) + receiver.accept(early, settled=False)
    statuses = [
        receiver.world.status(message, status)
        for message in messages
        for status in ("sent", "delivered", "read", "read", "some future status")
    ]
    # of those who have it at once, only that it was read is ever said
    statuses = [
        each
        for each in statuses
        if not (
            each["statuses"][0]["recipient_id"].endswith("7")
            and each["statuses"][0]["status"] == "delivered"
        )
    ]
    skipped = sum(message.recipient.endswith("7") for message in messages)
    nonsense: list[Any] = [{"statuses": [7, {"id": 9}, {}]}, {"statuses": "x"}, {"messages": [{}]}]
    shuffled = random.Random(7).sample(statuses * 2 + nonsense, 2 * len(statuses) + 3)  # noqa: S311
    for start in range(0, len(shuffled), 61):
        assert receiver.post("messages", *shuffled[start : start + 61]) == (200, "ok\n")
    seen = sum(message.recipient.endswith("7") for message in messages[:25])
    assert receiver.facts() == {"delivered": 25 - seen, "opened": 25}
    receiver.accept(early)
    receiver.engine.connection.execute(
        "update drip_core.provider_events set next_try_at = '-infinity' where state = 'parked'"
    )
    receiver.engine.value("select drip.tick()")
    assert receiver.facts() == {"delivered": 40 - skipped, "opened": 40}
    assert receiver.post("messages", *statuses) == (200, "ok\n")
    assert receiver.facts() == {"delivered": 40 - skipped, "opened": 40}, "a replay changes nothing"
    assert receiver.engine.violations() == []


def test_what_is_not_signed_is_not_read(receiver: Receiver) -> None:
    [message] = receiver.accept(receiver.people(1))
    body = json.dumps(
        receiver.world.envelope("messages", receiver.world.status(message, "delivered"))
    ).encode()
    good = receiver.world.signed(body)
    for signature in (
        "",
        "sha256=",
        "sha256=" + "0" * 64,
        good[:-1],
        good.replace("sha256=", "sha1="),
        "é",
    ):
        headers = {"X-Hub-Signature-256": signature.encode("latin-1")}
        answer = httpx.post(receiver.address(), content=body, headers=headers)
        assert answer.status_code == 401, signature
    assert httpx.post(receiver.address(), content=body).status_code == 401
    tampered = body.replace(b"delivered", b"read     ")
    signed = {"X-Hub-Signature-256": good}
    assert httpx.post(receiver.address(), content=tampered, headers=signed).status_code == 401
    # the same facts in other bytes are other bytes
    again = json.dumps(json.loads(body), indent=1).encode()
    assert httpx.post(receiver.address(), content=again, headers=signed).status_code == 401
    for account in ("silent", "nobody", "%00"):
        answer = httpx.post(receiver.address(account), content=body, headers=signed)
        assert answer.status_code == 404, account
    assert receiver.world.post(b"[" + b" " * MAX_BODY + b"]")[0] == 413
    for useless in (b"\xff\xfe", b"[]", b"7", b'{"entry": 7}', b'{"entry": [{"changes": [7]}]}'):
        assert receiver.world.post(useless) == (200, "ok\n"), "signed, and of no use"
    assert receiver.facts() == {}
    assert receiver.engine.value("select count(*) from drip_core.provider_events") == 0
    assert receiver.world.post(body) == (200, "ok\n")
    assert receiver.facts() == {"delivered": 1}


def test_a_signature_proves_which_app_it_is_not_whose_number(receiver: Receiver) -> None:
    [message] = receiver.accept(receiver.people(1))
    value = receiver.world.status(message, "delivered")
    value["metadata"]["phone_number_id"] = "999"
    assert receiver.post("messages", value) == (200, "ok\n")
    body = receiver.world.envelope("messages", receiver.world.status(message, "delivered"))
    body["entry"][0]["id"] = "another business"
    assert receiver.world.post(body) == (200, "ok\n")
    assert receiver.facts() == {}
    value["metadata"]["phone_number_id"] = receiver.world.phone_number_id + "nt"
    assert receiver.post("messages", value) == (200, "ok\n")
    assert receiver.facts() == {"delivered": 1}, "one address speaks for all numbers"


def test_an_outage_is_answered_with_503_and_the_retry_is_taken(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    [message] = receiver.accept(receiver.people(1))
    value = receiver.world.status(message, "delivered")
    with psycopg.connect(receiver.engine.url, autocommit=True) as admin:
        admin.execute(f"alter role {_LOGIN} nologin")
        admin.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where datname = %s and usename = %s",
            (admin.info.dbname, _LOGIN),
        )
        assert receiver.post("messages", value)[0] == 503
        admin.execute(f"alter role {_LOGIN} login")
    while receiver.post("messages", value)[0] != 200:
        pass
    assert receiver.post("messages", value)[0] == 200
    assert receiver.facts() == {"delivered": 1}
    monkeypatch.delenv("APP_SECRET")
    assert receiver.post("messages", value)[0] == 503, "a secret that is missing here may come back"


def test_what_a_failure_says_of_a_message(receiver: Receiver) -> None:
    codes = (131026, 131049, 131050, 130472, 131000, 99999, 131053)
    claims = receiver.people(len(codes))
    messages = receiver.accept(claims)
    values = [
        receiver.world.status(message, "failed", code)
        for message, code in zip(messages, codes, strict=True)
    ]
    assert receiver.post("messages", *values) == (200, "ok\n")
    rows = receiver.engine.rows(
        "select enrollment_id, reason::text from drip_core.events"
        " where type = 'bounced' and channel is not null"
    )
    reasons = {row["enrollment_id"]: row["reason"] for row in rows}
    assert [reasons[claim["enrollment_id"]] for claim in claims] == [
        "invalid_address",
        "throttled",
        "opted_out",
        "rejected_policy",
        "throttled",
        "throttled",
        "rejected_content",
    ]
    states = [receiver.status(claim["enrollment_id"]) for claim in claims]
    assert states[0] == ("bounced", "invalid_address")
    assert states[2] == ("unsubscribed", "opted_out")
    assert {states[n] for n in (1, 3, 4, 5, 6)} == {("active", None)}
    lane = receiver.engine.value("select status::text from drip_core.lanes order by 1 limit 1")
    assert lane == "active"
    # what is the number's own trouble stops the number, and harms nobody
    assert receiver.post("messages", receiver.world.status(messages[1], "failed", 131042))[0] == 200
    (lane,) = receiver.engine.rows(
        "select l.status::text, l.detail from drip_core.lanes as l join drip_core.channel_accounts"
        " as a on a.id = l.channel_account_id where a.key = 'line'"
    )
    assert lane["status"] == "blocked"
    assert lane["detail"].startswith("131042 ")
    assert receiver.status(claims[1]["enrollment_id"]) == ("active", None)


def test_what_people_write_and_tap(receiver: Receiver) -> None:
    claims = receiver.people(7)
    messages = receiver.accept(claims)
    world = receiver.world

    def says(n: int, content: dict[str, Any], **more: Any) -> dict[str, Any]:
        return world.inbound(messages[n].recipient, content, messages[n].wamid, **more)

    button = {"type": "button", "button": {"payload": "STOP:42", "text": "No, thanks"}}
    reply = {"type": "button_reply", "button_reply": {"id": "yes", "title": "Yes, please"}}
    values = [
        says(0, {"type": "text", "text": {"body": "Übrigens: ja"}}),
        says(1, {"type": "text", "text": {"body": " Stop. "}}),
        says(2, button),
        says(3, {"type": "interactive", "interactive": reply}),
        says(4, {"type": "image", "image": {"id": "x", "caption": "look"}}),
        says(5, {"type": "system", "system": {"body": "changed number"}}),
        says(6, {"type": "text", "text": {"body": "me too"}}),
    ]
    # whoever has adopted a name has no number any more
    nameless = values[6]["messages"][0]
    del nameless["from"], values[6]["contacts"][0]["wa_id"]
    nameless["from_user_id"] = "DE.1349x"
    for _ in range(2):
        assert receiver.post("messages", *values) == (200, "ok\n")
    rows = receiver.engine.rows(
        "select enrollment_id, text_body, class::text, from_address, attributed_by"
        " from drip_core.inbound_messages order by id"
    )
    assert [(row["text_body"], row["class"]) for row in rows] == [
        ("Übrigens: ja", "human"),
        (" Stop. ", "unsubscribe_request"),
        ("No, thanks", "unsubscribe_request"),
        ("Yes, please", "human"),
        ("look", "human"),
        ("me too", "human"),
    ]
    assert [row["enrollment_id"] for row in rows] == [
        claims[n]["enrollment_id"] for n in (0, 1, 2, 3, 4, 6)
    ]
    assert {row["attributed_by"] for row in rows} == {"provider_id"}, "by the message it answers"
    assert rows[0]["from_address"] == messages[0].recipient, "with its plus sign"
    assert rows[5]["from_address"] == "DE.1349x"
    states = [receiver.status(claim["enrollment_id"]) for claim in claims]
    assert [state[0] for state in states] == [
        *("paused", "unsubscribed", "unsubscribed", "paused", "paused", "active", "paused"),
    ]
    # the id that came with a number stands for it from now on
    known = receiver.world.status(messages[5], "delivered", recipient_user_id="DE.77")
    assert receiver.post("messages", known)[0] == 200
    stop = {
        "contacts": [],
        "user_preferences": [
            {"user_id": "DE.77", "category": "marketing_messages", "value": "stop"},
            {"user_id": "DE.78", "category": "marketing_messages", "value": "resume"},
        ],
    }
    assert receiver.post("user_preferences", stop)[0] == 200
    assert receiver.status(claims[5]["enrollment_id"]) == ("unsubscribed", "opted_out")
    assert receiver.engine.violations() == []


def test_what_meta_says_of_templates_and_numbers(receiver: Receiver) -> None:
    def template() -> str:
        return str(receiver.engine.value("select status from drip_core.whatsapp_templates"))

    def said(event: str) -> dict[str, Any]:
        return {
            "event": event,
            "message_template_id": 1,
            "message_template_name": "hi",
            "message_template_language": "en",
            "reason": "NONE",
        }

    receiver.engine.connection.execute(
        "update drip_core.whatsapp_templates set status_at = now() - interval '1 hour'"
    )
    now = datetime.now(UTC)
    receiver.world.clock = lambda: now - timedelta(minutes=5)
    paused = receiver.world.envelope("message_template_status_update", said("PAUSED"))
    assert receiver.world.post(paused)[0] == 200
    assert template() == "paused"
    receiver.world.clock = lambda: now
    assert receiver.post("message_template_status_update", said("REINSTATED"))[0] == 200
    assert template() == "approved"
    assert receiver.world.post(paused)[0] == 200
    assert template() == "approved", "an older report that comes again changes nothing"
    for event in ("FLAGGED", "LOCKED", "SOMETHING_NEW"):
        assert receiver.post("message_template_status_update", said(event))[0] == 200
    assert template() == "approved"

    def limits() -> list[Any]:
        rows = receiver.engine.rows(
            "select effective_limit from drip_report.lane_status order by channel_account_key"
        )
        return [row["effective_limit"] for row in rows]

    quality = {"display_phone_number": "15550001111", "event": "DOWNGRADE"}
    for said_limit, expected in (
        ({**quality, "current_limit": "TIER_250"}, 250),
        ({**quality, "current_limit": "TIER_UNLIMITED"}, None),
        ({**quality, "max_daily_conversations_per_business": "TIER_2K"}, 2000),
        ({**quality, "current_limit": "TIER_NOT_SET"}, 2000),
        ({**quality, "current_limit": "TIER_1K"}, 1000),
    ):
        assert receiver.post("phone_number_quality_update", said_limit)[0] == 200
        assert limits() == [expected, None], said_limit
    capability = {"max_daily_conversation_per_phone": 50}
    assert receiver.post("business_capability_update", capability)[0] == 200
    assert limits() == [50, None]

    def lane() -> str:
        return str(
            receiver.engine.value(
                "select status from drip_report.lane_status where channel_account_key = 'line'"
            )
        )

    for state in ("SCHEDULE_FOR_DISABLE", "REINSTATE"):
        ban = {"event": "DISABLED_UPDATE", "ban_info": {"waba_ban_state": state}}
        assert receiver.post("account_update", ban)[0] == 200
        assert lane() == "active"
    ban = {"event": "DISABLED_UPDATE", "ban_info": {"waba_ban_state": "DISABLE"}}
    assert receiver.post("account_update", ban)[0] == 200
    assert lane() == "blocked"
    assert receiver.post("some_future_field", {"x": 1})[0] == 200
