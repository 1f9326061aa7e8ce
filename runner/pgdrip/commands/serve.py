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
from pgdrip.settings import Settings, load_settings

_SHORTEST_TOKEN = 20
_MORE_THAN_ANALYSTS = ("drip_app", "drip_runner", "drip_owner", "drip_engine", "drip_simulator")
_ANALYST_HINT = (
    "Give it a login of its own: create role report login password '…' in role drip_analyst;"
    " and bind it: insert into drip_core.login_organizations (organization_id, login)"
    " values (1, 'report');"
)


def _check_role(url: str, role: LiteralString) -> None:
    """Fail at the start, with words, where the login cannot take a role."""
    try:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("set role " + role)
            # what both roles may call; the token names nothing
            connection.execute("select drip.unsubscribe_info('')")
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


def _report(settings: Settings) -> tuple[str, Callable[[], str]] | None:
    """The report's login and what tells its token; None where it is not configured.

    Raises WEB10 for a configuration that would show more than it should, or to more than it should,
    WEB01 where the extra is missing.
    """
    if settings.report_token is None and settings.report_token_file is None:
        return None
    try:
        from pgdrip.web import report
    except ImportError as error:
        raise PgdripError(
            "WEB01",
            f"the extra report is not installed: {error}",
            "Run: pip install 'pgdrip[web,report]'",
        ) from error
    del report
    read_report_token(settings)
    if settings.report_database_url is None:
        raise PgdripError(
            "WEB10",
            "the report has a token, but no login of its own",
            "Set PGDRIP_REPORT_DATABASE_URL to a login in role drip_analyst: docs/reporting.md.",
        )
    url = settings.report_database_url.get_secret_value()
    _check_analyst(url)
    return url, lambda: read_report_token(settings)


def read_report_token(settings: Settings) -> str:
    """The token, from its file where there is one. Raises WEB10 for none, or a guessable one."""
    token = settings.report_token.get_secret_value() if settings.report_token else ""
    if settings.report_token_file is not None:
        try:
            token = settings.report_token_file.read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise PgdripError(
                "WEB10",
                f"PGDRIP_REPORT_TOKEN_FILE cannot be read: {type(error).__name__}",
                "It names a file with nothing but the token.",
            ) from error
    if len(token) < _SHORTEST_TOKEN:
        raise PgdripError(
            "WEB10",
            f"the token of the report has less than {_SHORTEST_TOKEN} characters",
            "Make one: openssl rand -hex 32",
        )
    return token


def _check_analyst(url: str) -> None:
    """Refuse a login that may do more than read the reports of one organization."""
    try:
        with psycopg.connect(url, autocommit=True) as connection:
            found = connection.execute(
                "select r.rolname from pg_roles as r where r.rolname = any (%s)"
                " and pg_has_role(session_user, r.oid, 'member')",
                (list(_MORE_THAN_ANALYSTS),),
            ).fetchall()
            connection.execute("set role drip_analyst")
            row = connection.execute("select drip_core.current_organization()").fetchone()
    except psycopg.errors.InsufficientPrivilege as error:
        raise PgdripError(
            "WEB10", "the report's login may not act as drip_analyst", _ANALYST_HINT
        ) from error
    except psycopg.Error as error:
        raise translate(error) from error
    if found:
        also = ", ".join(sorted(name for (name,) in found))
        raise PgdripError("WEB10", f"the report's login may also act as {also}", _ANALYST_HINT)
    if row is None or row[0] is None:
        raise PgdripError(
            "WEB10", "the report's login is not bound to one organization", _ANALYST_HINT
        )


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

    With PGDRIP_REPORT_TOKEN (or PGDRIP_REPORT_TOKEN_FILE) and PGDRIP_REPORT_DATABASE_URL also the
    report, at /report. /healthz and /readyz are for supervisors. Put TLS before it.
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
    report = _report(settings)
    prefix = f"/{root_path.strip('/')}" if root_path.strip("/") else ""
    try:
        app = make_app(
            address, root_path=prefix, page_views=page_views, webhooks=receiver, report=report
        )
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
