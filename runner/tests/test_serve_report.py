"""/report of ``pgdrip serve`` over real HTTP: who sees it, as which login, and what never leaks."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from typer.testing import CliRunner

from conftest import new_database
from engine import Engine
from pgdrip.cli import app
from pgdrip.web.app import make_app
from pgdrip.web.report import COOKIE, FAILURES, SESSION_SECONDS, is_signed, sign
from report_history import make_history
from servers import Server
from test_serve import free_port, start, stop

pytestmark = pytest.mark.timeout(120)

TOKEN = "a-token-of-more-than-twenty-characters"
LOGIN, PAGES = "pgdrip_test_report", "pgdrip_test_report_pages"


@dataclass
class Reports:
    """A running ``pgdrip serve`` with a report, and how to ask it."""

    engine: Engine
    base: str

    def get(self, path: str = "/report", **headers: str) -> httpx.Response:
        return httpx.get(self.base + path, headers=headers, timeout=30)

    def read(self, path: str = "/report") -> httpx.Response:
        return self.get(path, Authorization=f"Bearer {TOKEN}")

    def log_in(self, token: str, client: str = "127.0.0.1") -> httpx.Response:
        return httpx.post(
            f"{self.base}/report/login",
            data={"token": token},
            headers={"X-Forwarded-For": client},
            timeout=30,
        )


@pytest.fixture(scope="module")
def history(server: Server, template_database: str) -> Iterator[Engine]:
    """The history in a database of its own, and two logins: of the pages, and of the report."""
    with new_database(server, template_database) as url:
        engine = make_history(url)
        for login, role in ((PAGES, "drip_public"), (LOGIN, "drip_analyst")):
            engine.connection.execute(f"drop role if exists {login}")
            engine.connection.execute(f"create role {login} login in role {role}")
        yield engine
        for login in (PAGES, LOGIN):
            engine.connection.execute(f"drop role {login}")
        engine.close()


@pytest.fixture(scope="module")
def environment(history: Engine, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The settings of a report; its login is bound to nothing yet."""
    secret = tmp_path_factory.mktemp("secrets") / "token"
    secret.write_text(TOKEN + "\n")
    return {
        "DATABASE_URL": make_conninfo(history.url, user=PAGES),
        "PGDRIP_REPORT_TOKEN_FILE": str(secret),
        "PGDRIP_REPORT_DATABASE_URL": make_conninfo(history.url, user=LOGIN),
    }


@pytest.fixture(scope="module")
def served(history: Engine, environment: dict[str, str]) -> Iterator[Reports]:
    history.connection.execute(
        "insert into drip_core.login_organizations (organization_id, login) values (%s, %s)",
        (history.organization_id, LOGIN),
    )
    port = free_port()
    options = ("--page-views", "10000/minute")
    process = start(environment["DATABASE_URL"], port, *options, environment=environment)
    yield Reports(history, f"http://127.0.0.1:{port}")
    errors = stop(process)
    history.connection.execute("delete from drip_core.login_organizations")
    assert process.returncode == 0, errors
    assert b"Traceback" not in errors
    assert TOKEN.encode() not in errors, "the token was logged"


async def test_a_report_that_is_not_configured_is_not_there(environment: dict[str, str]) -> None:
    public = make_app(environment["DATABASE_URL"])
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(public), base_url="http://test"
    ) as client:
        for path in ("/report", "/report/login"):
            assert (await client.get(path)).status_code == 404
            assert (await client.post(path)).status_code == 404


async def test_below_a_path_the_form_leads_back_to_it(environment: dict[str, str]) -> None:
    below = make_app(
        environment["DATABASE_URL"],
        root_path="/mail",
        report=(environment["PGDRIP_REPORT_DATABASE_URL"], lambda: TOKEN),
    )
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(below), base_url="https://test"
    ) as client:
        form = await client.get("/mail/report")
        assert (form.status_code, 'action="report/login"' in form.text) == (401, True)
        again = await client.post("/mail/report/login", data={"token": "wrong"})
        assert (again.status_code, 'action="login"' in again.text) == (401, True)
        done = await client.post("/mail/report/login", data={"token": TOKEN})
        assert str(done.next_request and done.next_request.url) == "https://test/mail/report"


@pytest.mark.parametrize(
    ("change", "role", "words"),
    [
        ({"PGDRIP_REPORT_DATABASE_URL": ""}, "", "no login of its own"),
        ({"PGDRIP_REPORT_TOKEN_FILE": "/nowhere"}, "", "cannot be read"),
        ({"PGDRIP_REPORT_TOKEN_FILE": "", "PGDRIP_REPORT_TOKEN": "short"}, "", "characters"),
        ({}, "", "not bound"),
        ({}, "drip_app", "may also act as drip_app"),
    ],
)
def test_a_report_that_would_show_too_much_does_not_start(
    history: Engine, environment: dict[str, str], change: dict[str, str], role: str, words: str
) -> None:
    if role:
        history.connection.execute(f"grant {role} to {LOGIN}")
    given = {name: value for name, value in (environment | change).items() if value}
    result = CliRunner().invoke(app, ["serve"], env=given)
    assert result.exit_code == 1
    assert "WEB10" in str(result.exception)
    assert words in str(result.exception)
    assert TOKEN not in str(result.exception)
    if role:
        history.connection.execute(f"revoke {role} from {LOGIN}")


def test_who_has_the_token_sees_the_report_and_nobody_else(served: Reports) -> None:
    shown = served.read()
    assert shown.status_code == 200
    assert "Acme &lt;script&gt;" in shown.text
    for headers in (
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": "Bearer"},
        {"Authorization": f"Basic {TOKEN}"},
        {"Authorization": f"Bearer {TOKEN}x"},
        {"Cookie": f"{COOKIE}={TOKEN}"},
        {"Cookie": f"{COOKIE}={int(time.time()) + 60}.{'0' * 64}"},
        {"Cookie": f"{COOKIE}={sign(TOKEN, int(time.time()) - 1)}"},
    ):
        refused = served.get(**headers)
        assert refused.status_code == 401, headers
        assert refused.headers["www-authenticate"].startswith("Bearer ")
        assert "Acme" not in refused.text
        assert "welcome" not in refused.text
    # a token in an address would be in logs and histories
    assert served.get(f"/report?token={TOKEN}").status_code == 401


def test_a_person_logs_in_and_out_with_a_strict_cookie(served: Reports) -> None:
    assert served.log_in("wrong").status_code == 401
    done = served.log_in(f" {TOKEN} ")
    assert (done.status_code, done.headers["location"]) == (303, "../report")
    cookie, *flags = done.headers["set-cookie"].split("; ")
    assert {flag.lower() for flag in flags} == {
        *("httponly", "secure", "samesite=strict", "path=/"),
        f"max-age={SESSION_SECONDS}",
    }
    assert cookie.startswith("__Host-")
    assert TOKEN not in cookie
    assert served.get(Cookie=cookie).status_code == 200
    out = httpx.post(f"{served.base}/report/logout", headers={"Cookie": cookie})
    assert out.status_code == 303
    assert "max-age=0" in out.headers["set-cookie"].lower()


def test_other_methods_are_refused(served: Reports) -> None:
    for path, methods in (
        ("/report", ("POST", "PUT", "DELETE", "PATCH")),
        ("/report/login", ("GET", "PUT", "DELETE")),
        ("/report/logout", ("GET", "DELETE")),
    ):
        for method in methods:
            headers = {"Authorization": f"Bearer {TOKEN}"}
            assert httpx.request(method, served.base + path, headers=headers).status_code == 405
    assert httpx.head(f"{served.base}/report").status_code == 401
    assert served.read("/report/").status_code == 404


def test_the_headers_of_the_report(served: Reports) -> None:
    for answer in (served.read(), served.get()):
        policy = answer.headers.get_list("content-security-policy")
        assert len(policy) == 1
        assert policy[0].startswith("default-src 'none'; style-src 'sha256-")
        assert "unsafe" not in policy[0]
        assert "script" not in policy[0]
        assert "frame-ancestors 'none'" in policy[0]
        for name, value in (
            ("cache-control", "no-store"),
            ("referrer-policy", "no-referrer"),
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
        ):
            assert answer.headers.get_list(name) == [value]
        assert "server" not in answer.headers
        assert "<script" not in answer.text


def test_it_is_filtered_by_the_address(served: Reports) -> None:
    assert "nudge" in served.read("/report?sequence=welcome&since=2026-03-01").text
    assert "nudge" not in served.read("/report?sequence=second").text
    nothing = served.read("/report?sequence=nothing%00%3Cscript%3E")
    assert nothing.status_code == 200
    assert "<script" not in nothing.text
    for query in ("since=yesterday", "until=2026-13-01", "since=%00"):
        assert served.read(f"/report?{query}").status_code == 400


def test_who_guesses_is_not_heard_for_a_minute(served: Reports) -> None:
    allowed = int(FAILURES.partition("/")[0])
    codes = [served.log_in(f"guess {n}", "192.0.2.7").status_code for n in range(allowed + 2)]
    assert codes == [401] * allowed + [429] * 2
    assert served.log_in(TOKEN, "192.0.2.7").status_code == 429, "the right one neither"
    assert served.log_in(TOKEN, "192.0.2.8").status_code == 303, "others are heard"


def test_a_new_token_in_the_file_ends_every_session(
    served: Reports, environment: dict[str, str]
) -> None:
    secret = Path(environment["PGDRIP_REPORT_TOKEN_FILE"])
    cookie = served.log_in(TOKEN).headers["set-cookie"].partition(";")[0]
    assert served.get(Cookie=cookie).status_code == 200
    try:
        secret.write_text(TOKEN[::-1])
        assert served.get(Cookie=cookie).status_code == 401
        assert served.read().status_code == 401
        secret.unlink()
        for answer in (served.get(Cookie=cookie), served.read(), served.log_in("")):
            assert answer.status_code == 503
            assert str(secret) not in answer.text
    finally:
        secret.write_text(TOKEN)
    assert served.read().status_code == 200


def test_it_can_do_nothing_but_read_reports_L7(
    served: Reports, environment: dict[str, str]
) -> None:
    assert served.read().status_code == 200
    used = served.engine.rows(
        "select distinct application_name as name from pg_stat_activity where usename = %s", LOGIN
    )
    assert used == [{"name": "pgdrip serve"}]
    with psycopg.connect(environment["PGDRIP_REPORT_DATABASE_URL"], autocommit=True) as analyst:
        for statement in (
            "select email from drip_core.contacts",
            "select drip.claim()",
            "set role drip_app",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                analyst.execute(statement)


def test_a_signature_holds_for_its_token_and_its_time_only() -> None:
    value = sign(TOKEN, 1000)
    assert is_signed(TOKEN, value, 999)
    assert not is_signed(TOKEN, value, 1000)
    assert not is_signed(TOKEN + "x", value, 999)
    for forged in ("", ".", "1000", "1001" + value[4:], value[:-1], "²." + value[5:], "-1.x"):
        assert not is_signed(TOKEN, forged, 999)
    assert not re.search(TOKEN, value)


def test_without_a_database_it_says_so(served: Reports) -> None:
    engine = served.engine
    engine.connection.execute(f"alter role {LOGIN} nologin")
    engine.rows("select pg_terminate_backend(pid) from pg_stat_activity where usename = %s", LOGIN)
    answer = served.read()
    assert answer.status_code == 503
    assert "retry-after" in answer.headers
    assert "Traceback" not in answer.text
    assert httpx.get(f"{served.base}/readyz").status_code == 200, "people can still unsubscribe"
    engine.connection.execute(f"alter role {LOGIN} login")
