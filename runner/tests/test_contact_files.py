"""Reading contacts from CSV files: layout, encodings, columns and rows, without a database."""

from __future__ import annotations

from pathlib import Path

import pytest

from pgdrip.commands.contact_files import open_contacts
from pgdrip.errors import PgdripError


def write(tmp_path: Path, content: bytes | str) -> Path:
    path = tmp_path / "contacts.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_the_delimiter_is_the_one_that_splits_the_header_best(
    tmp_path: Path, delimiter: str
) -> None:
    text = "email,first_name,tags\na@example.com,Ann,lead\n".replace(",", delimiter)
    source = open_contacts(write(tmp_path, text))
    assert source.delimiter == delimiter
    assert [row.contact for row in source.rows()] == [
        {"email": "a@example.com", "first_name": "Ann", "tags": ["lead"]}
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_byte_order_mark_is_no_part_of_the_first_column(tmp_path: Path, encoding: str) -> None:
    source = open_contacts(write(tmp_path, "email,last_name\na@example.com,Żuk\n".encode(encoding)))
    assert [row.contact for row in source.rows()] == [
        {"email": "a@example.com", "last_name": "Żuk"}
    ]


def test_another_encoding_is_refused_before_anything_is_read_and_works_when_named(
    tmp_path: Path,
) -> None:
    path = write(
        tmp_path, "email,last_name\nb@example.com,Ok\na@example.com,Müller\n".encode("cp1252")
    )
    with pytest.raises(PgdripError, match=r"IMP02: .* is not utf-8 text .near line 3") as failure:
        open_contacts(path)
    assert "--encoding cp1252" in (failure.value.hint or "")
    rows = list(open_contacts(path, encoding="cp1252").rows())
    assert rows[1].contact == {"email": "a@example.com", "last_name": "Müller"}


def test_an_unknown_column_is_named_with_the_nearest_key_and_a_remedy(tmp_path: Path) -> None:
    path = write(tmp_path, "emial,Plan\na@example.com,pro\n")
    with pytest.raises(PgdripError, match=r"IMP03: .*unknown column 'emial'") as failure:
        open_contacts(path)
    assert "Did you mean 'email'?" in (failure.value.hint or "")
    source = open_contacts(path, mapping={"emial": "email", "Plan": "attributes.plan"})
    assert [row.contact for row in source.rows()] == [
        {"email": "a@example.com", "attributes": {"plan": "pro"}}
    ]


def test_header_names_may_be_written_as_people_write_them(tmp_path: Path) -> None:
    source = open_contacts(
        write(tmp_path, " First Name ,EMAIL,_note,Consent.email\nAnn,a@x.org,,\n")
    )
    assert source.keys == ["first_name", "email", "-", "consent.email"]


def test_an_empty_cell_keeps_a_value_unless_clearing_is_asked_for(tmp_path: Path) -> None:
    path = write(tmp_path, "email,company,tags,attributes.plan,consent.email\na@example.com,,,,\n")
    (kept,) = open_contacts(path).rows()
    (cleared,) = open_contacts(path).rows(clear_empty=True)
    assert kept.contact == {"email": "a@example.com"}
    assert cleared.contact == {
        "email": "a@example.com",
        "company": None,
        "tags": [],
        "attributes": {"plan": None},
    }


def test_rows_that_the_file_gets_wrong_carry_their_line_and_reason(tmp_path: Path) -> None:
    text = (
        "external_id,email,company\n"
        'a,a@example.com,"two\nlines"\n'
        "b,b@example.com\n"
        "\n"
        "a,c@example.com,Acme\n"
        "d,d@example.com,Acme, Inc\n"
        "e,e@example.com,A\x00B\n"
        "f,f@example.com,Fine\n"
    )
    rows = list(open_contacts(write(tmp_path, text)).rows())
    assert [(row.line, row.problem) for row in rows] == [
        (2, None),
        (4, "2 cells where the header has 3"),
        (6, "external_id 'a' is on line 2 already"),
        (7, "4 cells where the header has 3"),
        (8, "a cell contains a NUL character"),
        (9, None),
    ]


def test_an_empty_file_and_a_missing_one_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(PgdripError, match=r"IMP03: .* is empty"):
        open_contacts(write(tmp_path, ""))
    with pytest.raises(PgdripError, match=r"IMP01: cannot read .*No such file"):
        open_contacts(tmp_path / "nothing.csv")
