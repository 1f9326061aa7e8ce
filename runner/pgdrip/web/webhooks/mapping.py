"""From a provider's report to an event of ``drip.record_provider_event``: data, one file each.

``ses.json`` and ``sendgrid.json`` name where things are (dotted paths) and what each type means;
the first case whose ``when`` matches counts. What SQL makes of an event is the business of SQL.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import Any

Event = dict[str, Any]


@cache
def mapping_of(provider: str) -> dict[str, Any]:
    """The mapping of a provider. Raises ``FileNotFoundError`` where there is none."""
    text = files(__package__).joinpath(f"{provider}.json").read_text("utf-8")
    mapping: dict[str, Any] = json.loads(text)
    return mapping


def look_up(report: Any, path: str | None) -> Any:
    """What is at a dotted path; a number is a place in a list. None: nothing."""
    for part in path.split(".") if path else ():
        if isinstance(report, Mapping):
            report = report.get(part)
        elif isinstance(report, list) and part.isdigit() and int(part) < len(report):
            report = report[int(part)]
        else:
            return None
    return report if path else None


def to_event(provider: str, report: Any, external_id: str | None = None) -> Event | None:
    """The event of a report; None for one that says nothing about a message of ours."""
    mapping = mapping_of(provider)
    name = next(filter(None, (look_up(report, path) for path in mapping["type"])), None)
    for case in mapping["types"].get(name, ()) if isinstance(name, str) else ():
        if _matches(report, case.get("when", {})):
            return _event(mapping, case, report, external_id)
    return None


def _matches(report: Any, conditions: Mapping[str, str]) -> bool:
    return all(
        re.search(pattern, str(look_up(report, path) or ""), re.IGNORECASE)
        for path, pattern in conditions.items()
    )


def _event(
    mapping: Mapping[str, Any], case: Mapping[str, Any], report: Any, external_id: str | None
) -> Event | None:
    token = look_up(report, mapping["message_token"])
    provider_id = look_up(report, mapping["provider_message_id"])
    if isinstance(provider_id, str) and (until := mapping.get("provider_message_id_until")):
        provider_id = provider_id.partition(until)[0]
    identity = external_id or look_up(report, mapping.get("external_id"))
    event = {
        "type": case["type"],
        "message_token": short_text(token),
        "provider_message_id": short_text(provider_id),
        "external_id": short_text(identity),
        "occurred_at": iso_time(look_up(report, case.get("occurred_at"))),
    }
    if not (event["message_token"] or event["provider_message_id"]):
        return None
    detail = {key: look_up(report, path) for key, path in case.get("detail", {}).items()}
    detail["class"] = next(
        (
            found
            for path, meaning in case.get("class", ())
            if (found := meaning if path is None else meaning.get(look_up(report, path)))
        ),
        None,
    )
    event["detail"] = {key: _short(value) for key, value in detail.items() if value is not None}
    return {key: value for key, value in event.items() if value not in (None, {})}


def short_text(value: Any) -> str | None:
    """A text or number as a text of bounded length."""
    return str(value).replace("\0", "")[:500] if isinstance(value, str | int) else None


def _short(value: Any) -> Any:
    return value if isinstance(value, bool) else str(value).replace("\0", "")[:2000]


def iso_time(value: Any) -> str | None:
    """ISO 8601, of a text that is it or of seconds since 1970."""
    if isinstance(value, str) and not value.replace(".", "", 1).isdigit():
        return value
    try:
        return datetime.fromtimestamp(float(value), UTC).isoformat()
    except (TypeError, ValueError, OverflowError, OSError):
        return None
