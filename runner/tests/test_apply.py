"""``pgdrip apply`` on a real database."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pgdrip.cli import app
from pgdrip.commands.apply import Outcome, apply_documents
from pgdrip.commands.documents import read_documents
from pgdrip.commands.session import Connection, connect
from pgdrip.demo.demo import find_examples
from pgdrip.errors import PgdripError

EXAMPLES = find_examples()
FILES = [EXAMPLES / name for name in ("welcome.yaml", "senders.yaml", "organization.yaml")]


@pytest.fixture
def connection(database: str) -> Iterator[Connection]:
    with connect(database) as opened:
        yield opened


def apply(connection: Connection, *files: Path, **options: bool | str) -> Outcome:
    return apply_documents(connection, read_documents(files), **options)  # type: ignore[arg-type]


def windowless(file: Path) -> str:
    """The text of a sequence file without its window."""
    return re.sub(r"(?m)^window:\n(  .*\n)+", "", file.read_text("utf-8"))


def counts(connection: Connection) -> dict[str, int]:
    row = connection.execute(
        "select (select count(*) from drip_core.organizations) as organizations,"
        " (select count(*) from drip_core.channel_accounts) as accounts,"
        " (select count(*) from drip_core.sequence_versions) as versions"
    ).fetchone()
    assert row is not None
    return dict(row)


def test_files_may_be_named_in_any_order_and_a_repeat_makes_no_new_version(
    connection: Connection,
) -> None:
    first = apply(connection, *FILES, create_organization=True)
    assert first.problems == []
    assert [(done.kind, done.key) for done in first.applied] == [
        ("organization", "Lantern Learning"),
        ("channel_account", "sales-mailbox"),
        ("channel_account", "sales-mailbox-2"),
        ("channel_account", "whatsapp-line"),
        ("channel_account", "whatsapp-phone"),
        ("whatsapp_template", "tour_invite"),
        ("sequence", "welcome"),
    ]
    assert first.applied[-1].result == "version 1, active"
    before = counts(connection)
    again = apply(connection, *FILES, create_organization=True)
    assert again.organization_id == first.organization_id
    assert counts(connection) == before == {"organizations": 1, "accounts": 4, "versions": 1}


def test_X8_a_changed_sequence_becomes_a_new_version(
    connection: Connection, tmp_path: Path
) -> None:
    apply(connection, *FILES, create_organization=True)
    changed = tmp_path / "welcome.yaml"
    changed.write_text(FILES[0].read_text("utf-8").replace("2 business days", "5 days"), "utf-8")
    assert apply(connection, changed).applied[0].result == "version 2, active"


def test_a_problem_anywhere_leaves_everything_as_it_was(
    connection: Connection, database: str, tmp_path: Path
) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text(
        FILES[0]
        .read_text("utf-8")
        .replace("contact.first_name", "contact.fist_name")
        .replace("account: sales-mailbox,", "account: nobody,"),
        "utf-8",
    )
    outcome = apply(connection, bad, *FILES[1:], create_organization=True)
    assert {problem.path for problem in outcome.problems} >= {
        "senders[0].account",
        "steps[0].subject",
    }
    assert all(problem.code and problem.message for problem in outcome.problems)
    assert counts(connection) == {"organizations": 0, "accounts": 0, "versions": 0}
    command = ["apply", "--create-organization", "--database-url", database]
    result = CliRunner().invoke(app, [*command, str(bad), *map(str, FILES[1:])])
    assert isinstance(result.exception, PgdripError)
    assert result.exception.code == "APP05"
    assert "senders[0].account" in result.output


def test_times_and_dates_of_a_window_stay_as_written(
    connection: Connection, tmp_path: Path
) -> None:
    apply(connection, *FILES, create_organization=True)
    windowed = tmp_path / "w.yaml"
    windowed.write_text(
        windowless(FILES[0])
        + "\nwindow: {days: [mon], start: 09:00, end: 17:30, holidays: [2026-12-25]}\n",
        "utf-8",
    )
    assert apply(connection, windowed).problems == []
    (row,) = connection.execute(
        "select window_weekdays, window_starts, window_ends, window_holidays"
        " from drip_core.sequence_versions where version = 2"
    ).fetchall()
    assert list(row.values()) == [[2], [time(9)], [time(17, 30)], [date(2026, 12, 25)]]


def test_a_window_that_cannot_be_is_refused(connection: Connection, tmp_path: Path) -> None:
    apply(connection, *FILES, create_organization=True)
    windowed = tmp_path / "w.yaml"
    windowed.write_text(
        windowless(FILES[0]) + "\nwindow: {days: [mon], start: 9am, end: 17:30}\n", "utf-8"
    )
    (problem,) = apply(connection, windowed).problems
    assert (problem.path, problem.code) == ("window.start", "invalid")


def test_dry_run_checks_and_keeps_nothing(connection: Connection) -> None:
    outcome = apply(connection, *FILES, create_organization=True, dry_run=True)
    assert len(outcome.applied) == 7
    assert counts(connection) == {"organizations": 0, "accounts": 0, "versions": 0}


def test_an_error_of_a_document_names_its_file(connection: Connection, tmp_path: Path) -> None:
    apply(connection, *FILES, create_organization=True)
    wrong = tmp_path / "senders.yaml"
    wrong.write_text("channel_account: {key: a, channel: email, provider: smtp, adress: a@b.org}")
    with pytest.raises(PgdripError, match=r"PT422: .*senders\.yaml: channel_account a:"):
        apply(connection, wrong)
    assert counts(connection)["accounts"] == 4


def test_the_organization_is_found_by_name_by_id_or_because_it_is_the_only_one(
    connection: Connection, tmp_path: Path
) -> None:
    with pytest.raises(PgdripError, match="CLI04: no organization yet"):
        apply(connection, FILES[1])
    created = apply(connection, *FILES, create_organization=True)
    for name in (None, str(created.organization_id), "Lantern Learning"):
        found = apply_documents(connection, read_documents([FILES[1]]), organization=name)
        assert found.organization_id == created.organization_id
    other = tmp_path / "o.yaml"
    other.write_text("organization: {name: Second}")
    apply(connection, other, create_organization=True)
    with pytest.raises(PgdripError, match=r"CLI04: 2 organizations fit: .*Lantern Learning"):
        apply(connection, FILES[1])
    with pytest.raises(PgdripError, match="CLI04: there is no organization named 'Third'"):
        apply(connection, FILES[1], organization="Third")
    with pytest.raises(PgdripError, match="PT404"):
        apply(connection, FILES[1], organization="987654")


def test_settings_are_changed_and_absent_ones_kept(connection: Connection, tmp_path: Path) -> None:
    apply(connection, *FILES, create_organization=True)
    changed = tmp_path / "o.yaml"
    changed.write_text("organization: {name: Lantern Learning, settings: {require_opt_in: true}}")
    apply(connection, changed)
    row = connection.execute(
        "select o.require_opt_in, o.public_base_url from drip_core.organizations as o"
    ).fetchone()
    assert row == {"require_opt_in": True, "public_base_url": "https://mail.lantern.example"}
