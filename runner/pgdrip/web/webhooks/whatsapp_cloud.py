"""Webhooks of the WhatsApp Cloud API: statuses, what people write, and what Meta says of a number.

``config.webhook`` names two secrets of the receiver: ``secret_ref`` (the app secret, which signs)
and ``verify_token_ref`` (the word that Meta says when it asks whether we are here). One address may
speak for all numbers of its organization, and for none of another. What words mean is data:
``whatsapp_cloud.json``, and the table of codes that the provider has as well.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterator, Mapping
from typing import Any

from pgdrip.log import get_logger
from pgdrip.providers.whatsapp_codes import find_code
from pgdrip.web.webhooks.mapping import iso_time, look_up, mapping_of, short_text
from pgdrip.web.webhooks.signatures import check_hmac
from pgdrip.web.webhooks.source import Call, Fact, Facts, Refused, Tools

PROVIDER = "whatsapp_cloud"
log = get_logger()


class WhatsappCloudSource:
    """The webhook of Meta."""

    def __init__(self, tools: Tools) -> None:
        self._secret = tools.secret

    async def challenge(self, call: Call) -> str | None:
        """The challenge of who knows the word. Raises ``Refused``."""
        reference = str(call.settings.get("verify_token_ref") or "")
        if not reference or call.query.get("hub.mode") != "subscribe":
            raise Refused("no question of Meta's, or no verify_token_ref")
        word = self._secret(reference).strip().encode()
        if not hmac.compare_digest(word, call.query.get("hub.verify_token", "").encode()):
            raise Refused("another verify token")
        return call.query.get("hub.challenge", "")[:500]

    async def read(self, call: Call) -> Facts:
        """Check the signature over the raw bytes, and take what concerns us."""
        reference = str(call.settings.get("secret_ref") or "")
        if not reference:
            raise Refused("config.webhook.secret_ref is not set")
        given = call.headers.get("X-Hub-Signature-256", "")
        check_hmac(self._secret(reference).strip(), given.removeprefix("sha256="), call.body)
        body = call.json()
        facts = Facts()
        for entry in _objects(look_up(body, "entry")):
            businesses = call.settings.get("businesses") or ()
            if businesses and str(entry.get("id")) not in businesses:
                log.warning("webhook of another account", code="WEB09", provider=PROVIDER)
                continue
            for change in _objects(entry.get("changes")):
                value = change.get("value")
                if isinstance(value, Mapping):
                    self._change(call, str(change.get("field")), value, entry.get("time"), facts)
        return facts

    def _change(
        self, call: Call, field: str, value: Mapping[str, Any], at: Any, facts: Facts
    ) -> None:
        number = look_up(value, "metadata.phone_number_id")
        numbers = call.settings.get("numbers") or ()
        if number is not None and numbers and str(number) not in numbers:
            # a signature proves which app it is, not whose number
            log.warning("webhook of another number", code="WEB09", provider=PROVIDER)
            return
        if field == "messages":
            for status in _objects(value.get("statuses")):
                if (event := _event(status)) is not None:
                    facts.events.append(event)
                    facts.reports.extend(_reports_of(status, number))
            for message in _objects(value.get("messages")):
                if (inbound := _inbound(message, value)) is not None:
                    facts.messages.append(inbound)
        else:
            facts.reports.extend(
                _clean(report) for report in _REPORTS.get(field, _nothing)(value, iso_time(at))
            )


def _event(status: Mapping[str, Any]) -> Fact | None:
    """A status as an event; by message and status it is the same one however often it comes."""
    kind = mapping_of(PROVIDER)["statuses"].get(status.get("status"))
    identity = short_text(status.get("id"))
    if kind is None or not identity:
        return None
    error = next(_objects(status.get("errors")), {})
    detail = {
        "recipient": _number(status.get("recipient_id")),
        "recipient_user_id": short_text(status.get("recipient_user_id")),
        "category": short_text(look_up(status, "pricing.category")),
        "code": short_text(error.get("code")),
        "diagnostic": _words(error),
    }
    return _clean(
        {
            "type": kind,
            "message_token": short_text(status.get("biz_opaque_callback_data")),
            "provider_message_id": identity,
            "external_id": f"{identity}:{status.get('status')}"[:500],
            "occurred_at": iso_time(status.get("timestamp")),
            "reason": _reason(error) if kind == "failed" else None,
            "detail": _clean(detail),
        }
    )


def _reason(error: Mapping[str, Any]) -> str:
    """Why it failed, as the table of codes says; what is only for now was not the address."""
    row = find_code(_code(error), _words(error) or "")
    if row is None:
        log.warning("unknown error of WhatsApp", code="RUN19", error_code=_code(error))
    return (row.verdict.reason if row is not None else None) or "throttled"


def _reports_of(status: Mapping[str, Any], number: Any) -> Iterator[Fact]:
    """What a failure says of the number itself."""
    for error in _objects(status.get("errors")) if status.get("status") == "failed" else ():
        row = find_code(_code(error), _words(error) or "")
        if row is None or row.scope != "sender":
            continue
        report = {
            "occurred_at": iso_time(status.get("timestamp")),
            "phone_number_id": short_text(number),
            "detail": f"{_code(error)} {_words(error) or row.name}",
        }
        if row.verdict.outcome == "sender_error":
            yield _clean({"type": "blocked", **report})
        elif row.verdict.outcome == "throttled":
            yield _clean({"type": "throttled", "seconds": row.verdict.retry_after, **report})


def _inbound(message: Mapping[str, Any], value: Mapping[str, Any]) -> Fact | None:
    """What a person wrote or tapped. The number may be missing, and an id be there instead."""
    mapping = mapping_of(PROVIDER)
    kind = str(message.get("type"))
    if kind not in mapping["text"] or (
        kind == "reaction" and not look_up(message, "reaction.emoji")
    ):
        return None
    contact = next(_objects(value.get("contacts")), {})
    number = _number(message.get("from"))
    user_id = short_text(message.get("from_user_id") or contact.get("user_id"))
    sender = number or user_id
    if sender is None:
        return None
    payload = _first(message, mapping["payload"])
    return _clean(
        {
            "channel": PROVIDER,
            "from_address": sender,
            "to_address": _number(look_up(value, "metadata.display_phone_number")),
            "in_reply_to": [identity] if (identity := look_up(message, "context.id")) else None,
            "text": _first(message, mapping["text"][kind]),
            "headers": _clean({"x-user-id": user_id, "x-type": kind, "x-button-payload": payload}),
            "external_id": short_text(message.get("id")),
            "received_at": iso_time(message.get("timestamp")),
        }
    )


# -- what Meta says of numbers, templates and people, as record_account_reports takes it ----------


def _nothing(value: Mapping[str, Any], at: str | None) -> Iterator[Fact]:
    yield from ()


def _template_status(value: Mapping[str, Any], at: str | None) -> Iterator[Fact]:
    status = mapping_of(PROVIDER)["template_status"].get(value.get("event"))
    if status is not None:
        said = (value.get("event"), value.get("reason"), look_up(value, "other_info.title"))
        yield {
            "type": "template_status",
            "template": short_text(value.get("message_template_name")),
            "language": short_text(value.get("message_template_language")),
            "status": status,
            "detail": ", ".join(str(each) for each in said if each and each != "NONE"),
            "occurred_at": at,
        }


def _limit(value: Mapping[str, Any], at: str | None) -> Iterator[Fact]:
    limits = mapping_of(PROVIDER)["limits"]
    for path in mapping_of(PROVIDER)["limit_paths"]:
        said = value.get(path)
        if said is None or (isinstance(said, str) and said not in limits and not said.isdigit()):
            continue
        limit = limits[said] if said in limits else int(said)
        yield {
            "type": "limit",
            # Meta says -1 where there is none
            "limit": limit if limit is not None and limit >= 0 else None,
            "address": _number(value.get("display_phone_number")),
            "detail": short_text(value.get("event")),
            "occurred_at": at,
        }
        return


def _account(value: Mapping[str, Any], at: str | None) -> Iterator[Fact]:
    mapping = mapping_of(PROVIDER)
    if _says(value, mapping["blocking"]) and not _says(value, mapping["lifting"]):
        said = (value.get("event"), look_up(value, "ban_info.waba_ban_state"))
        yield {
            "type": "blocked",
            "address": _number(value.get("phone_number")),
            "detail": "Meta: " + ", ".join(str(each) for each in said if each),
            "occurred_at": at,
        }


def _preferences(value: Mapping[str, Any], at: str | None) -> Iterator[Fact]:
    for each in _objects(value.get("user_preferences")):
        # that somebody wants messages again is for drip.reconsent
        if each.get("value") == "stop":
            yield {
                "type": "opted_out",
                "contact_address": _number(each.get("wa_id")),
                "user_id": short_text(each.get("user_id")),
                "detail": short_text(each.get("category")),
                "occurred_at": iso_time(each.get("timestamp")) or at,
            }


_REPORTS = {
    "message_template_status_update": _template_status,
    "phone_number_quality_update": _limit,
    "business_capability_update": _limit,
    "account_update": _account,
    "user_preferences": _preferences,
}


def _says(value: Mapping[str, Any], patterns: Mapping[str, str]) -> bool:
    return any(
        re.search(pattern, str(look_up(value, path) or "")) for path, pattern in patterns.items()
    )


def _objects(value: Any) -> Iterator[Mapping[str, Any]]:
    return (
        (each for each in value if isinstance(each, Mapping))
        if isinstance(value, list)
        else iter(())
    )


def _first(value: Any, paths: list[str]) -> str | None:
    return next(
        (
            str(found).replace("\0", "")[:100_000]
            for path in paths
            if (found := look_up(value, path))
        ),
        None,
    )


def _number(value: Any) -> str | None:
    """A number as contacts have it: Meta leaves out the plus sign."""
    digits = re.sub(r"[^0-9]", "", value) if isinstance(value, str) else ""
    return f"+{digits}" if 7 <= len(digits) <= 15 else None


def _code(error: Mapping[str, Any]) -> int:
    code = error.get("code")
    return code if isinstance(code, int) else -1


def _words(error: Mapping[str, Any]) -> str | None:
    said = (error.get("message") or error.get("title"), look_up(error, "error_data.details"))
    return " ".join(str(each) for each in said if each).replace("\0", "")[:500] or None


def _clean(fact: Mapping[str, Any]) -> Fact:
    return {key: value for key, value in fact.items() if value is not None and value != {}}
