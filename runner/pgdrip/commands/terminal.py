"""Text of strangers on a terminal."""

from __future__ import annotations


def one_line(text: str) -> str:
    """``text`` without what a terminal would act on: control characters and line breaks."""
    return "".join(character if character.isprintable() else " " for character in text)
