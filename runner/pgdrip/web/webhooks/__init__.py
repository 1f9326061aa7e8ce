"""Webhooks of providers: ``POST /webhooks/ORGANIZATION/ACCOUNT``, signed, stored, then answered.

The address names the sender; its ``config.webhook`` says how its provider signs. What is not signed
is not read. What is signed is answered with 200 once the database has it; with 503 where it has
not, so that the provider repeats. Each provider is a module here, and a line in ``SOURCES``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, LiteralString

import httpx
import psycopg
from psycopg.types.json import Jsonb
from psycopg_pool import PoolTimeout
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response

from pgdrip.log import get_logger
from pgdrip.providers.base import DeliveryError
from pgdrip.providers.secrets import secret_resolver
from pgdrip.web.webhooks.gateways import EvolutionSource, WahaSource
from pgdrip.web.webhooks.sendgrid import SendgridSource
from pgdrip.web.webhooks.ses import SesSource
from pgdrip.web.webhooks.source import Call, Fact, Facts, Fetch, Refused, SourceFactory, Tools
from pgdrip.web.webhooks.whatsapp_cloud import WhatsappCloudSource

#: A batch has a thousand events or so.
MAX_BODY = 5 * 1024 * 1024
#: Facts per call of the database.
_BATCH = 500

SOURCES: dict[str, SourceFactory] = {
    "ses": SesSource,
    "sendgrid": SendgridSource,
    "waha": WahaSource,
    "evolution": EvolutionSource,
    "whatsapp_cloud": WhatsappCloudSource,
}
log = get_logger()


async def fetch_over_https(url: str) -> bytes:
    """What is at an address of the provider; no redirects, nothing large."""
    async with httpx.AsyncClient(timeout=10, follow_redirects=False) as client:
        answer = await client.get(url)
        answer.raise_for_status()
        return answer.content[:100_000]


class Webhooks:
    """The handler, over a pool of connections that are ``drip_runner``."""

    def __init__(
        self,
        pool: Any,
        fetch: Fetch = fetch_over_https,
        secret: Callable[[str], str] | None = None,
    ) -> None:
        self.pool = pool
        tools = Tools(fetch=fetch, secret=secret or secret_resolver())
        self.sources = {name: make(tools) for name, make in SOURCES.items()}

    async def receive(self, request: Request) -> Response:
        """Check, store, answer."""
        organization_id = request.path_params["organization"]
        account = str(request.path_params["account"])[:100].replace("\0", "")
        try:
            if organization_id >= 2**63:
                return PlainTextResponse("not found\n", 404)
            settings = await self._settings(organization_id, account)
            source = self.sources.get(str(settings.get("provider"))) if settings else None
            if settings is None or source is None:
                return PlainTextResponse("not found\n", 404)
            call = Call(settings=settings, headers=request.headers, query=request.query_params)
            if request.method != "POST":
                answer = await source.challenge(call)
                if answer is None:
                    return PlainTextResponse("method not allowed\n", 405, {"Allow": "POST"})
                return PlainTextResponse(answer)
            body = await self._body(request)
            if body is None:
                return PlainTextResponse("too large\n", 413)
            facts = await source.read(
                Call(settings=settings, headers=call.headers, query=call.query, body=body)
            )
            await self._store(organization_id, account, facts)
        except Refused as problem:
            log.warning("webhook refused", code="WEB07", account=account, reason=str(problem))
            return PlainTextResponse("not signed by the provider\n", 401)
        except DeliveryError as problem:
            # a secret that is missing here is not the provider's fault, and may come back
            log.error("webhook failed", code="WEB08", account=account, error=str(problem))
            return PlainTextResponse("try again\n", 503, {"Retry-After": "60"})
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

    async def _store(self, organization_id: int, account: str, facts: Facts) -> None:
        await self._store_batches(
            "select outcome, detail from drip.record_provider_events(%s, %s)"
            " where outcome = 'invalid'",
            (organization_id,),
            account,
            facts.events,
        )
        await self._store_messages(organization_id, account, facts.messages)
        await self._store_batches(
            "select outcome, detail from drip.record_account_reports(%s, %s, %s)"
            " where outcome = 'invalid'",
            (organization_id, account),
            account,
            facts.reports,
        )

        for connection in facts.connections:
            await self._store_connection(organization_id, account, connection)

    async def _store_connection(self, organization_id: int, account: str, connection: Fact) -> None:
        async with self.pool.connection() as session:
            cursor = await session.execute(
                "select drip.record_connection(%s, %s, %s)",
                (organization_id, account, Jsonb(connection)),
            )
            [(answer,)] = await cursor.fetchall()
        if answer in ("blocked", "resumed"):
            log.warning("sender " + answer, account=account, connection=connection)

    async def _store_batches(
        self, statement: LiteralString, keys: tuple[object, ...], account: str, facts: list[Fact]
    ) -> None:
        """One statement, and so one transaction, for each batch."""
        for start in range(0, len(facts), _BATCH):
            async with self.pool.connection() as connection:
                batch = Jsonb(facts[start : start + _BATCH])
                cursor = await connection.execute(statement, (*keys, batch))
                for _, detail in await cursor.fetchall():
                    self._not_understood(account, detail)

    async def _store_messages(
        self, organization_id: int, account: str, messages: list[Fact]
    ) -> None:
        """Each for itself: one that cannot be read stops no other."""
        if not messages:
            return
        async with self.pool.connection() as connection:
            for message in messages:
                try:
                    await connection.execute(
                        "select drip.record_inbound(%s, %s)", (organization_id, Jsonb(message))
                    )
                except psycopg.Error as problem:
                    if problem.sqlstate != "PT422":
                        raise
                    self._not_understood(account, problem.diag.message_detail)

    def _not_understood(self, account: str, detail: str | None) -> None:
        log.warning("report not understood", code="WEB09", account=account, detail=detail)
