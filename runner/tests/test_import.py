"""``pgdrip import`` and ``pgdrip enroll`` on a real database."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from typer.testing import CliRunner

from pgdrip.cli import app
from pgdrip.commands.apply import apply_documents
from pgdrip.commands.contact_files import open_contacts
from pgdrip.commands.contacts import ImportResult, import_contacts
from pgdrip.commands.documents import read_documents
from pgdrip.commands.enroll import enroll_contacts, ids_from_file, list_contacts
from pgdrip.commands.session import Connection, connect
from pgdrip.demo.demo import find_examples
from pgdrip.errors import PgdripError

EXAMPLES = find_examples()
DOCUMENTS = [EXAMPLES / name for name in ("organization.yaml", "senders.yaml", "welcome.yaml")]


@pytest.fixture
def session(database: str) -> Iterator[Connection]:
    """A connection that speaks for an organization with the example's sequence."""
    with connect(database) as connection:
        apply_documents(connection, read_documents(DOCUMENTS), create_organization=True)
        yield connection


def organization(connection: Connection) -> int:
    row = connection.execute("select current_setting('drip.organization_id')::bigint as id")
    return int(row.fetchall()[0]["id"])


def load(connection: Connection, path: Path, batch_size: int = 500) -> ImportResult:
    return import_contacts(
        connection, organization(connection), open_contacts(path), batch_size=batch_size
    )


def test_the_example_lands_and_its_bad_rows_are_reported_with_line_and_reason(
    session: Connection,
) -> None:
    result = load(session, EXAMPLES / "contacts.csv")
    assert result.outcomes == {"created": 1000}
    assert result.rows == 1012
    lines = (EXAMPLES / "contacts.csv").read_text(encoding="utf-8").splitlines()
    for reject, expected in zip(
        result.rejects,
        [
            'timezone: "UTC+3"',
            'timezone: "Mars/Olympus_Mons"',
            'timezone: "Berlin"',
            'email: "robin.four@"',
            'email: "robin five at example.com"',
            'email: "robin@six@example.com"',
            'phone: "ask reception"',
            'phone: "+12"',
            "consent.email",
            "nothing identifies the contact",
            "external_id 'crm-10101' is on line 102 already",
            "external_id 'crm-10501' is on line 502 already",
        ],
        strict=True,
    ):
        assert expected in reject.reason
        assert lines[reject.line - 1].split(",")[0] == reject.cells[0]


def test_L6_importing_twice_changes_nothing(session: Connection) -> None:
    path = EXAMPLES / "contacts.csv"
    load(session, path)
    query = (
        "select c.external_id, c.email, c.phone, c.first_name, c.last_name, c.company,"
        " c.timezone, c.attributes, c.tags, c.consent"
        ' from drip.list_contacts(%s, "limit" => 10000) as c order by c.external_id'
    )
    before = session.execute(query, (organization(session),)).fetchall()
    again = load(session, path, batch_size=7)
    assert again.outcomes == {"updated": 1000}
    assert len(again.rejects) == 12
    assert session.execute(query, (organization(session),)).fetchall() == before
    ann = next(row for row in before if row["external_id"] == "crm-10001")
    assert ann["tags"]
    assert set(ann["attributes"]) == {"plan", "source"}


def test_X4_one_bad_row_never_stops_the_others_of_its_batch(
    session: Connection, tmp_path: Path
) -> None:
    path = tmp_path / "c.csv"
    path.write_text(
        "email,timezone\na@example.com,Europe/Berlin\nb@example.com,Nowhere/City\nc@example.com,\n"
    )
    result = load(session, path)
    assert result.outcomes == {"created": 2}
    assert [(reject.line, reject.cells[0]) for reject in result.rejects] == [(3, "b@example.com")]


def test_batches_that_were_imported_stay_when_the_import_breaks_off(
    session: Connection, tmp_path: Path
) -> None:
    path = tmp_path / "c.csv"
    path.write_text("email\n" + "".join(f"p{n}@example.com\n" for n in range(30)))

    def break_off(line: int) -> None:
        if line > 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_contacts(
            session, organization(session), open_contacts(path), batch_size=10, on_batch=break_off
        )
    assert len(list(list_contacts(session, organization(session)))) == 20
    assert load(session, path).outcomes == {"updated": 20, "created": 10}


def test_the_file_of_rejects_can_be_corrected_and_imported(
    session: Connection, database: str, tmp_path: Path
) -> None:
    path, rejects = tmp_path / "c.csv", tmp_path / "rejects.csv"
    path.write_text("email;first_name\na@example.com;Ann\nb@;Bob\n", encoding="utf-8")
    command = ["import", str(path), "--rejects", str(rejects), "--database-url", database]
    first = CliRunner().invoke(app, command)
    assert first.exit_code == 0, first.output
    text = rejects.read_text(encoding="utf-8")
    assert text.splitlines()[0] == "email;first_name;_line;_reason"
    assert text.splitlines()[1].startswith("b@;Bob;3;")
    path.write_text(text.replace("b@;", "b@example.com;"), encoding="utf-8")
    second = CliRunner().invoke(app, [*command, "--strict"])
    assert second.exit_code == 0, second.output
    assert len(list(list_contacts(session, organization(session)))) == 2


def test_strict_turns_skipped_rows_into_an_error_after_importing_the_others(
    session: Connection, database: str, tmp_path: Path
) -> None:
    path = tmp_path / "c.csv"
    path.write_text("email\na@example.com\nb@\n")
    result = CliRunner().invoke(app, ["import", str(path), "--strict", "--database-url", database])
    assert isinstance(result.exception, PgdripError)
    assert result.exception.code == "IMP04"
    assert len(list(list_contacts(session, organization(session)))) == 1


def test_H4_an_import_never_turns_an_opt_out_into_an_opt_in(
    session: Connection, tmp_path: Path
) -> None:
    path = tmp_path / "c.csv"
    path.write_text("email,consent.email\na@example.com,opted_out\n")
    load(session, path)
    path.write_text("email,consent.email\na@example.com,opted_in\n")
    load(session, path)
    (contact,) = list_contacts(session, organization(session))
    assert contact["consent"] == {"email": "opted_out"}


def test_H4_a_suppression_list_is_imported_and_refuses_who_is_on_it(
    session: Connection, database: str, tmp_path: Path
) -> None:
    load(session, EXAMPLES / "contacts.csv")
    emails = [
        row["email"]
        for row in session.execute(
            "select email from drip_core.contacts where email is not null order by id limit 3"
        ).fetchall()
    ]
    path = tmp_path / "optouts.csv"
    path.write_text(
        f"email,phone,reason\n{emails[0].upper()},,unsubscribed\n{emails[1]},,\n,+49 30 123456,\n"
        f",,manual\nnobody,,\n{emails[2]},,daily_limit\n",
        encoding="utf-8",
    )
    command = ["import", str(path), "--suppressions", "--database-url", database]
    for counts in ("suppressed 3", "already_suppressed 3"):
        result = CliRunner().invoke(app, command)
        assert result.exit_code == 0, result.output
        shown = " ".join(re.sub(r"[^\w ]", " ", result.output).split())
        assert counts in shown
        assert "skipped 3" in shown
        assert "it has neither email nor phone" in shown
    ids = [
        row["id"]
        for row in session.execute(
            "select id from drip_core.contacts where email is not null order by id limit 3"
        ).fetchall()
    ]
    answers = session.execute(
        "select outcome::text from drip.enroll_many(%s, 'welcome', %s)",
        (organization(session), ids),
    ).fetchall()
    assert [answer["outcome"] for answer in answers][:2] == ["opted_out", "suppressed"]
    assert answers[2]["outcome"] not in {"opted_out", "suppressed"}
    rows = session.execute(
        "select channel::text, reason::text from drip_core.suppressions"
        " where reason in ('unsubscribed', 'suppressed') order by channel, id"
    ).fetchall()
    assert [(row["channel"], row["reason"]) for row in rows] == [
        ("email", "unsubscribed"),
        ("email", "suppressed"),
        ("whatsapp_cloud", "suppressed"),
        ("whatsapp_lite", "suppressed"),
    ]


def test_H3_enrolling_answers_one_outcome_per_contact_and_a_repeat_enrolls_nobody(
    session: Connection,
) -> None:
    load(session, EXAMPLES / "contacts.csv")
    organization_id = organization(session)
    ids = [row["contact_id"] for row in list_contacts(session, organization_id, "lead")]
    assert len(ids) == 1000
    first = enroll_contacts(session, organization_id, "welcome", ids, batch_size=300)
    assert first == {"enrolled": 988, "opted_out": 12}
    again = enroll_contacts(session, organization_id, "welcome", [*ids, *ids])
    assert again == {"already_active": 988, "opted_out": 12}


def test_contacts_to_enroll_may_come_from_a_file(session: Connection, tmp_path: Path) -> None:
    load(session, EXAMPLES / "contacts.csv")
    organization_id = organization(session)
    by_external = {
        row["external_id"]: row["contact_id"] for row in list_contacts(session, organization_id)
    }
    wanted = [by_external["crm-10007"], by_external["crm-10009"]]
    path = tmp_path / "who"
    path.write_text("".join(f"{number}\n" for number in wanted))
    assert ids_from_file(session, organization_id, path) == wanted
    path.write_text("name;external_id\nx;crm-10007\ny;crm-10009\n")
    assert sorted(ids_from_file(session, organization_id, path)) == sorted(wanted)
    path.write_text("external_id\ncrm-10007\nnobody\n")
    with pytest.raises(PgdripError, match=r"ENR01: 1 contacts .* do not exist, the first: nobody"):
        ids_from_file(session, organization_id, path)
    path.write_text("hello\n")
    with pytest.raises(PgdripError, match=r"ENR01: .* names no contacts"):
        ids_from_file(session, organization_id, path)


def test_the_commands_say_what_happened(session: Connection, database: str) -> None:
    def invoke(*arguments: str) -> str:
        result = CliRunner().invoke(app, [*arguments, "--database-url", database])
        assert result.exit_code == 0, result.output
        return result.output

    assert "Skipped rows" in invoke("import", str(EXAMPLES / "contacts.csv"))
    output = invoke("enroll", "welcome", "--tag", "lead")
    assert "988" in output
    assert "opted_out" in output
    assert "988" in invoke("report")
    assert '"enrolled": 988' in invoke("report", "--json", "--sequence", "welcome")
    header, row = invoke("report", "--csv").strip().splitlines()
    assert dict(zip(header.split(","), row.split(","), strict=True))["enrolled"] == "988"


def test_a_database_without_pgdrip_is_told_from_a_missing_server(
    empty_database: str, tmp_path: Path
) -> None:
    with (
        pytest.raises(PgdripError, match=r"CLI02: .*does not have pgdrip"),
        connect(empty_database) as connection,
    ):
        connection.execute("select drip.version()")
    with (
        pytest.raises(PgdripError, match="CLI01"),
        connect(f"postgresql://nobody@/none?host={tmp_path}"),
    ):
        pass


def test_errors_of_our_functions_keep_their_code_and_hint(session: Connection) -> None:
    with pytest.raises(psycopg.Error) as failure:
        session.execute("select drip.upsert_contact(organization_id => 987654, contact => '{}')")
    assert failure.value.sqlstate == "PT404"
