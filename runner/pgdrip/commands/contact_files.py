"""Read contacts from a CSV file: rows in, contacts of ``drip.upsert_contacts`` or rejections out.

Only what the file itself gets wrong is judged here (cells, columns, characters, a repeated
external_id); what a contact may hold is judged by the database.
"""

from __future__ import annotations

import codecs
import csv
import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pgdrip.errors import PgdripError

CONTACT_KEYS = (
    "external_id",
    "email",
    "phone",
    "first_name",
    "last_name",
    "company",
    "timezone",
    "tags",
)
DELIMITERS = ",;\t"
_NESTED = ("attributes", "consent")
_IGNORE = "-"


@dataclass(frozen=True)
class Row:
    """One data row. ``line`` is the file line on which it begins (the header is line 1)."""

    line: int
    cells: list[str]
    contact: dict[str, Any] | None
    problem: str | None


@dataclass(frozen=True)
class ContactFile:
    """A file that was looked through once: its layout is known and every byte of it decodes."""

    path: Path
    encoding: str
    delimiter: str
    header: list[str]
    keys: list[str]
    lines: int

    def rows(self, *, clear_empty: bool = False) -> Iterator[Row]:
        """Every row in order; either ``contact`` or ``problem`` is set.

        An empty cell leaves the contact's value alone; with ``clear_empty`` it removes it.
        """
        seen: dict[str, int] = {}
        with self.path.open(encoding=self.encoding, newline="") as stream:
            reader = csv.reader(stream, delimiter=self.delimiter)
            line = 1
            header_read = False
            while True:
                line = reader.line_num + 1
                try:
                    cells = next(reader, None)
                except csv.Error as error:
                    yield Row(line, [], None, f"not readable as CSV: {error}")
                    continue
                if cells is None:
                    return
                if not header_read:
                    header_read = bool(cells)
                elif cells:
                    yield self._row(line, cells, seen, clear_empty)

    def _row(self, line: int, cells: list[str], seen: dict[str, int], clear_empty: bool) -> Row:
        if len(cells) != len(self.keys):
            problem = f"{len(cells)} cells where the header has {len(self.keys)}"
            return Row(line, cells, None, problem)
        if any("\x00" in cell for cell in cells):
            return Row(line, cells, None, "a cell contains a NUL character")
        contact = _contact(self.keys, cells, clear_empty)
        external_id = contact.get("external_id")
        if external_id:
            first = seen.setdefault(external_id, line)
            if first != line:
                problem = f"external_id {external_id!r} is on line {first} already"
                return Row(line, cells, None, problem)
        return Row(line, cells, contact, None)


def open_contacts(
    path: Path,
    *,
    encoding: str | None = None,
    delimiter: str | None = None,
    mapping: Mapping[str, str] | None = None,
    keys_too: Sequence[str] = (),
) -> ContactFile:
    """Look through the file once and settle its encoding, delimiter and columns.

    ``keys_too`` are columns known besides those of a contact.
    ``mapping`` renames columns; the name ``-`` ignores one. Columns that begin with ``_`` are
    ignored. Raises ``PgdripError`` IMP01 (unreadable), IMP02 (encoding), IMP03 (columns).
    """
    try:
        lines, encoding = _scan(path, encoding)
        with path.open(encoding=encoding, newline="") as stream:
            first = next((line for line in stream if line.strip()), "")
            delimiter = delimiter or _sniff(first)
            stream.seek(0)
            header = next((cells for cells in csv.reader(stream, delimiter=delimiter) if cells), [])
    except OSError as error:
        raise PgdripError("IMP01", f"cannot read {path}: {error.strerror}") from error
    except (csv.Error, TypeError) as error:
        raise PgdripError("IMP03", f"{path}: the header cannot be read: {error}") from error
    keys = _columns(path, header, mapping or {}, keys_too)
    return ContactFile(path, encoding, delimiter, header, keys, lines)


def _scan(path: Path, encoding: str | None) -> tuple[int, str]:
    """Count the lines and decode everything, so that no import stops half-way at a bad byte."""
    with path.open("rb") as stream:
        start = stream.read(4)
        if encoding is None:
            encoding = "utf-8-sig"
            if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
                encoding = "utf-16"
        try:
            decoder = codecs.getincrementaldecoder(encoding)()
        except LookupError as error:
            raise PgdripError("IMP02", f"unknown encoding {encoding!r}") from error
        stream.seek(0)
        lines = 0
        try:
            while block := stream.read(1 << 20):
                lines += decoder.decode(block).count("\n")
            decoder.decode(b"", final=True)
        except UnicodeDecodeError as error:
            lines += error.object[: error.start].count(b"\n")
            raise PgdripError(
                "IMP02",
                f"{path} is not {encoding.removesuffix('-sig')} text (near line {lines + 1})",
                "Save it as UTF-8, or name its encoding: --encoding cp1252",
            ) from error
    return lines + 1, encoding


def _sniff(header: str) -> str:
    """The delimiter that gives the header the most cells; a comma where none does."""
    return max(DELIMITERS, key=lambda each: len(next(csv.reader([header], delimiter=each), [])))


def _columns(
    path: Path, header: list[str], mapping: Mapping[str, str], keys_too: Sequence[str]
) -> list[str]:
    """The contact key of each column; ``-`` for ignored ones."""
    if not header:
        raise PgdripError("IMP03", f"{path} is empty; its first line must name the columns")
    missing = [column for column in mapping if column not in header]
    if missing:
        raise PgdripError("IMP03", f"{path} has no column {missing[0]!r} to map")
    keys: list[str] = []
    for column in header:
        key = _key(mapping.get(column, column), keys_too)
        if key is None:
            raise PgdripError("IMP03", f"{path}: unknown column {column!r}", _remedy(column))
        if key != _IGNORE and key in keys:
            raise PgdripError("IMP03", f"{path}: two columns are {key!r}")
        keys.append(key)
    return keys


def _key(column: str, keys_too: Sequence[str]) -> str | None:
    column = column.strip()
    if column == _IGNORE or column.startswith("_"):
        return _IGNORE
    prefix, dot, rest = column.partition(".")
    if dot and rest and prefix.lower() in _NESTED:
        return f"{prefix.lower()}.{rest}"
    simple = re.sub(r"[\s-]+", "_", column.lower())
    return simple if simple in (*CONTACT_KEYS, *keys_too) else None


def _remedy(column: str) -> str:
    near = difflib.get_close_matches(column.lower(), CONTACT_KEYS, n=1, cutoff=0.6)
    attribute = re.sub(r"\W+", "_", column.strip().lower()).strip("_") or "name"
    guess = f"Did you mean {near[0]!r}? " if near else ""
    return (
        f"{guess}Rename it with --map '{column}={near[0] if near else 'email'}', keep it as "
        f"--map '{column}=attributes.{attribute}', or leave it out with --map '{column}=-'."
    )


def _contact(keys: list[str], cells: list[str], clear_empty: bool) -> dict[str, Any]:
    contact: dict[str, Any] = {}
    for key, cell in zip(keys, cells, strict=True):
        value = cell.strip()
        if key == _IGNORE or (not value and not clear_empty):
            continue
        prefix, dot, rest = key.partition(".")
        if key == "tags":
            contact[key] = list(dict.fromkeys(t.strip() for t in value.split(";") if t.strip()))
        elif dot:
            # Consent is a statement: an empty cell never takes one back.
            if value or prefix != "consent":
                contact.setdefault(prefix, {})[rest] = value or None
        else:
            contact[key] = value or None
    return contact
