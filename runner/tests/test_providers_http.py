"""SES and SendGrid against a server that answers as they do, over real HTTP."""
# ruff: noqa: E501 - one line per answer reads best

from __future__ import annotations

import base64
import email
import importlib.util
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from pgdrip.providers.base import (
    Account,
    ClaimedMessage,
    DeliveryError,
    ProviderContext,
    ProviderFactory,
    SendResult,
)
from pgdrip.providers.contract import check_contract
from pgdrip.providers.registry import load_factory
from pgdrip.providers.sendgrid import SendgridProvider
from pgdrip.providers.ses import SesProvider

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "acme_provider.py"
NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)
MESSAGE = ClaimedMessage(
    organization_id=1,
    enrollment_id=1,
    claim_token=1,
    message_token="ab" * 33,
    channel="email",
    channel_account_id=1,
    provider="x",
    to_address="ann@example.net",
    to_name="Ann Ex\u00e4mple",
    from_address="sales@example.com",
    from_name="Sales",
    subject="Gr\u00fc\u00dfe",
    text_body="Hello",
    html_body="<p>Hello</p>",
    headers={
        "Message-ID": f"<{'ab' * 33}@example.com>",
        "List-Unsubscribe": "<https://mail.example.com/u/x>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    },
)
SECRETS = {"AWS": "AKIDEXAMPLE:wJalrXUtnFEMI/K7MDENG", "KEY": "SG.secret"}


class FarEnd:
    """A provider's API on loopback: what it was asked, and what it answers next."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, dict[str, str], dict[str, Any]]] = []
        self.answer: tuple[int, dict[str, str], bytes] | None = None
        far_end = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout: ClassVar[int] = 30

            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                body = self.rfile.read(length)
                headers = {name.lower(): value for name, value in self.headers.items()}
                with far_end.lock:
                    far_end.answer_one(self, headers, body)

            def log_message(self, *_: object) -> None:
                pass

        self.lock = threading.Lock()
        self.raw: tuple[str, dict[str, str], bytes] = ("", {}, b"")
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def answer_one(
        self, handler: BaseHTTPRequestHandler, headers: dict[str, str], body: bytes
    ) -> None:
        self.raw = (handler.path, headers, body)
        if self.answer == (0, {}, b""):
            handler.close_connection = True
            return
        status, more, content = self.answer or self.accept(handler.path)
        if self.answer is None and status < 300:
            self.requests.append((handler.path, headers, json.loads(body)))
        handler.send_response(status)
        for name, value in more.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)

    def accept(self, path: str) -> tuple[int, dict[str, str], bytes]:
        if path == "/messages":
            if "@" not in json.loads(self.raw[2])["to"]:
                return 422, {}, b"unknown recipient"
            return 200, {}, b'{"id": "acme-1"}'
        if path.startswith("/v3"):
            return 202, {"X-Message-Id": "sg-1"}, b""
        return 200, {}, json.dumps({"MessageId": "0102-abc"}).encode()

    def tokens(self) -> list[str]:
        found = []
        for path, headers, body in self.requests:
            if path == "/messages":
                found.append(headers["idempotency-key"])
            elif path.startswith("/v3"):
                found.append(body["personalizations"][0]["custom_args"]["pgdrip_message_token"])
            else:
                found += [tag["Value"] for tag in body["EmailTags"]]
        return found


@pytest.fixture
def far_end() -> Iterator[FarEnd]:
    far_end = FarEnd()
    yield far_end
    far_end.server.shutdown()
    far_end.server.server_close()


@pytest.fixture
def context() -> ProviderContext:
    return ProviderContext(secret=lambda ref: SECRETS[ref], clock=lambda: NOW)


def account(provider: str, far_end: FarEnd, **more: Any) -> Account:
    config = {"endpoint": far_end.url}
    if provider == "ses":
        config |= {"region": "eu-west-1", "configuration_set": "drip"}
    return Account(
        organization_id=1,
        channel_account_id=1,
        provider=provider,
        config=more.pop("config", config),
        secret_ref=more.pop("secret_ref", "AWS" if provider == "ses" else "KEY"),
    )


FACTORIES: dict[str, ProviderFactory] = {"ses": SesProvider, "sendgrid": SendgridProvider}


@pytest.mark.parametrize("name", FACTORIES)
async def test_the_contract_of_providers(
    name: str, far_end: FarEnd, context: ProviderContext
) -> None:
    assert load_factory(name) is FACTORIES[name], "found by its entry point"
    good = account(name, far_end)
    await check_contract(
        FACTORIES[name],
        account=good,
        bad_account=replace(good, secret_ref=None),
        context=context,
        message=MESSAGE,
        accepted=far_end.tokens,
    )


async def test_the_example_of_a_provider_keeps_the_contract(
    far_end: FarEnd, context: ProviderContext
) -> None:
    source = EXAMPLE
    assert len(source.read_text().splitlines()) <= 40
    spec = importlib.util.spec_from_file_location("acme_provider", source)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    good = account("acme", far_end, secret_ref="KEY")
    await check_contract(
        module.AcmeProvider,
        account=good,
        bad_account=replace(good, secret_ref=None),
        context=context,
        message=MESSAGE,
        accepted=far_end.tokens,
    )


async def test_ses_gets_the_message_as_smtp_would_and_a_valid_signature(
    far_end: FarEnd, context: ProviderContext
) -> None:
    provider = SesProvider(account("ses", far_end), context)
    result = await provider.send(MESSAGE)
    await provider.close()
    assert result.provider_message_id == "<0102-abc@eu-west-1.amazonses.com>"
    path, headers, raw = far_end.raw
    body = json.loads(raw)
    assert path == "/v2/email/outbound-emails"
    assert body["ConfigurationSetName"] == "drip"
    assert body["Destination"] == {"ToAddresses": ["ann@example.net"]}
    sent = email.message_from_bytes(
        base64.b64decode(body["Content"]["Raw"]["Data"]), policy=default
    )
    assert sent["Subject"] == "Gr\u00fc\u00dfe"
    assert sent["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    # signed anew at the same second, by the same library, with what arrived
    request = AWSRequest(
        "POST", far_end.url + path, data=raw, headers={"Content-Type": "application/json"}
    )
    request.context["timestamp"] = headers["x-amz-date"]
    signer = SigV4Auth(Credentials(*SECRETS["AWS"].split(":")), "ses", "eu-west-1")
    request.headers["X-Amz-Date"] = headers["x-amz-date"]
    canonical = signer.canonical_request(request)
    expected = signer.signature(signer.string_to_sign(request, canonical), request)
    assert headers["authorization"].endswith(f"Signature={expected}")


async def test_sendgrid_gets_token_headers_and_no_tracking(
    far_end: FarEnd, context: ProviderContext
) -> None:
    provider = SendgridProvider(account("sendgrid", far_end), context)
    result = await provider.send(MESSAGE)
    await provider.close()
    assert result.provider_message_id == "sg-1"
    _, headers, body = far_end.requests[-1]
    assert headers["authorization"] == "Bearer SG.secret"
    assert body["headers"]["List-Unsubscribe"] == "<https://mail.example.com/u/x>"
    assert body["content"] == [
        {"type": "text/plain", "value": "Hello"},
        {"type": "text/html", "value": "<p>Hello</p>"},
    ]
    assert not any(setting["enable"] for setting in body["tracking_settings"].values())


def _ses(code: str, message: str, status: int = 400) -> tuple[int, dict[str, str], bytes]:
    return (
        status,
        {"x-amzn-ErrorType": f"{code}:http://x"},
        json.dumps({"message": message}).encode(),
    )


def _sendgrid(
    field: str | None, message: str, status: int = 400
) -> tuple[int, dict[str, str], bytes]:
    return status, {}, json.dumps({"errors": [{"field": field, "message": message}]}).encode()


ANSWERS: dict[str, tuple[str, tuple[int, dict[str, str], bytes], str, str | None, int | None]] = {
    "SES slow down": ("ses", _ses("TooManyRequestsException", "rate", 429), "throttled", "throttled", 60),
    "SES quota": ("ses", _ses("LimitExceededException", "Daily message quota exceeded"), "throttled", "throttled", 3600),
    "SES suspended": ("ses", _ses("AccountSuspendedException", "x"), "sender_error", "sender_blocked", None),
    "SES paused": ("ses", _ses("SendingPausedException", "x"), "sender_error", "sender_blocked", None),
    "SES signature": ("ses", _ses("SignatureDoesNotMatchException", "x", 403), "sender_error", "sender_blocked", None),
    "SES sandbox": ("ses", _ses("MessageRejected", "Email address is not verified."), "sender_error", "sender_blocked", None),
    "SES refused": ("ses", _ses("MessageRejected", "Virus"), "rejected", "rejected_content", None),
    "SES down": ("ses", (503, {}, b"<html>"), "throttled", "throttled", 60),
    "SES broken": ("ses", (500, {}, b""), "retry", None, None),
    "SES 200 without an id": ("ses", (200, {}, b"{}"), "unknown", "outcome_unknown", None),
    "SendGrid slow down": ("sendgrid", (429, {"Retry-After": "17"}, b""), "throttled", "throttled", 17),
    "SendGrid date": ("sendgrid", (429, {"Retry-After": "Tue, 24 Nov 2026 09:02:00 GMT"}, b""), "throttled", "throttled", 120),
    "SendGrid key": ("sendgrid", _sendgrid(None, "The provided authorization grant is invalid", 401), "sender_error", "sender_blocked", None),
    "SendGrid sender": ("sendgrid", _sendgrid("from", "The from address does not match a verified Sender Identity", 403), "sender_error", "sender_blocked", None),
    "SendGrid recipient": ("sendgrid", _sendgrid("personalizations.0.to.0.email", "Does not contain a valid address."), "rejected", "invalid_address", None),
    "SendGrid content": ("sendgrid", _sendgrid("content", "too large", 413), "rejected", "rejected_content", None),
    "SendGrid redirect": ("sendgrid", (302, {"Location": "https://evil.example"}, b""), "unknown", "outcome_unknown", None),
    "SendGrid hangs up": ("sendgrid", (0, {}, b""), "unknown", "outcome_unknown", None),
}  # fmt: skip


@pytest.mark.parametrize("case", ANSWERS)
async def test_what_answers_mean_C2_X10(
    case: str, far_end: FarEnd, context: ProviderContext
) -> None:
    name, answer, outcome, reason, seconds = ANSWERS[case]
    far_end.answer = answer
    provider = FACTORIES[name](account(name, far_end), context)
    with pytest.raises(DeliveryError) as caught:
        await provider.send(MESSAGE)
    await provider.close()
    result: SendResult = caught.value.result
    assert (result.outcome, result.reason) == (outcome, reason)
    wanted = None if seconds is None else timedelta(seconds=seconds)
    assert result.retry_after == wanted
    assert "SG.secret" not in str(result)
    assert "wJalrX" not in str(result)


async def test_a_provider_that_is_not_there_waits_C2(context: ProviderContext) -> None:
    far_end = FarEnd()
    far_end.server.shutdown()
    far_end.server.server_close()
    for name, factory in FACTORIES.items():
        provider = factory(account(name, far_end), context)
        with pytest.raises(DeliveryError) as caught:
            await provider.send(MESSAGE)
        await provider.close()
        assert caught.value.result.outcome == "throttled"
