"""The report for operators at ``/report``: read-only, behind a token, off unless configured.

Programs send the token as ``Authorization: Bearer``; people type it into a form once and get a
session cookie that holds a signature, not the token. Neither is ever part of an address, and
nothing is logged but that somebody was refused.

It works as ``drip_analyst`` on a pool of its own, over a login that is bound to one organization,
in read-only transactions.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable
from datetime import date
from typing import Any
from urllib.parse import parse_qs

import psycopg
from anyio import to_thread
from limits import RateLimitItem, parse
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import MovingWindowRateLimiter
from psycopg.rows import dict_row
from psycopg_pool import PoolTimeout
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from pgdrip.errors import PgdripError
from pgdrip.log import get_logger
from pgdrip.page import document
from pgdrip.reports import Filters, Row, arguments, queries

#: The prefix makes browsers insist on Secure, Path=/ and no Domain.
COOKIE = "__Host-pgdrip-report"
SESSION_SECONDS = 8 * 3600
#: Wrong tokens per client; until the minute is over a right one is refused as well.
FAILURES = "10/minute"
MAX_BODY = 4 * 1024

log = get_logger()


async def become_analyst(connection: psycopg.AsyncConnection[Any]) -> None:
    """Give up whatever the login may do but reading reports, and never wait for long."""
    await connection.set_autocommit(True)
    await connection.execute("set role drip_analyst")
    await connection.execute("set statement_timeout = '10s'")


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def sign(token: str, expires: int) -> str:
    """The value of a session cookie: when it ends, and a signature that only the token makes."""
    stamp = f"pgdrip report {expires}".encode()
    return f"{expires}.{hmac.new(_digest(token), stamp, 'sha256').hexdigest()}"


def is_signed(token: str, value: str, now: float) -> bool:
    """Whether the cookie was made with this token and has not ended."""
    expires, _, _ = value.partition(".")
    if not (expires.isascii() and expires.isdigit() and len(expires) <= 12):
        return False
    genuine = hmac.compare_digest(sign(token, int(expires)).encode(), value.encode())
    return genuine and now < int(expires)


def read_filters(query: Any) -> Filters:
    """``sequence``, ``since`` and ``until`` of the address; 400 for a day that is none."""
    try:
        since, until = (
            date.fromisoformat(query[name]) if query.get(name) else None
            for name in ("since", "until")
        )
    except ValueError:
        raise HTTPException(400) from None
    return Filters(query.get("sequence", "").replace("\0", "") or None, since, until)


class ReportPages:
    """The handlers. ``token`` is asked each time, so that a rotated secret file is seen."""

    def __init__(self, pool: Any, token: Callable[[], str], views: RateLimitItem) -> None:
        self.pool = pool
        self._token = token
        self.views, self.failures = views, parse(FAILURES)
        self.limiter = MovingWindowRateLimiter(MemoryStorage())

    def routes(self) -> list[Route]:
        """All of them; any other method is answered with 405."""
        return [
            Route("/report", self.show, methods=["GET"]),
            Route("/report/login", self.login, methods=["POST"]),
            Route("/report/logout", self.logout, methods=["POST"]),
        ]

    def token(self) -> str:
        """The token as it is now; 503 where its file is gone, or holds none."""
        try:
            return self._token()
        except PgdripError as problem:
            log.error("report has no token", code=problem.code, error=problem.message)
            raise HTTPException(503) from None

    async def show(self, request: Request) -> Response:
        """The report for who may see it; for others the form that asks for the token."""
        client = _client(request)
        if not await self.limiter.hit(self.views, "view", client):
            return _refusal(429, "Too many requests. Try again in a minute.", None)
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            refusal = await self.check(given.strip(), client)
            if refusal is not None:
                return refusal
        elif not is_signed(self.token(), request.cookies.get(COOKIE, ""), time.time()):
            return _refusal(401)
        filters = read_filters(request.query_params)
        try:
            rows = await self.read(filters)
        except (psycopg.Error, PoolTimeout) as problem:
            log.error("report failed", code="WEB12", error=type(problem).__name__)
            return _refusal(503, "The database does not answer. Try again in a minute.", None)
        # drawing takes a while, and unsubscribing must not wait for it
        body = await to_thread.run_sync(lambda: document.render(rows, filters, served=True))
        return _html(body)

    async def read(self, filters: Filters) -> dict[str, list[Row]]:
        """Rows of every query, of one instant."""
        rows = {}
        async with (
            self.pool.connection() as connection,
            connection.transaction(),
            connection.cursor(row_factory=dict_row) as cursor,
        ):
            await cursor.execute("set transaction isolation level repeatable read, read only")
            await cursor.execute("select drip_core.current_organization() as id")
            [organization] = await cursor.fetchall()
            values = arguments(organization["id"], filters)
            for name, statement in queries(filters).items():
                await cursor.execute(statement, values)
                rows[name] = await cursor.fetchall()
        return rows

    async def login(self, request: Request) -> Response:
        """A right token makes a session; the form comes back otherwise."""
        refusal = await self.check(await _typed_token(request), _client(request), form="login")
        if refusal is not None:
            return refusal
        response = RedirectResponse("../report", 303)
        response.set_cookie(
            COOKIE,
            sign(self.token(), int(time.time()) + SESSION_SECONDS),
            max_age=SESSION_SECONDS,
            path="/",
            secure=True,
            httponly=True,
            samesite="strict",
        )
        return response

    async def logout(self, request: Request) -> Response:
        """The browser forgets its session."""
        response = RedirectResponse("../report", 303)
        response.delete_cookie(COOKIE, path="/", secure=True, httponly=True, samesite="strict")
        return response

    async def check(self, given: str, client: str, form: str = "report/login") -> Response | None:
        """None for the right token, else the answer; a client that only guesses is not heard."""
        if not await self.limiter.test(self.failures, "token", client):
            return _refusal(429, "Too many wrong tokens. Try again in a minute.", form)
        if hmac.compare_digest(_digest(given), _digest(self.token())):
            return None
        await self.limiter.hit(self.failures, "token", client)
        log.warning("report refused: wrong token", code="WEB11", client=client)
        return _refusal(401, "That is not the token.", form)


def _client(request: Request) -> str:
    return request.client.host if request.client else ""


async def _typed_token(request: Request) -> str:
    """The token in the body of the form."""
    body = b""
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_BODY:
                raise HTTPException(413)
    except ClientDisconnect:
        return ""
    fields = parse_qs(body.decode("utf-8", "replace"), max_num_fields=5)
    return fields.get("token", [""])[0].strip()


def _refusal(status: int, problem: str = "", form: str | None = "report/login") -> Response:
    """A page with the problem and, unless ``None``, the form with this (relative) target."""
    headers = {"WWW-Authenticate": 'Bearer realm="pgdrip report"'} if status == 401 else {}
    if status in {429, 503}:
        headers["Retry-After"] = "60"
    return _html(document.render_login(problem, form), status, headers)


def _html(body: str, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    policy = {"Content-Security-Policy": document.POLICY}
    return HTMLResponse(body, status, {**policy, **(headers or {})})
