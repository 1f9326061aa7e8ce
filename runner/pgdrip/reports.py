"""The reporting views: what to ask of them, and how their figures are written.

Statements are data, so that the command line (one connection) and ``pgdrip serve`` (a pool) can ask
the same. A report that is asked for in one repeatable-read transaction is of one instant: its
figures agree with each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

Row = dict[str, Any]

NOTHING = "–"  # noqa: RUF001 - an en dash for "no value"

#: The states of an enrollment, in the order in which they are shown.
STATUSES = (
    "active",
    "paused",
    "completed",
    "failed",
    "exited",
    "removed",
    "bounced",
    "unsubscribed",
)


@dataclass(frozen=True)
class Filters:
    """Which rows: of one sequence, from a local day to another (both included)."""

    sequence: str | None = None
    since: date | None = None
    until: date | None = None

    @property
    def has_days(self) -> bool:
        """Whether a day limits them."""
        return self.since is not None or self.until is not None


#: What messages and enrollments of a cohort are counted by; their names are those of the views.
_MESSAGES = (
    "messages_sent",
    "messages_failed",
    "delivered",
    "messages_bounced",
    "messages_opened",
    "messages_clicked",
    "machine_opens",
    "machine_clicks",
)
_ANSWERS = ("replies", "unsubscribes", "complaints", "conversions")
#: What daily_activity counts, all of it by the day of the event.
_EVENTS = ("messages_sent", "messages_failed", "skipped", *_MESSAGES[2:], *_ANSWERS)

# Rates are of sums: numerator and denominator of one cohort (M3).
_MESSAGE_RATES = """
  t.messages_sent::numeric / nullif(t.messages_sent + t.messages_failed, 0) as success_rate,
  t.delivered::numeric / nullif(t.messages_sent, 0) as delivery_rate,
  t.messages_bounced::numeric / nullif(t.messages_sent, 0) as bounce_rate,
  t.messages_opened::numeric / nullif(t.messages_sent - t.messages_bounced, 0) as open_rate,
  t.messages_clicked::numeric / nullif(t.messages_sent - t.messages_bounced, 0) as click_rate"""
_ANSWER_RATES = """
  t.replies::numeric / nullif(t.contacted, 0) as reply_rate,
  t.unsubscribes::numeric / nullif(t.contacted, 0) as unsubscribe_rate,
  t.complaints::numeric / nullif(t.contacted, 0) as complaint_rate,
  t.conversions::numeric / nullif(t.contacted, 0) as conversion_rate"""

_MINE = (
    "v.organization_id = %(organization_id)s"
    " and (%(sequence)s::text is null or v.sequence_key = %(sequence)s)"
)
_IN_RANGE = (
    "(%(since)s::date is null or v.{day} >= %(since)s)"
    " and (%(until)s::date is null or v.{day} <= %(until)s)"
)


def _sums(view: str, keys: Sequence[str], counts: Sequence[str], where: str) -> str:
    """The keys with the sums of the counts, as ``t``."""
    parts = [*(f"v.{key}" for key in keys)]
    parts += [f"sum(v.{count})::bigint as {count}" for count in counts]
    return (
        f"(select {', '.join(parts)} from drip_report.{view} as v"  # noqa: S608 - constants
        f" where {_MINE} and {where} group by {', '.join(f'v.{key}' for key in keys)}) as t"
    )


def _select(keys: Sequence[str], counts: Sequence[str], rates: str, source: str, order: str) -> str:
    names = ", ".join(f"t.{name}" for name in (*keys, *counts))
    return f"select {names}{rates and ',' + rates} from {source} order by {order}"  # noqa: S608


def _of_cohorts(view: str, keys: Sequence[str], order: str) -> str:
    """What became of the messages of all cohorts, by these keys."""
    counts = ("contacted", *_MESSAGES, *_ANSWERS)
    rates = f"{_MESSAGE_RATES},{_ANSWER_RATES}"
    return _select(keys, counts, rates, _sums(view, keys, counts, "true"), order)


def _of_days(keys: Sequence[str], order: str, counts: Sequence[str] = _EVENTS) -> str:
    """What happened on some days, by these keys. Rates over events would mix cohorts."""
    where = _IN_RANGE.format(day="day") + (f" and v.{keys[0]} is not null" if keys else "")
    return _select(keys, counts, "", _sums("daily_activity", keys, counts, where), order)


_COHORT_COUNTS = ("enrolled", *STATUSES, "contacted", *_MESSAGES, *_ANSWERS)
_COHORT_RATES = f"{_MESSAGE_RATES},{_ANSWER_RATES}"
_LANES = (
    "select * from drip_report.lane_status as v"
    " where v.organization_id = %(organization_id)s order by v.channel_account_key"
)


def _cohorts(keys: Sequence[str], order: str) -> str:
    where = _IN_RANGE.format(day="enrolled_on")
    source = _sums("cohorts", keys, _COHORT_COUNTS, where)
    return _select(keys, _COHORT_COUNTS, _COHORT_RATES, source, order)


def _overview(filters: Filters) -> str:
    """Sequences with their cohorts: all of them, or of those days on which they were enrolled."""
    whole = f"select * from drip_report.sequence_overview as v where {_MINE}"  # noqa: S608 - constants
    if not filters.has_days:
        return f"{whole} order by v.sequence_key, v.version"
    counts = ", ".join(f"coalesce(t.{name}, 0) as {name}" for name in _COHORT_COUNTS)
    source = _sums(
        "cohorts", ("sequence_key", "version"), _COHORT_COUNTS, _IN_RANGE.format(day="enrolled_on")
    )
    return (
        "select o.organization_id, o.sequence_key, o.sequence_name, o.version, o.sequence_status,"  # noqa: S608
        f" {counts}, {_COHORT_RATES} from ({whole}) as o left join {source}"
        " using (sequence_key, version) order by o.sequence_key, o.version"
    )


#: What ``--by`` and the page can be of: statement for all time, and for some days.
BY: dict[str, tuple[str, str]] = {
    "step": (
        f"select * from drip_report.step_funnel as v where {_MINE}"  # noqa: S608 - constants
        " order by v.sequence_key, v.version, v.step_version, v.step_no",
        _of_days(
            ("step_key", "channel", "sequence_key", "version", "step_version"),
            "t.sequence_key, t.version, t.step_version, t.step_key",
        ),
    ),
    "sender": (
        _of_cohorts(
            "sender_performance", ("channel_account_key", "channel"), "t.channel_account_key"
        ),
        _of_days(("channel_account_key", "channel"), "t.channel_account_key"),
    ),
    "channel": (
        _of_cohorts("channel_performance", ("channel",), "t.channel"),
        _of_days(("channel",), "t.channel"),
    ),
    "day": (_of_days(("day",), "t.day", ("enrolled", *_EVENTS)),) * 2,
    "reason": (
        _select(
            ("subject", "outcome", "reason"),
            ("occurrences",),
            "",
            _sums(
                "outcome_reasons",
                ("subject", "outcome", "reason"),
                ("occurrences",),
                _IN_RANGE.format(day="day"),
            ),
            "t.subject desc, t.occurrences desc, t.outcome, t.reason",
        ),
    )
    * 2,
    "cohort": (
        _cohorts(
            ("enrolled_on", "sequence_key", "version"), "t.enrolled_on, t.sequence_key, t.version"
        ),
    )
    * 2,
}

_STATUS = (
    f"select * from drip_report.enrollment_status as v where {_MINE}"  # noqa: S608 - constants
    " order by v.sequence_key, v.version, array_position(%(statuses)s, v.status)"
)


def overview_queries(filters: Filters) -> dict[str, str]:
    """Sequences, their states and senders, by the names that ``--table`` knows."""
    return {"overview": _overview(filters), "status": _STATUS, "lanes": _LANES}


def statement_by(by: str, filters: Filters) -> str:
    """The statement of ``--by``."""
    whole, some = BY[by]
    return some if filters.has_days else whole


def queries(filters: Filters) -> dict[str, str]:
    """Everything that the page shows, by name; ``arguments`` has the parameters of all of them."""
    in_days = _IN_RANGE.format(day="day")
    return {
        "organization": "select o.name, o.timezone, drip_core.now() as now"
        " from drip_core.organizations as o where o.id = %(organization_id)s",
        "definitions": "select c.relname as view, a.attname as column,"
        " col_description(c.oid, a.attnum) as text"
        " from pg_class as c join pg_attribute as a on a.attrelid = c.oid and a.attnum > 0"
        " where c.relnamespace = 'drip_report'::regnamespace and c.relkind = 'v'",
        "overview": _overview(filters),
        "steps": BY["step"][0],
        "days": statement_by("day", filters),
        "senders": statement_by("sender", Filters(filters.sequence)),
        "lanes": _LANES,
        "reasons": statement_by("reason", filters),
        "cohorts": _cohorts(("enrolled_on",), "t.enrolled_on"),
        "errors": "select v.outcome, v.reason, v.error_code, v.channel_account_key,"  # noqa: S608
        " sum(v.errors)::bigint as errors, max(v.day) as day from drip_report.delivery_errors as v"
        f" where {_MINE} and {in_days}"
        " group by v.outcome, v.reason, v.error_code, v.channel_account_key"
        " order by errors desc, v.outcome, v.error_code limit 20",
        "conversions": "select v.currency, count(*) as conversions, sum(v.amount) as amount"  # noqa: S608
        " from drip_report.conversions as v"
        f" where {_MINE} and {_IN_RANGE.format(day='converted_on')}"
        " group by v.currency order by conversions desc, v.currency",
        "unknown": "select v.*, count(*) over () as total from drip_report.unknown_outcomes as v"  # noqa: S608
        f" where {_MINE} order by v.held_at desc, v.enrollment_id limit 20",
    }


def arguments(organization_id: int, filters: Filters) -> dict[str, Any]:
    """The parameters of every statement here."""
    return {
        "organization_id": organization_id,
        "statuses": list(STATUSES),
        "sequence": filters.sequence,
        "since": filters.since,
        "until": filters.until,
    }


def count(value: Any) -> str:
    """``12,345``; an en dash for null."""
    return NOTHING if value is None else f"{value:,}"


def rate(value: Any) -> str:
    """A rate of 0 to 1 as ``12.3%``; an en dash for null.

    What is not all is never shown as 100 %, and what is not nothing never as 0 %.
    """
    if value is None:
        return NOTHING
    number = Decimal(value)
    if 0 < number < Decimal("0.00005"):
        return "<0.01%"
    if 0 < number < Decimal("0.01"):
        return f"{number:.2%}"
    if Decimal("0.9995") <= number < 1:
        return ">99.9%"
    return f"{number:.1%}"


def moment(value: datetime | None, zone: str) -> str:
    """``2026-01-06 23:00 CET`` by the clock of a time zone; an en dash for null."""
    if value is None:
        return NOTHING
    return f"{value.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M %Z}"
