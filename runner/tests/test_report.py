"""``pgdrip report``: what people, spreadsheets, programs and browsers get of one small history."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from conftest import new_database
from engine import Engine
from pgdrip import reports
from pgdrip.cli import app
from pgdrip.page import document
from report_history import HOSTILE, make_history
from servers import Server


@pytest.fixture(scope="module")
def history(server: Server, template_database: str) -> Iterator[Engine]:
    """The history, in a database that nobody writes to any more."""
    with new_database(server, template_database) as url:
        engine = make_history(url)
        yield engine
        engine.close()


def run(engine: Engine, *arguments: str) -> Result:
    environment = {"DATABASE_URL": engine.url, "COLUMNS": "110", "PGDRIP_ORGANIZATION": ""}
    return CliRunner().invoke(app, ["report", *arguments], env=environment)


def lines(result: Result) -> list[str]:
    """What was printed, without the space to the right of it."""
    assert result.exit_code == 0, result.exception
    return [line.rstrip() for line in result.output.splitlines() if line.strip()]


GOLDEN = {
    "--by step": """\
second, version 1
    step   channel  reached  of all  sent  given up  skipped  opened  clicked  replies  unsubscr.
 ────────────────────────────────────────────────────────────────────────────────────────────────
 1  intro  email          0       –     0         0        0       –        –        0          0
welcome, version 1
    step   channel  reached  of all  sent  given up  skipped  opened  clicked  replies  unsubscr.
 ────────────────────────────────────────────────────────────────────────────────────────────────
 1  intro  email          8   80.0%     8         1        0   28.6%    14.3%        1          0
 2  nudge  email          4   40.0%     4         0        0   25.0%     0.0%        0          1
""",  # noqa: RUF001
    "--by sender": """\
By sender
 sender  channel  sent  given up  success  bounced  opened  clicked  replied  unsubscr.  complained
 ──────────────────────────────────────────────────────────────────────────────────────────────────
 sales   email      12         1    92.3%     8.3%   27.3%     9.1%    12.5%      12.5%        0.0%
""",
    "--by day --sequence welcome": """\
By day
 day             enrolled  sent  given up  bounced  opened  clicked  replies  unsubscr.  complained  converted
 ─────────────────────────────────────────────────────────────────────────────────────────────────────────────
 Mon 2026-03-02         9     7         1        1       2        1        1          0           0          1
 Tue 2026-03-03         1     1         0        0       0        0        0          0           0          0
 Wed 2026-03-04         0     4         0        0       1        0        0          1           0          0
""",  # noqa: E501
    "--by channel --since 2026-03-03": """\
By channel from 2026-03-03
 channel  sent  given up  bounced  opened  clicked  replies  unsubscr.  complained  converted
 ────────────────────────────────────────────────────────────────────────────────────────────
 email       5         0        0       1        0        0          1           0          0
""",
    "--by reason": """\
By reason
 subject     outcome         reason           how often
 ──────────────────────────────────────────────────────
 message     attempt_failed  invalid_address          1
 message     bounced         invalid_address          1
 message     held            outcome_unknown          1
 message     unsubscribed    unsubscribed             1
 enrollment  bounced         invalid_address          2
 enrollment  exited          goal_reached             1
 enrollment  paused          replied                  1
""",
    "--by cohort --until 2026-03-02": """\
By cohort to 2026-03-02
 enrolled on     sequence  v  enrolled  contacted  completed  replied  unsubscr.  complained  converted
 ──────────────────────────────────────────────────────────────────────────────────────────────────────
 Mon 2026-03-02  welcome   1         9          7          4    14.3%      14.3%        0.0%      14.3%
""",  # noqa: E501
}


@pytest.mark.parametrize("arguments", GOLDEN)
def test_what_people_see(history: Engine, arguments: str) -> None:
    shown = lines(run(history, *arguments.split()))
    assert shown == GOLDEN[arguments].splitlines()


def test_a_narrow_terminal_cuts_no_figure_off(history: Engine) -> None:
    environment = {"DATABASE_URL": history.url, "COLUMNS": "40"}
    result = CliRunner().invoke(app, ["report", "--by", "day"], env=environment)
    assert "…" not in result.output
    assert lines(result) == GOLDEN["--by day --sequence welcome"].splitlines()


def test_csv_and_json_are_read_back_as_they_were(history: Engine) -> None:
    for by in ("step", "sender", "day", "channel", "reason", "cohort"):
        for more in ((), ("--since", "2026-03-03")):
            rows = list(
                csv.DictReader(io.StringIO(run(history, "--by", by, *more, "--csv").output))
            )
            found = json.loads(run(history, "--by", by, *more, "--json").output)
            assert [
                {key: "" if value is None else str(value) for key, value in row.items()}
                for row in found
            ] == rows, by
            assert rows or by == "cohort"
    whole = json.loads(run(history, "--json").output)
    assert list(whole) == ["overview", "status", "lanes"]
    (row,) = csv.DictReader(io.StringIO(run(history, "--csv", "-s", "welcome").output))
    assert row["sequence_name"] == f"Welcome {HOSTILE}"
    assert Decimal(row["success_rate"]) == Decimal(whole["overview"][1]["success_rate"]).quantize(
        Decimal(row["success_rate"])
    )


@pytest.mark.parametrize(
    ("by", "view", "key"),
    [
        ("sender", "sender_performance", "channel_account_key"),
        ("channel", "channel_performance", "channel"),
        ("cohort", "cohorts", "enrolled_on"),
        ("step", "step_funnel", "step_key"),
    ],
)
def test_M1_M3_what_is_summed_of_one_row_is_that_row(
    history: Engine, by: str, view: str, key: str
) -> None:
    shown = json.loads(run(history, "--by", by, "-s", "welcome", "--json").output)
    rows = history.rows(
        f"select v.* from drip_report.{view} as v where v.sequence_key = 'welcome' order by {key}"
    )
    assert len(shown) == len(rows) > 0
    for row, expected in zip(sorted(shown, key=lambda each: each[key]), rows, strict=True):
        for name, value in row.items():
            if isinstance(value, float):
                assert value == pytest.approx(float(expected[name])), name
            else:
                assert value == (
                    expected[name].isoformat()
                    if isinstance(expected[name], date)
                    else expected[name]
                ), name


def test_M3_days_of_the_overview_are_days_of_enrollment(history: Engine) -> None:
    (row,) = json.loads(run(history, "--json", "-s", "welcome", "--since", "2026-03-03").output)[
        "overview"
    ]
    assert (row["enrolled"], row["active"], row["messages_sent"], row["replies"]) == (1, 1, 1, 0)
    (row,) = json.loads(run(history, "--json", "-s", "welcome", "--until", "2026-03-02").output)[
        "overview"
    ]
    assert (row["enrolled"], row["messages_sent"], row["reply_rate"]) == (9, 11, 1 / 7)
    (nobody, _) = json.loads(run(history, "--json", "--since", "2026-03-03").output)["overview"]
    assert (nobody["enrolled"], nobody["success_rate"]) == (0, None)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("--sequence nothing", "REP02"),
        ("--table nothing --csv", "REP01"),
        ("--csv --json", "REP05: --json and --csv do not go together"),
        ("--by step --html x.html", "REP05: --html and --by"),
        ("--since 2026-03-02 --until 2026-03-01", "REP05: --until 2026-03-01 is before"),
        ("--html /nowhere/x.html", "REP04"),
    ],
)
def test_what_cannot_be_shown_ends_with_a_code(history: Engine, arguments: str, words: str) -> None:
    result = run(history, *arguments.split())
    assert result.exit_code == 1
    assert words in str(result.exception)


def test_a_day_or_dimension_that_is_none_is_a_usage_error(history: Engine) -> None:
    assert run(history, "--since", "yesterday").exit_code == 2
    assert run(history, "--by", "planet").exit_code == 2


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (None, "–"),  # noqa: RUF001
        (0, "0.0%"),
        (1, "100.0%"),
        ("0.5", "50.0%"),
        ("0.1234", "12.3%"),
        ("0.0042", "0.42%"),
        ("0.00001", "<0.01%"),
        ("0.99996", ">99.9%"),
        ("0.9994", "99.9%"),
    ],
)
def test_no_rate_is_rounded_to_nothing_or_to_all(value: Any, written: str) -> None:
    assert reports.rate(None if value is None else Decimal(value)) == written


class Page(HTMLParser):
    """What a page says: its words, its tables as rows of texts, every tag and attribute."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.rows: list[list[str]] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.tiles: dict[str, str] = {}
        self._open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        self.tags.append((tag, attributes))
        if tag not in {"meta", "link", "br", "input"}:
            self._open.append(f"{tag} {attributes.get('class') or ''}".strip())
        if tag == "tr":
            self.rows.append([])
        elif tag in {"th", "td"}:
            self.rows[-1].append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop().split()[0] == tag, "every element is closed in its place"

    def handle_data(self, data: str) -> None:
        if any(each.startswith("style") for each in self._open):
            return
        self.words.append(data)
        if any(each == "span cell-label" for each in self._open):
            return
        if any(each.split()[0] in {"th", "td"} for each in self._open):
            self.rows[-1][-1] += data
        if self._open[-1:] == ["div value"]:
            label = [word for word in self.words if word.strip()][-2]
            self.tiles[label] = data


@pytest.fixture(scope="module")
def page(history: Engine, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("page") / "report.html"
    assert run(history, "--html", str(path)).exit_code == 0
    return path.read_text(encoding="utf-8")


def test_the_page_has_the_numbers_of_the_views(history: Engine, page: str) -> None:
    shown = Page(page)
    assert shown._open == []
    assert shown.tiles == {
        "Enrolled": "10",
        "Contacted": "8",
        "Messages sent": "12",
        "Success": "92.3%",
        "Delivered": "50.0%",
        "Bounced": "8.3%",
        "Opened": "27.3%",
        "Clicked": "9.1%",
        "Replied": "12.5%",
        "Converted": "12.5%",
        "Unsubscribed": "12.5%",
        "Complained": "0.0%",
    }
    rows = {row[0].strip(): [cell.strip() for cell in row[1:]] for row in shown.rows}
    assert rows["1. introemail"] == [
        *("80.0%", "8", "8", "1", "0", "28.6%", "14.3%", "1", "0", "1"),
    ]
    assert rows["2. nudgeemail"][:3] == ["40.0%", "4", "4"]
    assert rows["Wed 4 Mar"] == ["0", "4", "0", "0", "1", "0", "0", "1", "0", "0"]
    assert rows["salesemail"][1:] == ["0 of 200", "1", "1", "12", "92.3%", "8.3%", "0.0%"]
    assert rows["Mon 2 Mar"] == [
        *("9", "7", "4", "14.3% (1)", "14.3% (1)", "14.3% (1)", "0.0% (0)"),
    ]
    assert rows["550 5.1.1"] == ["attempt failed", "invalid address", "sales", "Mon 2 Mar", "1"]
    reasons = [tuple(row) for row in shown.rows if len(row) == 3]
    assert ("exited", "goal reached", "1") in reasons
    assert ("held", "outcome unknown", "1") in reasons
    text = " ".join("".join(shown.words).split())
    for status in reports.STATUSES:
        (view,) = history.rows(
            "select v.enrollments, v.share from drip_report.enrollment_status as v"
            " where v.sequence_key = 'welcome' and v.status = %s",
            status,
        )
        assert f"{status.capitalize()}{view['enrollments']}{reports.rate(view['share'])}" in text
    assert "1 worth 1,200.00 EUR" in text
    assert re.search(r"As of 20\d\d-\d\d-\d\d \d\d:\d\d CES?T", text)
    assert "Days are those of Europe/Berlin" in text


def test_every_label_opens_the_comment_of_its_column(history: Engine, page: str) -> None:
    shown = Page(page)
    targets = {a["popovertarget"] for _, a in shown.tags if "popovertarget" in a}
    places = {a["id"] for _, a in shown.tags if "popover" in a}
    assert targets == places
    assert len(targets) > 40
    comments = history.rows(
        "select 'd-' || c.relname || '-' || a.attname as id,"
        " col_description(c.oid, a.attnum) as text"
        " from pg_class as c join pg_attribute as a on a.attrelid = c.oid and a.attnum > 0"
        " where c.relnamespace = 'drip_report'::regnamespace"
    )
    texts = {row["id"]: row["text"] for row in comments}
    said = "".join(shown.words)
    assert all(texts[target] in said for target in targets)


def test_names_are_text_whatever_they_say(page: str) -> None:
    shown = Page(page)
    names = {tag for tag, _ in shown.tags}
    assert "script" not in names
    assert "b" in names, "ours"
    assert f"Acme {HOSTILE}" in shown.words
    assert f"Welcome {HOSTILE}" in shown.words
    assert not [
        a for _, a in shown.tags if any(name.startswith("on") or name == "style" for name in a)
    ]


def test_the_page_needs_nothing_from_anywhere(page: str) -> None:
    shown = Page(page)
    for tag, attributes in shown.tags:
        for name in ("src", "href", "action", "formaction", "data", "poster", "srcset"):
            target = attributes.get(name)
            assert target is None or target.startswith(("#", "data:")), (tag, target)
    assert "url(" not in page
    assert "@import" not in page
    ids = [a["id"] for _, a in shown.tags if "id" in a]
    assert len(ids) == len(set(ids))
    (policy,) = [a["content"] for tag, a in shown.tags if a.get("http-equiv")]
    assert policy is not None
    assert policy.startswith("default-src 'none'; style-src 'sha256-")


def test_a_page_without_anything_says_so(database: str, tmp_path: Path) -> None:
    engine = Engine(database)
    path = tmp_path / "empty.html"
    assert run(engine, "--html", str(path)).exit_code == 0
    shown = Page(path.read_text(encoding="utf-8"))
    text = "".join(shown.words)
    for words in ("Nobody is enrolled", "Nothing has happened yet", "There is no sender"):
        assert words in text
    assert shown.tiles["Success"] == reports.NOTHING
    assert shown.tiles["Enrolled"] == "0"
    for by in ("step", "day", "reason"):
        assert lines(run(engine, "--by", by)) == [f"There is nothing to report by {by}."]
        assert run(engine, "--by", by, "--csv").output == ""
        assert json.loads(run(engine, "--by", by, "--json").output) == []
    engine.close()


def test_long_times_are_shown_by_week() -> None:
    rows = [{"day": date(2026, 1, 1), "sent": 1}, {"day": date(2026, 6, 1), "sent": 2}]
    weekly, weeks = document._spread(rows, "day", ["sent"])
    assert weekly
    assert (weeks[0], weeks[-1]) == (
        {"day": date(2025, 12, 29), "sent": 1},
        {"day": date(2026, 6, 1), "sent": 2},
    )
    assert sum(week["sent"] for week in weeks) == 3
    daily, days = document._spread(rows[:1], "day", ["sent"])
    assert (daily, days) == (False, rows[:1])


def test_G3_the_page_counts_deliveries_of_the_senders_that_report_them() -> None:
    overview = [dict.fromkeys(reports._COHORT_COUNTS, 0) | {"messages_sent": 100, "delivered": 19}]
    mail_server = {"messages_sent": 80, "delivered": None}
    phone = {"messages_sent": 20, "delivered": 19}
    tiles = document._tiles(overview, [mail_server, phone], document.Words({}))
    (delivered,) = (tile for tile in tiles if tile.definition.label == "Delivered")
    assert (delivered.value, delivered.of) == ("95.0%", "19 of 20 messages that report it")
    tiles = document._tiles(overview, [mail_server], document.Words({}))
    (delivered,) = (tile for tile in tiles if tile.definition.label == "Delivered")
    assert (delivered.value, delivered.of) == ("–", "not reported by the provider")  # noqa: RUF001
