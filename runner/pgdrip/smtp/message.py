"""A claimed message as RFC 5322 bytes.

The headers that SQL decides (Message-ID, List-Unsubscribe, References, …) are written exactly as
given, folded only between words: the standard library would re-encode long tokens such as
unsubscribe links, which breaks them. Line breaks and control characters never pass into a header.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime
from email.header import Header
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from pgdrip.providers.base import ClaimedMessage
from pgdrip.smtp.classify import Failure

_BODY_POLICY = SMTP.clone(cte_type="7bit")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_HEADER_NAME = re.compile(r"^[!-9;-~]+$")
_FOLD_AT = 78
_LINE_LIMIT = 998
_NAME_LIMIT = 200
_REFERENCES_LIMIT = 900

#: Written by this module; whatever else claims to be one of them is ignored.
_STRUCTURAL = {"from", "to", "cc", "bcc", "subject", "mime-version"}

# RFC 5321 dot-string, loosened to what is seen in the field, plus RFC 6531 characters.
_LOCAL_PART = re.compile(r"^[^\s<>()\[\],;:\\\"@\x00-\x20\x7f-\x9f]{1,64}$")
_DOMAIN_LABEL = re.compile(r"^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Outgoing:
    """What goes over the wire: envelope and content (CRLF line ends, 7-bit unless ``utf8``)."""

    mail_from: str
    rcpt_to: str
    message_id: str
    content: bytes
    utf8: bool


def wire_address(address: str) -> str:
    """Return the address with its domain in ASCII (IDNA). Raises ``ValueError`` when it is none."""
    local, at, domain = unicodedata.normalize("NFC", address.strip()).rpartition("@")
    if not at or not _LOCAL_PART.match(local) or len(local.encode()) > 64:
        raise ValueError("not an e-mail address")
    labels = [_ascii_label(label) for label in domain.split(".")]
    if len(".".join(labels)) > 253 or not all(_DOMAIN_LABEL.match(label) for label in labels):
        raise ValueError("the domain of the address is not valid")
    return f"{local}@{'.'.join(labels)}"


def _ascii_label(label: str) -> str:
    # The codec "idna" of the standard library is IDNA 2003, where "faß" becomes another domain.
    if label.isascii():
        return label
    return "xn--" + unicodedata.normalize("NFC", label.lower()).encode("punycode").decode("ascii")


def compose(message: ClaimedMessage, *, envelope_from: str | None, now: datetime) -> Outgoing:
    """Build the message. Raises ``Failure`` of stage ``compose``."""
    try:
        rcpt_to = wire_address(message.to_address)
    except ValueError as exc:
        raise Failure("compose", "bad_recipient", str(exc)) from None
    try:
        sender = wire_address(message.from_address or "")
        mail_from = wire_address(envelope_from) if envelope_from else sender
    except ValueError as exc:
        raise Failure("compose", "bad_sender", str(exc)) from None
    try:
        body = _body(message.text_body, message.html_body)
    except (ValueError, UnicodeError) as exc:
        raise Failure("compose", "bad_content", str(exc)) from None

    utf8 = not (rcpt_to.isascii() and mail_from.isascii() and sender.isascii())
    given = {
        name: _CONTROL.sub(" ", str(value)).strip()
        for name, value in message.headers.items()
        if _HEADER_NAME.match(name)
        and name.lower() not in _STRUCTURAL
        and not name.lower().startswith("content-")
    }
    by_lower = {name.lower(): value for name, value in given.items()}
    message_id = (
        by_lower.get("message-id") or f"<{message.message_token}@{sender.partition('@')[2]}>"
    )
    headers = [
        ("From", _mailbox(message.from_name, sender, "From")),
        ("To", _mailbox(message.to_name, rcpt_to, "To")),
        ("Subject", _unstructured(message.subject or "", "Subject")),
    ]
    if "date" not in by_lower:
        headers.append(("Date", format_datetime(now)))
    if "message-id" not in by_lower:
        headers.append(("Message-ID", message_id))
    for name, value in given.items():
        if name.lower() == "references":
            value = _shorten_references(value)
        headers.append((name, _unstructured(value, name)))
    lines = "".join(f"{_fold(name, value)}\r\n" for name, value in headers)
    return Outgoing(
        mail_from=mail_from,
        rcpt_to=rcpt_to,
        message_id=message_id,
        content=lines.encode("utf-8" if utf8 else "ascii") + body,
        utf8=utf8,
    )


def _body(text: str | None, html: str | None) -> bytes:
    part = EmailMessage(policy=_BODY_POLICY)
    if text is not None or html is None:
        part.set_content(text or "", charset="utf-8")
        if html is not None:
            part.add_alternative(html, subtype="html", charset="utf-8")
    else:
        part.set_content(html, subtype="html", charset="utf-8")
    return part.as_bytes()


def _unstructured(value: str, name: str) -> str:
    clean = _CONTROL.sub(" ", value).strip()
    if clean.isascii() and "=?" not in clean and _longest_word(clean) < _LINE_LIMIT - len(name) - 2:
        return clean
    return _encoded_words(clean, name)


def _mailbox(name: str | None, address: str, header: str) -> str:
    clean = _CONTROL.sub(" ", name or "").strip()[:_NAME_LIMIT]
    if not clean:
        return address
    if clean.isascii() and "=?" not in clean:
        quoted = clean.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{quoted}" <{address}>'
    return f"{_encoded_words(clean, header)} <{address}>"


def _encoded_words(value: str, name: str) -> str:
    """RFC 2047 words separated by blanks, each short enough for a line of its own."""
    encoded = Header(value, "utf-8", header_name=name, maxlinelen=75).encode(linesep="\n")
    return " ".join(line.strip() for line in encoded.splitlines())


def _longest_word(value: str) -> int:
    return max((len(word) for word in value.split(" ")), default=0)


def _shorten_references(value: str) -> str:
    """Keep the first id and the last ten, and in any case stay below one line's limit."""
    ids = value.split()
    if len(ids) > 11:
        ids = [ids[0], *ids[-10:]]
    while len(ids) > 2 and len(" ".join(ids)) > _REFERENCES_LIMIT:
        del ids[1]
    return " ".join(ids)


def _fold(name: str, value: str) -> str:
    """One header, folded between words at 78 columns (RFC 5322 section 2.2.3)."""
    line, lines = f"{name}:", []
    for word in value.split(" "):
        if len(line) + 1 + len(word) > _FOLD_AT and line.strip() and not line.endswith(":"):
            lines.append(line)
            line = ""
        line = f"{line} {word}"
    lines.append(line)
    return "\r\n".join(lines)
