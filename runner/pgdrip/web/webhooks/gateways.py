"""Webhooks of WhatsApp Web gateways (WAHA, Evolution API): what became of messages, what people
write, whether the session is connected.

WAHA signs (``config.webhook.secret_ref`` names its HMAC key). Evolution does not: the same secret
has to come as ``?secret=…`` of the address, as ``Authorization: Bearer …`` or as
``X-Webhook-Secret``. What each word means is data: ``waha.json`` and ``evolution.json``. The
numbers of their acks differ by one.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from pgdrip.log import get_logger
from pgdrip.providers.gateway import last_part
from pgdrip.web.webhooks.mapping import look_up, mapping_of
from pgdrip.web.webhooks.source import Call, Fact, Facts, Refused, Tools

log = get_logger()
#: Ids of people; groups, the status page and newsletters have others.
_PEOPLE = ("c.us", "s.whatsapp.net", "lid")


def check_hmac(key: str, signature: str, body: bytes) -> None:
    """HMAC-SHA512 of the raw body, in hex. Raises ``Refused``."""
    expected = hmac.new(key.encode(), body, hashlib.sha512).hexdigest()
    if not hmac.compare_digest(expected.encode(), signature.strip().lower().encode()):
        raise Refused("the signature is another one")


def check_secret(secret: str, call: Call) -> None:
    """The secret itself, in the address or in a header. Raises ``Refused``."""
    scheme, _, bearer = call.headers.get("authorization", "").partition(" ")
    given = (
        call.query.get("secret", ""),
        call.headers.get("x-webhook-secret", ""),
        bearer if scheme.lower() == "bearer" else "",
    )
    if not any(hmac.compare_digest(each.encode(), secret.encode()) for each in given):
        raise Refused("the secret is missing or another one")


class _GatewaySource:
    """Calls of one kind of gateway."""

    provider: str

    def __init__(self, tools: Tools) -> None:
        """The secrets are read at each call, so that rotation is seen."""
        self._secret = tools.secret

    def _check(self, secret: str, call: Call) -> None:
        check_secret(secret, call)

    async def read(self, call: Call) -> Facts:
        """Check who calls; what is of another session, a group or of ourselves is left out."""
        reference = call.settings.get("secret_ref")
        secret = self._secret(reference).strip() if isinstance(reference, str) else ""
        if not secret:
            raise Refused("config.webhook.secret_ref names no secret")
        self._check(secret, call)
        body = call.json()
        facts = Facts()
        for event in body if isinstance(body, list) else [body]:
            if isinstance(event, Mapping):
                read_event(self.provider, call.settings, event, facts)
            else:
                log.warning("webhook without reports", code="WEB09", provider=self.provider)
        return facts

    async def challenge(self, call: Call) -> str | None:
        """Gateways ask nothing."""
        return None


class WahaSource(_GatewaySource):
    """WAHA: HMAC over the raw bytes; without one, nothing is taken."""

    provider = "waha"

    def _check(self, secret: str, call: Call) -> None:
        algorithm = call.headers.get("x-webhook-hmac-algorithm", "sha512").strip().lower()
        if algorithm != "sha512":
            raise Refused("signed by an algorithm that WAHA does not use")
        check_hmac(secret, call.headers.get("x-webhook-hmac", ""), call.body)


class EvolutionSource(_GatewaySource):
    """Evolution API: a secret in the address or a header."""

    provider = "evolution"


def read_event(
    provider: str, settings: Mapping[str, Any], event: Mapping[str, Any], facts: Facts
) -> None:
    """Add what an event says; one that says nothing for us adds nothing."""
    mapping = mapping_of(provider)
    name = event.get("event")
    # Evolution writes MESSAGES_UPSERT where it calls an address of its own for each event
    kind = mapping["kinds"].get(str(name).lower().replace("_", "."))
    session, ours = event.get(mapping["session"]), settings.get("session")
    if kind is None or (ours and session is not None and session != ours):
        return
    said_at = _time(look_up(event, mapping["time"]))
    items = look_up(event, mapping["items"])
    for item in items if isinstance(items, list) else [items]:
        if not isinstance(item, Mapping):
            continue
        if kind == "ack":
            _add_ack(mapping["ack"], item, said_at, facts)
        elif kind == "message":
            _add_message(mapping["message"], item, settings, said_at, facts)
        else:
            at = said_at or _time(look_up(event, mapping["connection"].get("time")))
            _add_connection(mapping["connection"], item, at, facts)


def _first(item: Any, paths: Sequence[str]) -> Any:
    found = (look_up(item, path) for path in paths)
    return next((each for each in found if each is not None), None)


def _add_ack(
    mapping: Mapping[str, Any], item: Mapping[str, Any], said_at: str | None, facts: Facts
) -> None:
    identity = _first(item, mapping["id"])
    words = (look_up(item, path) for path in mapping["status"])
    meanings = (mapping["meaning"].get(str(word)) for word in words if word is not None)
    kind = next(filter(None, meanings), None)
    # of messages that others sent to us, the acks are ours
    if not isinstance(identity, str) or kind is None or look_up(item, mapping["own"]) is False:
        return
    identity = _clean(last_part(identity), 300)
    fact: Fact = {
        "type": kind,
        "provider_message_id": identity,
        "external_id": f"ack:{identity}:{kind}",
        "occurred_at": said_at,
    }
    facts.events.append({key: value for key, value in fact.items() if value})


def _add_message(
    mapping: Mapping[str, Any],
    item: Mapping[str, Any],
    settings: Mapping[str, Any],
    said_at: str | None,
    facts: Facts,
) -> None:
    identity, writer = _first(item, mapping["id"]), _first(item, mapping["from"])
    if not isinstance(identity, str) or not isinstance(writer, str):
        return
    name, _, server = writer.partition("@")
    if (
        look_up(item, mapping["own"]) is True
        or server not in _PEOPLE
        or look_up(item, mapping["kind"]) in mapping["ignored_kinds"]
    ):
        return
    if server == "lid":
        # the number behind a hidden id, where the gateway tells it
        phone = _first(item, mapping["phone"])
        name, _, server = (phone if isinstance(phone, str) else writer).partition("@")
    # the second device of a person is the same person
    name = name.partition(":")[0]
    text, answers = _first(item, mapping["text"]), _first(item, mapping["answers"])
    fact: Fact = {
        "channel": "whatsapp_lite",
        "from_address": _clean(f"{name}@lid" if server == "lid" else f"+{name}", 200),
        "to_address": settings.get("address"),
        "in_reply_to": [_clean(last_part(answers), 300)] if isinstance(answers, str) else None,
        "text": _clean(text, 100_000) if isinstance(text, str) else None,
        "external_id": _clean(f"{name}:{last_part(identity)}", 400),
        "received_at": _time(look_up(item, mapping["time"])) or said_at,
    }
    facts.messages.append({key: value for key, value in fact.items() if value})


def _add_connection(
    mapping: Mapping[str, Any], item: Mapping[str, Any], said_at: str | None, facts: Facts
) -> None:
    word = look_up(item, mapping["state"])
    code = look_up(item, mapping.get("code"))
    state = mapping["meaning"].get(word, "disconnected") if isinstance(word, str) else None
    if state == "disconnected":
        state = mapping.get("codes", {}).get(str(code), state)
    if state is None:
        return
    detail = " ".join(_clean(str(each), 100) for each in (word, code) if each is not None)
    fact: Fact = {"state": state, "occurred_at": said_at, "detail": detail}
    facts.connections.append({key: value for key, value in fact.items() if value})


def _clean(text: str, limit: int) -> str:
    return text.replace("\0", "")[:limit]


def _time(value: Any) -> str | None:
    """ISO 8601, of a text that is it, of seconds or of milliseconds since 1970."""
    try:
        if isinstance(value, str) and not value.replace(".", "", 1).isdigit():
            return datetime.fromisoformat(value).isoformat()
        seconds = float(value)
        seconds = seconds / 1000 if seconds > 1e11 else seconds
        return datetime.fromtimestamp(seconds, UTC).isoformat()
    except (TypeError, ValueError, OverflowError, OSError):
        return None
