"""Webhooks over real HTTP: signed with keys of our own, as SendGrid and SNS sign."""

from __future__ import annotations

import base64
import json
import random
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import psycopg
import pytest
import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from psycopg.conninfo import make_conninfo
from psycopg.types.json import Jsonb

from engine import ONE_STEP, Engine
from pgdrip.web.app import make_app
from pgdrip.web.webhooks import MAX_BODY, Webhooks
from pgdrip.web.webhooks.signatures import is_sns_address
from test_serve import HTTP

pytestmark = pytest.mark.timeout(120)

TOPIC = "arn:aws:sns:eu-west-1:1:drip"
CERTIFICATE = "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-x.pem"
EC_KEY = ec.generate_private_key(ec.SECP256R1())
RSA_KEY = rsa.generate_private_key(65537, 2048)


def _certificate() -> bytes:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "sns.amazonaws.com")])
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(RSA_KEY.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
    )
    return builder.sign(RSA_KEY, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


PEM = _certificate()


@dataclass
class Receiver:
    """``pgdrip serve`` with webhooks, in a thread; what it fetched from Amazon."""

    engine: Engine
    base: str
    fetched: list[str] = field(default_factory=list)

    def messages(self, count: int, prefix: str) -> list[dict[str, Any]]:
        self.engine.enroll(self.engine.contacts(count, prefix))
        claims = self.engine.rows("select * from drip.claim(1000)")
        assert len(claims) == count
        return claims

    def events(self) -> Counter[str]:
        rows = self.engine.rows(
            "select type::text from drip_core.events where channel is not null and type::text ="
            " any('{delivered,opened,clicked,bounced,complained,unsubscribed}')"
        )
        return Counter(row["type"] for row in rows)

    def address(self, account: str) -> str:
        return f"{self.base}/webhooks/{self.engine.organization_id}/{account}"

    def sendgrid(self, reports: Any, **headers: str) -> httpx.Response:
        body = reports if isinstance(reports, bytes) else json.dumps(reports).encode()
        stamp = "1785751200"
        signature = EC_KEY.sign(stamp.encode() + body, ec.ECDSA(hashes.SHA256()))
        names = {
            "X-Twilio-Email-Event-Webhook-Signature": base64.b64encode(signature).decode(),
            "X-Twilio-Email-Event-Webhook-Timestamp": stamp,
        }
        address = self.address("grid")
        return HTTP.post(address, content=body, headers={**names, **headers}, timeout=60)

    def sns(self, report: Any, identity: str = "m1", **more: str) -> httpx.Response:
        message = {
            "Type": "Notification",
            "MessageId": identity,
            "TopicArn": TOPIC,
            "Timestamp": "2026-11-24T09:00:01.000Z",
            "Message": report if isinstance(report, str) else json.dumps(report),
            "SignatureVersion": "2",
            "SigningCertURL": CERTIFICATE,
            **more,
        }
        return self.post(sign(message))

    def post(self, message: Any) -> httpx.Response:
        return HTTP.post(
            self.address("ses"),
            content=json.dumps(message).encode(),
            headers={"Content-Type": "text/plain; charset=UTF-8"},
            timeout=60,
        )


def sign(message: dict[str, Any]) -> dict[str, Any]:
    names = ["Message", "MessageId", "Subject", "SubscribeURL", "Timestamp", "Token", "TopicArn"]
    text = "".join(f"{name}\n{message[name]}\n" for name in [*names, "Type"] if name in message)
    algorithm = hashes.SHA256() if message["SignatureVersion"] == "2" else hashes.SHA1()  # noqa: S303
    raw = RSA_KEY.sign(text.encode(), padding.PKCS1v15(), algorithm)
    return {**message, "Signature": base64.b64encode(raw).decode()}


@pytest.fixture
def receiver(database: str) -> Iterator[Receiver]:
    name = "pgdrip_test_webhooks"
    with psycopg.connect(database, autocommit=True) as admin:
        admin.execute(f"drop role if exists {name}")
        admin.execute(f"create role {name} login in role drip_public, drip_runner")
    engine = Engine(database)
    public = EC_KEY.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    key = base64.b64encode(public).decode()
    engine.mailbox("grid", provider="sendgrid", config={"webhook": {"public_key": key}})
    engine.mailbox("ses", provider="ses", config={"webhook": {"topic_arn": TOPIC}})
    engine.mailbox("silent", provider="sendgrid")
    off = {"guardrails": {"bounce_rate": None, "complaint_rate": None}}
    engine.rows("select drip.update_organization(%s, %s)", engine.organization_id, Jsonb(off))
    engine.sequence("welcome", ONE_STEP, ["grid"])
    listener = socket.create_server(("127.0.0.1", 0))
    receiver = Receiver(engine, f"http://127.0.0.1:{listener.getsockname()[1]}")

    async def fetch(url: str) -> bytes:
        receiver.fetched.append(url)
        return PEM

    app = make_app(
        make_conninfo(database, user=name), webhooks=lambda pool: Webhooks(pool, fetch).receive
    )
    server = uvicorn.Server(uvicorn.Config(app, access_log=False, log_level="warning"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    yield receiver
    server.should_exit = True
    thread.join(timeout=30)
    engine.close()
    with psycopg.connect(database, autocommit=True) as admin:
        admin.execute(f"drop role {name}")


def _grid(claim: dict[str, Any], event: str, number: int = 0, **more: Any) -> dict[str, Any]:
    return {
        "event": event,
        "email": claim["to_address"],
        "timestamp": 1_772_442_060 + number,
        "sg_event_id": f"{event}-{claim['enrollment_id']}",
        "sg_message_id": "14c5d75ce93.dfd.64b469.filter0001.1",
        "pgdrip_message_token": claim["message_token"],
        **more,
    }


def test_batches_reordered_duplicated_early_and_replayed_count_once(receiver: Receiver) -> None:
    claims = receiver.messages(60, "b")
    early, rest = claims[:20], claims[20:]
    receiver.engine.settle(rest)
    reports = [
        _grid(claim, kind, number, useragent="Mozilla/5.0 Chrome/143")
        for claim in claims
        for number, kind in enumerate(("processed", "delivered", "open", "click"))
    ]
    reports += [_grid(claim, "some future event") for claim in claims]
    nonsense: list[Any] = [{"event": 7}, "x", None]
    reports += nonsense
    shuffled = random.Random(7).sample(reports * 2, 2 * len(reports))  # noqa: S311
    for start in range(0, len(shuffled), 97):
        answer = receiver.sendgrid(shuffled[start : start + 97])
        assert (answer.status_code, answer.text) == (200, "ok\n")
    assert receiver.events() == {"delivered": 40, "opened": 40, "clicked": 40}
    receiver.engine.settle(early)
    receiver.engine.at(None)
    receiver.engine.connection.execute(
        "update drip_core.provider_events set next_try_at = '-infinity' where state = 'parked'"
    )
    receiver.engine.value("select drip.tick()")
    assert receiver.events() == {"delivered": 60, "opened": 60, "clicked": 60}
    assert receiver.sendgrid(reports).status_code == 200
    assert receiver.events() == {"delivered": 60, "opened": 60, "clicked": 60}
    assert receiver.engine.violations() == []


def test_what_sendgrid_says_of_a_bounce_is_told_apart(receiver: Receiver) -> None:
    claims = receiver.messages(7, "k")
    receiver.engine.settle(claims)
    hard, soft, blocked, dropped, spam, left, dropped_left = claims
    reports = [
        _grid(hard, "bounce", type="bounce", status="5.1.1", reason="550 5.1.1 no such user"),
        _grid(soft, "bounce", type="bounce", bounce_classification="Mailbox Unavailable"),
        _grid(blocked, "bounce", type="blocked", status="5.7.1", reason="refused"),
        _grid(dropped, "dropped", reason="Bounced Address"),
        _grid(spam, "spamreport"),
        _grid(left, "group_unsubscribe"),
        _grid(dropped_left, "dropped", reason="Unsubscribed Address"),
    ]
    assert receiver.sendgrid(reports).status_code == 200
    rows = receiver.engine.rows(
        "select enrollment_id, type::text, reason::text from drip_core.events"
        " where channel is not null and type in ('bounced', 'complained')"
    )
    assert {row["enrollment_id"]: (row["type"], row["reason"]) for row in rows} == {
        hard["enrollment_id"]: ("bounced", "bounced"),
        soft["enrollment_id"]: ("bounced", "soft_bounced"),
        blocked["enrollment_id"]: ("bounced", "rejected_policy"),
        dropped["enrollment_id"]: ("bounced", "bounced"),
        spam["enrollment_id"]: ("complained", "complained"),
    }
    refused = receiver.engine.rows(
        "select reason::text, count(*)::int from drip_core.suppressions group by 1"
    )
    assert {row["reason"]: row["count"] for row in refused} == {
        "bounced": 2,
        "complained": 1,
        "unsubscribed": 2,
    }


@pytest.mark.one_version
def test_what_is_not_signed_is_not_read(receiver: Receiver) -> None:
    (claim,) = receiver.messages(1, "t")
    receiver.engine.settle([claim])
    report = [_grid(claim, "spamreport")]
    prefix = "X-Twilio-Email-Event-Webhook-"
    for headers in (
        {f"{prefix}Signature": ""},
        {f"{prefix}Signature": "AAAA"},
        {f"{prefix}Signature": "not base64!"},
        {f"{prefix}Timestamp": "1785751201"},
        {f"{prefix}Timestamp": ""},
    ):
        answer = receiver.sendgrid(report, **headers)
        assert answer.status_code == 401, headers
    body = json.dumps(report).encode()
    stamp = "1785751200"
    signature = EC_KEY.sign(stamp.encode() + body, ec.ECDSA(hashes.SHA256()))
    headers = {
        f"{prefix}Signature": base64.b64encode(signature).decode(),
        f"{prefix}Timestamp": stamp,
    }
    tampered = body.replace(b"spamreport", b"group_unsub")
    assert HTTP.post(receiver.address("grid"), content=tampered, headers=headers).status_code == 401
    for account in ("silent", "nobody", "%00"):
        answer = HTTP.post(receiver.address(account), content=body, headers=headers)
        assert answer.status_code == 404, account
    foreign = f"{receiver.base}/webhooks/{receiver.engine.organization_id + 1000}/grid"
    assert HTTP.post(foreign, content=body, headers=headers).status_code == 404
    huge = f"{receiver.base}/webhooks/{10**30}/grid"
    assert HTTP.post(huge, content=body, headers=headers).status_code == 404
    assert HTTP.get(receiver.address("grid")).status_code == 405
    oversized = b"[" + b" " * MAX_BODY + b"]"
    assert receiver.sendgrid(oversized).status_code == 413
    assert receiver.sendgrid(b"\xff\xfenonsense").status_code == 200, "signed, and of no use"
    assert receiver.events() == {}
    assert receiver.engine.value("select count(*) from drip_core.provider_events") == 0


def _ses(claim: dict[str, Any], kind: str, **more: Any) -> dict[str, Any]:
    mail = {
        "messageId": "0102-abc",
        "timestamp": "2026-03-02T09:00:00.000Z",
        "destination": [claim["to_address"]],
        "tags": {"pgdrip_message_token": [claim["message_token"]]},
    }
    return {"eventType": kind, "mail": mail, **more}


def test_ses_over_sns(receiver: Receiver) -> None:
    claims = receiver.messages(4, "s")
    receiver.engine.settle(claims)
    bounced, soft, delivered, complained = claims
    recipients = [{"emailAddress": bounced["to_address"], "status": "5.1.1"}]
    bounce = {
        "bounceType": "Permanent",
        "bounceSubType": "General",
        "timestamp": "2026-03-02T09:01:00Z",
    }
    reports = [
        ("b1", _ses(bounced, "Bounce", bounce={**bounce, "bouncedRecipients": recipients})),
        ("b2", _ses(soft, "Bounce", bounce={**bounce, "bounceType": "Transient"})),
        ("d1", _ses(delivered, "Delivery", delivery={"timestamp": "2026-03-02T09:01:00Z"})),
        ("n1", _ses(delivered, "Complaint", complaint={"complaintFeedbackType": "not-spam"})),
        ("c1", _ses(complained, "Complaint", complaint={"complaintFeedbackType": "abuse"})),
        ("c1", _ses(complained, "Complaint", complaint={"complaintFeedbackType": "abuse"})),
        ("x1", _ses(delivered, "Something New")),
        ("v1", "Successfully validated SNS topic for Amazon SES event publishing."),
    ]
    for identity, report in reports:
        for version in ("1", "2"):
            answer = receiver.sns(report, identity, SignatureVersion=version)
            assert (answer.status_code, answer.text) == (200, "ok\n"), identity
    assert receiver.events() == {"bounced": 2, "delivered": 1, "complained": 1}
    assert receiver.fetched == [CERTIFICATE], "a certificate is fetched once"
    rows = receiver.engine.rows("select reason::text from drip_core.suppressions order by 1")
    assert [row["reason"] for row in rows] == ["bounced", "complained"]


def test_ses_reordered_duplicated_early_and_replayed_counts_once(receiver: Receiver) -> None:
    claims = receiver.messages(12, "r")
    early, rest = claims[:4], claims[4:]
    receiver.engine.settle(rest)
    reports = [
        (
            f"{kind}-{claim['enrollment_id']}",
            _ses(claim, kind, **{kind.lower(): {"timestamp": "2026-03-02T09:01:00Z", **more}}),
        )
        for claim in claims
        for kind, more in (
            ("Delivery", {}),
            ("Open", {"userAgent": "Mozilla/5.0 Chrome/143"}),
            ("Click", {"userAgent": "Mozilla/5.0 Chrome/143", "link": "https://example.com"}),
        )
    ]
    for identity, report in random.Random(7).sample(reports * 2, 2 * len(reports)):  # noqa: S311
        assert receiver.sns(report, identity).status_code == 200
    assert receiver.events() == {"delivered": 8, "opened": 8, "clicked": 8}
    receiver.engine.settle(early)
    receiver.engine.at(None)
    receiver.engine.connection.execute(
        "update drip_core.provider_events set next_try_at = '-infinity' where state = 'parked'"
    )
    receiver.engine.value("select drip.tick()")
    for identity, report in reports:
        assert receiver.sns(report, identity).status_code == 200
    assert receiver.events() == {"delivered": 12, "opened": 12, "clicked": 12}
    assert receiver.engine.violations() == []


@pytest.mark.one_version
def test_sns_tampered_and_oversized_is_not_read(receiver: Receiver) -> None:
    (claim,) = receiver.messages(1, "z")
    receiver.engine.settle([claim])
    complaint = _ses(claim, "Complaint", complaint={"complaintFeedbackType": "abuse"})
    signed = sign(
        {
            "Type": "Notification",
            "MessageId": "z1",
            "TopicArn": TOPIC,
            "Timestamp": "2026-11-24T09:00:01.000Z",
            "Message": json.dumps(complaint),
            "SignatureVersion": "2",
            "SigningCertURL": CERTIFICATE,
        }
    )
    for change in (
        {"Message": json.dumps({**complaint, "eventType": "Bounce"})},
        {"MessageId": "z2"},
        {"Timestamp": "2026-11-24T09:00:02.000Z"},
        {"Signature": "AAAA"},
        {"Signature": ""},
    ):
        assert receiver.post({**signed, **change}).status_code == 401, change
    assert receiver.sns("x" * MAX_BODY, "z3").status_code == 413
    assert receiver.events() == {}
    assert receiver.engine.value("select count(*) from drip_core.provider_events") == 0
    assert receiver.post(signed).status_code == 200, "as it was signed it is"
    assert receiver.events() == {"complained": 1}


@pytest.mark.one_version
def test_sns_confirms_the_configured_topic_only(receiver: Receiver) -> None:
    confirmation = {
        "Type": "SubscriptionConfirmation",
        "MessageId": "c",
        "Token": "t",
        "TopicArn": TOPIC,
        "Message": "You have chosen to subscribe",
        "SubscribeURL": "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription",
        "Timestamp": "2026-11-24T09:00:01.000Z",
        "SignatureVersion": "2",
        "SigningCertURL": CERTIFICATE,
    }
    assert receiver.post(sign(confirmation)).status_code == 200
    assert receiver.fetched == [CERTIFICATE, confirmation["SubscribeURL"]]
    for change in (
        {"TopicArn": "arn:aws:sns:eu-west-1:2:evil"},
        {"SubscribeURL": "https://evil.example/"},
        {"SubscribeURL": "https://sns.eu-west-1.amazonaws.com.evil.example/"},
        {"SubscribeURL": "http://sns.eu-west-1.amazonaws.com/"},
        {"SigningCertURL": "https://evil.example/x.pem"},
        {"SigningCertURL": "https://sns.eu-west-1.amazonaws.com/x"},
        {"SignatureVersion": "3"},
    ):
        changed = sign({**confirmation, **change, "SignatureVersion": "2"}) | change
        assert receiver.post(changed).status_code == 401, change
    tampered = sign(confirmation) | {"Token": "other"}
    assert receiver.post(tampered).status_code == 401
    assert HTTP.post(receiver.address("ses"), content=b"[1]").status_code == 401
    assert HTTP.post(receiver.address("ses"), content=b"nonsense").status_code == 401
    assert len(receiver.fetched) == 2, "nobody else's address was visited"


@pytest.mark.one_version
def test_an_outage_is_answered_with_503_and_the_retry_is_taken(receiver: Receiver) -> None:
    (claim,) = receiver.messages(1, "o")
    receiver.engine.settle([claim])
    delivery = {"timestamp": "2026-03-02T09:01:00Z"}

    def by_sendgrid() -> httpx.Response:
        return receiver.sendgrid([_grid(claim, "open", useragent="Mozilla/5.0 Chrome/143")])

    def by_ses() -> httpx.Response:
        return receiver.sns(_ses(claim, "Delivery", delivery=delivery), "o1")

    both = (by_sendgrid, by_ses)
    assert receiver.sns("warms up", "o0").status_code == 200
    with psycopg.connect(receiver.engine.url, autocommit=True) as admin:
        admin.execute("alter role pgdrip_test_webhooks nologin")
        admin.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where datname = %s and usename = 'pgdrip_test_webhooks'",
            (admin.info.dbname,),
        )
        for send in both:
            answer = send()
            assert answer.status_code == 503
            assert "retry-after" in answer.headers
        assert receiver.events() == {}
        admin.execute("alter role pgdrip_test_webhooks login")
    for send in both:
        while send().status_code != 200:
            pass
        assert send().status_code == 200
    assert receiver.events() == {"opened": 1, "delivered": 1}


@pytest.mark.one_version
def test_a_webhook_waits_for_a_tenant_for_seconds_only_H2(receiver: Receiver) -> None:
    (claim,) = receiver.messages(1, "w")
    receiver.engine.settle([claim])
    report = _grid(claim, "open", useragent="Mozilla/5.0 Chrome/143")
    begun = time.monotonic()
    with psycopg.connect(receiver.engine.url) as tenant:
        # the same report, recorded and not committed
        tenant.execute(
            "select drip.record_provider_event(%s, %s)",
            (
                receiver.engine.organization_id,
                Jsonb(
                    {
                        "message_token": claim["message_token"],
                        "type": "opened",
                        "external_id": report["sg_event_id"],
                    }
                ),
            ),
        )
        answer = receiver.sendgrid([report])
        tenant.rollback()
    assert answer.status_code == 503
    assert "retry-after" in answer.headers
    assert time.monotonic() - begun < 20, "it gave up because of the lock, not of all its time"
    assert receiver.sendgrid([report]).status_code == 200
    assert receiver.events() == {"opened": 1}


def test_only_addresses_of_amazon_are_visited() -> None:
    good = "https://sns.us-east-1.amazonaws.com/a.pem"
    assert is_sns_address(good, suffix=".pem")
    assert is_sns_address("https://sns.cn-north-1.amazonaws.com.cn/a.pem")
    for bad in (
        "http://sns.us-east-1.amazonaws.com/a.pem",
        "https://sns.us-east-1.amazonaws.com:8443/a.pem",
        "https://user@sns.us-east-1.amazonaws.com/a.pem",
        "https://sns.us-east-1.amazonaws.com.evil.example/a.pem",
        "https://s3.us-east-1.amazonaws.com/a.pem",
        "https://[::1/a.pem",
        "",
    ):
        assert not is_sns_address(bad), bad
