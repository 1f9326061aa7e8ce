"""``pgdrip whatsapp sync``: templates of WhatsApp numbers, as Meta lists them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import typer
from psycopg.types.json import Jsonb
from rich.table import Table
from rich.text import Text

from pgdrip.commands.session import (
    Connection,
    DatabaseUrlOption,
    OrganizationOption,
    Row,
    connect,
    database_url,
    out,
    use_organization,
)
from pgdrip.commands.terminal import one_line
from pgdrip.errors import PgdripError
from pgdrip.providers.base import DeliveryError
from pgdrip.providers.secrets import secret_resolver
from pgdrip.settings import load_settings

app = typer.Typer(help="WhatsApp Cloud API: templates and their status.", no_args_is_help=True)

_FIELDS = ("name", "language", "category", "status", "parameter_format", "components")
_PAGE = 100
#: No business has more templates.
_MAX_PAGES = 100


@app.callback()
def _group() -> None:
    """WhatsApp Cloud API: templates and their status."""


@app.command("sync")
def sync(organization: OrganizationOption = None, url: DatabaseUrlOption = None) -> None:
    """Bring the templates into force that Meta lists for the numbers of the organization.

    Asks with the access token of each number (its secret_ref, as the runner has it) for the
    templates of config.waba_id. A template that is not listed any more is deleted: its steps wait.
    """
    settings = load_settings(database_url=url)
    with connect(database_url(url)) as connection:
        organization_id = use_organization(connection, organization)
        rows = sync_templates(connection, organization_id, secret_resolver(settings.secret_dir))
    if not rows:
        typer.echo("There are no templates.")
        return
    table = Table("template", "language", "status", "")
    for row in rows:
        said = " ".join(one_line(str(row[key])) for key in ("outcome", "detail") if row[key])
        table.add_row(one_line(str(row["name"])), row["language"], row["status"], Text(said))
    out.print(table)


def sync_templates(
    connection: Connection, organization_id: int, secret: Callable[[str], str]
) -> list[Row]:
    """Fetch and store; the rows of ``drip.sync_whatsapp_templates``.

    WAS01: the libraries are missing; WAS02: no number has a ``waba_id``; WAS03: Meta refused.
    """
    accounts = connection.execute(
        "select a.key, a.config, a.secret_ref from drip.list_channel_accounts(%s) as a"
        " where a.provider = 'whatsapp_cloud' and a.config ->> 'waba_id' is not null"
        " order by a.key",
        (organization_id,),
    ).fetchall()
    if not accounts:
        raise PgdripError(
            "WAS02",
            "no sender of the provider whatsapp_cloud has config.waba_id",
            "Apply it: the id of the WhatsApp business account that owns the number.",
        )
    templates: list[dict[str, Any]] = []
    seen: set[str] = set()
    for account in accounts:
        business = str(account["config"]["waba_id"])
        if business not in seen:
            seen.add(business)
            templates += fetch_templates(account, business, secret)
    return connection.execute(
        "select s.name, s.language, s.status, s.outcome, s.detail"
        " from drip.sync_whatsapp_templates(%s, %s) as s",
        (organization_id, Jsonb(templates)),
    ).fetchall()


def fetch_templates(
    account: Row, business: str, secret: Callable[[str], str]
) -> list[dict[str, Any]]:
    """All templates of a business account, page by page, with the keys that pgdrip knows."""
    try:
        import httpx

        from pgdrip.providers.whatsapp_cloud import graph_address
    except ImportError as error:
        raise PgdripError(
            "WAS01",
            f"the extra providers is not installed: {error}",
            "Run: pip install 'pgdrip[providers]'",
        ) from error

    def failed(why: str) -> PgdripError:
        what = f"the templates of {account['key']} could not be fetched: {why}"
        return PgdripError("WAS03", what, "Nothing was changed; check token and config.waba_id.")

    found: list[dict[str, Any]] = []
    after: str | None = None
    try:
        endpoint, version = graph_address(account["config"])
        headers = {"Authorization": f"Bearer {secret(str(account['secret_ref'] or '')).strip()}"}
        with httpx.Client(base_url=endpoint, timeout=30, headers=headers) as client:
            for _ in range(_MAX_PAGES):
                # by the cursor: an address that an answer names gets no token of ours
                query = {"fields": ",".join(_FIELDS), "limit": str(_PAGE)}
                if after is not None:
                    query["after"] = after
                answer = client.get(f"/{version}/{business}/message_templates", params=query)
                page = answer.json()
                if not answer.is_success:
                    raise failed(str(page.get("error", {}).get("message") or answer.status_code))
                found += [_known(each) for each in page["data"]]
                paging = page.get("paging") or {}
                after = (paging.get("cursors") or {}).get("after") if "next" in paging else None
                if after is None:
                    return found
    except DeliveryError as error:
        raise failed(str(error.result.error_message)) from error
    except (httpx.HTTPError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise failed(type(error).__name__) from error
    raise failed("there is no end to them")


def _known(template: dict[str, Any]) -> dict[str, Any]:
    return {key: template[key] for key in _FIELDS if template.get(key) is not None}


def register(program: typer.Typer) -> None:
    """Add the command to the program."""
    program.add_typer(app, name="whatsapp")
