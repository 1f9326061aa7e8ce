"""``pgdrip lanes``: what it shows of senders, to whom, and how it steers them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg import sql
from typer.testing import CliRunner, Result

from campaign import Campaign, open_campaign
from conftest import Connect
from engine import Engine
from pgdrip.cli import app

LOGINS = {
    "drip_test_analyst": "drip_analyst",
    "drip_test_runner": "drip_runner",
    "drip_test_app": "drip_app",
    "drip_test_both": "drip_runner, drip_analyst",
}


def lanes(url: str, *arguments: str, login: str | None = None, columns: int = 200) -> Result:
    """Run ``pgdrip lanes`` in this process, on a terminal of so many columns, as this login."""
    if login is not None:
        url = psycopg.conninfo.make_conninfo(url, user=login, password="secret")
    environment = {"DATABASE_URL": url, "COLUMNS": str(columns), "PGDRIP_ORGANIZATION": ""}
    return CliRunner().invoke(app, ["lanes", *arguments], env=environment)


def failure(result: Result) -> str:
    """The message of the error that ended the command."""
    assert result.exit_code == 1
    return str(result.exception)


@pytest.fixture
def campaign(database: str) -> Iterator[Campaign]:
    """Two organizations on the real clock: Test with two senders, Other with one."""
    for campaign in open_campaign(database, now=None):
        connection = campaign.connection
        with connection.transaction():
            other = campaign.row("select drip.create_organization(name => 'Other') as id")["id"]
            connection.execute("select set_config('drip.organization_id', %s, true)", (str(other),))
            connection.execute(
                'select drip.apply_channel_account(%s, \'{"key": "theirs", "channel":'
                ' "email", "provider": "noop", "address": "x@other.example"}\')',
                (other,),
            )
        campaign.account(provider="noop", daily_limit=1)
        campaign.account("second", provider="noop")
        yield campaign


@pytest.fixture
def logins(database: str, connect: Connect) -> Iterator[None]:
    """A login for each role; gone with the test."""
    admin = connect(database)
    for login, roles in LOGINS.items():
        name = sql.Identifier(login)
        admin.execute(sql.SQL("create role {} login password 'secret'").format(name))
        admin.execute(sql.SQL("grant {} to {}").format(sql.SQL(roles), name))
    yield
    for login in LOGINS:
        admin.execute(sql.SQL("drop owned by {0}; drop role {0}").format(sql.Identifier(login)))


def rows(result: Result) -> dict[str, dict[str, Any]]:
    assert result.exit_code == 0, result.exception
    return {row["channel_account_key"]: row for row in json.loads(result.stdout)}


def test_an_operator_sees_the_senders_of_all_organizations(campaign: Campaign) -> None:
    found = rows(lanes(campaign.url, "--json"))
    assert set(found) == {"mailbox", "second", "theirs"}
    assert found["theirs"]["organization"] == "Other"
    table = lanes(campaign.url).stdout
    assert "organization" in table
    assert "nothing_waits" in table
    narrow = lanes(campaign.url, columns=80).stdout.splitlines()
    assert narrow[4] == "theirs (email) of 1 Other  active, nothing_waits".replace(
        "1", str(found["theirs"]["organization_id"])
    )
    assert narrow[5] == "  today 0, waiting 0, due 0, in flight 0, held 0, next –"  # noqa: RUF001


@pytest.mark.parametrize("option", ["--organization-id", "--organization", "-o"])
def test_one_organization_by_id_or_name(campaign: Campaign, option: str) -> None:
    own = str(campaign.organization_id)
    assert set(rows(lanes(campaign.url, "--json", option, own))) == {"mailbox", "second"}
    assert set(rows(lanes(campaign.url, "--json", option, "Other"))) == {"theirs"}
    assert "CLI04: there is no organization 999 " in failure(lanes(campaign.url, option, "999"))


def test_C2_it_says_what_waits_and_why_it_does_not_leave(campaign: Campaign) -> None:
    campaign.sequence()
    campaign.enroll(30)
    found = rows(lanes(campaign.url, "--json"))
    assert found["mailbox"]["idle_because"] is None
    assert found["mailbox"]["waiting"] + found["second"]["waiting"] == 30
    CliRunner().invoke(app, ["tick"], env={"DATABASE_URL": campaign.url})
    row = rows(lanes(campaign.url, "--json"))["mailbox"]
    assert (row["sent_today"], row["effective_limit"], row["reason"]) == (1, 1, "daily_limit")
    assert row["next_slot_at"] is not None
    assert row["due"] == row["waiting"] == found["mailbox"]["waiting"] - 1
    line = next(line for line in lanes(campaign.url).stdout.splitlines() if "mailbox" in line)
    assert "1 of 1" in line
    assert "daily_limit" in line


def test_X10_a_blocked_sender_shows_its_trouble_and_is_resumed(campaign: Campaign) -> None:
    campaign.connection.execute(
        "update drip_core.lanes as l set status = 'blocked', reason = 'sender_blocked',"
        " detail = E'535 5.7.8 bad\\x1b[2J password' from drip_core.channel_accounts as a"
        " where a.id = l.channel_account_id and a.key = 'second'"
    )
    own = str(campaign.organization_id)
    shown = lanes(campaign.url, "-o", own).stdout
    assert "sender_blocked: 535 5.7.8 bad [2J password" in shown
    assert "when resumed" in shown
    result = lanes(campaign.url, "resume", "second", "-o", own)
    assert (result.exit_code, result.stdout) == (0, "second may send again.\n")
    assert campaign.lane("second")["status"] == "active"


def test_C2_pause_and_resume_by_key(campaign: Campaign) -> None:
    own = str(campaign.organization_id)
    # options may stand on either side
    result = lanes(campaign.url, "-o", own, "pause", "mailbox", "--reason", "holidays")
    assert (result.exit_code, result.stdout) == (
        0,
        "mailbox is paused; what waits for it is kept.\n",
    )
    row = campaign.lane("mailbox")
    assert (row["status"], row["detail"]) == ("paused", "holidays")
    assert "sender_paused: holidays" in lanes(campaign.url).stdout
    assert lanes(campaign.url, "resume", "-o", own, "mailbox").exit_code == 0
    assert campaign.lane("mailbox")["status"] == "active"
    assert "LAN01: " in failure(lanes(campaign.url, "pause", "mailbux", "-o", own))
    assert "LAN01: " in failure(lanes(campaign.url, "pause", "theirs", "-o", own))
    assert "CLI04: 2 organizations fit" in failure(lanes(campaign.url, "pause", "mailbox"))


@pytest.mark.usefixtures("logins")
def test_H2_each_login_sees_what_it_may(campaign: Campaign, connect: Connect) -> None:
    url, own = campaign.url, str(campaign.organization_id)
    analyst, runner = "drip_test_analyst", "drip_test_runner"
    assert "CLI04: this login sees no organization" in failure(lanes(url, login=analyst))
    assert set(rows(lanes(url, "--json", "-o", own, login=analyst))) == {"mailbox", "second"}
    problem = lanes(url, "-o", own, login=runner).exception
    assert "CLI02: the login drip_test_runner may not read the senders" in str(problem)
    assert getattr(problem, "hint", "") == "grant drip_analyst to drip_test_runner"
    connect(url).execute(
        "insert into drip_core.login_organizations values (%s, %s)", (own, analyst)
    )
    assert set(rows(lanes(url, "--json", login=analyst))) == {"mailbox", "second"}
    assert "CLI04: there is no organization" in failure(lanes(url, "-o", "2", login=analyst))


@pytest.mark.usefixtures("logins")
def test_L1_services_and_runners_that_can_look_up_keys_steer_senders(campaign: Campaign) -> None:
    url, own = campaign.url, str(campaign.organization_id)
    for login in ("drip_test_app", "drip_test_both"):
        assert lanes(url, "pause", "second", "-o", own, login=login).exit_code == 0
        assert campaign.lane("second")["status"] == "paused"
        assert lanes(url, "resume", "second", "-o", own, login=login).exit_code == 0
        assert campaign.lane("second")["status"] == "active"
    result = lanes(url, "pause", "second", "-o", own, login="drip_test_runner")
    assert "LAN02: the login drip_test_runner may not look up senders" in failure(result)
    result = lanes(url, "pause", "second", "-o", own, login="drip_test_analyst")
    assert isinstance(result.exception, Exception)
    assert "CLI02" in failure(result)
    assert campaign.lane("second")["status"] == "active"


def test_before_there_is_anything(database: str, empty_database: str) -> None:
    assert "CLI04: this login sees no organization" in failure(lanes(database))
    assert "CLI02: this database does not have pgdrip" in failure(lanes(empty_database))
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("select drip.create_organization(name => 'New')")
    assert lanes(database).stdout == "There are no senders yet.\n"
    assert lanes(database, "--json").stdout == "[]\n"


def test_L8_backlogs_are_counted_in_one_pass_however_many_senders(database: str) -> None:
    engine = Engine(database)
    try:
        engine.mailbox("big")
        engine.sequence("welcome", senders=["big"])
        engine.enroll(engine.contacts(3000))
        engine.connection.execute(
            "insert into drip_core.channel_accounts"
            " (organization_id, key, channel, provider, address)"
            " select %s, 'idle-' || g, 'email', 'smtp', 'x@sender.example'"
            " from generate_series(1, 300) as g",
            (engine.organization_id,),
        )
        engine.connection.execute(
            "insert into drip_core.lanes (organization_id, channel_account_id)"
            " select a.organization_id, a.id from drip_core.channel_accounts as a"
            " where a.key like 'idle-%'"
        )
        engine.connection.execute("analyze")
        plan = engine.value(
            "explain (analyze, timing off, format json) select * from drip_report.lane_status"
            f" where organization_id = {engine.organization_id}"
        )
        (scan,) = _scans(plan[0]["Plan"], "enrollments")
        assert (scan["Actual Loops"], scan["Actual Rows"]) == (1, 3000)
        assert engine.value("select count(*) from drip_report.lane_status") == 301
    finally:
        engine.close()


def _scans(node: dict[str, Any], table: str) -> Iterator[dict[str, Any]]:
    if node.get("Relation Name") == table:
        yield node
    for child in node.get("Plans", []):
        yield from _scans(child, table)
