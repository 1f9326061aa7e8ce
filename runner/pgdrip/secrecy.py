"""Secrets that this process has read are masked in the words it writes: logs, errors of messages.

A server may answer a login with what it was given; a library may put its arguments into an error.
"""

from __future__ import annotations

import base64

_SHORTEST = 6
_known: set[str] = set()


def remember_secret(value: str) -> None:
    """Mask this value, its parts at colons and their base64 from now on; not the shortest."""
    for part in {value, *value.split(":")}:
        if len(part) >= _SHORTEST:
            _known.update((part, base64.b64encode(part.encode()).decode().rstrip("=")))


def without_secrets(text: str) -> str:
    """The text with ``***`` for every secret that was read."""
    for secret in sorted(_known, key=len, reverse=True):
        text = text.replace(secret, "***")
    return text
