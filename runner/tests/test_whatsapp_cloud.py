"""The provider ``whatsapp_cloud`` and its database, against a Cloud API on loopback, over real HTTP."""
# ruff: noqa: E501 - one line per code reads best

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from psycopg.types.json import Jsonb
from typer.testing import CliRunner

from engine import Engine
from pgdrip.cli import app
from pgdrip.db import Database
from pgdrip.delivery import DeliveryOptions
from pgdrip.demo.whatsapp_world import Refusal, WhatsappWorld
from pgdrip.loop import LoopOptions, tick_once
from pgdrip.providers.base import (
    Account,
    ClaimedMessage,
    DeliveryError,
    ProviderContext,
    SendResult,
)
from pgdrip.providers.contract import check_contract
from pgdrip.providers.registry import ProviderCache, load_factory
from pgdrip.providers.whatsapp_cloud import WhatsappCloudProvider
from pgdrip.providers.whatsapp_codes import CODES, find_code

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
FIVE = {
    "name": "five",
    "language": "en",
    "status": "APPROVED",
    "category": "MARKETING",
    "parameter_format": "POSITIONAL",
    "components": [
        {"type": "HEADER", "format": "TEXT", "text": "About {{1}}"},
        {"type": "BODY", "text": "Hi {{1}}, {{2}} costs {{3}}. {{4}} {{5}}"},
        {
            "type": "BUTTONS",
            "buttons": [
                {"type": "URL", "text": "Go", "url": "https://x.example/{{1}}"},
                {"type": "QUICK_REPLY", "text": "Stop"},
            ],
        },
    ],
}
NAMED = {
    "name": "trial_day_3",
    "language": "en_US",
    "status": "APPROVED",
    "parameter_format": "NAMED",
    "components": [
        {"type": "HEADER", "format": "IMAGE"},
        {"type": "BODY", "text": "Hi {{first_name}}, {{plan}}"},
        {
            "type": "BUTTONS",
            "buttons": [
                {"type": "URL", "text": "Go", "url": "https://x.example/{{1}}"},
                {"type": "QUICK_REPLY", "text": "Stop"},
            ],
        },
    ],
}
#: The request of Meta's documentation.
SAMPLE_COMPONENTS = [
    {
        "type": "header",
        "parameters": [{"type": "image", "image": {"link": "https://x.example/a.png"}}],
    },
    {
        "type": "body",
        "parameters": [
            {"type": "text", "parameter_name": "first_name", "text": "Ann"},
            {"type": "text", "parameter_name": "plan", "text": "Pro"},
        ],
    },
    {
        "type": "button",
        "sub_type": "url",
        "index": "0",
        "parameters": [{"type": "text", "text": "4fQk-suffix"}],
    },
    {
        "type": "button",
        "sub_type": "quick_reply",
        "index": "1",
        "parameters": [{"type": "payload", "payload": "STOP:42"}],
    },
]
MESSAGE = ClaimedMessage(
    organization_id=1,
    enrollment_id=1,
    claim_token=1,
    message_token="ab" * 33,
    channel="whatsapp_cloud",
    channel_account_id=1,
    provider="whatsapp_cloud",
    to_address="+14155550123",
    from_address="+15550001111",
    template={
        "name": "trial_day_3",
        "language": "en_US",
        "parameters": {},
        "components": SAMPLE_COMPONENTS,
    },
)


@pytest.fixture
def world() -> Iterator[WhatsappWorld]:
    world = WhatsappWorld(clock=lambda: NOW, templates=[FIVE, NAMED])
    with world.serving():
        yield world


@pytest.fixture
def context() -> ProviderContext:
    return ProviderContext(secret={"WA": "test-token", "BAD": "x"}.__getitem__, clock=lambda: NOW)


def account(world: WhatsappWorld, names: str | None = "WA", **config: Any) -> Account:
    return Account(
        organization_id=1,
        channel_account_id=1,
        provider="whatsapp_cloud",
        config={**world.config, **config},
        secret_ref=names,
    )


async def send(
    world: WhatsappWorld, context: ProviderContext, message: ClaimedMessage = MESSAGE, **config: Any
) -> SendResult:
    """What the provider says, raised or returned."""
    provider = WhatsappCloudProvider(account(world, **config), context)
    try:
        return await provider.send(message)
    except DeliveryError as error:
        return error.result
    finally:
        await provider.close()


# ------------------------------------------------------------------------------------ the provider


async def test_contract(world: WhatsappWorld, context: ProviderContext) -> None:
    for bad in (account(world, "BAD"), account(world, None), account(world, version="25")):
        world.accepted.clear()
        await check_contract(
            WhatsappCloudProvider,
            account=account(world),
            bad_account=bad,
            context=context,
            message=MESSAGE,
            accepted=lambda: [each.token for each in world.accepted],
        )
    assert load_factory("whatsapp_cloud") is WhatsappCloudProvider


async def test_the_request_is_that_of_the_documentation(
    world: WhatsappWorld, context: ProviderContext
) -> None:
    result = await send(world, context)
    assert result == SendResult(outcome="sent", provider_message_id="wamid.HBg00000001")
    [(path, headers, body)] = world.requests
    assert path == "/v25.0/106540352242922/messages"
    assert headers["authorization"] == "Bearer test-token"
    assert json.loads(body) == {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "to": "+14155550123",
        "type": "template",
        "biz_opaque_callback_data": MESSAGE.message_token,
        "template": {
            "name": "trial_day_3",
            "language": {"code": "en_US"},
            "components": SAMPLE_COMPONENTS,
        },
    }
    assert world.accepted[0].parameters == {
        "header": ("https://x.example/a.png",),
        "body": ("Ann", "Pro"),
        "button 0": ("4fQk-suffix",),
        "button 1": ("STOP:42",),
    }
    await send(world, context, version="v99.0")
    assert world.requests[1][0].startswith("/v99.0/"), "the version is a setting"


async def test_a_free_text(world: WhatsappWorld, context: ProviderContext) -> None:
    text = replace(MESSAGE, template=None, text_body="Hi\nAnn")
    refused = await send(world, context, text)
    assert (refused.outcome, refused.reason, refused.error_code) == (
        "retry",
        "session_closed",
        "131047",
    )
    world.inbound("+14155550123", {"type": "text", "text": {"body": "hello"}})
    assert (await send(world, context, text)).outcome == "sent"
    assert json.loads(world.requests[-1][2])["text"] == {"body": "Hi\nAnn", "preview_url": False}
    assert world.accepted[-1].text == "Hi\nAnn", "the lines of a free text stay"


async def test_a_number_without_its_plus_sign_is_never_sent(
    world: WhatsappWorld, context: ProviderContext
) -> None:
    for number in ("14155550123", "nobody", "+0155", "", "+1 415 555 0123"):
        result = await send(world, context, replace(MESSAGE, to_address=number))
        assert (result.outcome, result.reason) == ("rejected", "invalid_address"), number
    assert world.requests == []


async def test_what_the_answer_lacks_is_no_failure(
    world: WhatsappWorld, context: ProviderContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    for answer in ({}, {"messages": []}, {"messages": [{}]}, {"messages": [{"id": None}]}):
        monkeypatch.setattr(world, "answer", lambda *_, answer=answer: (200, answer))
        assert await send(world, context) == SendResult(outcome="sent", provider_message_id=None)
    # no body of Meta's: by the status, as for everybody
    for status, outcome in (
        (429, "throttled"),
        (503, "throttled"),
        (500, "retry"),
        (403, "sender_error"),
    ):
        monkeypatch.setattr(world, "answer", lambda *_, status=status: (status, {"odd": 1}))
        assert (await send(world, context)).outcome == outcome, status
    monkeypatch.undo()
    assert (await send(world, context, endpoint="http://127.0.0.1:9")).outcome == "throttled", (
        "nobody there"
    )


#: Codes, as PROTOCOLS and Meta list them: outcome, reason, and for how long.
DOCUMENTED: list[tuple[str, str, str | None, timedelta | None]] = [
    ("1 131000", "retry", None, None),
    ("2 131016 133004", "throttled", "throttled", timedelta(minutes=5)),
    ("131057", "throttled", "throttled", timedelta(minutes=15)),
    ("4 80007", "throttled", "throttled", timedelta(minutes=10)),
    ("130429", "throttled", "throttled", timedelta(seconds=5)),
    ("131048", "throttled", "throttled", timedelta(hours=6)),
    ("131056", "retry", "throttled", timedelta(minutes=1)),
    ("131049", "retry", "throttled", timedelta(days=1, minutes=15)),
    ("130472 131021 131030", "rejected", "rejected_policy", None),
    ("131050", "rejected", "opted_out", None),
    ("131026", "rejected", "invalid_address", None),
    ("131047", "retry", "session_closed", None),
    (
        "132000 132001 132007 132008 132012 132015 132016 132068 132069 131063",
        "retry",
        "template_unavailable",
        None,
    ),
    ("132005 131062", "retry", "template_unavailable", timedelta(days=1)),
    ("100 131008 131009 131051 131052 131053 135000", "rejected", "rejected_content", None),
    (
        "0 3 10 33 190 200 250 299 368 130497 131005 131031 131037 131042 131045 131064 133010 133015 133016",
        "sender_error",
        "sender_blocked",
        None,
    ),
]
EXPECTED = {int(code): rest for codes, *rest in DOCUMENTED for code in codes.split()}


def test_every_code_of_the_table_is_documented() -> None:
    listed = {int(each.partition("-")[0]) for row in CODES for each in row.codes.split()}
    assert listed == EXPECTED.keys() - {250, 299}
    assert find_code(300) is None


async def test_each_code_leads_to_its_documented_outcome(
    world: WhatsappWorld, context: ProviderContext
) -> None:
    provider = WhatsappCloudProvider(account(world), context)
    for code, (outcome, reason, wait) in EXPECTED.items():
        world.next_refusals.append(Refusal(400, code, "said", "details"))
        with pytest.raises(DeliveryError) as raised:
            await provider.send(MESSAGE)
        result = raised.value.result
        assert (result.outcome, result.reason, result.retry_after) == (outcome, reason, wait), code
        assert (result.error_code, result.error_message) == (str(code), f"(#{code}) said details")
    for code in (7, 99999, 131999, 2_000_000):
        world.next_refusals.append(Refusal(401, code, "new"))
        with pytest.raises(DeliveryError) as raised:
            await provider.send(MESSAGE)
        result = raised.value.result
        assert (result.outcome, result.error_code) == ("retry", str(code)), (
            "unknown: again, and reported"
        )
        assert str(result.error_message).startswith("unknown: ")
    # the one code that means several things
    world.next_refusals.append(
        Refusal(400, 100, "Object does not exist, or missing permissions", subcode=33)
    )
    with pytest.raises(DeliveryError) as raised:
        await provider.send(MESSAGE)
    assert raised.value.result.outcome == "sender_error"
    await provider.close()
    assert world.accepted == []


# ------------------------------------------------------------------------------------ the emulator


async def test_the_emulator_refuses_what_the_documentation_says(
    world: WhatsappWorld, context: ProviderContext
) -> None:
    def five(*values: str, **changes: Any) -> ClaimedMessage:
        components = [
            {"type": "header", "parameters": [{"type": "text", "text": "h"}]},
            {"type": "body", "parameters": [{"type": "text", "text": value} for value in values]},
            {
                "type": "button",
                "sub_type": "url",
                "index": "0",
                "parameters": [{"type": "text", "text": "s"}],
            },
        ]
        return replace(
            MESSAGE,
            template={"name": "five", "language": "en", "components": components, **changes},
        )

    good = ("a", "b", "c", "d", "e")
    cases = [
        (five(*good), None),
        (five(*good[:4]), "132000"),
        (five(*good, "f"), "132000"),
        (five("a\nb", *good[1:]), "100"),
        (five("a\tb", *good[1:]), "100"),
        (five("a     b", *good[1:]), "100"),
        (five("a    b", *good[1:]), None),
        (five("", *good[1:]), "131008"),
        (five("x" * 1100, *good[1:]), "132005"),
        (five(*good, language="de"), "132001"),
        (five(*good, name="nobody"), "132001"),
        (five(*good, components=[]), "132000"),
    ]
    for message, code in cases:
        result = await send(world, context, message)
        assert (result.error_code, result.outcome == "sent") == (code, code is None), (
            message.template
        )
    assert (await send(world, context, phone_number_id="777")).outcome == "sender_error"
    world.templates[0] = {**FIVE, "status": "PAUSED"}
    assert (await send(world, context, five(*good))).error_code == "132015"
    world.templates[0] = {**FIVE, "status": "REJECTED"}
    assert (await send(world, context, five(*good))).error_code == "132001"
    world.templates[0] = FIVE
    world.throughput = 2
    results = [
        await send(world, context, replace(MESSAGE, to_address=f"+1415555010{n}")) for n in range(3)
    ]
    assert [result.error_code for result in results] == [None, None, "130429"]
    world.throughput, world.pair_limit = None, True
    results = [await send(world, context) for _ in range(2)]
    assert [result.error_code for result in results] == [None, "131056"]


def test_the_signature_of_the_emulator_is_metas() -> None:
    body = b'{"object":"whatsapp_business_account","entry":[]}'
    assert (
        WhatsappWorld().signed(body)
        == "sha256=d3e4f9da0ce6c71ab3dba55929b8eeeee2455349e534924ead19f98d143e904f"
    )


# ------------------------------------------------------------------------------ with the database


def test_templates_are_fetched_page_by_page(
    database: str, world: WhatsappWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = Line(database, world)
    organization = str(line.engine.organization_id)
    world.templates[0] = {**FIVE, "status": "PAUSED"}
    world.templates[1:] = [
        {**NAMED, "name": f"t{n}", "id": str(n), "quality_score": {}} for n in range(130)
    ]
    monkeypatch.setenv("WA", "test-token")
    environment = {"DATABASE_URL": database, "COLUMNS": "200"}
    result = CliRunner().invoke(app, ["whatsapp", "sync", "-o", organization], env=environment)
    assert result.exit_code == 0, result.output
    assert "approved before" in result.output
    assert "not listed any more" in result.output
    assert [each[0].partition("?")[0] for each in world.requests] == [
        "/v25.0/102290129340398/message_templates"
    ] * 2
    rows = line.engine.rows(
        "select status, count(*)::int as n from drip_core.whatsapp_templates group by 1"
    )
    assert {row["status"]: row["n"] for row in rows} == {"paused": 1, "approved": 130, "deleted": 1}
    monkeypatch.setenv("WA", "bad")
    result = CliRunner().invoke(app, ["whatsapp", "sync", "-o", organization], env=environment)
    assert result.exit_code == 1
    assert "access token" in str(result.exception), "and nothing was changed"
    line.engine.close()


class Line:
    """An organization with a number on the emulator, and a runner for it."""

    def __init__(self, url: str, world: WhatsappWorld) -> None:
        self.url, self.world = url, world
        self.engine = Engine(url)
        self.engine.rows(
            "select drip.apply_channel_account(%s, %s)",
            self.engine.organization_id,
            Jsonb(
                {
                    "key": "line",
                    "channel": "whatsapp_cloud",
                    "provider": "whatsapp_cloud",
                    "address": world.number,
                    "config": world.config,
                    "secret_ref": "WA",
                }
            ),
        )
        for template in world.templates:
            self.engine.rows(
                "select drip.apply_whatsapp_template(%s, %s)",
                self.engine.organization_id,
                Jsonb(template),
            )

    def person(self, name: str, phone: str, **more: Any) -> int:
        contact = {"external_id": name, "phone": phone, **more}
        return int(
            self.engine.value(
                "select drip.upsert_contact(%s, %s)", self.engine.organization_id, Jsonb(contact)
            )
        )

    def tick(self) -> dict[str, int]:
        """One batch: dispositions."""

        async def run() -> dict[str, int]:
            async def prepare(connection: Any) -> None:
                await connection.execute(
                    "select set_config('drip.now', %s, false)", (self.world.clock().isoformat(),)
                )

            context = ProviderContext(
                secret={"WA": "test-token"}.__getitem__, clock=self.world.clock
            )
            options = LoopOptions(
                organization_id=self.engine.organization_id,
                delivery=DeliveryOptions(clock=self.world.clock),
            )
            providers = ProviderCache(context)
            try:
                async with Database(self.url, max_size=2, on_checkout=prepare) as database:
                    return dict((await tick_once(database, providers, options)).dispositions)
            finally:
                await providers.close()

        return asyncio.run(run())

    def state(self, enrollment_id: int) -> dict[str, Any]:
        (row,) = self.engine.rows(
            "select e.status::text, e.status_reason::text as reason, e.wait_reason::text as waits, e.attempt::int,"
            " e.next_step_at - %s as due_in from drip_core.enrollments as e where e.id = %s",
            *(self.world.clock(), enrollment_id),
        )
        return row


PARAMETERS = {
    "header.1": "{{ contact.company }}",
    "1": "{{ contact.first_name | default: 'there' }}",
    "2": "{{ contact.attributes.plan }}",
    "3": "{{ deal.amount }} {{ deal.currency }}",
    "4": "See you,\n{{ sender.display_name | default: 'us' }}",
    "5": "100% literal",
    "buttons.0.url": "{{ contact.external_id }}",
    "buttons.1.payload": "STOP",
}
STEP = {"key": "s1", "channel": "whatsapp_cloud", "template": "five", "parameters": PARAMETERS}


def test_every_placeholder_arrives_with_its_own_value_M7(
    database: str, world: WhatsappWorld
) -> None:
    line = Line(database, world)
    engine = line.engine
    engine.sequence("five", [STEP], ["line"])
    people = {
        line.person(
            "ann",
            "+4915112345601",
            first_name="Ann",
            last_name="Lee",
            company="A\n\tCo",
            attributes={"plan": "Pro      Max"},
        ): "ann",
        line.person("bob", "+4915112345602", company="B & Co", attributes={"plan": "Basic"}): "bob",
        line.person("eve", "+4915112345603", first_name="Eve", company="C"): "eve",
        line.person(
            "dan", "+4915112345604", first_name="Dan", company="D", attributes={"plan": "Pro"}
        ): "dan",
    }
    for name in people.values():
        if name != "dan":
            deal = {
                "external_id": name,
                "contact_external_id": name,
                "name": "x",
                "amount": "99.50",
                "currency": "EUR",
            }
            engine.rows("select drip.upsert_deal(%s, %s)", engine.organization_id, Jsonb(deal))
    rows = engine.rows(
        "select contact_id, outcome::text from drip.enroll_deals(%s, 'five', deal_ids => array(select id from drip_core.deals where organization_id = %s))",
        engine.organization_id,
        engine.organization_id,
    )
    outcomes = {people[row["contact_id"]]: row["outcome"] for row in rows}
    assert outcomes == {"ann": "enrolled", "bob": "enrolled", "eve": "missing_field"}
    (dan,) = engine.rows(
        "select outcome::text from drip.enroll(%s, 'five', %s)",
        engine.organization_id,
        next(k for k, v in people.items() if v == "dan"),
    )
    assert dan["outcome"] == "missing_field", "the value of a deal that it has not"
    # what was there when it was enrolled may be gone at the claim
    (bob,) = (key for key, name in people.items() if name == "bob")
    line.person("bob", "+4915112345602", attributes=None)
    assert line.tick() == {"completed": 1}
    [ann] = world.accepted
    assert ann.recipient == "+4915112345601"
    assert ann.parameters == {
        "header": ("A Co",),
        "body": ("Ann", "Pro Max", "99.50 EUR", "See you, us", "100% literal"),
        "button 0": ("ann",),
        "button 1": ("STOP",),
    }
    assert ann.text == "Hi Ann, Pro Max costs 99.50 EUR. See you, us 100% literal"
    (ended,) = engine.rows(
        "select status::text, status_reason::text as reason from drip_core.enrollments where contact_id = %s",
        bob,
    )
    assert ended == {"status": "failed", "reason": "missing_field"}, "and nothing was sent"
    (message,) = engine.rows("select provider_message_id, status::text from drip_core.messages")
    assert message == {"provider_message_id": ann.wamid, "status": "sent"}
    token = engine.value(
        "select drip.get_message(%s, enrollment_id, 's1') ->> 'message_token' from drip_core.messages",
        engine.organization_id,
    )
    assert ann.token == token, "the message token goes along"
    assert engine.violations() == []
    engine.close()


#: What becomes of the enrollment: disposition, status, reason or why it waits, attempts, and until when.
OUTCOMES: list[tuple[int, str, str, str | None, int, timedelta | None]] = [
    (131000, "retry_scheduled", "active", None, 1, timedelta(minutes=5)),
    (131056, "retry_scheduled", "active", None, 1, timedelta(minutes=5)),
    (131049, "retry_scheduled", "active", None, 1, timedelta(days=1, minutes=15)),
    (99999, "retry_scheduled", "active", None, 1, timedelta(minutes=5)),
    (131047, "deferred", "active", "session_closed", 0, timedelta(minutes=15)),
    (132005, "deferred", "active", "template_unavailable", 0, timedelta(days=1)),
    (132015, "deferred", "active", "template_unavailable", 0, timedelta(minutes=15)),
    (130429, "deferred", "active", None, 0, timedelta(0)),
    (131008, "failed", "failed", "rejected_content", 1, None),
    (130472, "failed", "failed", "rejected_policy", 1, None),
    (131050, "failed", "unsubscribed", "opted_out", 1, None),
    (131026, "bounced", "bounced", "invalid_address", 1, None),
    (190, "deferred", "active", None, 0, timedelta(0)),
]


def test_what_a_code_makes_of_an_enrollment_is_decided_by_sql(
    database: str, world: WhatsappWorld
) -> None:
    now = NOW
    world.clock = lambda: now
    line = Line(database, world)
    engine = line.engine
    engine.sequence(
        "five",
        [{**STEP, "parameters": {**PARAMETERS, "header.1": "h", "2": "b", "3": "c"}}],
        ["line"],
    )
    for number, (code, disposition, status, reason, attempt, due_in) in enumerate(OUTCOMES):
        now = NOW + timedelta(days=10 * number)
        phone = f"+491511234{5000 + number}"
        person = line.person(f"p{code}", phone)
        engine.at(now)
        (enrolled,) = engine.rows(
            "select enrollment_id from drip.enroll(%s, 'five', %s)", engine.organization_id, person
        )
        world.next_refusals.append(Refusal(400, code, "said"))
        assert line.tick() == {disposition: 1}, code
        state = line.state(enrolled["enrollment_id"])
        assert (state["status"], state["reason"] or state["waits"], state["attempt"]) == (
            status,
            reason,
            attempt,
        ), code
        assert state["due_in"] == due_in, code
        (lane,) = engine.rows(
            "select status::text, detail, next_slot_at, slot_reason::text from drip_core.lanes"
        )
        assert (lane["status"] == "blocked") is (code == 190), (
            "the fault of a message stops no sender"
        )
        if code == 130429:
            assert (lane["next_slot_at"] - now, lane["slot_reason"]) == (
                timedelta(seconds=5),
                "throttled",
            )
        (suppressed,) = engine.rows(
            "select array_agg(reason::text order by id) as reasons from drip_core.suppressions where address_hash = drip_core._hash_address('whatsapp_cloud', %s)",
            phone,
        )
        assert suppressed["reasons"] == ([reason] if code in {131050, 131026} else None), code
        # the next one starts with a clean table
        if state["status"] == "active":
            engine.rows(
                "select drip.remove_enrollment(%s, %s)",
                *(engine.organization_id, enrolled["enrollment_id"]),
            )
        engine.rows(
            "select drip.apply_whatsapp_template(%s, %s)",
            engine.organization_id,
            Jsonb({"name": "five", "status": "approved"}),
        )
    assert lane["detail"].startswith("190 "), "and says why"
    assert world.accepted == []
    assert engine.violations() == []
    engine.close()


def test_a_hard_kill_is_settled_by_the_token_that_comes_back(
    database: str, world: WhatsappWorld
) -> None:
    line = Line(database, world)
    engine = line.engine
    engine.sequence(
        "five",
        [{**STEP, "parameters": {**PARAMETERS, "header.1": "h", "2": "b", "3": "c"}}],
        ["line"],
    )
    (enrolled,) = engine.rows(
        "select enrollment_id from drip.enroll(%s, 'five', %s)",
        engine.organization_id,
        line.person("ann", "+4915112345601"),
    )
    (claim,) = engine.rows("select * from drip.claim(1)")
    assert engine.settle(
        [{key: claim[key] for key in ("organization_id", "enrollment_id", "claim_token")}],
        "unknown",
    ) == ["held"]
    event = {
        "message_token": claim["message_token"],
        "provider_message_id": "wamid.X",
        "type": "delivered",
    }
    assert (
        engine.value(
            "select drip.record_provider_event(%s, %s)", engine.organization_id, Jsonb(event)
        )
        == "recorded"
    )
    assert line.state(enrolled["enrollment_id"])["status"] == "completed"
    engine.close()
