"""Makes the test servers available: PostgreSQL 15 with plpgsql_check, and pgTAP's SQL for all.

`make test` runs it first. It does nothing when the tests have a DATABASE_URL or a Docker engine, or
when everything is here. On Debian and Ubuntu it installs packages, as root or by passwordless sudo;
what it cannot install it names, and the tests then run on the versions there are.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tools.postgres import CACHE, bin_dirs, pgtap_sql

OLDEST = 15


def main() -> int:
    """0 when every server is here or is left out by agreement; 1 when no suite could run."""
    if not _local_servers_wanted():
        return 0
    missing = _missing_packages()
    if missing and not _install(missing):
        print(f"provision: cannot install {', '.join(missing)} here", file=sys.stderr)
    if pgtap_sql() is None and not _unpack_pgtap():
        print(
            "provision: pgTAP was not found. Install it (Debian and Ubuntu: postgresql-NN-pgtap;"
            " elsewhere from https://pgtap.org, into any PostgreSQL of this machine)",
            file=sys.stderr,
        )
        return 1
    if OLDEST not in bin_dirs():
        print(
            f"provision: PostgreSQL {OLDEST} is not on this machine: nothing will be tested on it."
            f" On macOS: brew install postgresql@{OLDEST}",
            file=sys.stderr,
        )
    return 0


def browser() -> str | None:
    """A Chromium for tests of web pages, installed where it can be; None where there is none."""
    names = ("chromium", "chromium-browser", "google-chrome")
    mac = Path("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome")
    for attempt in (1, 2):
        found = next(filter(None, map(shutil.which, names)), None)
        if found is not None:
            return found
        if mac.exists():
            return str(mac)
        if attempt == 1 and (
            shutil.which("apt-get") is None or not _install(["chromium"], "test the web pages")
        ):
            return None
    return None


def imap_server() -> str | None:
    """A Dovecot for tests of the mailbox reader, installed where it can be; None without one."""
    for attempt in (1, 2):
        found = shutil.which("dovecot") or shutil.which(
            "dovecot", path="/usr/sbin:/opt/homebrew/sbin"
        )
        if found is not None:
            return found
        if attempt == 1 and (
            shutil.which("apt-get") is None
            or not _install(["dovecot-imapd"], "test the reading of mailboxes")
        ):
            return None
    return None


def _local_servers_wanted() -> bool:
    import servers

    kind = os.environ.get("PGDRIP_TEST_SERVER", "auto")
    if kind == "auto" and (os.environ.get("DATABASE_URL") or servers.docker_answers()):
        return False
    return kind != "docker"


def _missing_packages() -> list[str]:
    """Debian packages that are needed and not installed; empty where there is no Debian."""
    if shutil.which("apt-get") is None:
        return []
    missing = []
    if OLDEST not in bin_dirs():
        missing.append(f"postgresql-{OLDEST}")
    extensions = Path(f"/usr/share/postgresql/{OLDEST}/extension")
    for extension, package in (("pgtap", "pgtap"), ("plpgsql_check", "plpgsql-check")):
        if not (extensions / f"{extension}.control").exists():
            missing.append(f"postgresql-{OLDEST}-{package}")
    return missing


def _install(packages: Sequence[str], purpose: str = f"test on PostgreSQL {OLDEST} too") -> bool:
    root = _root_prefix()
    if root is None:
        print(
            f"provision: to {purpose}, run sudo apt-get install {' '.join(packages)}",
            file=sys.stderr,
        )
        return False
    if not all(map(_has_candidate, packages)):
        # It also fails for a source that has none of these: what counts is what it brought.
        _run([*root, "apt-get", "update"])
    return all(map(_has_candidate, packages)) and _run(
        [*root, "apt-get", "install", "--yes", "--no-install-recommends", *packages]
    )


def _unpack_pgtap() -> bool:
    """Any version's package will do, as pgTAP is SQL; unpacked below .cache, installed nowhere."""
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        return False
    names = _output(["apt-cache", "search", "--names-only", r"^postgresql-[0-9]+-pgtap$"])
    packages = re.findall(r"^postgresql-\d+-pgtap", names, re.MULTILINE)
    if not packages:
        return False
    CACHE.mkdir(exist_ok=True)
    # apt downloads as a user of its own, who may not write here; root may let it
    options = ["-o", "APT::Sandbox::User=root"] if os.geteuid() == 0 else []
    if not _run(["apt-get", *options, "download", packages[-1]], cwd=CACHE):
        return False
    (archive,) = CACHE.glob(f"{packages[-1]}_*.deb")
    done = _run(["dpkg-deb", "--extract", str(archive), str(CACHE / "pgtap")])
    archive.unlink()
    return done and pgtap_sql() is not None


def _root_prefix() -> list[str] | None:
    """What makes a command root's: nothing, or passwordless sudo; None where neither can be had."""
    if os.geteuid() == 0:
        return []
    if shutil.which("sudo") and _run(["sudo", "--non-interactive", "true"], quiet=True):
        return ["sudo", "--non-interactive", "DEBIAN_FRONTEND=noninteractive"]
    return None


def _has_candidate(package: str) -> bool:
    policy = _output(["apt-cache", "policy", package])
    return "Candidate:" in policy and "Candidate: (none)" not in policy


def _output(command: Sequence[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=_environ())
    return done.stdout


def _run(command: Sequence[str], *, cwd: Path | None = None, quiet: bool = False) -> bool:
    if not quiet:
        print("provision:", *command, flush=True)
    done = subprocess.run(
        command,
        cwd=cwd,
        env=_environ(),
        stdin=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL if quiet else None,
        stdout=subprocess.DEVNULL if quiet else None,
        check=False,
    )
    return done.returncode == 0


def _environ() -> dict[str, str]:
    return os.environ | {"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"}


if __name__ == "__main__":
    sys.exit(main())
