"""One message of a mailbox as the facts that it reports; what they mean is decided in SQL.

A delivery report (RFC 3464) is one per recipient, a complaint (RFC 5965) is one, anything else
is a letter for ``drip.record_inbound``, which tells people from machines by its headers. Reports
without structure are read by flufl.bounce. Nothing raises: what cannot be read is a letter
with what could be read of it.
"""

from __future__ import annotations

import email
import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.message import Message
from email.policy import compat32, default
from email.utils import getaddresses, parsedate_to_datetime
from html.parser import HTMLParser
from typing import Any, Literal

from flufl.bounce import all_failures

#: Letters are bounded here as well as in SQL.
MAX_TEXT = 100_000
_MESSAGE_TOKEN = re.compile(r"<([0-9a-f]{66})@")
_ENHANCED = re.compile(r"\b([245]\.\d{1,3}\.\d{1,3})\b")
_ID = re.compile(r"<[^<>\s]{3,500}>")
#: Actions of RFC 3464, as types of ``drip.record_provider_event``.
_ACTIONS = {
    "failed": "bounced",
    "delayed": "deferred",
    "delivered": "delivered",
    "relayed": "delivered",
    "expanded": "delivered",
}


@dataclass(frozen=True, slots=True)
class Fact:
    """A call: ``report`` is for ``record_provider_event``, ``letter`` for ``record_inbound``."""

    kind: Literal["report", "letter"]
    body: Mapping[str, Any]


def parse(raw: bytes, fallback_id: str) -> list[Fact]:
    """The facts of a message. ``fallback_id`` names it where it has no Message-ID."""
    try:
        message = email.message_from_bytes(raw, policy=compat32)
    except Exception:
        message = Message()
    identity = _header(message, "message-id") or fallback_id
    try:
        reports = list(_reports(message, raw, identity))
    except Exception:
        reports = []
    return reports or [Fact("letter", _letter(message, identity))]


# -- reports ------------------------------------------------------------------------------------


def _reports(message: Message, raw: bytes, identity: str) -> Iterator[Fact]:
    kinds = {part.get_content_type() for part in message.walk()}
    if "message/feedback-report" in kinds:
        yield from _complaint(message, raw, identity)
    elif "message/delivery-status" in kinds:
        yield from _delivery_status(message, raw, identity)
    elif _is_from_a_mail_system(message):
        yield from _unstructured(message, raw, identity)


def _original(message: Message, raw: bytes) -> dict[str, str]:
    """What names our message: its token, else its Message-ID, from the part that quotes it."""
    quoted = ""
    for part in message.walk():
        if part.get_content_type() in {"message/rfc822", "text/rfc822-headers"}:
            payload = part.get_payload()
            inner = payload[0] if isinstance(payload, list) and payload else payload
            quoted += str(inner)
    for text in (quoted, raw.decode("latin-1")):
        if found := _MESSAGE_TOKEN.search(text):
            return {"message_token": found.group(1)}
    found = re.search(r"^message-id:\s*(<[^<>\s]+>)", quoted, re.IGNORECASE | re.MULTILINE)
    return {"provider_message_id": found.group(1)} if found else {}


def _delivery_status(message: Message, raw: bytes, identity: str) -> Iterator[Fact]:
    original = _original(message, raw)
    if not original:
        return
    for part in message.walk():
        if part.get_content_type() != "message/delivery-status":
            continue
        blocks = part.get_payload()
        for number, block in enumerate(blocks if isinstance(blocks, list) else []):
            action = _header(block, "action").lower()
            if action not in _ACTIONS:
                continue
            status = _ENHANCED.search(_header(block, "status"))
            address = _header(block, "final-recipient") or _header(block, "original-recipient")
            diagnostic = _header(block, "diagnostic-code")
            better = _ENHANCED.search(diagnostic)
            detail = {
                # x.0.0 says nothing; the words of the server may say more
                "status": _telling(status, better),
                "recipient": address.partition(";")[2].strip() or address,
                "diagnostic": diagnostic[:500],
            }
            yield Fact(
                "report",
                {
                    **original,
                    "type": _ACTIONS[action],
                    "external_id": f"dsn:{identity}:{number}",
                    "detail": {key: value for key, value in detail.items() if value},
                },
            )


def _telling(status: re.Match[str] | None, better: re.Match[str] | None) -> str:
    if status is None or (status.group(1).endswith(".0.0") and better is not None):
        return better.group(1) if better else ""
    return status.group(1)


def _complaint(message: Message, raw: bytes, identity: str) -> Iterator[Fact]:
    original = _original(message, raw)
    feedback = ""
    for part in message.walk():
        if part.get_content_type() == "message/feedback-report":
            payload = part.get_payload()
            block = payload[0] if isinstance(payload, list) and payload else part
            text = block.as_string() if isinstance(block, Message) else str(block)
            found = re.search(r"^feedback-type:\s*([\w-]+)", text, re.IGNORECASE | re.MULTILINE)
            feedback = found.group(1).lower() if found else ""
    if original:
        kind = "deferred" if feedback == "not-spam" else "complained"
        detail = {"feedback_type": feedback} if feedback else {}
        yield Fact(
            "report",
            {**original, "type": kind, "external_id": f"arf:{identity}", "detail": detail},
        )


def _is_from_a_mail_system(message: Message) -> bool:
    sender = _address(message, "from").lower()
    return (
        sender.partition("@")[0] in {"mailer-daemon", "postmaster"}
        or _header(message, "return-path").strip() == "<>"
        or "x-failed-recipients" in {name.lower() for name in message}
    )


def _unstructured(message: Message, raw: bytes, identity: str) -> Iterator[Fact]:
    """A bounce in words: who writes it decides nothing, that it names our message does."""
    original = _original(message, raw)
    if not original or _header(message, "auto-submitted").lower().startswith("auto-replied"):
        return
    temporary, permanent = all_failures(message)
    failed = _header(message, "x-failed-recipients")
    if permanent or failed:
        verdict = "hard"
    elif temporary:
        verdict = "soft"
    else:
        return
    code = _ENHANCED.search(_text(message))
    detail: dict[str, str] = {"status": code.group(1)} if code else {"class": verdict}
    yield Fact(
        "report",
        {
            **original,
            "type": "bounced" if verdict == "hard" or temporary else "deferred",
            "external_id": f"dsn:{identity}",
            "detail": detail,
        },
    )


# -- letters ------------------------------------------------------------------------------------


def _letter(message: Message, identity: str) -> dict[str, Any]:
    headers: dict[str, list[str]] = {}
    for name, value in message.items():
        headers.setdefault(name.lower(), []).append(_clean(value)[:4000])
    references = _ID.findall(f"{_header(message, 'in-reply-to')} {_header(message, 'references')}")
    letter: dict[str, Any] = {
        "channel": "email",
        "from_address": _address(message, "from") or "unknown",
        "to_address": _own_address(message),
        "in_reply_to": references[:50],
        "subject": _header(message, "subject")[:1000],
        "text": _text(message),
        "headers": {name: values[:20] for name, values in list(headers.items())[:200]},
        "external_id": identity[:500],
    }
    if (received := _received_at(message)) is not None:
        letter["received_at"] = received
    return letter


def _own_address(message: Message) -> str:
    """The mailbox it was sent to, as exactly as the mail says it."""
    for name in ("x-original-to", "delivered-to", "envelope-to", "to"):
        if address := _address(message, name):
            return address
    return ""


def _received_at(message: Message) -> str | None:
    """When the mailbox got it: the last stamp on its way, else its own date."""
    for value in (_header(message, "received").rpartition(";")[2], _header(message, "date")):
        try:
            at = parsedate_to_datetime(value.strip())
        except (ValueError, TypeError, IndexError):
            continue
        if at.tzinfo is not None:
            return at.isoformat()
    return None


def _text(message: Message) -> str:
    """What was written: plain text, else the words of the html."""
    plain, html = "", ""
    for part in message.walk():
        kind = part.get_content_type()
        if part.is_multipart() or kind not in {"text/plain", "text/html"}:
            continue
        if part.get_content_disposition() == "attachment":
            continue
        if kind == "text/plain" and not plain:
            plain = _decoded(part)
        elif kind == "text/html" and not html:
            html = _decoded(part)
    if not plain.strip() and html:
        words = _Words()
        words.feed(html)
        plain = "".join(words.found)
    return _clean(plain, keep="\n\t")[:MAX_TEXT]


def _decoded(part: Message) -> str:
    payload = part.get_payload(decode=True)
    raw = payload if isinstance(payload, bytes) else b""
    for charset in (part.get_content_charset(), "utf-8", "latin-1"):
        try:
            return raw.decode(charset or "utf-8")
        except (LookupError, UnicodeDecodeError):
            continue
    return ""


class _Words(HTMLParser):
    """The words of html; what is quoted (Gmail, Outlook, blockquote) begins with ``>``."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in {"style", "script", "head"}:
            self._hidden += 1
        elif tag == "blockquote":
            self.found.append("\n> ")
        elif tag in {"br", "p", "div", "tr", "li"}:
            self.found.append("\n")

    def handle_endtag(self, tag: str) -> None:
        if tag in {"style", "script", "head"}:
            self._hidden = max(0, self._hidden - 1)

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.found.append(data)


# -- headers ------------------------------------------------------------------------------------


def _header(message: Any, name: str) -> str:
    """The first header of a name, decoded, on one line; ``''`` where there is none."""
    try:
        value = message.get(name, "") if isinstance(message, Message) else ""
        # the modern policy decodes encoded words; it may choke on what is broken
        return _clean(str(default.header_factory(name, str(value)))).strip()
    except Exception:
        return _clean(str(message.get(name, ""))).strip()


def _address(message: Message, name: str) -> str:
    addresses = getaddresses([_header(message, name)])
    return next((address for _, address in addresses if "@" in address), "")


def _clean(value: object, keep: str = "") -> str:
    text = str(value).encode("utf-8", "replace").decode("utf-8")
    return "".join(c if c.isprintable() or c in keep else " " for c in text if c != "\0")


def name_of(raw: bytes) -> str:
    """A name for a message without a Message-ID."""
    return f"sha256:{hashlib.sha256(raw).hexdigest()}"
