"""Webhooks of providers: ``POST /webhooks/ORGANIZATION/ACCOUNT``, signed, stored, then answered.

The address names the sender; its ``config.webhook`` says how its provider signs (SendGrid:
``public_key``; SES over SNS: ``topic_arn``). What is not signed is not read. What is signed is
answered with 200 once the database has it; with 503 where it has not, so that the provider repeats.
"""

from __future__ import annotations

import json
from typing import Any

import httpx
import psycopg
from psycopg.types.json import Jsonb
from psycopg_pool import PoolTimeout
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response

from pgdrip.log import get_logger
from pgdrip.web.webhooks.mapping import Event, to_event
from pgdrip.web.webhooks.signatures import (
    Fetch,
    Refused,
    SnsVerifier,
    check_sendgrid,
    is_sns_address,
)

#: A batch of SendGrid has a thousand events or so.
MAX_BODY = 5 * 1024 * 1024
PROVIDERS = ("ses", "sendgrid")
log = get_logger()


async def fetch_over_https(url: str) -> bytes:
    """What is at an address of the provider; no redirects, nothing large."""
    async with httpx.AsyncClient(timeout=10, follow_redirects=False) as client:
        answer = await client.get(url)
        answer.raise_for_status()
        return answer.content[:100_000]


class Webhooks:
    """The handler, over a pool of connections that are ``drip_runner``."""

    def __init__(self, pool: Any, fetch: Fetch = fetch_over_https) -> None:
        self.pool = pool
        self.fetch = fetch
        self.sns = SnsVerifier(fetch)

    async def receive(self, request: Request) -> Response:
        """Check, store, answer."""
        organization_id = request.path_params["organization"]
        account = str(request.path_params["account"])[:100].replace("\0", "")
        try:
            if organization_id >= 2**63:
                return PlainTextResponse("not found\n", 404)
            settings = await self._settings(organization_id, account)
            if settings is None or settings.get("provider") not in PROVIDERS:
                return PlainTextResponse("not found\n", 404)
            body = await self._body(request)
            if body is None:
                return PlainTextResponse("too large\n", 413)
            events = await self._events(settings, request, body)
            for start in range(0, len(events), 500):
                await self._store(organization_id, account, events[start : start + 500])
        except Refused as problem:
            log.warning("webhook refused", code="WEB07", account=account, reason=str(problem))
            return PlainTextResponse("not signed by the provider\n", 401)
        except (psycopg.Error, PoolTimeout, httpx.HTTPError, ClientDisconnect) as problem:
            # 5xx: the provider tries again
            log.error("webhook failed", code="WEB08", error=type(problem).__name__)
            return PlainTextResponse("try again\n", 503, {"Retry-After": "60"})
        return PlainTextResponse("ok\n")

    async def _settings(self, organization_id: int, account: str) -> dict[str, Any] | None:
        try:
            async with self.pool.connection() as connection:
                cursor = await connection.execute(
                    "select drip.webhook_settings(%s, %s)", (organization_id, account)
                )
                [(settings,)] = await cursor.fetchall()
        except psycopg.Error as problem:
            if problem.sqlstate == "PT404":
                return None
            raise
        return dict(settings) if settings is not None else None

    async def _body(self, request: Request) -> bytes | None:
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_BODY:
                return None
        return bytes(body)

    async def _events(self, settings: dict[str, Any], request: Request, body: bytes) -> list[Event]:
        if settings["provider"] == "sendgrid":
            prefix = "X-Twilio-Email-Event-Webhook-"
            check_sendgrid(
                str(settings.get("public_key", "")),
                request.headers.get(f"{prefix}Signature", ""),
                request.headers.get(f"{prefix}Timestamp", ""),
                body,
            )
            return self._of_sendgrid(body)
        message = await self.sns.check(str(settings.get("topic_arn", "")), body)
        if message.get("Type") == "SubscriptionConfirmation":
            await self._confirm(message)
            return []
        if message.get("Type") != "Notification":
            return []
        return self._of_ses(message)

    def _of_sendgrid(self, body: bytes) -> list[Event]:
        try:
            reports = json.loads(body)
        except ValueError:
            reports = None
        if not isinstance(reports, list):
            log.warning("webhook without reports", code="WEB09", provider="sendgrid")
            return []
        events = [to_event("sendgrid", report) for report in reports]
        return [event for event in events if event is not None]

    def _of_ses(self, message: dict[str, Any]) -> list[Event]:
        try:
            report = json.loads(str(message.get("Message", "")))
        except ValueError:
            # the first one only says that the topic works
            return []
        event = to_event("ses", report, str(message.get("MessageId", "")) or None)
        return [event] if event is not None else []

    async def _confirm(self, message: dict[str, Any]) -> None:
        """Visit the address that confirms the subscription of the configured topic."""
        url = str(message.get("SubscribeURL", ""))
        if not is_sns_address(url):
            raise Refused("the confirmation is not at Amazon's")
        await self.fetch(url)
        log.info("subscription confirmed", topic=message.get("TopicArn"))

    async def _store(self, organization_id: int, account: str, events: list[Event]) -> None:
        async with self.pool.connection() as connection:
            cursor = await connection.execute(
                "select outcome, detail from drip.record_provider_events(%s, %s)"
                " where outcome = 'invalid'",
                (organization_id, Jsonb(events)),
            )
            for _, detail in await cursor.fetchall():
                log.warning("report not understood", code="WEB09", account=account, detail=detail)
