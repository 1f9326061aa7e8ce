"""Secrets stay outside the database: a ``secret_ref`` only names one.

``NAME`` or ``env:NAME`` is an environment variable of the runner, ``file:/path`` a secret file.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path

from pgdrip.providers.base import sender_error
from pgdrip.secrecy import remember_secret

_OWN_VARIABLE = re.compile(r"^(DATABASE_URL|PG[A-Z]+|PGDRIP_(?!SECRET_).*)$")
_MAX_BYTES = 65_536
#: What the system shows there is no secret file: the environment of a process is a file, too.
_NOT_FILES = (Path("/proc"), Path("/sys"), Path("/dev"))


def secret_resolver(
    secret_dir: Path | None = None, environ: Mapping[str, str] = os.environ
) -> Callable[[str], str]:
    """Return the function that reads a secret each time it is asked, so that rotation is seen.

    It raises ``DeliveryError`` (``sender_error``) when the secret is missing. The runner's own
    variables are refused: whoever may write a channel account must not be able to send the
    database password to a server of their choice.
    """

    def resolve(ref: str) -> str:
        if ref.startswith("file:"):
            value = _read_file(Path(ref.removeprefix("file:")), secret_dir)
            remember_secret(value)
            return value
        name = ref.removeprefix("env:")
        if _OWN_VARIABLE.match(name):
            raise sender_error("RUN11", f"secret_ref may not name the runner's own setting {name}")
        found = environ.get(name)
        if not found:
            raise sender_error("RUN10", f"the environment variable {name} is not set")
        remember_secret(found)
        return found

    return resolve


def _read_file(path: Path, secret_dir: Path | None) -> str:
    there = path.resolve()
    if any(there.is_relative_to(place) for place in _NOT_FILES):
        raise sender_error("RUN11", f"{path} is no secret file")
    if secret_dir is not None and not there.is_relative_to(secret_dir.resolve()):
        raise sender_error("RUN11", f"the secret file {path} is outside the secret folder")
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_BYTES)
        value = content.decode("utf-8").strip("\r\n")
    except (OSError, UnicodeDecodeError) as exc:
        raise sender_error(
            "RUN10", f"the secret file {path} cannot be read: {type(exc).__name__}"
        ) from None
    if not value:
        raise sender_error("RUN10", f"the secret file {path} is empty")
    return value
