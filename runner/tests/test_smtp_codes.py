"""Each row of the classification table, met over a real SMTP session."""

from __future__ import annotations

import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from pgdrip.demo.smtp_world import DROP, HANG, SmtpWorld
from pgdrip.smtp.classify import Failure, classify, enhanced_code, find_rule
from pgdrip.smtp.codes import RULES
from smtp_messages import MESSAGE, changed, make_certificate, outcome_of, provider_for, server_tls

BAD_ADDRESS = ("rejected", "invalid_address")
CONTENT = ("rejected", "rejected_content")
POLICY = ("rejected", "rejected_policy")
SENDER = ("sender_error", "sender_blocked")
RETRY = ("retry", None)
THROTTLED = ("throttled", "throttled")
UNKNOWN = ("unknown", "outcome_unknown")


@dataclass(frozen=True)
class Case:
    """What the server says at one stage, the row that must match, and what the engine is told."""

    rule: str
    stage: str
    reply: str
    verdict: tuple[str, str | None]
    config: dict[str, Any] = field(default_factory=dict)
    message: dict[str, Any] = field(default_factory=dict)
    server: dict[str, Any] = field(default_factory=dict)


QUICK = {"timeout_seconds": 0.2}
LOGIN: dict[str, Any] = {"config": {"username": "ann"}, "server": {"users": {"ann": "right"}}}

CASES = [
    Case("our address check: recipient", "", "", BAD_ADDRESS, message={"to_address": "ann@"}),
    Case("our address check: sender", "", "", SENDER, message={"from_address": None}),
    Case("message cannot be built", "", "", CONTENT, message={"text_body": "lone \ud800"}),
    Case("everything sent, no reply", "content", HANG, UNKNOWN, config=QUICK),
    Case("everything sent, connection lost", "content", DROP, UNKNOWN),
    Case("everything sent, reply unreadable", "content", "what?", UNKNOWN),
    Case("no answer while opening", "connect", HANG, THROTTLED, config=QUICK),
    Case("no answer while opening", "ehlo", HANG, THROTTLED, config=QUICK),
    Case("no answer while opening", "mail", HANG, THROTTLED, config=QUICK),
    Case("connection lost while opening", "connect", DROP, THROTTLED),
    Case("connection lost while opening", "mail", DROP, THROTTLED),
    Case("not an SMTP server", "connect", "HTTP/1.1 400 Bad Request", SENDER),
    Case("TLS or login not offered", "", "", SENDER, config={"tls": "starttls"}),
    Case("TLS or login not offered", "", "", SENDER, config={"username": "ann"}),
    Case(
        "internationalised address not supported",
        "",
        "",
        POLICY,
        message={"to_address": "änn@example.org"},
        server={"extensions": ("8BITMIME",)},
    ),
    Case("no answer to RCPT or DATA", "rcpt", HANG, RETRY, config=QUICK),
    Case("no answer to RCPT or DATA", "data", HANG, RETRY, config=QUICK),
    Case("connection lost at RCPT or DATA", "rcpt", DROP, RETRY),
    Case("connection lost at RCPT or DATA", "data", DROP, RETRY),
    Case("unreadable reply to RCPT or DATA", "rcpt", "what?", RETRY),
    Case("login refused", "auth", "535 5.7.8 Credentials invalid", SENDER, **LOGIN),
    Case("login refused", "", "", SENDER, **LOGIN),
    Case("login refused or required, by reply code", "auth", "535 bad password", SENDER, **LOGIN),
    Case("login refused or required, by reply code", "mail", "530 5.7.0 Must STARTTLS", SENDER),
    Case("sender address refused", "mail", "553 5.1.8 Domain not found", SENDER),
    Case("sender address refused", "rcpt", "550 5.1.7 Bad sender", SENDER),
    Case("sender domain fails authentication", "content", "550 5.7.26 DMARC", SENDER),
    Case("sender domain fails authentication", "content", "550 5.7.20 no DKIM", SENDER),
    Case("sender domain fails authentication (Google)", "content", "550 5.7.32 unaligned", SENDER),
    Case(
        "sender domain fails authentication (Microsoft)",
        "content",
        "550 5.7.515 Access denied, sending domain does not meet the required level",
        SENDER,
    ),
    Case("sender account refused (Microsoft)", "mail", "530 5.7.57 Client not logged in", SENDER),
    Case("we are not logged in, by text", "rcpt", "550 5.7.1 Authentication required", SENDER),
    Case("server does not relay for us, by text", "rcpt", "554 5.7.1 Relay access denied", SENDER),
    Case("server closes the connection, rate limit", "rcpt", "421 4.7.28 Unusual rate", THROTTLED),
    Case("server closes the connection", "connect", "421 4.3.2 Try later", THROTTLED),
    Case("server closes the connection", "content", "421 shutting down", THROTTLED),
    Case("sender rate limited", "rcpt", "450 4.7.28 Unusual rate", THROTTLED),
    Case("sender domain not authenticated yet", "content", "451 4.7.27 SPF", THROTTLED),
    Case("sending limit reached, by text", "rcpt", "450 4.7.1 Error: too much mail", THROTTLED),
    Case("sending limit reached, by text", "content", "451 rate limit exceeded", THROTTLED),
    Case("temporary refusal while opening", "connect", "451 4.3.0 Busy", THROTTLED),
    Case("temporary refusal while opening", "auth", "454 4.7.0 Later", THROTTLED, **LOGIN),
    Case("temporary refusal of the sender", "mail", "452 4.3.1 Disk full", THROTTLED),
    Case("mail system full or closed", "rcpt", "452 4.3.1 Disk full", THROTTLED),
    Case("refused while opening", "connect", "554 5.7.1 Your address is listed", SENDER),
    Case("refused while opening", "ehlo", "550 Who are you?", SENDER),
    Case("message too big, announced", "mail", "552 5.3.4 Too big", CONTENT),
    Case("message too big, announced, by reply code", "mail", "552 Too big", CONTENT),
    Case("internationalised address refused", "mail", "553 5.6.7 No", POLICY),
    Case("sender refused", "mail", "550 5.7.1 Sender blocked", SENDER),
    Case("greylisted", "rcpt", "451 4.7.1 Greylisted", RETRY),
    Case("greylisted", "rcpt", "450 4.7.1 Try again in 300 seconds", RETRY),
    Case("mailbox full, temporary code", "rcpt", "452 4.2.2 Mailbox full", RETRY),
    Case("any other temporary refusal", "rcpt", "450 4.2.1 Mailbox busy", RETRY),
    Case("any other temporary refusal", "content", "451 4.3.0 Scanner away", RETRY),
    Case("any other temporary refusal", "rcpt", "450 try again", RETRY),
    Case("any other temporary refusal", "rcpt", "550 4.1.1 Both at once", RETRY),
    Case("no such mailbox", "rcpt", "550 5.1.1 No such user", BAD_ADDRESS),
    Case("no such mailbox", "rcpt", "550 5.1.0 Address rejected", BAD_ADDRESS),
    Case("no such domain", "rcpt", "550 5.1.2 Bad host", BAD_ADDRESS),
    Case("no such domain", "rcpt", "550 5.4.4 No route", BAD_ADDRESS),
    Case("address syntax", "rcpt", "501 5.1.3 Bad syntax", BAD_ADDRESS),
    Case("moved", "rcpt", "551 5.1.6 Moved", BAD_ADDRESS),
    Case("domain accepts no mail", "rcpt", "556 5.1.10 Null MX", BAD_ADDRESS),
    Case("mailbox or domain changed its owner", "rcpt", "550 5.7.17 New owner", BAD_ADDRESS),
    Case("other fault of the address", "rcpt", "550 5.1.4 Ambiguous", POLICY),
    Case("mailbox disabled", "rcpt", "550 5.2.1 Account disabled", POLICY),
    Case("mailbox disabled", "rcpt", "525 5.7.13 Account disabled", POLICY),
    Case("mailbox full", "rcpt", "552 5.2.2 Over quota", RETRY),
    Case("message too big", "content", "552 5.3.4 Too big", CONTENT),
    Case("message too big", "content", "550 5.2.3 Too long", CONTENT),
    Case("mailing list cannot be expanded", "rcpt", "550 5.2.4 List problem", RETRY),
    Case("mail loop", "content", "554 5.4.6 Too many hops", RETRY),
    Case("too many recipients", "rcpt", "550 5.5.3 Too many recipients", RETRY),
    Case("session out of step", "data", "503 5.5.1 RCPT first", RETRY),
    Case(
        "no such mailbox, under a protocol code",
        "rcpt",
        "550 5.5.0 Requested action not taken: mailbox unavailable",
        BAD_ADDRESS,
    ),
    Case("protocol", "content", "554 5.5.2 Bad line", CONTENT),
    Case("content or conversion", "content", "554 5.6.0 Malformed", CONTENT),
    Case("policy", "rcpt", "550 5.7.1 Blocked by policy", POLICY),
    Case("policy", "content", "554 5.7.0 Looks like spam", POLICY),
    Case("too big, by text", "content", "552 Message size exceeds limit", CONTENT),
    Case("mailbox full, by reply code", "rcpt", "552 Storage allocation", RETRY),
    Case("domain accepts no mail, by reply code", "rcpt", "556 No mail here", BAD_ADDRESS),
    Case("policy, by text", "content", "554 Rejected as spam", POLICY),
    Case("mailbox full, by text", "rcpt", "550 Mailbox is over quota", RETRY),
    Case("no such mailbox, by text", "rcpt", "550 No such user here", BAD_ADDRESS),
    Case("no such mailbox, by text", "rcpt", "550 User unknown", BAD_ADDRESS),
    Case("no such mailbox, by text", "rcpt", "550 <ann@x>: Recipient not found", BAD_ADDRESS),
    Case("address syntax, by reply code", "rcpt", "501 Syntax", BAD_ADDRESS),
    Case("mailbox name not allowed, by reply code", "rcpt", "553 Not allowed", BAD_ADDRESS),
    Case("any other permanent refusal", "rcpt", "550 No", POLICY),
    Case("any other permanent refusal", "content", "554 Transaction failed", POLICY),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.stage}-{case.reply}-{case.rule}")
async def test_C2_X10_each_reply_is_told_to_the_engine_as_what_it_means(case: Case) -> None:
    replies = {case.stage: case.reply} if case.stage else {}
    secrets = {"REF": "wrong" if not case.stage else "right"}
    async with (
        SmtpWorld(replies=replies, **case.server) as world,
        provider_for({**world.config, **case.config}, secrets, secret_ref="REF") as provider,
    ):
        result = await outcome_of(provider, changed(**case.message))
    assert (result.outcome, result.reason) == case.verdict
    assert (result.retry_after is not None) == (result.outcome == "throttled")
    assert world.accepted == []
    if case.reply[:1].isdigit() and case.reply[:3] != "354":
        assert result.error_code is not None
        assert result.error_code.split()[0] == case.reply[:3]
        assert case.reply.rpartition(" ")[2] in (result.error_message or "")


async def test_C2_nothing_listening_throttles_the_sender() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        async with provider_for({"host": "127.0.0.1", "port": port, "tls": "none"}) as provider:
            result = await outcome_of(provider, MESSAGE)
    assert (result.outcome, result.reason, result.error_code) == (*THROTTLED, "refused")
    assert result.retry_after is not None
    assert 60 <= result.retry_after.total_seconds() <= 300


async def test_C2_an_unknown_server_name_throttles_the_sender() -> None:
    async with provider_for({"host": "mail.invalid", "port": 25, "tls": "none"}) as provider:
        result = await outcome_of(provider, MESSAGE)
    assert (result.outcome, result.reason, result.error_code) == (*THROTTLED, "dns")


async def test_X10_an_untrusted_certificate_blocks_the_sender(tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path)
    for implicit in (False, True):
        async with SmtpWorld(tls=server_tls(certificate, key), implicit_tls=implicit) as world:
            config = {**world.config, "tls": "tls" if implicit else "starttls"}
            async with provider_for(config) as provider:
                result = await outcome_of(provider, MESSAGE)
        assert (result.outcome, result.reason, result.error_code) == (*SENDER, "tls")


def test_the_cases_reach_every_row() -> None:
    elsewhere = {"nothing listens", "server name not found", "certificate or TLS refused"}
    assert {case.rule for case in CASES} | elsewhere == {rule.name for rule in RULES}


@pytest.mark.parametrize(
    "case",
    [c for c in CASES if c.reply[:1].isdigit()],
    ids=lambda case: f"{case.reply}-{case.rule}",
)
def test_each_reply_meets_the_row_that_names_it(case: Case) -> None:
    stage = {"ehlo": "helo", "content": "after_data"}.get(case.stage, case.stage)
    code, _, text = case.reply.partition(" ")
    rule = find_rule(Failure(stage, code, text))
    # A reply code in the table may come before the enhanced code that a case is named after.
    assert rule.verdict[:2] == case.verdict
    assert rule.name == case.rule or rule.name == "login refused or required, by reply code"


def test_the_names_of_rows_are_unique() -> None:
    assert len({rule.name for rule in RULES}) == len(RULES)


@pytest.mark.parametrize(
    ("reply", "text", "expected"),
    [
        ("550", "5.1.1 no", "5.1.1"),
        ("550", "no 5.1.1", ""),
        ("550", "5.1.1", "5.1.1"),
        ("550", "5.1.1x", ""),
        ("450", "5.1.1 no", "4.1.1"),
        ("550", "4.7.1 no", "4.7.1"),
        ("timeout", "5.1.1 no", ""),
    ],
)
def test_a_contradiction_between_codes_is_read_as_temporary(
    reply: str, text: str, expected: str
) -> None:
    assert enhanced_code(reply, text) == expected


def test_X3_no_reply_leaves_the_table_without_an_outcome() -> None:
    stages = ["connect", "helo", "starttls", "auth", "mail", "rcpt", "data", "after_data"]
    words = ["timeout", "dropped", "refused", "dns", "tls", "unsupported", "malformed"]
    for stage in stages:
        for reply in [*words, *map(str, range(200, 600))]:
            for text in ("", "4.0.0 x", "5.0.0 x", "5.9.9 x", "5.7.1 x"):
                assert classify(Failure(stage, reply, text)).outcome
                if stage == "after_data" and not reply.isdigit():
                    assert classify(Failure(stage, reply, text)).outcome == "unknown"


def test_H4_only_addresses_that_do_not_exist_are_suppressed_after_the_recipient_was_named() -> None:
    for rule in RULES:
        if rule.verdict.reason == "invalid_address":
            assert set(rule.stages.split()) <= {"compose", "rcpt", "data", "after_data"}


def test_the_servers_text_is_bounded_and_storable() -> None:
    result = classify(Failure("rcpt", "550", "5.1.1 " + "x\x00\udcff" * 1000))
    assert result.error_message is not None
    assert len(result.error_message) == 500
    assert "\x00" not in result.error_message
    assert result.error_message.encode("utf-8")
