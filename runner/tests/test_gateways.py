"""WAHA and Evolution API: what the emulators say is what the documents say, and what it means."""
# ruff: noqa: E501 - one line per answer reads best

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from pgdrip.demo.gateways import Evolution, Gateway, Waha
from pgdrip.providers import evolution, waha
from pgdrip.providers.base import (
    Account,
    ClaimedMessage,
    DeliveryError,
    Provider,
    ProviderContext,
    ProviderFactory,
    Recipient,
    SendResult,
)
from pgdrip.providers.contract import check_contract
from pgdrip.providers.evolution import EvolutionProvider
from pgdrip.providers.gateway import last_part
from pgdrip.providers.registry import load_factory
from pgdrip.providers.waha import WahaProvider
from pgdrip.web.webhooks.mapping import mapping_of

NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)
NUMBER = "14155550123"
MESSAGE = ClaimedMessage(
    organization_id=1,
    enrollment_id=1,
    claim_token=1,
    message_token="ab" * 33,
    channel="whatsapp_lite",
    channel_account_id=1,
    provider="x",
    to_address=f"+{NUMBER}",
    text_body="Hello Ann",
)
KINDS: dict[str, tuple[type[Gateway], ProviderFactory]] = {
    "waha": (Waha, WahaProvider),
    "evolution": (Evolution, EvolutionProvider),
}
NOT_ON_WHATSAPP = "19990000000"


class Memory:
    """Recipients as the database keeps them."""

    def __init__(self) -> None:
        self.known: dict[str, Recipient] = {}

    async def recall(self, message: ClaimedMessage) -> Recipient | None:
        return self.known.get(message.to_address)

    async def remember(self, message: ClaimedMessage, recipient: Recipient) -> None:
        self.known[message.to_address] = recipient


@pytest.fixture(params=KINDS)
def gateway(request: pytest.FixtureRequest) -> Iterator[Gateway]:
    kind, _ = KINDS[request.param]
    with kind(on_whatsapp=lambda number: number != NOT_ON_WHATSAPP, clock=lambda: NOW) as gateway:
        yield gateway


@pytest.fixture
def memory() -> Memory:
    return Memory()


@pytest.fixture
def context(memory: Memory) -> ProviderContext:
    secrets = {"KEY": "gateway-key", "WRONG": "other"}
    return ProviderContext(secret=lambda ref: secrets[ref], clock=lambda: NOW, recipients=memory)


def name_of(gateway: Gateway) -> str:
    return "waha" if isinstance(gateway, Waha) else "evolution"


def account(gateway: Gateway, **config: Any) -> Account:
    session = "session" if isinstance(gateway, Waha) else "instance"
    given = {"endpoint": gateway.url, session: "default", "accepts_ban_risk": True, **config}
    return Account(
        organization_id=1,
        channel_account_id=1,
        provider=name_of(gateway),
        config=given,
        secret_ref="KEY",
    )


def factory(gateway: Gateway) -> ProviderFactory:
    return KINDS[name_of(gateway)][1]


async def send(
    gateway: Gateway, context: ProviderContext, message: ClaimedMessage = MESSAGE, **config: Any
) -> SendResult:
    """What the provider says of one message, whichever way it says it."""
    try:
        provider = factory(gateway)(account(gateway, **config), context)
        try:
            return await provider.send(message)
        finally:
            await provider.close()
    except DeliveryError as error:
        return error.result


class TokenInText:
    """A gateway has no place for our token: for the contract it travels as the text."""

    def __init__(self, provider: Provider) -> None:
        self.provider = provider

    async def send(self, message: ClaimedMessage) -> SendResult:
        return await self.provider.send(replace(message, text_body=message.message_token))

    async def close(self) -> None:
        await self.provider.close()


async def test_the_contract_of_providers(gateway: Gateway, context: ProviderContext) -> None:
    make = factory(gateway)
    assert load_factory(name_of(gateway)) is make, "found by its entry point"
    for bad in (
        replace(account(gateway), secret_ref=None),
        replace(account(gateway), secret_ref="WRONG"),
        account(gateway, accepts_ban_risk=None),
        account(gateway, endpoint=None),
    ):
        await check_contract(
            lambda account, context: TokenInText(make(account, context)),
            account=account(gateway),
            bad_account=bad,
            context=context,
            message=MESSAGE,
            accepted=lambda: [each.text for each in gateway.sent],
        )
        gateway.sent.clear()


async def test_a_sender_is_off_until_its_owner_accepts_the_risk(
    gateway: Gateway, context: ProviderContext
) -> None:
    for value in (None, False, "true", 1):
        result = await send(gateway, context, accepts_ban_risk=value)
        assert (result.outcome, result.error_code) == ("sender_error", "RUN17")
    assert gateway.sent == []


#: Samples of the real ones: request, and what of the answer counts.
SAMPLES: dict[str, list[tuple[str, str, Any, int, Any]]] = {
    "waha": [
        ("GET", "/api/sessions/default", None, 200, {"name": "default", "status": "WORKING"}),
        ("GET", f"/api/contacts/check-exists?phone={NUMBER}&session=default", None, 200, {"numberExists": True, "chatId": f"{NUMBER}@c.us"}),
        ("GET", f"/api/contacts/check-exists?phone={NOT_ON_WHATSAPP}&session=default", None, 200, {"numberExists": False}),
        ("POST", "/api/sendText", {"session": "default", "chatId": f"{NUMBER}@c.us", "text": "hi", "reply_to": None, "linkPreview": True}, 201, {"status": "PENDING"}),
        ("POST", "/api/sendText", {"session": "default", "chatId": f"{NUMBER}@c.us"}, 400, {"statusCode": 400}),
        ("POST", "/api/sendText", {"session": "default", "chatId": NUMBER, "text": "hi"}, 400, {"statusCode": 400}),
        ("POST", "/api/sendText", {"session": "other", "chatId": f"{NUMBER}@c.us", "text": "hi"}, 404, {"statusCode": 404}),
        ("GET", "/api/sessions/other", None, 404, {"statusCode": 404}),
    ],
    "evolution": [
        ("GET", "/instance/connectionState/default", None, 200, {"instance": {"instanceName": "default", "state": "open"}}),
        ("POST", "/chat/whatsappNumbers/default", {"numbers": [NUMBER]}, 200, [{"jid": f"{NUMBER}@s.whatsapp.net", "exists": True, "number": NUMBER}]),
        ("POST", "/chat/whatsappNumbers/default", {}, 400, {"status": 400}),
        ("POST", "/message/sendText/default", {"number": NUMBER, "text": "hi", "delay": 1200, "linkPreview": False}, 201, {"status": "PENDING"}),
        ("POST", "/message/sendText/default", {"number": NUMBER}, 400, {"status": 400, "error": "Bad Request"}),
        ("POST", "/message/sendText/default", {"number": NOT_ON_WHATSAPP, "text": "hi"}, 400, {
            "status": 400, "error": "Bad Request",
            "response": {"message": [{"jid": f"{NOT_ON_WHATSAPP}@s.whatsapp.net", "exists": False, "number": NOT_ON_WHATSAPP}]},
        }),
        ("POST", "/message/sendText/other", {"number": NUMBER, "text": "hi"}, 404, {"status": 404}),
    ],
}  # fmt: skip


def test_the_emulators_answer_as_the_documents_say(gateway: Gateway) -> None:
    name = name_of(gateway)
    header = "X-Api-Key" if name == "waha" else "apikey"
    for method, path, body, status, part in SAMPLES[name]:
        url = gateway.url + path
        refused = httpx.request(method, url, json=body, headers={header: "other"})
        assert refused.status_code == 401, path
        answer = httpx.request(method, url, json=body, headers={header: "gateway-key"})
        assert answer.status_code == status, (path, answer.text)
        said = answer.json()
        assert (said == part) if isinstance(said, list) else said | part == said, path
    key = {"remoteJid": f"{NUMBER}@s.whatsapp.net", "fromMe": True, "id": gateway.sent[0].id}
    assert gateway.sent[0].id.startswith("3EB0")
    sample = next(each for each in SAMPLES[name] if each[3] == 201)
    answer = httpx.post(gateway.url + sample[1], json=sample[2], headers={header: "gateway-key"})
    assert answer.json()["key"] == {**key, "id": gateway.sent[1].id}


def test_the_emulators_report_as_the_documents_say() -> None:
    with Waha(clock=lambda: NOW) as one, Evolution(session="main", clock=lambda: NOW) as two:
        _, _ = one.take(NUMBER, "hi")
        _, _ = two.take(NUMBER, "hi")
        inbound = one.message_event(NUMBER, "stop", None, "")
        assert inbound | {"event": "message", "session": "default"} == inbound
        assert inbound["id"].startswith("evt_")
        assert inbound["timestamp"] == NOW.timestamp() * 1000
        payload = {"from": f"{NUMBER}@c.us", "fromMe": False, "body": "stop", "timestamp": NOW.timestamp(), "hasMedia": False}  # fmt: skip
        assert inbound["payload"] | payload == inbound["payload"]
        assert inbound["payload"]["id"].startswith(f"false_{NUMBER}@c.us_AAA")
        ack = one.ack_event(one.sent[0], "READ")
        assert ack["event"] == "message.ack"
        assert ack["payload"] | {"ack": 3, "ackName": "READ", "fromMe": True} == ack["payload"]
        assert ack["payload"]["id"] == f"true_{NUMBER}@c.us_{one.sent[0].id}"

        inbound = two.message_event(NUMBER, "stop", None, "")
        assert inbound | {"event": "messages.upsert", "instance": "main"} == inbound
        said = {"pushName": "Ann", "message": {"conversation": "stop"}, "messageType": "conversation", "messageTimestamp": NOW.timestamp()}  # fmt: skip
        assert inbound["data"] | said == inbound["data"]
        assert inbound["data"]["key"]["remoteJid"] == f"{NUMBER}@s.whatsapp.net"
        ack = two.ack_event(two.sent[0], "DELIVERY_ACK")
        assert ack["event"] == "messages.update"
        wanted = {"keyId": two.sent[0].id, "fromMe": True, "status": "DELIVERY_ACK"}
        assert ack["data"] | wanted == ack["data"]
        # the vector of WAHA's documents
        one.webhook_secret = "my-secret-key"
        body = b'{"event":"message","session":"default","engine":"WEBJS"}'
        assert one.signed(body)["X-Webhook-Hmac"] == (
            "208f8a55dde9e05519e898b10b89bf0d0b3b0fdf11fdbf09b6b90476301b98d8"
            "097c462b2b17a6ce93b6b47a136cf2e78a33a63f6752c2c1631777076153fa89"
        )


def test_states_are_the_same_for_provider_and_webhook() -> None:
    for name, states in (("waha", waha.STATES), ("evolution", evolution.STATES)):
        meaning = mapping_of(name)["connection"]["meaning"]
        starting = {word: None if state == "starting" else state for word, state in states.items()}
        assert meaning == starting
    codes = mapping_of("evolution")["connection"]["codes"]
    assert set(codes) == {str(code) for code in evolution.SHUT_OUT_CODES}


async def test_a_number_is_asked_about_once(
    gateway: Gateway, context: ProviderContext, memory: Memory
) -> None:
    for _ in range(3):
        result = await send(gateway, context)
        assert (result.outcome, result.provider_message_id) == ("sent", gateway.sent[-1].id)
    assert gateway.checked == {NUMBER: 1}
    assert [each.number for each in gateway.sent] == [NUMBER] * 3
    # another address is another question; the refusal is kept as well
    other = replace(MESSAGE, to_address=f"+{NOT_ON_WHATSAPP}")
    for _ in range(2):
        result = await send(gateway, context, other)
        assert (result.outcome, result.reason) == ("rejected", "not_on_whatsapp")
    assert gateway.checked == {NUMBER: 1, NOT_ON_WHATSAPP: 1}
    assert memory.known[f"+{NOT_ON_WHATSAPP}"].reachable is False
    assert (await send(gateway, context)).outcome == "sent", "the sender is well"


async def test_a_number_that_left_whatsapp_is_a_refusal_of_the_number(
    context: ProviderContext, memory: Memory
) -> None:
    with Evolution(on_whatsapp=lambda number: False, clock=lambda: NOW) as gateway:
        memory.known[MESSAGE.to_address] = Recipient(reachable=True)
        result = await send(gateway, context)
        assert (result.outcome, result.reason) == ("rejected", "not_on_whatsapp")
        assert memory.known[MESSAGE.to_address].reachable is False


async def test_ids_are_found_in_the_answers_of_all_engines(
    context: ProviderContext, memory: Memory
) -> None:
    with Waha(clock=lambda: NOW) as gateway:
        for engine, has_id in (("NOWEB", True), ("WEBJS", True), ("EMPTY", False)):
            gateway.engine = engine
            result = await send(gateway, context)
            assert result.outcome == "sent", "an answer without an id is no failure"
            assert result.provider_message_id == (gateway.sent[-1].id if has_id else None)
        assert len(gateway.sent) == 3
        for body, wanted in (
            ({"id": "true_14155550123@c.us_3EB0AB"}, "3EB0AB"),
            ({"id": {"fromMe": True, "id": "3EB0AC"}}, "3EB0AC"),
            ({"id": {"_serialized": "true_14155550123@lid_3EB0AD"}}, "3EB0AD"),
            ({"data": {"key": {"id": "3EB0AE"}}}, "3EB0AE"),
            ({"id": 7}, None),
            ([], None),
            ("nonsense", None),
        ):
            gateway.fails = [(201, body)]
            result = await send(gateway, context)
            assert (result.outcome, result.provider_message_id) == ("sent", wanted)
        # a hidden id under which the person may answer is learned from the answer
        gateway.fails = [(201, {"key": {"id": "3EB0", "remoteJid": "99887766@lid"}})]
        await send(gateway, context)
        assert memory.known[MESSAGE.to_address].alias == "99887766@lid"
        assert memory.known[MESSAGE.to_address].provider_address == f"{NUMBER}@c.us"
        assert last_part("3EB0") == "3EB0"


async def test_a_session_that_is_not_there_blocks_the_sender_X10(
    gateway: Gateway, context: ProviderContext
) -> None:
    shut_out = {"SCAN_QR_CODE", "FAILED"}
    words = (
        ("STOPPED", "SCAN_QR_CODE", "FAILED", "PASSKEY_REQUIRED")
        if isinstance(gateway, Waha)
        else ("close", "refused")
    )
    for word in words:
        gateway.state = word
        result = await send(gateway, context)
        assert result.outcome == "sender_error", word
        assert result.error_code == ("shut_out" if word in shut_out else "not_connected")
    gateway.state = "STARTING" if isinstance(gateway, Waha) else "connecting"
    result = await send(gateway, context)
    assert (result.outcome, result.retry_after) == ("throttled", timedelta(seconds=60))
    assert gateway.sent == []
    assert gateway.checked == {}


ANSWERS: dict[str, tuple[tuple[int, Any], str, str | None]] = {
    "slow down": ((429, {"message": "Too many requests"}), "throttled", "throttled"),
    "bad key": ((401, {"message": "Unauthorized"}), "sender_error", "sender_blocked"),
    "no such session": ((404, {"message": "Session not found"}), "sender_error", "sender_blocked"),
    "connection closed": ((500, {"status": 500, "response": {"message": "Connection Closed"}}), "sender_error", "sender_blocked"),
    "session stopped": ((422, {"error": "Session status is not as expected", "status": "STOPPED"}), "sender_error", "sender_blocked"),
    "too large": ((413, None), "rejected", "rejected_content"),
    "refused": ((400, {"message": ["text is too long"]}), "rejected", "rejected_content"),
    "broken": ((500, {"message": "Internal server error"}), "retry", None),
    "away": ((503, None), "throttled", "throttled"),
    "a proxy gave up": ((504, None), "unknown", "outcome_unknown"),
    "a bad proxy": ((502, None), "unknown", "outcome_unknown"),
    "redirect": ((302, None), "unknown", "outcome_unknown"),
    "hangs up": ((0, None), "unknown", "outcome_unknown"),
}  # fmt: skip


async def test_what_answers_mean_C2_X10(gateway: Gateway, context: ProviderContext) -> None:
    for case, (answer, outcome, reason) in ANSWERS.items():
        gateway.fails = [answer]
        result = await send(gateway, context)
        assert (result.outcome, result.reason) == (outcome, reason), case
        assert "gateway-key" not in str(result)
    assert (await send(gateway, context)).outcome == "sent"


async def test_questions_without_an_answer_wait_C2(context: ProviderContext) -> None:
    for make, provider in KINDS.values():
        with make() as gateway:
            there = account(gateway)
        with pytest.raises(DeliveryError) as caught:
            await provider(there, context).send(MESSAGE)
        assert caught.value.result.outcome == "throttled"
