"""Writes sql/releases/VERSION.sql.gz: all SQL of this version in one file, for the upgrade tests.

`python -m tools.release`. The file is what `pgdrip migrate dump-sql` prints. Once written it never
changes, of which SHA256SUMS (as sha256sum writes it) is the record.
"""

from __future__ import annotations

import gzip
import hashlib
import re
import sys
from pathlib import Path

import pgdrip
from pgdrip import migrate
from tools.postgres import ROOT

RELEASES = ROOT / "sql" / "releases"
SUMS = RELEASES / "SHA256SUMS"


def versions() -> list[str]:
    """The released versions, oldest first, by their files."""
    found = [path.name.removesuffix(".sql.gz") for path in RELEASES.glob("*.sql.gz")]
    return sorted(found, key=lambda version: [int(n) for n in re.findall("[0-9]+", version)])


def read(version: str) -> str:
    """The SQL that installs a released version in an empty database."""
    return gzip.decompress(_path(version).read_bytes()).decode()


def sums() -> dict[str, str]:
    """The recorded hash of each file."""
    lines = SUMS.read_text().splitlines() if SUMS.exists() else []
    return {name: digest for digest, _, name in (line.partition("  ") for line in lines)}


def sha256(path: Path) -> str:
    """Hash of a file as it lies there."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write(version: str, text: str) -> Path:
    """Write the file of a version and record its hash; FileExistsError when there is one."""
    path = _path(version)
    RELEASES.mkdir(exist_ok=True)
    with path.open("xb") as file:
        # no time and no name in it: the same text gives the same bytes
        file.write(gzip.compress(text.encode(), mtime=0))
    recorded = sums() | {path.name: sha256(path)}
    SUMS.write_text("".join(f"{digest}  {name}\n" for name, digest in sorted(recorded.items())))
    return path


def _path(version: str) -> Path:
    return RELEASES / f"{version}.sql.gz"


def main() -> int:
    """The command line."""
    version = pgdrip.__version__
    if version in versions():
        if read(version) == migrate.dump_sql():
            print(f"{version} is written already, and the SQL is the same.")
            return 0
        print(
            f"{version} is released and its SQL must not change: give the package a new version.",
            file=sys.stderr,
        )
        return 1
    print(f"wrote {write(version, migrate.dump_sql())}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
