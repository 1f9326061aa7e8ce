"""Gateways of WhatsApp Web as their documents describe them, on loopback: WAHA and Evolution API 2.

For tests and the demo: nobody's number is at risk. They ask for the key, refuse what the real ones
refuse, know which numbers are on WhatsApp, lose their session, get banned, and report by webhook,
after the answer and from another thread. What they answer is pinned by tests to samples of the
real ones.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import itertools
import json
import queue
import threading
import urllib.error
import urllib.request
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, ClassVar, Self
from urllib.parse import parse_qs, unquote, urlsplit

Answer = tuple[int, Any]


@dataclass(frozen=True, slots=True)
class SentText:
    """A text that left the gateway."""

    at: datetime
    number: str
    text: str
    id: str


class Gateway(ABC):
    """One session of a gateway.

    ``acks`` are reported after each message, in their order (see ``ACKS``). ``fails`` are answers
    to the next messages instead of the right one; a status of 0 takes the message and drops the
    line.
    """

    #: What the gateway calls the states of a message.
    ACKS: ClassVar[Mapping[str, Any]]
    connected: ClassVar[str]

    def __init__(
        self,
        *,
        key: str = "gateway-key",
        session: str = "default",
        webhook: str | None = None,
        webhook_secret: str = "",
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        on_whatsapp: Callable[[str], bool] = lambda number: True,
        acks: Sequence[str] = (),
    ) -> None:
        self.key = key
        self.session = session
        self.webhook = webhook
        self.webhook_secret = webhook_secret
        self.clock = clock
        self.on_whatsapp = on_whatsapp
        self.acks = acks
        self.state = self.connected
        self.sent: list[SentText] = []
        self.checked: Counter[str] = Counter()
        self.refused: list[Answer] = []
        self.fails: list[Answer] = []
        self.undelivered = 0
        self._lock = threading.Lock()
        self._ids = itertools.count(1)
        self._events: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self.url = ""

    def __enter__(self) -> Self:
        self._server = _make_server(self)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._threads = [
            threading.Thread(target=self._server.serve_forever, daemon=True),
            threading.Thread(target=self._report, daemon=True),
        ]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._events.put(None)
        for thread in self._threads:
            thread.join(timeout=30)
        self._server.server_close()

    # -- what happens in the world ---------------------------------------------------------------

    def become(self, state: str, code: int | None = None) -> None:
        """The session changes its state, and says so."""
        with self._lock:
            self.state = state
        self._events.put(self.state_event(state, code))

    @abstractmethod
    def ban(self) -> None:
        """WhatsApp shuts the number out."""

    def write(self, number: str, text: str, *, answers: str | None = None, chat: str = "") -> None:
        """Somebody writes to this number (digits)."""
        self._events.put(self.message_event(number, text, answers, chat))

    def report(self, sent: SentText, ack: str) -> None:
        """Say what became of a message."""
        self._events.put(self.ack_event(sent, ack))

    def reported(self) -> None:
        """Return when all that there is to say has been said."""
        self._events.join()

    # -- how this gateway says things ------------------------------------------------------------

    @abstractmethod
    def route(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        body: Any,
    ) -> Answer:
        """The answer to a request."""

    @abstractmethod
    def state_event(self, state: str, code: int | None) -> dict[str, Any]:
        """The webhook for another state of the session."""

    @abstractmethod
    def ack_event(self, sent: SentText, ack: str) -> dict[str, Any]:
        """The webhook for what became of a message."""

    @abstractmethod
    def message_event(
        self, number: str, text: str, answers: str | None, chat: str
    ) -> dict[str, Any]:
        """The webhook for a message that came in."""

    @abstractmethod
    def signed(self, body: bytes) -> dict[str, str]:
        """Headers by which a webhook is known to come from here."""

    def call(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        body: Any,
    ) -> Answer:
        """Answer one request; requests are answered one after the other."""
        with self._lock:
            answer = self.route(method, path, query, headers, body)
            if answer[0] >= 400:
                self.refused.append(answer)
        return answer

    def take(self, number: str, text: str) -> tuple[SentText, Answer | None]:
        """The text leaves; an answer that a test wants in place of the right one."""
        sent = SentText(self.clock(), number, text, f"3EB0{next(self._ids):016X}")
        fails = self.fails.pop(0) if self.fails else None
        if fails is None or fails[0] in (0, *range(200, 300)):
            self.sent.append(sent)
            for ack in self.acks:
                self._events.put(self.ack_event(sent, ack))
        return sent, fails

    def _report(self) -> None:
        while (event := self._events.get()) is not None:
            try:
                if self.webhook is not None:
                    self._deliver(json.dumps(event).encode())
            finally:
                self._events.task_done()
        self._events.task_done()

    def _deliver(self, body: bytes) -> None:
        headers = {"Content-Type": "application/json", **self.signed(body)}
        for _ in range(10):
            request = urllib.request.Request(str(self.webhook), body, headers)  # noqa: S310
            try:
                with urllib.request.urlopen(request, timeout=60):  # noqa: S310
                    return
            except urllib.error.HTTPError as error:
                if error.code < 500:
                    break
            except OSError:
                continue
        self.undelivered += 1


class Waha(Gateway):
    """WAHA. ``engine`` decides about the shape of an answer; EMPTY has no body at all."""

    ACKS: ClassVar[Mapping[str, Any]] = {
        "ERROR": -1,
        "PENDING": 0,
        "SERVER": 1,
        "DEVICE": 2,
        "READ": 3,
        "PLAYED": 4,
    }
    connected: ClassVar[str] = "WORKING"
    engine = "NOWEB"

    def ban(self) -> None:
        """The session fails and wants its code scanned."""
        self.become("FAILED")

    def route(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        body: Any,
    ) -> Answer:
        """The three requests that are known here."""
        if headers.get("x-api-key") != self.key:
            return 401, {"message": "Unauthorized", "statusCode": 401}
        if method == "GET" and path == f"/api/sessions/{self.session}":
            return 200, {"name": self.session, "status": self.state, "engine": {"engine": "NOWEB"}}
        if method == "GET" and path == "/api/contacts/check-exists":
            return self._check(query)
        if method == "POST" and path == "/api/sendText":
            return self._send(body)
        return 404, {"message": f"Cannot {method} {path}", "error": "Not Found", "statusCode": 404}

    def _not_working(self, session: object) -> Answer | None:
        if session != self.session:
            return 404, {"message": "Session not found", "error": "Not Found", "statusCode": 404}
        if self.state != self.connected:
            return 422, {
                "error": "Session status is not as expected."
                " Try again later or restart the session",
                "session": self.session,
                "status": self.state,
                "expected": ["WORKING"],
            }
        return None

    def _check(self, query: Mapping[str, str]) -> Answer:
        phone = query.get("phone", "")
        if (refusal := self._not_working(query.get("session"))) is not None:
            return refusal
        if not phone.isdigit():
            return 400, {"message": ["phone must be digits"], "statusCode": 400}
        self.checked[phone] += 1
        if not self.on_whatsapp(phone):
            return 200, {"numberExists": False}
        return 200, {"numberExists": True, "chatId": f"{phone}@c.us"}

    def _send(self, body: Any) -> Answer:
        wrong = [
            f"{name} must be a string"
            for name in ("session", "chatId", "text")
            if not isinstance(body, dict) or not isinstance(body.get(name), str) or not body[name]
        ]
        chat, _, server = ("" if wrong else body["chatId"]).partition("@")
        if not wrong and server not in ("c.us", "s.whatsapp.net", "lid", "g.us"):
            wrong.append("chatId must be a chat id")
        if wrong:
            return 400, {"message": wrong, "error": "Bad Request", "statusCode": 400}
        if (refusal := self._not_working(body["session"])) is not None:
            return refusal
        sent, fails = self.take(chat, body["text"])
        if fails is not None:
            return fails
        if self.engine == "EMPTY":
            return 201, None
        serialized = f"true_{chat}@c.us_{sent.id}"
        if self.engine == "WEBJS":
            identity = {"fromMe": True, "remote": f"{chat}@c.us", "id": sent.id}
            return 201, {"_data": {"id": {**identity, "_serialized": serialized}}}
        key = {"remoteJid": f"{chat}@s.whatsapp.net", "fromMe": True, "id": sent.id}
        return 201, {"key": key, "status": "PENDING"}

    def _event(self, event: str, payload: dict[str, Any]) -> dict[str, Any]:
        return {
            "id": f"evt_{next(self._ids):026d}",
            "timestamp": int(self.clock().timestamp() * 1000),
            "event": event,
            "session": self.session,
            "engine": "NOWEB",
            "payload": payload,
        }

    def state_event(self, state: str, code: int | None) -> dict[str, Any]:
        """Event ``session.status``."""
        return self._event("session.status", {"name": self.session, "status": state})

    def ack_event(self, sent: SentText, ack: str) -> dict[str, Any]:
        """Event ``message.ack``."""
        chat = f"{sent.number}@c.us"
        payload = {"id": f"true_{chat}_{sent.id}", "from": chat, "fromMe": True}
        return self._event("message.ack", {**payload, "ack": self.ACKS[ack], "ackName": ack})

    def message_event(
        self, number: str, text: str, answers: str | None, chat: str
    ) -> dict[str, Any]:
        """Event ``message``."""
        chat = chat or f"{number}@c.us"
        payload: dict[str, Any] = {
            "id": f"false_{chat}_AAA{next(self._ids):013X}",
            "from": chat,
            "fromMe": False,
            "body": text,
            "timestamp": int(self.clock().timestamp()),
            "hasMedia": False,
        }
        if answers is not None:
            payload["replyTo"] = {"id": answers}
        return self._event("message", payload)

    def signed(self, body: bytes) -> dict[str, str]:
        """HMAC-SHA512 of the body."""
        return {
            "X-Webhook-Request-Id": f"{next(self._ids)}",
            "X-Webhook-Timestamp": str(int(self.clock().timestamp() * 1000)),
            "X-Webhook-Hmac-Algorithm": "sha512",
            "X-Webhook-Hmac": hmac.new(
                self.webhook_secret.encode(), body, hashlib.sha512
            ).hexdigest(),
        }


class Evolution(Gateway):
    """Evolution API 2."""

    ACKS: ClassVar[Mapping[str, Any]] = {
        name: name for name in ("ERROR", "PENDING", "SERVER_ACK", "DELIVERY_ACK", "READ", "PLAYED")
    }
    connected: ClassVar[str] = "open"

    def ban(self) -> None:
        """The connection is closed as forbidden."""
        self.become("close", 403)

    def route(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        body: Any,
    ) -> Answer:
        """The three requests that are known here."""
        if headers.get("apikey") != self.key:
            return self._error(401, "Unauthorized", "Unauthorized")
        action, _, instance = path.strip("/").rpartition("/")
        known: dict[tuple[str, str], Callable[[], Answer]] = {
            ("GET", "instance/connectionState"): lambda: (
                200,
                {"instance": {"instanceName": instance, "state": self.state}},
            ),
            ("POST", "chat/whatsappNumbers"): lambda: self._check(body),
            ("POST", "message/sendText"): lambda: self._send(body),
        }
        if (method, action) not in known:
            return self._error(404, "Not Found", [f"Cannot {method} {path}"])
        if instance != self.session:
            return self._error(404, "Not Found", [f'The "{instance}" instance does not exist'])
        return known[method, action]()

    @staticmethod
    def _error(status: int, error: str, message: Any) -> Answer:
        return status, {"status": status, "error": error, "response": {"message": message}}

    def _closed(self) -> Answer | None:
        if self.state == self.connected:
            return None
        return self._error(500, "Internal Server Error", "Connection Closed")

    def _named(self, number: str) -> dict[str, Any]:
        jid = f"{number}@s.whatsapp.net"
        return {"jid": jid, "exists": self.on_whatsapp(number), "number": number}

    def _check(self, body: Any) -> Answer:
        numbers = body.get("numbers") if isinstance(body, dict) else None
        if not isinstance(numbers, list) or not all(isinstance(each, str) for each in numbers):
            problem = [['instance requires property "numbers"']]
            return self._error(400, "Bad Request", problem)
        if (refusal := self._closed()) is not None:
            return refusal
        self.checked.update(numbers)
        return 200, [self._named(each) for each in numbers]

    def _send(self, body: Any) -> Answer:
        wrong = [
            f'instance requires property "{name}"'
            for name in ("number", "text")
            if not isinstance(body, dict) or not isinstance(body.get(name), str) or not body[name]
        ]
        if wrong:
            return self._error(400, "Bad Request", [wrong])
        if (refusal := self._closed()) is not None:
            return refusal
        number = body["number"].partition("@")[0]
        if not number.isdigit() or not self.on_whatsapp(number):
            return self._error(400, "Bad Request", [{**self._named(number), "exists": False}])
        sent, fails = self.take(number, body["text"])
        if fails is not None:
            return fails
        return 201, {
            "key": {"remoteJid": f"{number}@s.whatsapp.net", "fromMe": True, "id": sent.id},
            "status": "PENDING",
            "messageTimestamp": int(sent.at.timestamp()),
            "instanceId": "b1c2",
        }

    def _event(self, event: str, data: dict[str, Any]) -> dict[str, Any]:
        # local time that says it is UTC, as the real one has it
        stamp = self.clock().astimezone().replace(tzinfo=None).isoformat(timespec="milliseconds")
        return {
            "event": event,
            "instance": self.session,
            "data": data,
            "date_time": f"{stamp}Z",
            "sender": "15550001111@s.whatsapp.net",
        }

    def state_event(self, state: str, code: int | None) -> dict[str, Any]:
        """Event ``connection.update``."""
        data: dict[str, Any] = {"instance": self.session, "state": state}
        data["statusReason"] = code if code is not None else 200
        return self._event("connection.update", data)

    def ack_event(self, sent: SentText, ack: str) -> dict[str, Any]:
        """Event ``messages.update``."""
        data = {
            "keyId": sent.id,
            "remoteJid": f"{sent.number}@s.whatsapp.net",
            "fromMe": True,
            "status": self.ACKS[ack],
            "messageId": f"cm{sent.id.lower()}",
            "instanceId": "b1c2",
        }
        return self._event("messages.update", data)

    def message_event(
        self, number: str, text: str, answers: str | None, chat: str
    ) -> dict[str, Any]:
        """Event ``messages.upsert``."""
        chat = chat or f"{number}@s.whatsapp.net"
        identity = f"AAA{next(self._ids):013X}"
        data: dict[str, Any] = {
            "key": {"remoteJid": chat, "fromMe": False, "id": identity},
            "pushName": "Ann",
            "message": {"conversation": text},
            "messageType": "conversation",
            "messageTimestamp": int(self.clock().timestamp()),
        }
        if answers is not None:
            data["contextInfo"] = {"stanzaId": answers}
        return self._event("messages.upsert", data)

    def signed(self, body: bytes) -> dict[str, str]:
        """It signs nothing; a header of its configuration carries the secret."""
        return {"Authorization": f"Bearer {self.webhook_secret}"}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64


def _make_server(gateway: Gateway) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # longer than clients keep a connection: one that is closed while it is written to is a
        # message of which nobody knows
        timeout: ClassVar[int] = 120

        def do_GET(self) -> None:
            self._answer()

        def do_POST(self) -> None:
            self._answer()

        def _answer(self) -> None:
            raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            body = None
            with contextlib.suppress(ValueError):
                body = json.loads(raw)
            parts = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, answer = gateway.call(self.command, unquote(parts.path), query, headers, body)
            if status == 0:
                self.close_connection = True
                return
            content = b"" if answer is None else json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json; charset=utf-8")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    return _Server(("127.0.0.1", 0), Handler)
