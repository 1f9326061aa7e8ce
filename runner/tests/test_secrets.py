"""No secret leaves its place: planted ones are looked for in whatever pgdrip writes or answers."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator

import psycopg
import pytest

from campaign import Campaign, open_campaign
from pgdrip.demo.smtp_world import SmtpWorld
from test_cli import pgdrip

PASSWORD = "planted-Password-7Kq"
IMAP_PASSWORD = "planted-Imap-9Zt"
LOGIN_PASSWORD = "planted-Login-3Xw"
PLANTED = [PASSWORD, IMAP_PASSWORD, LOGIN_PASSWORD]
PLANTED += [base64.b64encode(word.encode()).decode().rstrip("=") for word in PLANTED]


@pytest.fixture
def campaign(database: str) -> Iterator[Campaign]:
    yield from open_campaign(database, now=None)


def found_in(text: str, words: list[str]) -> list[str]:
    return [word for word in words if word in text]


def every_row(connection: psycopg.Connection[dict[str, object]]) -> Iterator[tuple[str, str]]:
    """What a dump would show: each table with all its rows as text."""
    tables = connection.execute(
        "select c.oid::regclass::text as name from pg_class as c where c.relkind in ('r', 'p')"
        " and c.relnamespace = 'drip_core'::regnamespace and not c.relispartition"
    ).fetchall()
    for table in tables:
        name = str(table["name"])
        row = connection.execute(
            f"select coalesce(string_agg(t::text, e'\\n'), '') as rows from {name} as t"
        ).fetchone()
        assert row is not None
        yield name, str(row["rows"])


def test_no_secret_is_written_or_answered_anywhere(campaign: Campaign) -> None:
    org = campaign.organization_id
    # one server takes the login, one throws it back in its answer, one is asked without its secret
    answer = f"535 5.7.8 not {PASSWORD} ({base64.b64encode(PASSWORD.encode()).decode()})"
    with (
        SmtpWorld(users={"ann": PASSWORD}).in_thread() as good,
        SmtpWorld(users={"ann": "x"}, replies={"auth": answer}).in_thread() as echo,
    ):
        for key, world, secret in (
            ("good", good, "PGDRIP_SECRET_BOX"),
            ("echo", echo, "env:PGDRIP_SECRET_BOX"),
            ("lost", good, "NOT_THERE"),
        ):
            campaign.account(
                key,
                secret_ref=secret,
                config={
                    **world.config,
                    "username": "ann",
                    "inbox": {"host": "127.0.0.1", "port": 1, "secret_ref": "PGDRIP_SECRET_IMAP"},
                },
            )
            campaign.sequence(key, senders=[key])
        enrollments = [campaign.enroll(2, key)[0] for key in ("good", "echo", "lost")]
        campaign.rows(
            "select drip.add_member(%s, '00000000-0000-0000-0000-00000000000a', 'me@a.example')",
            org,
        )
        contact = campaign.row("select min(id) as id from drip_core.contacts")["id"]
        campaign.rows(
            "select drip.send_test(%s, 'good', 'intro', %s, 'me@a.example')", org, contact
        )
        campaign.connection.execute(f"create role planted_login login password '{LOGIN_PASSWORD}'")
        campaign.connection.execute("grant drip_runner, drip_app, drip_analyst to planted_login")
        environment = {
            "DATABASE_URL": campaign.url,
            "PGPASSWORD": LOGIN_PASSWORD,
            "PGDRIP_SECRET_BOX": PASSWORD,
            "PGDRIP_SECRET_IMAP": IMAP_PASSWORD,
            "PGDRIP_LOG_LEVEL": "debug",
            "PGDRIP_ORGANIZATION": str(org),
        }
        unreachable = f"postgresql://planted_login:{LOGIN_PASSWORD}@127.0.0.1:1/none"
        try:
            runs = [
                pgdrip("run", "--once", "--log-format", "json", **environment),
                pgdrip("tick", "--log-format", "console", **environment),
                pgdrip("inbox", "--once", **environment),
                pgdrip("lanes", **environment),
                pgdrip("lanes", "--json", **environment),
                pgdrip("doctor", **environment),
                pgdrip("report", **environment),
                pgdrip("report", "--json", **environment),
                pgdrip("preview", "good", "intro", "--contact", "c0", **environment),
                pgdrip("tick", **{**environment, "DATABASE_URL": unreachable}),
                pgdrip("doctor", **{**environment, "DATABASE_URL": unreachable}),
            ]
        finally:
            campaign.connection.execute("drop role planted_login")

    # it was a test: the secret was used, the echo arrived, the missing one was missed
    assert len(good.accepted) == 3, runs[0].stderr
    lanes = campaign.rows(
        "select a.key, l.status::text, l.detail from drip_core.lanes as l join"
        " drip_core.channel_accounts as a on a.id = l.channel_account_id order by a.key"
    )
    assert [(lane["key"], lane["status"]) for lane in lanes] == [
        ("echo", "blocked"),
        ("good", "active"),
        ("lost", "blocked"),
    ]
    assert "5.7.8 not *** (***" in lanes[0]["detail"]

    for run in runs:
        assert "Usage:" not in run.stderr
        assert found_in(run.stdout + run.stderr, PLANTED) == [], run.args
    for name, rows in every_row(campaign.connection):
        assert found_in(rows, PLANTED) == [], name

    # the two secrets of the database: in their table, and in nothing that is answered
    keys = [
        row[pad].hex()
        for row in campaign.rows("select inner_pad, outer_pad from drip_core.secret_keys")
        for pad in ("inner_pad", "outer_pad")
    ]
    assert len(keys) == 4
    answers = {
        statement: json.dumps(campaign.rows(statement), default=str)
        for statement in (
            f"select drip.export_contact({org}, c.id) from drip_core.contacts as c",
            f"select drip.preview({org}, 'good', 'intro', {contact})",
            f"select drip.get_message({org}, {enrollments[0]}, 'intro')",
            f"select * from drip.why({org}, {enrollments[1]})",
            f"select * from drip.list_channel_accounts({org})",
            f"select * from drip.list_tests({org})",
            f"select * from drip.audit_log({org})",
            f"select * from drip.enrollment_history({org}, {enrollments[1]})",
            "select * from drip.inboxes()",
            "select * from drip.doctor()",
            "select * from drip.claim(10)",
            "select * from drip_report.lane_status",
            "select * from drip_report.unknown_outcomes",
        )
    }
    for source, text in [
        *answers.items(),
        *((str(run.args), run.stdout + run.stderr) for run in runs),
        *(rows for rows in every_row(campaign.connection) if "secret_keys" not in rows[0]),
    ]:
        assert found_in(text, PLANTED + keys) == [], source
