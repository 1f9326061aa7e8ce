"""``pgdrip serve``: unsubscribe pages, counted links and the pixel (extra ``web``)."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, LiteralString

import psycopg
import typer

from pgdrip.commands.session import DatabaseUrlOption, database_url, translate
from pgdrip.errors import PgdripError
from pgdrip.log import configure_logging
from pgdrip.providers.secrets import secret_resolver
from pgdrip.settings import load_settings


def _check_role(url: str, role: LiteralString) -> None:
    """Fail at the start, with words, where the login cannot take a role."""
    try:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("set role " + role)
            connection.execute("select drip.version()")
    except psycopg.errors.InsufficientPrivilege as error:
        raise PgdripError(
            "WEB02",
            f"the login may not act as {role}",
            f"Give it a login of its own: create role web login in role {role}.",
        ) from error
    except psycopg.Error as error:
        raise translate(error) from error


def _webhooks(secret_dir: Path | None) -> Callable[[Any], Callable[[Any], Any]]:
    """What makes the handler of webhooks. Raises WEB01 where its libraries are missing."""
    try:
        from pgdrip.web.webhooks import Webhooks
    except ImportError as error:
        raise PgdripError(
            "WEB01",
            f"the extra providers is not installed: {error}",
            "Run: pip install 'pgdrip[web,providers]'",
        ) from error
    secret = secret_resolver(secret_dir)
    return lambda pool: Webhooks(pool, secret=secret).receive


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on.")] = 8080,
    root_path: Annotated[
        str, typer.Option(help="The path of public_base_url, where it has one: /mail.")
    ] = "",
    page_views: Annotated[
        str, typer.Option(help="Page views allowed per client; unsubscribing is never limited.")
    ] = "60/minute",
    proxies: Annotated[
        str,
        typer.Option(help="Proxies (addresses, comma-separated) whose X-Forwarded-For counts."),
    ] = "127.0.0.1",
    webhooks: Annotated[
        bool,
        typer.Option(
            help="Take webhooks of providers at /webhooks/ORGANIZATION/ACCOUNT (extra providers);"
            " the login needs the role drip_runner as well."
        ),
    ] = False,
    url: DatabaseUrlOption = None,
) -> None:
    """Serve unsubscribe pages (/u/TOKEN), counted links (/c/TOKEN/N) and the pixel (/o/TOKEN.gif).

    /healthz and /readyz are for supervisors. Put TLS before it.
    """
    try:
        import uvicorn

        from pgdrip.web.app import make_app
    except ImportError as error:
        raise PgdripError(
            "WEB01", f"the extra web is not installed: {error}", "Run: pip install 'pgdrip[web]'"
        ) from error
    settings = load_settings(database_url=url)
    configure_logging(settings.log_format, settings.log_level)
    address = database_url(url)
    _check_role(address, "drip_public")
    receiver = None
    if webhooks:
        _check_role(address, "drip_runner")
        receiver = _webhooks(settings.secret_dir)
    prefix = f"/{root_path.strip('/')}" if root_path.strip("/") else ""
    try:
        app = make_app(address, root_path=prefix, page_views=page_views, webhooks=receiver)
    except ValueError as error:
        raise PgdripError(
            "WEB05", f"invalid option: {error}", "Use 60/minute, 5/second …"
        ) from error
    for number in (signal.SIGINT, signal.SIGTERM):
        # uvicorn stops gracefully, then raises the signal again for whoever was there before it
        signal.signal(number, lambda *_: None)
    uvicorn.run(
        app,
        host=host,
        port=port,
        # the addresses of requests hold tokens
        access_log=False,
        server_header=False,
        proxy_headers=True,
        forwarded_allow_ips=proxies,
        timeout_keep_alive=15,
        limit_concurrency=200,
        timeout_graceful_shutdown=15,
        log_level="warning",
    )


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("serve")(serve)
