"""Split SQL text into statements as psql does, understanding no more of it than that needs."""

from __future__ import annotations

import re

_DOLLAR_TAG = re.compile(r"\$(?:[A-Za-z_\u0080-\uffff][A-Za-z_0-9\u0080-\uffff]*)?\$")
_WORD = re.compile(r"[A-Za-z_\u0080-\uffff][A-Za-z_0-9$\u0080-\uffff]*")
_ROUTINE_START = (
    ["create", "function"],
    ["create", "procedure"],
    ["create", "or", "replace", "function"],
    ["create", "or", "replace", "procedure"],
)


def split_statements(text: str) -> list[str]:
    """The statements of ``text`` without their semicolons, comments kept, blank ones dropped.

    Respects quoted strings (also ``E''``), quoted identifiers, dollar quotes, nested block
    comments, parentheses, and ``begin atomic … end`` bodies of SQL routines.
    """
    statements: list[str] = []
    start = position = parentheses = blocks = 0
    words: list[str] = []
    blank = True

    while position < len(text):
        char = text[position]
        if text.startswith("--", position):
            end = text.find("\n", position)
            position = len(text) if end < 0 else end
            continue
        if text.startswith("/*", position):
            position = _end_of_comment(text, position)
            continue
        if char == ";" and parentheses == 0 and blocks == 0:
            if not blank:
                statements.append(text[start:position].strip())
            position += 1
            start, words, blank = position, [], True
            continue
        if not char.isspace():
            blank = False
        if char == "'":
            position = _end_of_string(text, position, backslashes=False)
        elif char == '"':
            position = _end_of_quoted(text, position, '"')
        elif char == "$" and (tag := _DOLLAR_TAG.match(text, position)):
            end = text.find(tag.group(), tag.end())
            position = len(text) if end < 0 else end + len(tag.group())
        elif word := _WORD.match(text, position):
            position = word.end()
            name = word.group().lower()
            if name == "e" and text.startswith("'", position):
                position = _end_of_string(text, position, backslashes=True)
                continue
            words = [*words, name] if len(words) < 4 else words
            if any(words[: len(begin)] == begin for begin in _ROUTINE_START) and parentheses == 0:
                if name == "begin" or (name == "case" and blocks):
                    blocks += 1
                elif name == "end" and blocks:
                    blocks -= 1
        else:
            parentheses += (char == "(") - (char == ")")
            position += 1

    if not blank:
        statements.append(text[start:].strip())
    return statements


def _end_of_comment(text: str, position: int) -> int:
    depth = 0
    while position < len(text):
        if text.startswith("/*", position):
            depth += 1
            position += 2
        elif text.startswith("*/", position):
            depth -= 1
            position += 2
            if depth == 0:
                return position
        else:
            position += 1
    return position


def _end_of_quoted(text: str, position: int, quote: str) -> int:
    """A doubled quote simply opens the next part at once: no special case is needed."""
    end = text.find(quote, position + 1)
    return len(text) if end < 0 else end + 1


def _end_of_string(text: str, position: int, *, backslashes: bool) -> int:
    if not backslashes:
        return _end_of_quoted(text, position, "'")
    position += 1
    while position < len(text):
        if text[position] == "\\":
            position += 2
        elif text[position] == "'":
            if not text.startswith("''", position):
                return position + 1
            position += 2
        else:
            position += 1
    return len(text)
