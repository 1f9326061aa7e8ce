"""The ASGI application: pages behind unsubscribe links, links that are counted, and the pixel.

GET shows and POST unsubscribes (RFC 8058); a GET of a link or the pixel is written down as a hit,
and changes nothing else.

It works as ``drip_public``, which may call the token functions and nothing else; every connection
takes that role before its first statement, whatever the login may be. Addresses of requests are not
logged: the token in them is all that is needed to unsubscribe.
"""

from __future__ import annotations

import base64
import ipaddress
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import psycopg
from limits import RateLimitItem, parse
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import MovingWindowRateLimiter
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool, PoolTimeout
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pgdrip.log import get_logger
from pgdrip.web.pages import SECURITY_HEADERS, choose_language, load_texts, render

#: What is read of a request's body: one-click bodies have 26 bytes, or a few hundred as multipart.
MAX_BODY = 16 * 1024
#: Tokens of our links have 66 characters; nothing longer reaches the database.
MAX_TOKEN = 200
#: Links of a body are numbered; no body has more.
MAX_LINK = 100_000
#: What is kept of a user agent.
MAX_AGENT = 500
#: A transparent picture of one pixel.
PIXEL = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")

Connection = psycopg.AsyncConnection[TupleRow]
log = get_logger()


async def become_public(connection: Connection) -> None:
    """Give up whatever the login may do but the token functions, and never wait for long."""
    await connection.set_autocommit(True)
    await connection.execute("set role drip_public")
    await connection.execute("set statement_timeout = '10s'")
    # rows are a tenant's to hold, connections are everybody's
    await connection.execute("set lock_timeout = '1s'")


async def become_runner(connection: Connection) -> None:
    """Give up whatever the login may do but what a runner may, and never wait for long."""
    await connection.set_autocommit(True)
    await connection.execute("set role drip_runner")
    await connection.execute("set statement_timeout = '25s'")
    await connection.execute("set lock_timeout = '3s'")


class SecurityHeaders:
    """Puts the security headers on every response, errors of the framework included.

    A header that the response has already is its own: the report allows its style sheet.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = {name.lower() for name, _ in message["headers"]}
                ours = ((k.lower().encode(), v.encode()) for k, v in SECURITY_HEADERS.items())
                message["headers"] = [
                    *message["headers"],
                    *((name, value) for name, value in ours if name not in given),
                ]
            await send(message)

        await self.app(scope, receive, send_with_headers)


def _token(request: Request) -> str:
    """The token of the address; a text of PostgreSQL has no NUL."""
    return str(request.path_params["token"])[:MAX_TOKEN].replace("\0", "")


def _visitor(request: Request) -> tuple[str | None, str | None]:
    """User agent and IP address of who asks, as far as they can be told."""
    agent = request.headers.get("user-agent")
    host = request.client.host if request.client else ""
    try:
        address = str(ipaddress.ip_address(host.partition("%")[0]))
    except ValueError:
        address = None
    return agent[:MAX_AGENT].replace("\0", "") if agent is not None else None, address


class PublicPages:
    """The handlers, with their connection pool, their texts and their limit of page views."""

    def __init__(self, pool: AsyncConnectionPool[Connection], views: RateLimitItem) -> None:
        self.pool = pool
        self.texts = load_texts()
        self.views = views
        self.limiter = MovingWindowRateLimiter(MemoryStorage())

    async def ask(self, statement: str, *args: object, read_only: bool) -> Any:
        """What a token function answers; a page view cannot write even if it wanted to."""
        async with self.pool.connection() as connection, connection.transaction():
            if read_only:
                await connection.execute("set transaction read only")
            cursor = await connection.execute(statement.encode(), args)
            [(answer,)] = await cursor.fetchall()
            return answer

    def page(
        self, request: Request, kind: str, info: dict[str, Any], status: int = 200, **more: Any
    ) -> Response:
        language = choose_language(request.headers.get("accept-language", ""), self.texts)
        headers = {"Content-Language": language, "Vary": "Accept-Language"}
        if status in {429, 503}:
            headers["Retry-After"] = "60"
        body = render(language, self.texts[language], kind, info, **more)
        return HTMLResponse(body, status, headers)

    async def unsubscribe(self, request: Request) -> Response:
        """GET and HEAD show the page; POST unsubscribes, whatever its body says, and answers 200.

        A page view is limited per client. A POST is not: mailbox providers send those of many
        people from few addresses, and one that is refused is one that is lost.
        """
        token = _token(request)
        try:
            if request.method == "POST":
                source = await self.source(request)
                await self.ask("select drip.unsubscribe(%s, %s)", token, source, read_only=False)
                info = await self.ask("select drip.unsubscribe_info(%s)", token, read_only=True)
                return self.page(request, "done", info)
            client = request.client.host if request.client else ""
            if not await self.limiter.hit(self.views, client):
                return self.page(request, "too_many", {}, 429)
            info = await self.ask("select drip.unsubscribe_info(%s)", token, read_only=True)
        except (psycopg.Error, PoolTimeout) as problem:
            # 5xx: a mailbox provider tries again
            log.error("unsubscribe failed", code="WEB03", error=type(problem).__name__)
            return self.page(request, "failed", {}, 503)
        if info["status"] == "unsubscribed":
            return self.page(request, "done", info)
        return self.page(request, "question", info, form=True)

    async def click(self, request: Request) -> Response:
        """GET leads on to where the body led when it was published; HEAD does, and is no click."""
        token, link = _token(request), request.path_params["link"]
        try:
            if link > MAX_LINK:
                url = None
            elif request.method == "HEAD":
                statement = "select drip.click_target(%s, %s)"
                url = await self.ask(statement, token, link, read_only=True)
            else:
                statement = "select drip.record_click(%s, %s, %s, %s)"
                visitor = _visitor(request)
                url = await self.ask(statement, token, link, *visitor, read_only=False)
        except (psycopg.Error, PoolTimeout) as problem:
            log.error("click failed", code="WEB06", error=type(problem).__name__)
            return self.page(request, "failed", {}, 503)
        if url is None:
            return self.page(request, "no_link", {}, 404)
        return RedirectResponse(url, 302)

    async def pixel(self, request: Request) -> Response:
        """The picture, always; what is known of the visit is written down, but not of a HEAD."""
        if request.method == "GET":
            try:
                statement = "select drip.record_open(%s, %s, %s)"
                await self.ask(statement, _token(request), *_visitor(request), read_only=False)
            except (psycopg.Error, PoolTimeout) as problem:
                log.error("open failed", code="WEB06", error=type(problem).__name__)
        return Response(PIXEL, media_type="image/gif")

    async def source(self, request: Request) -> str:
        """``one_click`` for the body of RFC 8058 in either encoding, else ``link``."""
        body = b""
        try:
            async for chunk in request.stream():
                body += chunk
                if len(body) > MAX_BODY:
                    raise HTTPException(413)
        except ClientDisconnect:
            # it was asked for, whoever is still listening
            pass
        return "one_click" if b"List-Unsubscribe" in body else "link"

    async def health(self, request: Request) -> Response:
        """The process answers."""
        return PlainTextResponse("ok\n")

    async def ready(self, request: Request) -> Response:
        """The database answers."""
        try:
            async with self.pool.connection(timeout=5) as connection:
                # what this role may run; the token names nothing
                await connection.execute("select drip.unsubscribe_info('')")
        except (psycopg.Error, PoolTimeout):
            return PlainTextResponse("the database does not answer\n", 503)
        return PlainTextResponse("ok\n")


async def _http_problem(request: Request, problem: Exception) -> Response:
    status = problem.status_code if isinstance(problem, HTTPException) else 500
    headers = problem.headers if isinstance(problem, HTTPException) else None
    if status == 500:
        log.error("request failed", code="WEB04", error=type(problem).__name__)
    words = {404: "not found", 405: "method not allowed", 413: "too large"}
    return PlainTextResponse(f"{words.get(status, 'error')}\n", status, headers)


def make_app(
    url: str,
    *,
    root_path: str = "",
    page_views: str = "60/minute",
    pool_size: int = 4,
    on_checkout: Callable[[Any], Awaitable[None]] = AsyncConnectionPool.check_connection,
    webhooks: Callable[[Any], Callable[[Request], Awaitable[Response]]] | None = None,
    report: tuple[str, Callable[[], str]] | None = None,
) -> ASGIApp:
    """The application over a database; ``root_path`` is the path of ``public_base_url``, if any.

    ``on_checkout`` sees each connection before it is used (the demo sets its clock there).
    ``webhooks`` makes the handler of ``/webhooks/ORGANIZATION/ACCOUNT`` from a pool of connections
    that are ``drip_runner``; without it there are none.
    ``report`` is the URL of the analysts' login and what tells the token that ``/report`` asks for;
    without it there is none.
    """

    def make_pool(
        name: str,
        configure: Callable[[Connection], Awaitable[None]],
        url: str = url,
        size: int = pool_size,
    ) -> Any:
        return AsyncConnectionPool[Connection](
            url,
            min_size=1,
            max_size=size,
            open=False,
            configure=configure,
            timeout=5,
            check=on_checkout,
            kwargs={"application_name": "pgdrip serve"},
            name=name,
        )

    pool = make_pool("public", become_public)
    pools = [pool]
    pages = PublicPages(pool, parse(page_views))

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        for each in pools:
            await each.open()
        try:
            yield
        finally:
            for each in pools:
                await each.close()

    handler: Callable[[Request], Awaitable[Response]] = pages.unsubscribe
    methods = ["GET", "POST"]
    routes = [
        Route("/u/{token}", handler, methods=methods),
        # answered, not redirected: RFC 8058 forbids that
        Route("/u/{token}/", handler, methods=methods),
        Route("/c/{token}/{link:int}", pages.click),
        Route("/o/{token}.gif", pages.pixel),
    ]
    if webhooks is not None:
        pools.append(make_pool("webhooks", become_runner))
        receive = webhooks(pools[-1])
        path = "/webhooks/{organization:int}/{account}"
        routes.append(Route(path, receive, methods=["GET", "POST"]))
    if report is not None:
        from pgdrip.web.report import ReportPages, become_analyst

        analysts, token = report
        pools.append(make_pool("report", become_analyst, analysts, 2))
        routes += ReportPages(pools[-1], token, parse(page_views)).routes()
    app = Starlette(
        routes=[
            Route("/healthz", pages.health),
            Route("/readyz", pages.ready),
            *([Mount(root_path, routes=routes)] if root_path else []),
            *routes,
        ],
        lifespan=lifespan,
        exception_handlers={HTTPException: _http_problem, Exception: _http_problem},
    )
    app.router.redirect_slashes = False
    return SecurityHeaders(app)
