"""What the SMTP tests share: a message, a provider for a server, and a self-signed certificate."""

from __future__ import annotations

import contextlib
import ssl
import subprocess
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pgdrip.demo.smtp_world import SmtpWorld
from pgdrip.providers.base import (
    Account,
    ClaimedMessage,
    DeliveryError,
    ProviderContext,
    SendResult,
)
from pgdrip.smtp import SmtpProvider

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)

MESSAGE = ClaimedMessage(
    organization_id=1,
    enrollment_id=7,
    claim_token=3,
    message_token="tok7",
    channel="email",
    channel_account_id=2,
    provider="smtp",
    to_address="ann@example.org",
    to_name="Ann Example",
    from_address="sales@sender.example",
    from_name="Sales",
    subject="Hello",
    text_body="Hi Ann",
    headers={"Message-ID": "<tok7@sender.example>"},
)


@contextlib.asynccontextmanager
async def provider_for(
    config: Mapping[str, Any], secrets: Mapping[str, str] | None = None, **account: Any
) -> AsyncIterator[SmtpProvider]:
    """A provider with this account configuration, closed at the end."""
    provider = SmtpProvider(
        Account(
            organization_id=1,
            channel_account_id=2,
            provider="smtp",
            config={"helo": "runner.example", "timeout_seconds": 5, **config},
            secret_ref=account.get("secret_ref"),
        ),
        ProviderContext(secret=lambda ref: (secrets or {})[ref], clock=lambda: NOW),
    )
    try:
        yield provider
    finally:
        await provider.close()


async def outcome_of(provider: SmtpProvider, message: ClaimedMessage) -> SendResult:
    """The result, whether it was returned or raised."""
    try:
        return await provider.send(message)
    except DeliveryError as error:
        return error.result


async def content_of(message: ClaimedMessage, **config: Any) -> bytes:
    """The bytes that a server receives for this message."""
    async with (
        SmtpWorld(keep_content=True) as world,
        provider_for({**world.config, **config}) as provider,
    ):
        await provider.send(message)
    (accepted,) = world.accepted
    assert accepted.content is not None
    return accepted.content


def changed(**values: Any) -> ClaimedMessage:
    """``MESSAGE`` with other values."""
    return replace(MESSAGE, **values)


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """A self-signed certificate for localhost: paths of certificate and key."""
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    subprocess.run(
        [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=localhost",
            "-addext",
            "subjectAltName=DNS:localhost,IP:127.0.0.1",
            "-keyout",
            str(key),
            "-out",
            str(certificate),
        ],
        check=True,
        capture_output=True,
    )
    return certificate, key


def server_tls(certificate: Path, key: Path) -> ssl.SSLContext:
    """The server's side of TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context
