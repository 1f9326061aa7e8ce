"""Reading YAML and JSON documents for ``pgdrip apply``, without a database."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pgdrip.commands.documents import Document, read_documents
from pgdrip.errors import PgdripError


def read(tmp_path: Path, text: str, name: str = "file.yaml") -> list[Document]:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return read_documents([path])


def test_times_dates_and_words_of_yaml_stay_the_strings_that_were_written(tmp_path: Path) -> None:
    (document,) = read(
        tmp_path,
        "key: x\n"
        "window: {start: 09:00, end: 17:30, days: [mon, on, yes, no], holidays: [2026-12-25]}\n"
        "steps: [{delay: 0, text: null, html: ~, thread: true, weight: 1.5, code: 010, y: 0x1}]\n",
    )
    assert document.body == {
        "key": "x",
        "window": {
            "start": "09:00",
            "end": "17:30",
            "days": ["mon", "on", "yes", "no"],
            "holidays": ["2026-12-25"],
        },
        "steps": [
            {
                "delay": 0, "text": None, "html": None, "thread": True, "weight": 1.5,
                "code": "010", "y": "0x1",
            }
        ],
    }  # fmt: skip


def test_keys_are_strings_as_in_json(tmp_path: Path) -> None:
    (document,) = read(tmp_path, 'steps: [{parameters: {1: a, "2": b, on: c}}]')
    assert document.body["steps"][0]["parameters"] == {"1": "a", "2": "b", "on": "c"}


def test_a_file_may_hold_several_documents_and_dependencies_come_first(tmp_path: Path) -> None:
    documents = read(
        tmp_path,
        "sequence: {key: s}\n---\nwhatsapp_template: {name: t}\n"
        "channel_accounts: [{key: a}, {key: b}]\n"
        "---\norganization: {name: o}\n---\n",
    )
    assert [(document.kind, document.body) for document in documents] == [
        ("organization", {"name": "o"}),
        ("channel_account", {"key": "a"}),
        ("channel_account", {"key": "b"}),
        ("whatsapp_template", {"name": "t"}),
        ("sequence", {"key": "s"}),
    ]


def test_json_is_read_as_json(tmp_path: Path) -> None:
    body = {"key": "x", "steps": [{"key": "a", "delay": "0"}]}
    assert read(tmp_path, json.dumps(body), "s.json")[0].body == body
    with pytest.raises(PgdripError, match=r"APP02: .*'key' appears twice"):
        read(tmp_path, '{"key": 1, "key": 2}', "twice.json")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [1\nb: 2\n", r"APP02: .*line 2, column"),
        ("steps: []\nsteps: []\n", r"APP02: .*line 2, column 1: the key 'steps' appears twice"),
        ("steps: !!python/object:os.system {}\n", r"APP02: .*could not determine a constructor"),
        ("sequnce: {}\n", r"APP03: .*top-level key 'sequnce'"),
        ("- 1\n", r"APP03: .*must be a mapping"),
        ("sequence: hello\n", r"APP03: .*sequence must be a mapping"),
        ("# nothing\n", r"APP03: .*holds no document"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_place(
    tmp_path: Path, text: str, message: str
) -> None:
    with pytest.raises(PgdripError, match=message):
        read(tmp_path, text)


def test_a_missing_file_and_a_binary_one_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PgdripError, match=r"APP01: cannot read .*No such file"):
        read_documents([tmp_path / "none.yaml"])
    (tmp_path / "b.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(PgdripError, match=r"APP01: .*not UTF-8"):
        read_documents([tmp_path / "b.yaml"])
