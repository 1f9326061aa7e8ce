"""A WhatsApp Cloud API on loopback, that behaves as Meta documents it: for tests and the demo.

What it refuses, Meta refuses: a wrong token, a recipient without plus sign that becomes somebody
else, a template that is not there, another number of parameters, a line break in one, free text
outside the session, too many messages at once. What it accepts is only accepted: whether it arrived
comes later, by webhooks that are signed with the app secret, over the bytes that are sent.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import itertools
import json
import re
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

_PLACEHOLDER = re.compile(r"\{\{\s*([A-Za-z0-9_]+)\s*\}\}")
_FORBIDDEN = re.compile(r"[\n\r\t]| {5,}")
_SESSION = timedelta(hours=24)
Json = dict[str, Any]


@dataclass(frozen=True)
class Refusal(Exception):
    """An answer that is no success: HTTP status, code, and what Meta says."""

    status: int
    code: int
    message: str
    details: str = ""
    subcode: int | None = None

    def body(self) -> Json:
        """As the Graph API writes it."""
        error: Json = {
            "message": f"(#{self.code}) {self.message}",
            "type": "OAuthException",
            "code": self.code,
            "error_data": {"messaging_product": "whatsapp", "details": self.details},
            "fbtrace_id": "A1",
        }
        if self.subcode is not None:
            error["error_subcode"] = self.subcode
        return {"error": error}


@dataclass(frozen=True)
class Accepted:
    """A message that the API took. ``parameters``: by component (``body``, ``header``, button)."""

    wamid: str
    recipient: str
    token: str
    at: datetime
    kind: str
    text: str
    template: str | None = None
    parameters: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64


@dataclass
class WhatsappWorld:
    """One business account with one number. ``throughput`` and ``pair_limit``: see Meta's limits.

    ``templates`` are as the API lists them. ``refusals`` are by recipient: what the API answers
    instead of taking the message; ``next_refusals`` are answered first, whoever is written to.
    """

    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    access_token: str = "test-token"  # noqa: S105 - of the emulator
    app_secret: str = "app-secret"  # noqa: S105 - of the emulator
    phone_number_id: str = "106540352242922"
    waba_id: str = "102290129340398"
    number: str = "+15550001111"
    templates: list[Json] = field(default_factory=list)
    throughput: int | None = None
    pair_limit: bool = False
    callback: str | None = None

    def __post_init__(self) -> None:
        self.accepted: list[Accepted] = []
        self.requests: list[tuple[str, Mapping[str, str], Any]] = []
        self.refused: list[tuple[str, int]] = []
        self.refusals: dict[str, Refusal] = {}
        self.next_refusals: deque[Refusal] = deque()
        self.spoken_at: dict[str, datetime] = {}
        self.wa_ids: dict[str, str] = {}
        self.url = ""
        self.posted: list[tuple[int, str]] = []
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._sent_at: defaultdict[str, deque[datetime]] = defaultdict(deque)

    @property
    def config(self) -> Json:
        """``config`` of a channel account that sends through this world."""
        return {
            "endpoint": self.url,
            "phone_number_id": self.phone_number_id,
            "waba_id": self.waba_id,
        }

    @contextmanager
    def serving(self) -> Iterator[WhatsappWorld]:
        """Serve on a free port, in threads."""
        server = _Server(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, name="whatsapp", daemon=True)
        thread.start()
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()
            thread.join(timeout=30)

    # -- the API ----------------------------------------------------------------------------------

    def answer(self, method: str, target: str, token: str, body: bytes) -> tuple[int, Json]:
        """What the API says to a request."""
        parts = urlsplit(target)
        with self._lock:
            try:
                return 200, self._route(method, parts.path, parse_qs(parts.query), token, body)
            except Refusal as refusal:
                self.refused.append((parts.path, refusal.code))
                return refusal.status, refusal.body()

    def _route(
        self, method: str, path: str, query: Mapping[str, list[str]], token: str, body: bytes
    ) -> Json:
        if not hmac.compare_digest(token.encode(), f"Bearer {self.access_token}".encode()):
            raise Refusal(401, 190, "Error validating access token")
        match = re.fullmatch(r"/v[0-9]+\.[0-9]+/([^/]+)/(messages|message_templates)", path)
        known = {(self.phone_number_id, "messages"), (self.waba_id, "message_templates")}
        if match is None or match.groups() not in known:
            said = "Unsupported request. Object does not exist, or missing permissions"
            raise Refusal(400, 100, said, subcode=33)
        if match.group(2) == "message_templates":
            return self._list(path, query)
        if method != "POST":
            raise Refusal(400, 100, "Unsupported get request")
        try:
            request = json.loads(body)
        except ValueError:
            raise Refusal(400, 100, "Invalid JSON") from None
        if not isinstance(request, dict) or request.get("messaging_product") != "whatsapp":
            raise Refusal(400, 100, "The parameter messaging_product is required.")
        return self._take(request)

    def _list(self, path: str, query: Mapping[str, list[str]]) -> Json:
        limit = min(int(query.get("limit", ["25"])[0]), 100)
        start = int(query.get("after", ["0"])[0])
        page: Json = {"data": self.templates[start : start + limit]}
        if start + limit < len(self.templates):
            fields = f"fields={query['fields'][0]}&" if "fields" in query else ""
            page["paging"] = {
                "cursors": {"after": str(start + limit)},
                "next": f"{self.url}{path}?{fields}limit={limit}&after={start + limit}",
            }
        return page

    def _take(self, request: Json) -> Json:
        recipient = self._recipient(request.get("to"))
        token = request.get("biz_opaque_callback_data") or ""
        if not isinstance(token, str) or len(token) > 512:
            raise Refusal(400, 100, "biz_opaque_callback_data is too long")
        if self.next_refusals:
            raise self.next_refusals.popleft()
        kind = request.get("type", "text")
        if kind == "template":
            name, text, parameters = self._template(request.get("template"))
        elif kind == "text":
            name, text, parameters = None, self._text(request.get("text"), recipient), {}
        else:
            raise Refusal(400, 131051, "Unsupported message type")
        if (refusal := self.refusals.get(recipient)) is not None:
            raise refusal
        self._limit(recipient)
        wamid = f"wamid.HBg{next(self._numbers):08d}"
        self.accepted.append(
            Accepted(wamid, recipient, token, self.clock(), kind, text, name, parameters)
        )
        wa_id = self.wa_ids.get(recipient, recipient.lstrip("+"))
        answer: Json = {"id": wamid}
        if kind == "template":
            answer["message_status"] = "accepted"
        return {
            "messaging_product": "whatsapp",
            "contacts": [{"input": request["to"], "wa_id": wa_id}],
            "messages": [answer],
        }

    def _recipient(self, to: Any) -> str:
        digits = re.sub(r"[^0-9]", "", to) if isinstance(to, str) else ""
        if not 7 <= len(digits) <= 15:
            raise Refusal(400, 131009, "Parameter value is not valid", "to: not a phone number")
        if not str(to).startswith("+"):
            # read as a number of the business's own country: somebody else's
            return f"+1{digits}"
        return f"+{digits}"

    def _text(self, content: Any, recipient: str) -> str:
        text = content.get("body") if isinstance(content, dict) else None
        if not isinstance(text, str) or not text.strip():
            raise Refusal(400, 131008, "Required parameter is missing", "text.body")
        if len(text) > 4096:
            raise Refusal(400, 100, "Param text.body must be at most 4096 characters long.")
        spoken = self.spoken_at.get(recipient)
        if spoken is None or self.clock() - spoken > _SESSION:
            said = "more than 24 hours have passed since the customer last replied"
            raise Refusal(400, 131047, "Re-engagement message", said)
        return text

    def _limit(self, recipient: str) -> None:
        now = self.clock()
        if self.throughput is not None:
            sent = self._sent_at[""]
            while sent and now - sent[0] >= timedelta(seconds=1):
                sent.popleft()
            if len(sent) >= self.throughput:
                raise Refusal(400, 130429, "Rate limit hit")
            sent.append(now)
        if self.pair_limit:
            sent = self._sent_at[recipient]
            if sent and now - sent[-1] < timedelta(seconds=6):
                raise Refusal(400, 131056, "(Business Account, Consumer Account) pair rate limit")
            sent.append(now)

    # -- templates --------------------------------------------------------------------------------

    def _template(self, given: Any) -> tuple[str, str, dict[str, tuple[str, ...]]]:
        if not isinstance(given, dict) or not isinstance(given.get("name"), str):
            raise Refusal(400, 131008, "Required parameter is missing", "template.name")
        name, language = given["name"], (given.get("language") or {}).get("code")
        found = next(
            (t for t in self.templates if (t["name"], t["language"]) == (name, language)), None
        )
        if found is None:
            raise Refusal(404, 132001, "Template name does not exist in the translation")
        refusals = {"PAUSED": (132015, "Template is paused"), "DISABLED": (132016, "disabled")}
        if found["status"] in refusals:
            raise Refusal(400, *refusals[found["status"]])
        if found["status"] != "APPROVED":
            raise Refusal(404, 132001, "Template name does not exist in the translation")
        expected = dict(_expected(found))
        values = {}
        for component in given.get("components") or []:
            place = _place(component)
            if place not in expected:
                raise Refusal(400, 132000, "Number of parameters does not match", place)
            values[place] = self._values(place, component, expected[place], found)
        for place, (count, required, _) in expected.items():
            if required and count and place not in values:
                said = f"{place}: number of parameters (0) does not match ({count})"
                raise Refusal(400, 132000, "Number of parameters does not match", said)
        text = _filled(found, values.get("body", ()))
        if len(text) > 1024:
            raise Refusal(400, 132005, "Translated text too long")
        return name, text, values

    def _values(
        self, place: str, component: Json, expected: tuple[int, bool, str], template: Json
    ) -> tuple[str, ...]:
        count, _, kind = expected
        parameters = component.get("parameters") or []
        if len(parameters) != count:
            said = f"{place}: number of parameters ({len(parameters)}) does not match ({count})"
            raise Refusal(400, 132000, "Number of parameters does not match", said)
        found: dict[str, str] = {}
        named = str(template.get("parameter_format", "POSITIONAL")).upper() == "NAMED"
        for number, parameter in enumerate(parameters, start=1):
            if parameter.get("type") != kind:
                raise Refusal(400, 132012, "Parameter format does not match", f"{place}: {kind}")
            value = parameter.get(kind)
            if isinstance(value, dict):
                value = value.get("link")
            if not isinstance(value, str) or not value.strip():
                raise Refusal(400, 131008, "Required parameter is missing", f"{place}: text")
            if _FORBIDDEN.search(value):
                said = "Param text cannot have new-line/tab characters or more than 4 spaces"
                raise Refusal(400, 100, "Invalid parameter", said)
            key = str(number)
            if named and place in {"body", "header"} and kind == "text":
                key = str(parameter.get("parameter_name"))
                if parameter.get("parameter_name") not in _names(template, place):
                    raise Refusal(400, 100, "Invalid parameter", f"{key}: no such parameter_name")
            found[key] = value
        if named and place in {"body", "header"} and kind == "text":
            return tuple(found[name] for name in _names(template, place))
        return tuple(found.values())

    # -- webhooks ---------------------------------------------------------------------------------

    def signed(self, body: bytes) -> str:
        """``X-Hub-Signature-256`` of a body."""
        mac = hmac.new(self.app_secret.encode(), body, hashlib.sha256)
        return f"sha256={mac.hexdigest()}"

    def envelope(self, field_name: str, value: Json | list[Json]) -> Json:
        """A webhook's body, of one value or of several."""
        values = value if isinstance(value, list) else [value]
        changes = [{"field": field_name, "value": each} for each in values]
        at = int(self.clock().timestamp())
        entry = {"id": self.waba_id, "time": at, "changes": changes}
        return {"object": "whatsapp_business_account", "entry": [entry]}

    def status(self, message: Accepted, status: str, code: int | None = None, **more: Any) -> Json:
        """The value of a status webhook."""
        recipient = self.wa_ids.get(message.recipient, message.recipient.lstrip("+"))
        report: Json = {
            "id": message.wamid,
            "status": status,
            "timestamp": str(int(self.clock().timestamp())),
            "recipient_id": recipient,
            "biz_opaque_callback_data": message.token,
            **more,
        }
        if code is not None:
            report["errors"] = [
                {
                    "code": code,
                    "title": "failed",
                    "message": "failed",
                    "error_data": {"details": ""},
                }
            ]
        return {**self._metadata(), "statuses": [report]}

    def inbound(self, sender: str, content: Json, answers: str | None = None, **more: Any) -> Json:
        """The value of a webhook with a message: ``content`` has its ``type``."""
        wa_id = self.wa_ids.get(sender, sender.lstrip("+"))
        message: Json = {
            "from": wa_id,
            "id": f"wamid.IN{next(self._numbers):08d}",
            "timestamp": str(int(self.clock().timestamp())),
            **content,
            **more,
        }
        if answers is not None:
            message["context"] = {"from": self.number.lstrip("+"), "id": answers}
        self.spoken_at[sender] = self.clock()
        contact = {"profile": {"name": "Ann"}, "wa_id": wa_id}
        return {**self._metadata(), "contacts": [contact], "messages": [message]}

    def _metadata(self) -> Json:
        metadata = {
            "display_phone_number": self.number.lstrip("+"),
            "phone_number_id": self.phone_number_id,
        }
        return {"messaging_product": "whatsapp", "metadata": metadata}

    def post(self, body: Json | bytes, **headers: str) -> tuple[int, str]:
        """Deliver a webhook to ``callback``, as Meta does: non-ASCII escaped, then signed."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        parts = urlsplit(str(self.callback))
        connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=60)
        sent = {"Content-Type": "application/json", "X-Hub-Signature-256": self.signed(raw)}
        try:
            connection.request("POST", parts.path, raw, {**sent, **headers})
            answer = connection.getresponse()
            said = (answer.status, answer.read().decode())
        finally:
            connection.close()
        self.posted.append(said)
        return said


def _handler(world: WhatsappWorld) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # longer than clients keep a connection: one that is closed while it is written to is a
        # message of which nobody knows
        timeout: ClassVar[int] = 120

        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            world.requests.append((self.path, headers, body))
            token = headers.get("authorization", "")
            status, answer = world.answer(self.command, self.path, token, body)
            content = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_POST = _serve
        do_GET = _serve

        def log_message(self, *_: object) -> None:
            pass

    return Handler


def _place(component: Json) -> str:
    kind = str(component.get("type")).lower()
    return f"button {component.get('index')}" if kind == "button" else kind


def _expected(template: Json) -> Iterator[tuple[str, tuple[int, bool, str]]]:
    """Places that take parameters: how many, whether they must be given, and of which type."""
    for component in template["components"]:
        kind = str(component.get("type", "BODY")).upper()
        if kind == "BODY":
            yield "body", (len(_names(template, "body")), True, "text")
        elif kind == "HEADER":
            form = str(component.get("format", "TEXT")).lower()
            count = len(_names(template, "header")) if form == "text" else 1
            yield "header", (count, True, form)
        for number, button in enumerate(component.get("buttons") or []):
            form = str(button["type"]).upper()
            if form == "URL" and "{{" in button["url"]:
                yield f"button {number}", (1, True, "text")
            elif form == "QUICK_REPLY":
                yield f"button {number}", (1, False, "payload")
            elif form == "COPY_CODE":
                yield f"button {number}", (1, True, "coupon_code")


def _names(template: Json, place: str) -> list[str]:
    text = next(
        (
            component.get("text") or ""
            for component in template["components"]
            if str(component.get("type", "BODY")).lower() == place
        ),
        "",
    )
    names = list(dict.fromkeys(_PLACEHOLDER.findall(text)))
    return sorted(names, key=int) if all(name.isdigit() for name in names) else names


def _filled(template: Json, values: tuple[str, ...]) -> str:
    """The body as its recipient reads it."""
    by_name = dict(zip(_names(template, "body"), values, strict=False))
    text = next(
        (c.get("text") or "" for c in template["components"] if c.get("type", "BODY") == "BODY"), ""
    )
    return _PLACEHOLDER.sub(lambda match: by_name.get(match.group(1), ""), text)
