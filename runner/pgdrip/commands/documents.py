"""Read YAML and JSON files for ``pgdrip apply``: which documents they hold, and of which kind.

YAML is read with the core schema of YAML 1.2 minus octal and hexadecimal numbers. YAML 1.1, the
default of PyYAML, would turn the time ``09:00`` into 540, ``on`` into true and a date into an
object; here all of these stay the strings that were written.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from pgdrip.errors import PgdripError

KINDS = ("organization", "channel_account", "whatsapp_template", "sequence")
"""Every kind, in the order in which they depend on each other."""

_TOP_LEVEL = {
    "organization": "organization",
    "channel_account": "channel_account",
    "channel_accounts": "channel_account",
    "whatsapp_template": "whatsapp_template",
    "whatsapp_templates": "whatsapp_template",
    "sequence": "sequence",
    "sequences": "sequence",
}


@dataclass(frozen=True)
class Document:
    """One thing to apply. ``source``: the file, and which document where it has several."""

    kind: str
    body: dict[str, Any]
    source: str


class _Loader(yaml.SafeLoader):
    """Safe YAML whose plain scalars are null, booleans, decimal numbers or strings."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012

    def construct_json_mapping(self, node: yaml.MappingNode) -> dict[str, Any]:
        self.flatten_mapping(node)
        mapping: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(
                    None, None, "a key must be a plain word", key_node.start_mark
                )
            # As written: `{1: a}` and `{"1": a}` are the same JSON object.
            key = key_node.value
            if key in mapping:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} appears twice", key_node.start_mark
                )
            mapping[key] = self.construct_object(value_node, deep=True)
        return mapping


def _resolve(tag: str, pattern: str, first: Iterable[str]) -> None:
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(pattern), list(first))


_resolve("null", r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""])
_resolve("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", "tTfF")
_resolve("int", r"^[-+]?(?:0|[1-9][0-9]*)$", "-+0123456789")
_resolve("float", r"^[-+]?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?$", "-+0123456789")
_resolve("merge", r"^<<$", "<")
_Loader.add_constructor("tag:yaml.org,2002:map", _Loader.construct_json_mapping)


def read_documents(paths: Iterable[Path]) -> list[Document]:
    """Every document of every file, organizations first and sequences last, else as written.

    Raises ``PgdripError`` APP01 (unreadable file), APP02 (syntax) or APP03 (unknown kind).
    """
    documents = [document for path in paths for document in _read_file(path)]
    return sorted(documents, key=lambda document: KINDS.index(document.kind))


def _read_file(path: Path) -> list[Document]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise PgdripError("APP01", f"cannot read {path}: {reason}") from error
    try:
        if path.suffix.lower() == ".json":
            roots = [json.loads(text, object_pairs_hook=_no_twice)]
        else:
            roots = list(yaml.load_all(text, Loader=_Loader))
    except (yaml.YAMLError, ValueError) as error:
        raise PgdripError("APP02", f"{path}: {_syntax(error)}") from error
    documents: list[Document] = []
    for number, root in enumerate(roots, start=1):
        if root is None:
            continue
        source = str(path) if len(roots) == 1 else f"{path} (document {number})"
        documents.extend(_split(root, source))
    if not documents:
        raise PgdripError("APP03", f"{path} holds no document")
    return documents


def _split(root: Any, source: str) -> list[Document]:
    if isinstance(root, list):
        return [document for item in root for document in _split(item, source)]
    if not isinstance(root, dict):
        raise PgdripError("APP03", f"{source}: a document must be a mapping with keys")
    if "steps" in root:
        return [Document("sequence", root, source)]
    unknown = [key for key in root if key not in _TOP_LEVEL]
    if unknown or not root:
        raise PgdripError(
            "APP03",
            f"{source}: cannot tell what this document is (top-level key "
            f"{', '.join(repr(key) for key in unknown) or 'missing'})",
            "Start it with one of organization:, channel_account(s):, whatsapp_template(s):, "
            "sequence(s):, or give a sequence definition with steps.",
        )
    documents: list[Document] = []
    for key, value in root.items():
        for body in value if isinstance(value, list) else [value]:
            if not isinstance(body, dict):
                raise PgdripError("APP03", f"{source}: {key} must be a mapping with keys")
            documents.append(Document(_TOP_LEVEL[key], body, source))
    return documents


def _no_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    mapping: dict[str, Any] = {}
    for key, value in pairs:
        if key in mapping:
            raise ValueError(f"the key {key!r} appears twice")
        mapping[key] = value
    return mapping


def _syntax(error: Exception) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        return f"line {mark.line + 1}, column {mark.column + 1}: {error.problem}"
    if isinstance(error, json.JSONDecodeError):
        return f"line {error.lineno}, column {error.colno}: {error.msg}"
    return str(error)
