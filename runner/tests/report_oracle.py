"""What every reporting view must show, computed from nothing but exported raw events.

Written apart from the SQL: dictionaries and sets over the whole history, no counts that are kept.
Keys and names are looked up in tables that never change (sequences, steps, senders).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
from psycopg.rows import dict_row

Row = dict[str, Any]
Key = tuple[Any, ...]

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
ENDS = STATUSES[2:]
ENROLLMENT_FACTS = {
    "replied": "replies",
    "unsubscribed": "unsubscribes",
    "complained": "complaints",
    "converted": "conversions",
}
OUTCOMES = {
    "skipped",
    "attempt_failed",
    "held",
    "bounced",
    "complained",
    "paused",
    "failed",
    "exited",
    "removed",
    "unsubscribed",
}
#: The columns that identify a row of each view.
KEYS: dict[str, tuple[str, ...]] = {
    "sequence_overview": ("sequence_key", "version"),
    "enrollment_status": ("sequence_key", "version", "status"),
    "step_funnel": ("sequence_key", "version", "step_version", "step_key"),
    "cohorts": ("sequence_key", "version", "enrolled_on"),
    "channel_performance": ("channel", "sequence_key", "version"),
    "sender_performance": ("channel_account_key", "sequence_key", "version"),
    "outcome_reasons": (
        *("day", "sequence_key", "version", "step_version", "step_key"),
        *("channel_account_key", "subject", "outcome", "reason"),
    ),
    "daily_activity": (
        *("day", "sequence_key", "version", "step_version", "step_key", "channel_account_key"),
    ),
    "delivery_errors": (
        *("day", "sequence_key", "version", "step_version", "step_key"),
        *("channel_account_key", "outcome", "reason", "error_code"),
    ),
    "conversions": ("enrollment_id", "converted_at", "deal_id"),
    "recent_activity": ("event_id",),
}


@dataclass(frozen=True)
class Export:
    """The raw events of one organization and the names of what they are about."""

    now: datetime
    zone: ZoneInfo
    events: list[Row]
    sequences: dict[int, Row]
    versions: list[tuple[int, int]]
    steps: dict[int, Row]
    senders: dict[int, Row]


def export(connection: psycopg.Connection[Any], organization_id: int) -> Export:
    """Read what the recomputation starts from."""

    def rows(statement: str) -> list[Row]:
        with connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(statement.encode(), (organization_id,)).fetchall()

    (organization,) = rows(
        "select timezone, drip_core.now() as now from drip_core.organizations where id = %s"
    )
    return Export(
        organization["now"],
        ZoneInfo(organization["timezone"]),
        rows(
            "select id, occurred_at, recorded_at, type::text, reason::text, enrollment_id,"
            " contact_id, sequence_id, version, step_id, channel::text, channel_account_id,"
            " is_machine, data from drip_core.events"
            " where organization_id = %s and not is_test order by id"
        ),
        {
            row["id"]: row
            for row in rows(
                "select id, key, name, status::text, current_version from drip_core.sequences"
                " where organization_id = %s"
            )
        },
        [
            (row["sequence_id"], row["version"])
            for row in rows(
                "select sequence_id, version from drip_core.sequence_versions"
                " where organization_id = %s"
            )
        ],
        {
            row["id"]: row
            for row in rows(
                "select id, sequence_id, version, step_no, key, channel::text from drip_core.steps"
                " where organization_id = %s"
            )
        },
        {
            row["id"]: row
            for row in rows(
                "select id, key, channel::text from drip_core.channel_accounts"
                " where organization_id = %s"
            )
        },
    )


def rate(part: int | None, whole: int) -> Fraction | None:
    """A share, null where there is nothing to share."""
    return None if part is None or whole == 0 else Fraction(part, whole)


@dataclass
class Message:
    """What the events say of one message that a provider took."""

    at: datetime
    sender: int
    channel: str
    first: dict[str, datetime] = field(default_factory=dict)


@dataclass
class Enrolled:
    """What the events say of one enrollment."""

    id: int
    sequence: int
    version: int
    cohort: date
    status: str = "active"
    ended: datetime | None = None
    sent: dict[int, Message] = field(default_factory=dict)
    failed: dict[int, tuple[datetime, int]] = field(default_factory=dict)
    skipped: dict[int, datetime] = field(default_factory=dict)
    #: (time, step or 0) of each fact about the enrollment.
    facts: dict[str, list[tuple[datetime, int]]] = field(default_factory=lambda: defaultdict(list))

    def first_fact(self, kind: str) -> tuple[datetime, int] | None:
        """The first of a kind, where the enrollment was contacted at all."""
        return min(self.facts[kind]) if self.sent and self.facts[kind] else None

    def answers(self, kind: str) -> list[int]:
        """The sent steps that facts of a kind are about."""
        return [step for _, step in self.facts[kind] if step in self.sent]


def read(exported: Export) -> dict[int, Enrolled]:
    """The events, enrollment by enrollment."""
    enrollments: dict[int, Enrolled] = {}
    about: list[tuple[Enrolled, Row]] = []
    for event in exported.events:
        if event["enrollment_id"] is None:
            continue
        kind, at, step = event["type"], event["occurred_at"], event["step_id"]
        if kind == "enrolled":
            enrollments[event["enrollment_id"]] = Enrolled(
                event["enrollment_id"],
                event["sequence_id"],
                event["version"],
                at.astimezone(exported.zone).date(),
            )
            continue
        e = enrollments[event["enrollment_id"]]
        if kind in ("paused", "resumed"):
            e.status = "paused" if kind == "paused" else "active"
        elif kind in ENDS and event["channel"] is None:
            e.status, e.ended = kind, at
        if kind == "sent":
            e.sent[step] = Message(at, event["channel_account_id"], event["channel"])
        elif kind == "attempt_failed" and event["reason"] is not None:
            e.failed[step] = (at, event["channel_account_id"])
        elif kind == "skipped":
            e.skipped.setdefault(step, at)
        else:
            about.append((e, event))
    for e, event in about:
        kind, at, step = event["type"], event["occurred_at"], event["step_id"]
        if kind in ENROLLMENT_FACTS and not (
            kind == "unsubscribed" and event["reason"] == "complained"
        ):
            e.facts[kind].append((at, step or 0))
        if step in e.sent and (
            kind in ("delivered", "opened", "clicked")
            or (kind == "bounced" and event["channel"] is not None)
        ):
            name = f"machine_{kind}" if event["is_machine"] else kind
            first = e.sent[step].first
            first[name] = min(first.get(name, at), at)
    return enrollments


def message_metrics(messages: Iterable[Message], failed: int) -> Row:
    """The figures about messages."""
    sent = list(messages)
    back = [m for m in sent if "bounced" in m.first]
    stayed = [m for m in sent if "bounced" not in m.first]
    delivered = sum("delivered" in m.first for m in sent) or None
    opened = sum("opened" in m.first for m in stayed)
    clicked = sum("clicked" in m.first for m in stayed)
    return {
        "messages_sent": len(sent),
        "messages_failed": failed,
        "success_rate": rate(len(sent), len(sent) + failed),
        "delivered": delivered,
        "delivery_rate": rate(delivered, len(sent)),
        "bounce_rate": rate(len(back), len(sent)),
        "open_rate": rate(opened, len(stayed)),
        "click_rate": rate(clicked, len(stayed)),
        "machine_opens": sum("machine_opened" in m.first for m in sent),
        "machine_clicks": sum("machine_clicked" in m.first for m in sent),
        "messages_bounced": len(back),
        "messages_opened": opened,
        "messages_clicked": clicked,
    }


def rates(counts: Mapping[str, int], contacted: int) -> Row:
    """The figures about contacted enrollments."""
    names = {"replies": "reply_rate", "unsubscribes": "unsubscribe_rate"}
    names |= {"complaints": "complaint_rate", "conversions": "conversion_rate"}
    return {"contacted": contacted, **counts} | {
        names[name]: rate(count, contacted) for name, count in counts.items()
    }


def of_cohort(group: list[Enrolled]) -> Row:
    """The figures of a set of enrollments."""
    states = Counter(e.status for e in group)
    return (
        {"enrolled": len(group)}
        | {status: states[status] for status in STATUSES}
        | message_metrics(
            (m for e in group for m in e.sent.values()), sum(len(e.failed) for e in group)
        )
        | rates(
            {
                name: sum(e.first_fact(kind) is not None for e in group)
                for kind, name in ENROLLMENT_FACTS.items()
            },
            sum(bool(e.sent) for e in group),
        )
    )


def grouped(
    enrollments: Iterable[Enrolled], key: Callable[[Enrolled], Key]
) -> dict[Key, list[Enrolled]]:
    """Enrollments by a key."""
    groups: dict[Key, list[Enrolled]] = defaultdict(list)
    for e in enrollments:
        groups[key(e)].append(e)
    return groups


def reports(exported: Export) -> dict[str, list[Row]]:
    """Every view, row by row."""
    everyone = list(read(exported).values())
    by_version = grouped(everyone, lambda e: (e.sequence, e.version))
    result: dict[str, list[Row]] = {}

    result["sequence_overview"] = [
        {
            "sequence_key": exported.sequences[sequence]["key"],
            "sequence_name": exported.sequences[sequence]["name"],
            "sequence_status": exported.sequences[sequence]["status"],
            "version": version,
            **of_cohort(by_version[sequence, version]),
        }
        for sequence, version in exported.versions
        if by_version[sequence, version]
        or version == exported.sequences[sequence]["current_version"]
    ]
    result["enrollment_status"] = [
        {
            "sequence_key": exported.sequences[sequence]["key"],
            "version": version,
            "status": status,
            "enrollments": (n := sum(e.status == status for e in by_version[sequence, version])),
            "share": rate(n, len(by_version[sequence, version])),
        }
        for sequence, version in exported.versions
        for status in STATUSES
    ]
    result["cohorts"] = [
        {
            "sequence_key": exported.sequences[sequence]["key"],
            "version": version,
            "enrolled_on": day,
            **of_cohort(group),
        }
        for (sequence, version, day), group in grouped(
            everyone, lambda e: (e.sequence, e.version, e.cohort)
        ).items()
    ]
    result["step_funnel"] = funnel(exported, by_version)
    result["sender_performance"] = performance(
        exported, everyone, lambda sender: (exported.senders[sender]["key"],)
    )
    result["channel_performance"] = performance(exported, everyone, lambda sender: ())
    result["daily_activity"] = daily(exported, everyone)
    result.update(outcomes(exported))
    result["conversions"] = conversions(exported, {e.id: e for e in everyone})
    result["recent_activity"] = recent(exported)
    return result


def funnel(exported: Export, by_version: dict[Key, list[Enrolled]]) -> list[Row]:
    """Steps of each cohort, those of other versions where a migration led there."""
    rows = []
    for sequence, version in exported.versions:
        group = by_version[sequence, version]
        for step_id, step in exported.steps.items():
            reached = [e for e in group if step_id in e.sent or step_id in e.skipped]
            failed = sum(step_id in e.failed for e in group)
            if step["sequence_id"] != sequence or not (
                step["version"] == version or reached or failed
            ):
                continue
            rows.append(
                {
                    "sequence_key": exported.sequences[sequence]["key"],
                    "version": version,
                    "step_version": step["version"],
                    "step_no": step["step_no"],
                    "step_key": step["key"],
                    "channel": step["channel"],
                    "enrolled": len(group),
                    "reached": len(reached),
                    "reach_rate": rate(len(reached), len(group)),
                    "skipped": sum(step_id in e.skipped for e in group),
                    **message_metrics(
                        (e.sent[step_id] for e in group if step_id in e.sent), failed
                    ),
                    **{
                        name: sum(step_id in e.answers(kind) for e in group)
                        for kind, name in ENROLLMENT_FACTS.items()
                    },
                }
            )
    return rows


def performance(exported: Export, everyone: list[Enrolled], key: Callable[[int], Key]) -> list[Row]:
    """Messages by what sent them: a sender, or (with no key of it) its channel."""
    by: dict[Key, set[int]] = defaultdict(set)
    for sender_id, sender in exported.senders.items():
        by[(sender["channel"], *key(sender_id))].add(sender_id)
    rows = []
    for (sequence, version), group in grouped(everyone, lambda e: (e.sequence, e.version)).items():
        for (channel, *sender_key), senders in by.items():
            messages = [m for e in group for m in e.sent.values() if m.sender in senders]
            failed = sum(s in senders for e in group for _, s in e.failed.values())
            if not messages and not failed:
                continue
            counts = {
                name: sum(any(e.sent[s].sender in senders for s in e.answers(kind)) for e in group)
                for kind, name in ENROLLMENT_FACTS.items()
            }
            contacted = sum(any(m.sender in senders for m in e.sent.values()) for e in group)
            rows.append(
                {
                    "sequence_key": exported.sequences[sequence]["key"],
                    "version": version,
                    "channel": channel,
                    **({"channel_account_key": sender_key[0]} if sender_key else {}),
                    **message_metrics(messages, failed),
                    **rates(counts, contacted),
                }
            )
    return rows


def daily(exported: Export, everyone: list[Enrolled]) -> list[Row]:
    """What happened by local day of the event itself."""
    counts: dict[Key, Counter[str]] = defaultdict(Counter)

    def count(e: Enrolled, at: datetime, name: str, step: int | None, sender: int | None) -> None:
        day = at.astimezone(exported.zone).date()
        counts[e.sequence, e.version, day, step, sender][name] += 1

    names = {"delivered": "delivered", "bounced": "messages_bounced"}
    names |= {"opened": "messages_opened", "clicked": "messages_clicked"}
    names |= {"machine_opened": "machine_opens", "machine_clicked": "machine_clicks"}
    for e in everyone:
        counts[e.sequence, e.version, e.cohort, None, None]["enrolled"] += 1
        if e.ended is not None:
            count(e, e.ended, e.status, None, None)
        for step, at in e.skipped.items():
            count(e, at, "skipped", step, e.sent[step].sender if step in e.sent else None)
        for step, (at, sender) in e.failed.items():
            count(e, at, "messages_failed", step, sender)
        for step, message in e.sent.items():
            count(e, message.at, "messages_sent", step, message.sender)
            for kind, at in message.first.items():
                if kind in ("opened", "clicked") and "bounced" in message.first:
                    continue
                count(e, at, names[kind], step, message.sender)
        for kind, name in ENROLLMENT_FACTS.items():
            first = e.first_fact(kind)
            if first is not None:
                at, step = first
                known = step in e.sent
                count(e, at, name, step if known else None, e.sent[step].sender if known else None)
    enrollments = {e.id: e for e in everyone}
    for event in exported.events:
        if event["type"] == "auto_replied" and event["enrollment_id"] is not None:
            count(
                enrollments[event["enrollment_id"]],
                event["occurred_at"],
                "auto_replies",
                event["step_id"],
                event["channel_account_id"],
            )
    columns = (
        *("enrolled", "messages_sent", "messages_failed", "skipped", *names.values()),
        *(*ENROLLMENT_FACTS.values(), "auto_replies", *ENDS),
    )
    return [
        place(exported, sequence, version, day, step, sender)
        | {name: found[name] for name in columns}
        | {
            "success_rate": rate(
                found["messages_sent"], found["messages_sent"] + found["messages_failed"]
            )
        }
        for (sequence, version, day, step, sender), found in counts.items()
    ]


def place(
    exported: Export,
    sequence: int,
    version: int,
    day: date,
    step: int | None,
    sender: int | None,
) -> Row:
    """The readable keys of a row."""
    found = exported.steps[step] if step else {}
    return {
        "day": day,
        "sequence_key": exported.sequences[sequence]["key"],
        "version": version,
        "step_version": found.get("version"),
        "step_key": found.get("key"),
        "channel": found.get("channel"),
        "channel_account_key": exported.senders[sender]["key"] if sender else None,
    }


def outcomes(exported: Export) -> dict[str, list[Row]]:
    """Events by outcome and reason, and by error code."""
    reasons: Counter[Key] = Counter()
    errors: Counter[Key] = Counter()
    for event in exported.events:
        kind = event["type"]
        if kind not in OUTCOMES or event["enrollment_id"] is None:
            continue
        about_message = kind in ("skipped", "attempt_failed", "held") or event["channel"]
        where = (
            event["sequence_id"],
            event["version"],
            event["occurred_at"].astimezone(exported.zone).date(),
            event["step_id"],
            event["channel_account_id"],
        )
        subject = "message" if about_message else "enrollment"
        reasons[(*where, subject, kind, event["reason"])] += 1
        if kind in ("attempt_failed", "held", "bounced") and about_message:
            data = event["data"] or {}
            code = data.get("error_code") or data.get("status")
            errors[(*where, kind, event["reason"], code)] += 1
    return {
        "outcome_reasons": [
            place(exported, *where)
            | {"subject": subject, "outcome": kind, "reason": reason, "occurrences": n}
            for (*where, subject, kind, reason), n in reasons.items()
        ],
        "delivery_errors": [
            place(exported, *where)
            | {"outcome": kind, "reason": reason, "error_code": code, "errors": n}
            for (*where, kind, reason, code), n in errors.items()
        ],
    }


def conversions(exported: Export, enrollments: dict[int, Enrolled]) -> list[Row]:
    """Each goal that was reached."""
    rows = []
    for event in exported.events:
        if event["type"] != "converted":
            continue
        day = event["occurred_at"].astimezone(exported.zone).date()
        found = place(
            exported,
            event["sequence_id"],
            event["version"],
            day,
            event["step_id"],
            event["channel_account_id"],
        )
        del found["day"]
        amount = (event["data"] or {}).get("amount")
        rows.append(
            found
            | {
                "enrollment_id": event["enrollment_id"],
                "contact_id": event["contact_id"],
                "converted_at": event["occurred_at"],
                "converted_on": day,
                "enrolled_on": enrollments[event["enrollment_id"]].cohort,
                "deal_id": event["data"]["deal_id"],
                "amount": None if amount is None else Decimal(str(amount)),
                "currency": event["data"].get("currency"),
            }
        )
    return rows


def recent(exported: Export) -> list[Row]:
    """The last 500 events."""
    rows = []
    since = exported.now - timedelta(days=90)
    new = (v for v in exported.events if v["recorded_at"] > since)
    latest = sorted(new, key=lambda v: (v["recorded_at"], v["id"]))[-500:]
    for event in latest:
        step = exported.steps.get(event["step_id"] or 0, {})
        sender = exported.senders.get(event["channel_account_id"] or 0, {})
        sequence = exported.sequences.get(event["sequence_id"] or 0, {})
        rows.append(
            {
                "event_id": event["id"],
                "occurred_at": event["occurred_at"],
                "recorded_at": event["recorded_at"],
                "type": event["type"],
                "reason": event["reason"],
                "sequence_key": sequence.get("key"),
                "version": event["version"],
                "step_version": step.get("version"),
                "step_key": step.get("key"),
                "channel": event["channel"] or step.get("channel"),
                "channel_account_key": sender.get("key"),
                "enrollment_id": event["enrollment_id"],
                "contact_id": event["contact_id"],
                "is_machine": event["is_machine"],
            }
        )
    return rows


def shown(connection: psycopg.Connection[Any], organization_id: int) -> dict[str, list[Row]]:
    """What the views show, without the column of the organization."""
    result = {}
    with connection.cursor(row_factory=dict_row) as cursor:
        for view in KEYS:
            rows = cursor.execute(
                f"select * from drip_report.{view} where organization_id = %s".encode(),
                (organization_id,),
            ).fetchall()
            result[view] = [
                {k: v for k, v in row.items() if k != "organization_id"} for row in rows
            ]
    return result


def differences(actual: dict[str, list[Row]], expected: dict[str, list[Row]]) -> list[str]:
    """One line per figure that differs, named by its view and row."""
    found = []
    for view, key in KEYS.items():
        left = {tuple(row[k] for k in key): row for row in actual[view]}
        right = {tuple(row[k] for k in key): row for row in expected[view]}
        assert len(left) == len(actual[view]), f"{view}: rows with the same key"
        assert len(right) == len(expected[view]), f"{view}: rows with the same key expected"
        for k in left.keys() | right.keys():
            if k not in left or k not in right:
                found.append(
                    f"{view} {k}: {'missing' if k not in left else 'not expected'}:"
                    f" {right.get(k) or left.get(k)}"
                )
                continue
            assert left[k].keys() == right[k].keys(), (view, left[k].keys() ^ right[k].keys())
            found += [
                f"{view} {k} {column}: {value}, expected {right[k][column]}"
                for column, value in left[k].items()
                if not same(value, right[k][column])
            ]
    return found


def same(value: Any, expected: Any) -> bool:
    """Whether a figure is the expected one; a quotient to as many digits as numeric keeps."""
    if isinstance(expected, Fraction):
        return (
            isinstance(value, Decimal)
            and 0 <= value <= 1
            and abs(Fraction(value) - expected) < Fraction(1, 10**12)
        )
    return bool(value == expected)
