"""What gateways of WhatsApp Web share: the order of questions, ids in many shapes.

Against WhatsApp's terms: numbers are banned for it. So a sender has to say
``config.accepts_ban_risk: true``, or nothing is sent. There are no tricks here to look like a
person: what protects a number is that few messages leave it, in working hours, to people who want
them. That is the lane's business.

Each message: the session must be connected (else the sender is blocked), the number must be on
WhatsApp (asked once, kept by the database), then the text is sent. Only the last of these can have
sent anything: before it, whatever goes wrong waits. An answer without an id is no failure.
"""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import httpx

from pgdrip.log import get_logger
from pgdrip.providers.base import (
    Account,
    ClaimedMessage,
    DeliveryError,
    ProviderContext,
    Recipient,
    SendResult,
    printable,
    sender_error,
)
from pgdrip.providers.http import (
    SENDER,
    UNKNOWN,
    HttpRule,
    failure,
    get,
    judge,
    make_client,
    post,
    wait,
)

#: What a gateway's word for its session means. ``starting`` settles by itself.
State = Literal["connected", "starting", "disconnected", "banned"]

#: A session that is gone may come back; one that WhatsApp ended is looked at by a person first.
#: ``drip.record_connection`` and the settlement know the first of these codes.
NOT_CONNECTED = "not_connected"
SHUT_OUT = "shut_out"

_NUMBER = re.compile(r"^\+[1-9][0-9]{6,14}$")

#: Where the engines of the gateways put the id of a message, and the chat it went to.
ID_PATHS = (
    "key.id",
    "id._serialized",
    "id.id",
    "id",
    "_data.key.id",
    "_data.id._serialized",
    "_data.id.id",
    "message.key.id",
    "data.key.id",
)
CHAT_PATHS = ("key.remoteJid", "_data.key.remoteJid", "_data.id.remote", "to", "chatId")

#: Answers to a question, which sends nothing: what is wrong is the gateway or the account.
ASKING: Sequence[HttpRule] = (
    HttpRule("5xx 408", "", wait(60), "the gateway is not well"),
    HttpRule("4xx", "", SENDER, "the gateway does not answer this account"),
    HttpRule("xxx", "", wait(60), "no answer that can be read"),
)
#: Answers to a message. A proxy that gave up waiting has passed it on.
SENDING: Sequence[HttpRule] = (HttpRule("502 504", "", UNKNOWN, "a proxy lost the answer"),)
_SESSION_IS_SHUT_OUT = re.compile(r"(?i:logged out)|\b(SCAN_QR_CODE|FAILED)\b")
_SESSION_IS_GONE = re.compile(
    r"(?i:connection closed|not connected|session status is not)|\bSTOPPED\b"
)


def look_up(answer: Any, path: str) -> Any:
    """What is at a dotted path; None: nothing."""
    for part in path.split("."):
        answer = answer.get(part) if isinstance(answer, Mapping) else None
    return answer


def first_text(answer: Any, paths: Sequence[str]) -> str | None:
    """The first text there is at one of several paths."""
    found = (look_up(answer, path) for path in paths)
    return next((each for each in found if isinstance(each, str) and each), None)


def last_part(message_id: str) -> str:
    """The part of an id that all forms of it have: ``true_CHAT_3EB0`` and ``3EB0`` are one."""
    return message_id.rpartition("_")[2]


def digits(number: str) -> str:
    """A number as gateways want it; raises ``DeliveryError`` where it is none."""
    if not _NUMBER.match(number):
        raise not_on_whatsapp("bad_number", "the address is no phone number")
    return number[1:]


def not_on_whatsapp(code: str, words: str) -> DeliveryError:
    """This recipient cannot be reached; the sender is well."""
    return DeliveryError(
        SendResult(
            outcome="rejected",
            reason="not_on_whatsapp",
            error_code=printable(code, 100),
            error_message=printable(words),
        )
    )


class GatewayProvider(ABC):
    """The messages of one session; each gateway says how it is asked."""

    #: The gateway's words for its session; a word that is not listed means disconnected.
    states: ClassVar[Mapping[str, State]]
    session_key: ClassVar[str]
    default_session: ClassVar[str] = ""
    rules: ClassVar[Sequence[HttpRule]] = SENDING

    def __init__(self, account: Account, context: ProviderContext) -> None:
        """Raises ``DeliveryError`` (``sender_error``) for an unusable configuration."""
        config = account.config
        if config.get("accepts_ban_risk") is not True:
            raise sender_error(
                "RUN17",
                "gateways of WhatsApp Web are against WhatsApp's terms and get numbers banned; "
                "config.accepts_ban_risk: true turns this sender on",
            )
        self.session = str(config.get(self.session_key) or self.default_session)
        endpoint = str(config.get("endpoint") or "")
        if not endpoint or not self.session or account.secret_ref is None:
            raise sender_error(
                "RUN13", f"config.endpoint, config.{self.session_key} and secret_ref are needed"
            )
        self._secret_ref = account.secret_ref
        self._context = context
        self._client = make_client(endpoint.rstrip("/"))

    @abstractmethod
    def headers(self, key: str) -> dict[str, str]:
        """The header that carries the API key."""

    @abstractmethod
    async def ask_state(self) -> str:
        """The gateway's word for its session."""

    @abstractmethod
    async def ask_number(self, number: str) -> Recipient:
        """Whether a number (digits) is on WhatsApp."""

    @abstractmethod
    async def post_text(self, to: str, text: str) -> httpx.Response:
        """Send a text to a number (digits) or to the address that the gateway named."""

    def refused_number(self, answer: Any) -> bool:
        """Whether an answer to a message says that the number is not on WhatsApp."""
        return False

    async def send(self, message: ClaimedMessage) -> SendResult:
        """Send one text."""
        number = digits(message.to_address)
        await self._require_session()
        recipient = await self._recipient(message, number)
        if not recipient.reachable:
            raise not_on_whatsapp("not_on_whatsapp", "the number is not on WhatsApp")
        to = recipient.provider_address or number
        response = await self.post_text(to, message.text_body or "")
        answer = body_of(response)
        if response.is_success:
            identity = first_text(answer, ID_PATHS)
            await self._learn_alias(message, recipient, answer)
            return SendResult(
                outcome="sent", provider_message_id=last_part(identity)[:500] if identity else None
            )
        if self.refused_number(answer):
            await self._remember(message, Recipient(reachable=False))
            raise not_on_whatsapp("not_on_whatsapp", "the gateway refused the number")
        raise self._failed(response, self.rules)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def get(self, path: str, params: Mapping[str, str] | None = None) -> Any:
        """Ask something that changes nothing; the answer. Whatever goes wrong waits."""
        response = await get(self._client, path, params or {}, self._headers())
        if not response.is_success:
            raise self._failed(response, ASKING)
        return body_of(response)

    async def ask(self, path: str, body: Mapping[str, Any]) -> Any:
        """The same for questions that are asked by POST."""
        try:
            response = await self.post(path, body)
        except DeliveryError as error:
            if error.result.outcome != "unknown":
                raise
            raise failure(wait(30), "unreachable", error.result.error_message or "") from error
        if not response.is_success:
            raise self._failed(response, ASKING)
        return body_of(response)

    async def post(self, path: str, body: Mapping[str, Any]) -> httpx.Response:
        """Send a request of which no answer means that nobody knows."""
        content = json.dumps(body).encode()
        headers = {**self._headers(), "Content-Type": "application/json"}
        return await post(self._client, path, content, headers)

    def _headers(self) -> dict[str, str]:
        return self.headers(self._context.secret(self._secret_ref).strip())

    def _failed(self, response: httpx.Response, rules: Sequence[HttpRule]) -> DeliveryError:
        words = words_of(response)
        if response.status_code != 401 and _SESSION_IS_SHUT_OUT.search(words):
            return sender_error(SHUT_OUT, printable(words))
        if response.status_code != 401 and _SESSION_IS_GONE.search(words):
            return sender_error(NOT_CONNECTED, printable(words))
        return judge(response, rules, "", words, self._context.clock())

    async def _require_session(self) -> None:
        word = await self.ask_state()
        state = self.states.get(word, "disconnected")
        if state == "starting":
            raise failure(wait(60), "starting", f"the session is {word}")
        if state != "connected":
            code = SHUT_OUT if state == "banned" else NOT_CONNECTED
            raise sender_error(code, f"the session is {printable(word, 50)}")

    async def _recipient(self, message: ClaimedMessage, number: str) -> Recipient:
        known = await self._context.recipients.recall(message)
        if known is None:
            known = await self.ask_number(number)
            await self._context.recipients.remember(message, known)
        return known

    async def _learn_alias(
        self, message: ClaimedMessage, recipient: Recipient, answer: Any
    ) -> None:
        """Answers may come under a hidden id, which only this message can tell us."""
        chat = first_text(answer, CHAT_PATHS)
        if chat and chat.endswith("@lid") and chat != recipient.alias:
            await self._remember(
                message,
                Recipient(
                    reachable=True, provider_address=recipient.provider_address, alias=chat[:200]
                ),
            )

    async def _remember(self, message: ClaimedMessage, recipient: Recipient) -> None:
        """What became of the message does not depend on whether this can be kept."""
        try:
            await self._context.recipients.remember(message, recipient)
        except DeliveryError as error:
            get_logger().warning("a number check was not kept", error=str(error))


def body_of(response: httpx.Response) -> Any:
    """The JSON of an answer; None for an empty body or nonsense."""
    try:
        return response.json()
    except ValueError:
        return None


def words_of(response: httpx.Response) -> str:
    """What an answer says is wrong."""
    answer = body_of(response)
    found = (look_up(answer, path) for path in ("response.message", "message", "error"))
    words = [each if isinstance(each, str) else json.dumps(each) for each in found if each]
    status = look_up(answer, "status")
    if isinstance(status, str):
        words.append(status)
    return "; ".join(words) or response.text[:300]
