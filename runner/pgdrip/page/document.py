"""The page: rows of the reporting views in, one self-contained HTML document out.

Every figure is one of the views'; sums of counts, and rates of such sums, are all that is computed
here. Each label opens the comment of the column that it shows. Templates escape what they are
given; what is markup here was made by ``Markup.format``, which escapes its arguments.
"""

from __future__ import annotations

import base64
import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from importlib.resources import files
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from pgdrip import __version__
from pgdrip.page import charts
from pgdrip.page.charts import Series
from pgdrip.reports import NOTHING, STATUSES, Filters, Row, count, moment, rate

#: Charts and tables of more days show weeks.
MOST_DAYS = 62

_STYLE = files(__package__).joinpath("style.css").read_text("utf-8")
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_ICON = "data:image/svg+xml," + quote(
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><path fill="#1f5fbf" d="M8 1c3 4 '
    '5 6 5 9a5 5 0 0 1-10 0c0-3 2-5 5-9z"/></svg>'
)
#: Of the document itself: no script, nothing from elsewhere, this one style sheet.
_OWN_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; img-src data:; base-uri 'none'"
)
FILE_POLICY = f"{_OWN_POLICY}; form-action 'none'"
#: As a header, where it is served.
POLICY = f"{_OWN_POLICY}; form-action 'self'; frame-ancestors 'none'"

_templates = Environment(
    loader=PackageLoader(__package__, ""),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)

_STATE_MARKS = {"good": "●", "warn": "◐", "bad": "■"}


@dataclass(frozen=True)
class Definition:
    """A label, and what the comment of its column says."""

    label: str
    id: str
    text: str
    source: str


@dataclass(frozen=True)
class Column:
    """A column of a table on the page: of which view, and how its values are written."""

    definition: Definition
    cell: Callable[[Row], Cell]
    numeric: bool = True


@dataclass(frozen=True)
class Cell:
    """The inside of a cell, and its class."""

    html: Any
    style: str = ""


@dataclass(frozen=True)
class Table:
    """A table of the page."""

    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    caption: str = ""


@dataclass(frozen=True)
class Tile:
    """One figure at the top: its value, and what it is of."""

    definition: Definition
    value: str
    of: str


@dataclass
class Words:
    """The comments of the views, and which of them the page has used."""

    texts: Mapping[tuple[str, str], str]
    used: dict[str, Definition] = field(default_factory=dict)

    def term(self, view: str, column: str, label: str) -> Definition:
        """The label for a column of a view."""
        text = self.texts.get((view, column), "")
        found = Definition(label, f"d-{view}-{column}", text, f"drip_report.{view}.{column}")
        if text:
            self.used.setdefault(found.id, found)
        return found


def render(rows: Mapping[str, list[Row]], filters: Filters, *, served: bool = False) -> str:
    """The document. ``rows`` are those of ``reports.queries``; ``served``: with its forms."""
    comments = {(row["view"], row["column"]): row["text"] or "" for row in rows["definitions"]}
    words = Words(comments)
    (organization,) = rows["organization"]
    zone = organization["timezone"]
    enrolled = [row for row in rows["overview"] if row["enrolled"]]
    return _templates.get_template("report.html").render(
        served=served,
        policy=FILE_POLICY,
        style=Markup(_STYLE),  # noqa: S704 - ours
        icon=_ICON,
        organization=organization["name"],
        zone=zone,
        generated=moment(organization["now"], zone),
        version=__version__,
        filters=filters,
        period=_period(filters),
        # senders are those of all time
        tiles=_tiles(rows["overview"], rows["overview" if filters.has_days else "senders"], words),
        sequences=[_sequence(row, rows["steps"], words) for row in enrolled],
        comparison=_comparison(enrolled, words) if len(enrolled) > 1 else None,
        idle=[row for row in rows["overview"] if not row["enrolled"]],
        daily=_daily(rows["days"], words),
        senders=_senders(rows["lanes"], rows["senders"], words, zone),
        reasons=_reasons(rows["reasons"], words),
        errors=_errors(rows["errors"], words),
        cohorts=_cohorts(rows["cohorts"], words),
        conversions=[
            (row["conversions"], _amount(row["amount"], row["currency"]))
            for row in rows["conversions"]
        ],
        unknown=_unknown(rows["unknown"], words, zone),
        unknown_total=rows["unknown"][0]["total"] if rows["unknown"] else 0,
        # every label has been made by now
        definitions=sorted(words.used.values(), key=lambda each: each.id),
    )


def render_login(problem: str, action: str | None) -> str:
    """The form that asks for the token, sent to ``action``; ``None``: only the problem."""
    return _templates.get_template("login.html").render(
        served=True,
        style=Markup(_STYLE),  # noqa: S704 - ours
        icon=_ICON,
        problem=problem,
        action=action,
    )


def _period(filters: Filters) -> str:
    since, until = (each and _long_day(each) for each in (filters.since, filters.until))
    if since and until:
        return f"{since} to {until}"
    if since:
        return f"since {since}"
    return f"until {until}" if until else ""


def _long_day(day: date) -> str:
    return f"{day.day} {day:%B %Y}"


def _short_day(day: date) -> str:
    return f"{day.day} {day:%b}"


def _day_cell(day: date) -> Markup:
    return Markup('<time datetime="{}">{}</time>').format(day, f"{day:%a} {_short_day(day)}")


def _or_nothing(value: Any) -> str:
    return NOTHING if value is None else str(value)


def _words_of(value: str | None) -> str:
    return NOTHING if value is None else value.replace("_", " ")


def _amount(amount: Decimal | None, currency: str | None) -> str:
    return "" if amount is None else f"{amount:,.2f} {currency or ''}".strip()


def share(part: Any, whole: Any) -> Decimal | None:
    """``part`` of ``whole`` as 0 to 1, as the views have it: null where the whole is nothing."""
    return Decimal(part) / Decimal(whole) if whole else None


def _total(rows: Iterable[Row], name: str) -> int:
    return sum(int(row[name] or 0) for row in rows)


def _tiles(overview: Sequence[Row], senders: Sequence[Row], words: Words) -> list[Tile]:
    """The totals of the cohorts on the page; rates are of the summed counts.

    Deliveries are of the senders that report them: a mail server never does.
    """

    def term(name: str, label: str) -> Definition:
        return words.term("sequence_overview", name, label)

    enrolled, contacted = _total(overview, "enrolled"), _total(overview, "contacted")
    sent, failed = _total(overview, "messages_sent"), _total(overview, "messages_failed")
    bounced = _total(overview, "messages_bounced")
    # where no delivery is ever reported, none is missing
    reporting = [row for row in senders if row["delivered"] is not None]
    reported_sent = _total(reporting, "messages_sent")
    of_some = " that report it" if reported_sent < sent else ""
    tiles = [
        Tile(term("enrolled", "Enrolled"), count(enrolled), "enrollments"),
        Tile(term("contacted", "Contacted"), count(contacted), f"of {count(enrolled)} enrolled"),
        Tile(term("messages_sent", "Messages sent"), count(sent), f"{count(failed)} were given up"),
        Tile(
            term("success_rate", "Success"),
            rate(share(sent, sent + failed)),
            f"{count(sent)} of {count(sent + failed)} messages",
        ),
        Tile(
            term("delivery_rate", "Delivered"),
            rate(share(_total(reporting, "delivered"), reported_sent)),
            f"{count(_total(reporting, 'delivered'))} of {count(reported_sent)} messages{of_some}"
            if reporting
            else "not reported by the provider",
        ),
        Tile(
            term("bounce_rate", "Bounced"),
            rate(share(bounced, sent)),
            f"{count(bounced)} of {count(sent)} messages",
        ),
    ]
    for name, counted, label in (
        ("open_rate", "messages_opened", "Opened"),
        ("click_rate", "messages_clicked", "Clicked"),
    ):
        number, whole = _total(overview, counted), sent - bounced
        of = f"{count(number)} of {count(whole)} messages"
        tiles.append(Tile(term(name, label), rate(share(number, whole)), of))
    for name, counted, label in (
        ("reply_rate", "replies", "Replied"),
        ("conversion_rate", "conversions", "Converted"),
        ("unsubscribe_rate", "unsubscribes", "Unsubscribed"),
        ("complaint_rate", "complaints", "Complained"),
    ):
        number = _total(overview, counted)
        of = f"{count(number)} of {count(contacted)} contacted"
        tiles.append(Tile(term(name, label), rate(share(number, contacted)), of))
    return tiles


def _plain(words: Words, view: str, name: str, label: str, write: Any = count) -> Column:
    """A column of figures; zeros and nulls step back."""

    def cell(row: Row) -> Cell:
        value = row[name]
        return Cell(write(value), "n" if value else "n zero")

    return Column(words.term(view, name, label), cell)


def _text(
    words: Words, view: str, name: str, label: str, write: Callable[[Any], Any] = _or_nothing
) -> Column:
    """A column of words."""
    return Column(words.term(view, name, label), lambda row: Cell(write(row[name])), numeric=False)


def _bar_line(part: Decimal | None, figure: str, style: str = "") -> Cell:
    """A bar and its figure beside it."""
    line = Markup('<span class="bar-line">{}<span>{}</span></span>')
    return Cell(line.format(charts.row_bar(part, style), figure), "bar-cell")


def _table(columns: Sequence[Column], rows: Iterable[Row], caption: str = "") -> Table:
    return Table(columns, [[column.cell(row) for column in columns] for row in rows], caption)


def _comparison(overview: Sequence[Row], words: Words) -> Table:
    view = "sequence_overview"
    name = Column(
        words.term(view, "sequence_key", "Sequence"),
        lambda row: Cell(
            Markup('{}<span class="small">{} · version {}</span>').format(
                row["sequence_name"], row["sequence_key"], row["version"]
            )
        ),
        numeric=False,
    )
    figures = [
        _plain(words, view, "enrolled", "Enrolled"),
        _plain(words, view, "contacted", "Contacted"),
        _plain(words, view, "messages_sent", "Sent"),
        _plain(words, view, "success_rate", "Success", rate),
        _plain(words, view, "open_rate", "Opened", rate),
        _plain(words, view, "click_rate", "Clicked", rate),
        _plain(words, view, "reply_rate", "Replied", rate),
        _plain(words, view, "conversion_rate", "Converted", rate),
        _plain(words, view, "unsubscribe_rate", "Unsubscribed", rate),
    ]
    return _table([name, *figures], overview)


def _sequence(row: Row, steps: Sequence[Row], words: Words) -> dict[str, Any]:
    """Funnel and states of one cohort."""
    mine = [
        step
        for step in steps
        if (step["sequence_key"], step["version"]) == (row["sequence_key"], row["version"])
    ]
    states = [
        {
            "definition": words.term("sequence_overview", status, status.capitalize()),
            "style": status,
            "count": count(row[status]),
            "share": rate(share(row[status], row["enrolled"])),
            "empty": not row[status],
        }
        for status in STATUSES
    ]
    return {
        "name": row["sequence_name"],
        "key": row["sequence_key"],
        "version": row["version"],
        "status": row["sequence_status"],
        "enrolled": count(row["enrolled"]),
        "states": states,
        "bar": charts.share_bar([(status, row[status]) for status in STATUSES]),
        "summary": ", ".join(f"{count(row[each])} {each}" for each in STATUSES if row[each]),
        "funnel": _funnel(mine, words),
    }


def _funnel(steps: Sequence[Row], words: Words) -> Table:
    view = "step_funnel"

    def name(row: Row) -> Cell:
        other = row["step_version"] != row["version"]
        small = row["channel"] + (f", of version {row['step_version']}" if other else "")
        text = Markup('{}. {}<span class="small">{}</span>')
        return Cell(text.format(row["step_no"], row["step_key"], small.replace("_", " ")))

    columns = [
        Column(words.term(view, "step_key", "Step"), name, numeric=False),
        Column(
            words.term(view, "reach_rate", "Of those enrolled"),
            lambda row: _bar_line(row["reach_rate"], rate(row["reach_rate"])),
            numeric=False,
        ),
        _plain(words, view, "reached", "Reached"),
        _plain(words, view, "messages_sent", "Sent"),
        _plain(words, view, "messages_failed", "Given up"),
        _plain(words, view, "skipped", "Skipped"),
        _plain(words, view, "open_rate", "Opened", rate),
        _plain(words, view, "click_rate", "Clicked", rate),
        _plain(words, view, "replies", "Replies"),
        _plain(words, view, "unsubscribes", "Unsubscribes"),
        _plain(words, view, "conversions", "Conversions"),
    ]
    return _table(columns, steps)


_DAY_COUNTS = {
    "enrolled": "Enrolled",
    "messages_sent": "Sent",
    "messages_failed": "Given up",
    "messages_bounced": "Bounced",
    "messages_opened": "Opened",
    "messages_clicked": "Clicked",
    "replies": "Replies",
    "unsubscribes": "Unsubscribes",
    "complaints": "Complaints",
    "conversions": "Conversions",
}


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())


def _spread(rows: Sequence[Row], key: str, names: Sequence[str]) -> tuple[bool, list[Row]]:
    """A row for every day from the first to the last, or for every week of a long time."""
    if not rows:
        return False, []
    first, last = rows[0][key], rows[-1][key]
    weekly = (last - first).days >= MOST_DAYS
    sums: dict[date, Row] = {}
    day = _monday(first) if weekly else first
    while day <= last:
        sums[day] = {key: day, **dict.fromkeys(names, 0)}
        day += timedelta(days=7 if weekly else 1)
    for row in rows:
        into = sums[_monday(row[key]) if weekly else row[key]]
        for name in names:
            into[name] += row[name] or 0
    return weekly, list(sums.values())


def _daily(rows: Sequence[Row], words: Words) -> dict[str, Any] | None:
    view = "daily_activity"
    weekly, days = _spread(rows, "day", list(_DAY_COUNTS))
    if not days:
        return None
    labels = [_short_day(row["day"]) for row in days]
    each = "week" if weekly else "day"

    def chart(draw: Any, width: int, *series: tuple[str, str]) -> dict[str, Any]:
        totals = {name: _total(days, name) for name, _ in series}
        most = max(days, key=lambda row: row[series[0][0]])
        first = series[0][1].lower()
        peak = (
            f"Most {first} in one {each}: {count(most[series[0][0]])} ({_short_day(most['day'])})"
        )
        summary = ", ".join(f"{label.lower()} {count(totals[name])}" for name, label in series)
        drawn = [
            Series(label.lower(), f"s{n}", [row[name] for row in days])
            for n, (name, label) in enumerate(series, 1)
        ]
        return {
            "svg": draw(labels, drawn, f"Per {each}: {summary}. {peak}.", width),
            "legend": [
                (words.term(view, name, label), f"s{n}", count(totals[name]))
                for n, (name, label) in enumerate(series, 1)
            ],
            "peak": peak,
        }

    day = _text(words, view, "day", "Week of" if weekly else "Day", _day_cell)
    columns = [day, *(_plain(words, view, name, label) for name, label in _DAY_COUNTS.items())]
    return {
        "each": each,
        "messages": chart(
            charts.bars,
            charts.FULL,
            ("messages_sent", "Sent"),
            ("messages_failed", "Given up"),
        ),
        "readers": chart(
            charts.lines,
            charts.HALF,
            ("messages_opened", "Opened"),
            ("messages_clicked", "Clicked"),
        ),
        "answers": chart(
            charts.lines,
            charts.HALF,
            ("replies", "Replies"),
            ("unsubscribes", "Unsubscribes"),
            ("conversions", "Conversions"),
        ),
        "table": _table(columns, days),
    }


def _senders(lanes: Sequence[Row], senders: Sequence[Row], words: Words, zone: str) -> Table | None:
    results = {row["channel_account_key"]: row for row in senders}
    nothing = {"messages_sent": 0, "complaint_rate": None, "bounce_rate": None}
    merged = [
        {**nothing, "success_rate": None, **results.get(lane["channel_account_key"], {}), **lane}
        for lane in lanes
    ]
    if not merged:
        return None
    view = "sender_performance"
    columns = [
        Column(
            words.term("lane_status", "channel_account_key", "Sender"),
            lambda row: Cell(
                Markup('{}<span class="small">{}</span>').format(
                    row["channel_account_key"], _words_of(row["channel"])
                )
            ),
            numeric=False,
        ),
        Column(
            words.term("lane_status", "status", "State"),
            lambda row: Cell(_state(row, zone), "wide"),
            numeric=False,
        ),
        Column(
            words.term("lane_status", "sent_today", "Today, of its limit"),
            _today,
            numeric=False,
        ),
        _plain(words, "lane_status", "waiting", "Waiting"),
        _plain(words, "lane_status", "held", "Held"),
        _plain(words, view, "messages_sent", "Sent"),
        _plain(words, view, "success_rate", "Success", rate),
        _plain(words, view, "bounce_rate", "Bounced", rate),
        _plain(words, view, "complaint_rate", "Complained", rate),
    ]
    return _table(columns, merged)


def _state(lane: Row, zone: str) -> Markup:
    """A mark, a word and a reason: never a colour alone."""
    reason, slot = lane["reason"], lane["next_slot_at"]
    if lane["status"] == "blocked":
        style, text = "bad", "blocked"
    elif lane["status"] != "active":
        style, text = "warn", str(lane["status"])
    elif reason is not None:
        style, text = "warn", "waits"
    else:
        style, text = "good", "may send"
    small = _words_of(reason) if reason else ""
    if reason and slot is not None:
        small += f" until {moment(slot, zone)}"
    if lane["detail"]:
        small += f": {lane['detail']}"
    return Markup('<span class="state {}">{} {}</span><span class="small">{}</span>').format(
        style, _STATE_MARKS[style], text, small
    )


def _today(lane: Row) -> Cell:
    sent, limit = lane["sent_today"], lane["effective_limit"]
    if limit is None:
        return Cell(Markup("<span>{}, no limit</span>").format(count(sent)))
    full = limit and sent >= limit
    text = f"{count(sent)} of {count(limit)}"
    return _bar_line(share(sent, limit), text, "warn" if full else "")


def _reasons(rows: Sequence[Row], words: Words) -> list[tuple[str, Table]]:
    view = "outcome_reasons"
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        groups[row["subject"]].append(row)
    tables = []
    for subject, title in (("message", "Messages"), ("enrollment", "Enrollments")):
        mine = groups[subject]
        most = max((row["occurrences"] for row in mine), default=0)
        columns = [
            _text(words, view, "outcome", "Outcome", _words_of),
            _text(words, view, "reason", "Reason", _words_of),
            Column(
                words.term(view, "occurrences", "How often"),
                lambda row, most=most: _bar_line(  # type: ignore[misc]
                    share(row["occurrences"], most), count(row["occurrences"])
                ),
                numeric=False,
            ),
        ]
        if mine:
            tables.append((title, _table(columns, mine)))
    return tables


def _errors(rows: Sequence[Row], words: Words) -> Table | None:
    if not rows:
        return None
    view = "delivery_errors"
    columns = [
        _text(words, view, "error_code", "Code"),
        _text(words, view, "outcome", "Outcome", _words_of),
        _text(words, view, "reason", "Reason", _words_of),
        _text(words, view, "channel_account_key", "Sender"),
        _text(words, view, "day", "Last", _day_cell),
        _plain(words, view, "errors", "How often"),
    ]
    return _table(columns, rows)


_COHORT_COUNTS = (
    "enrolled",
    "contacted",
    "completed",
    "messages_sent",
    "replies",
    "unsubscribes",
    "complaints",
    "conversions",
)


def _cohorts(rows: Sequence[Row], words: Words) -> dict[str, Any] | None:
    view = "cohorts"
    weekly, days = _spread(rows, "enrolled_on", _COHORT_COUNTS)
    days = [row for row in days if row["enrolled"]]
    if not days:
        return None

    def rated(name: str, counted: str, label: str) -> Column:
        most = max(share(row[counted], row["contacted"]) or Decimal(0) for row in days)

        def cell(row: Row) -> Cell:
            value = share(row[counted], row["contacted"])
            heat = int(4 * value / most + Decimal("0.999")) if value and most else 0
            text = Markup('<span>{} <span class="muted">({})</span></span>')
            style = f"n heat h{heat}" if heat else "n zero"
            return Cell(text.format(rate(value), count(row[counted])), style)

        return Column(words.term(view, name, label), cell)

    columns = [
        _text(
            words, view, "enrolled_on", "Week of enrollment" if weekly else "Enrolled on", _day_cell
        ),
        _plain(words, view, "enrolled", "Enrolled"),
        _plain(words, view, "contacted", "Contacted"),
        _plain(words, view, "completed", "Completed"),
        rated("reply_rate", "replies", "Replied"),
        rated("conversion_rate", "conversions", "Converted"),
        rated("unsubscribe_rate", "unsubscribes", "Unsubscribed"),
        rated("complaint_rate", "complaints", "Complained"),
    ]
    return {"each": "week" if weekly else "day", "table": _table(columns, days)}


def _unknown(rows: Sequence[Row], words: Words, zone: str) -> Table | None:
    if not rows:
        return None
    view = "unknown_outcomes"

    columns = [
        _text(words, view, "enrollment_id", "Enrollment"),
        _text(words, view, "sequence_key", "Sequence"),
        _text(words, view, "step_key", "Step"),
        _text(words, view, "channel_account_key", "Sender"),
        _text(words, view, "held_at", "Held since", lambda at: moment(at, zone)),
        _text(words, view, "error_code", "Provider said"),
        _text(words, view, "claim_token", "Claim"),
    ]
    return _table(columns, rows)
