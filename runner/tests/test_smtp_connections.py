"""Connections: reuse, TLS, login, time limits; against our server and an independent one."""

from __future__ import annotations

import asyncio
import json
import ssl
from pathlib import Path
from typing import Any, Literal

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from pgdrip.demo.smtp_world import DROP, DROP_AFTER_DATA, HANG, Outage, SmtpWorld, greylist
from pgdrip.providers.base import DeliveryError
from smtp_messages import (
    MESSAGE,
    NOW,
    changed,
    make_certificate,
    outcome_of,
    provider_for,
    server_tls,
)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return make_certificate(tmp_path_factory.mktemp("tls"))


async def test_messages_one_after_the_other_share_a_connection() -> None:
    async with SmtpWorld() as world, provider_for(world.config) as provider:
        for number in range(25):
            result = await provider.send(changed(to_address=f"c{number}@example.org"))
            assert result.outcome == "sent"
        assert world.connection_count == 1
        assert world.command_count["EHLO"] == 1
    assert [entry.rcpt_to for entry in world.accepted] == [
        f"c{number}@example.org" for number in range(25)
    ]


async def test_concurrent_messages_use_no_more_connections_than_the_account_allows() -> None:
    async with (
        SmtpWorld() as world,
        provider_for({**world.config, "max_connections": 3}) as provider,
    ):
        await asyncio.gather(
            *(provider.send(changed(to_address=f"c{n}@example.org")) for n in range(60))
        )
        assert world.connection_count == 3
    assert len({entry.rcpt_to for entry in world.accepted}) == len(world.accepted) == 60


async def test_a_connection_carries_only_so_many_messages() -> None:
    async with (
        SmtpWorld() as world,
        provider_for({**world.config, "messages_per_connection": 10}) as provider,
    ):
        for _ in range(25):
            await provider.send(MESSAGE)
        assert world.connection_count == 3


async def test_X2_a_refused_recipient_leaves_the_connection_usable() -> None:
    mailboxes = {"gone@example.org": greylist(99)}
    async with SmtpWorld(mailboxes=mailboxes) as world, provider_for(world.config) as provider:
        for address in ("a@example.org", "gone@example.org", "b@example.org"):
            await outcome_of(provider, changed(to_address=address))
        assert world.connection_count == 1
        assert world.command_count["RSET"] == 1
    assert [entry.rcpt_to for entry in world.accepted] == ["a@example.org", "b@example.org"]


async def test_a_session_that_the_server_closed_meanwhile_is_replaced_unnoticed() -> None:
    async with SmtpWorld() as world, provider_for(world.config) as provider:
        assert (await provider.send(MESSAGE)).outcome == "sent"
        world.replies["mail"] = "421 4.4.2 Idle for too long"
        task = asyncio.create_task(outcome_of(provider, MESSAGE))
        await world.wait_for(lambda: any(entry.code == 421 for entry in world.refused))
        del world.replies["mail"]
        assert (await task).outcome == "sent"
    assert world.connection_count == 2


async def test_C2_an_outage_throttles_and_ends_by_itself() -> None:
    start = NOW
    now = [start]
    modes: tuple[Literal["refuse", "421"], ...] = ("refuse", "421")
    for mode in modes:
        outage = Outage(start=start, end=start.replace(hour=12), mode=mode)
        async with (
            SmtpWorld(clock=lambda: now[0], outages=[outage]) as world,
            provider_for(world.config) as provider,
        ):
            now[0] = start
            during = await outcome_of(provider, MESSAGE)
            now[0] = start.replace(hour=12)
            after = await outcome_of(provider, MESSAGE)
        assert (during.outcome, during.reason, after.outcome) == ("throttled", "throttled", "sent")
        assert len(world.accepted) == 1
        assert world.accepted[0].at == start.replace(hour=12)


async def test_C2_an_outage_that_begins_amid_a_session_throttles() -> None:
    now = [NOW]
    outage = Outage(start=NOW.replace(hour=12), end=NOW.replace(hour=13))
    async with (
        SmtpWorld(clock=lambda: now[0], outages=[outage]) as world,
        provider_for(world.config) as provider,
    ):
        assert (await provider.send(MESSAGE)).outcome == "sent"
        now[0] = NOW.replace(hour=12)
        assert (await outcome_of(provider, MESSAGE)).outcome == "throttled"


async def test_X1_silence_after_the_content_is_unknown_and_the_connection_is_given_up() -> None:
    async with (
        SmtpWorld(mailboxes={"ann@example.org": DROP_AFTER_DATA}) as world,
        provider_for({**world.config, "timeout_seconds": 0.2}) as provider,
    ):
        dropped = await outcome_of(provider, MESSAGE)
        world.replies["content"] = HANG
        silent = await outcome_of(provider, MESSAGE)
        assert world.connection_count == 2
    assert (dropped.outcome, dropped.error_code) == ("unknown", "dropped")
    assert (silent.outcome, silent.error_code) == ("unknown", "timeout")
    assert world.accepted == []


@pytest.mark.parametrize(
    ("stage", "reached", "expected"),
    [("rcpt", "RCPT", "retry"), ("mail", "MAIL", "throttled"), ("content", "DATA", "cancelled")],
)
async def test_X1_a_message_given_up_is_unknown_only_when_it_was_on_the_wire(
    stage: str, reached: str, expected: str
) -> None:
    async with (
        SmtpWorld(replies={stage: HANG}) as world,
        provider_for(world.config) as provider,
    ):
        task = asyncio.create_task(provider.send(MESSAGE))
        await world.wait_for(lambda: bool(world.refused))
        assert world.command_count[reached] == 1
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            outcome = "cancelled"
        except DeliveryError as error:
            outcome = error.result.outcome
    assert outcome == expected


async def test_a_message_that_cannot_get_a_connection_was_not_sent() -> None:
    async with (
        SmtpWorld(replies={"content": HANG}) as world,
        provider_for({**world.config, "max_connections": 1}) as provider,
    ):
        first = asyncio.create_task(outcome_of(provider, MESSAGE))
        await world.wait_for(lambda: bool(world.refused))
        second = asyncio.create_task(outcome_of(provider, changed(to_address="b@example.org")))
        await asyncio.sleep(0)
        second.cancel()
        assert (await second).outcome == "throttled"
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first


@pytest.mark.parametrize("implicit", [False, True], ids=["starttls", "tls"])
@pytest.mark.parametrize("password", ["right", "wrong"])
async def test_X10_login_over_tls(
    certificate: tuple[Path, Path], implicit: bool, password: str
) -> None:
    async with SmtpWorld(
        tls=server_tls(*certificate), implicit_tls=implicit, users={"ann": "right"}
    ) as world:
        config = {
            "host": "localhost",
            "port": world.port,
            "tls": "tls" if implicit else "starttls",
            "username": "ann",
            "ca_file": str(certificate[0]),
        }
        async with provider_for(
            config, {"MAIL_PASSWORD": password}, secret_ref="MAIL_PASSWORD"
        ) as p:
            result = await outcome_of(p, MESSAGE)
    assert result.outcome == ("sent" if password == "right" else "sender_error")
    assert len(world.accepted) == (password == "right")
    if password == "wrong":
        assert result.error_code == "535 5.7.8"
        assert "wrong" not in (result.error_message or "")


class _Inbox:
    """A handler for aiosmtpd: remembers envelopes and whether they came over TLS."""

    def __init__(self) -> None:
        self.envelopes: list[tuple[Envelope, bool, Any]] = []

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        self.envelopes.append((envelope, session.ssl is not None, session.auth_data))
        return "250 2.0.0 Ok"


@pytest.mark.filterwarnings("ignore::DeprecationWarning:aiosmtpd")
@pytest.mark.parametrize("password", ["right", "wrong"])
async def test_starttls_and_login_at_an_independent_server(
    certificate: tuple[Path, Path], password: str
) -> None:
    def check(
        server: SMTP, session: Session, envelope: Envelope, how: str, data: Any
    ) -> AuthResult:
        assert isinstance(data, LoginPassword)
        return AuthResult(success=data == LoginPassword(b"ann", b"right"), handled=False)

    inbox = _Inbox()
    controller = Controller(
        inbox,
        hostname="127.0.0.1",
        port=_free_port(),
        tls_context=server_tls(*certificate),
        require_starttls=True,
        authenticator=check,
        auth_required=True,
        auth_require_tls=True,
    )
    await asyncio.to_thread(controller.start)
    try:
        config = {
            "host": "localhost",
            "port": controller.port,
            "tls": "starttls",
            "username": "ann",
            "ca_file": str(certificate[0]),
        }
        async with provider_for(config, {"P": password}, secret_ref="P") as provider:
            results = [await outcome_of(provider, MESSAGE) for _ in range(2)]
    finally:
        await asyncio.to_thread(controller.stop)
    if password == "wrong":
        assert [result.outcome for result in results] == ["sender_error"] * 2
        assert inbox.envelopes == []
        return
    assert [result.outcome for result in results] == ["sent"] * 2
    for envelope, encrypted, _login in inbox.envelopes:
        assert encrypted
        assert envelope.mail_from == "sales@sender.example"
        assert envelope.rcpt_tos == ["ann@example.org"]
        content = envelope.content
        assert isinstance(content, bytes)
        assert b"Message-ID: <tok7@sender.example>\r\n" in content


def _free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"host": ""},
        {"host": "h", "tls": "sometimes"},
        {"host": "h", "port": 0},
        {"host": "h", "max_connections": 0},
    ],
)
async def test_X10_an_unusable_configuration_blocks_the_sender(config: dict[str, Any]) -> None:
    with pytest.raises(DeliveryError) as caught:
        async with provider_for(config):
            pass
    assert caught.value.result.outcome == "sender_error"
    assert caught.value.result.error_code == "RUN13"


async def test_the_world_keeps_its_own_log(tmp_path: Path) -> None:
    log = tmp_path / "smtp.jsonl"
    async with (
        SmtpWorld(
            clock=lambda: NOW, mailboxes={"grey@example.org": greylist(1)}, log_file=log
        ) as world,
        provider_for(world.config) as provider,
    ):
        outcomes = [
            (await outcome_of(provider, changed(to_address="Grey@example.org"))).outcome
            for _ in range(2)
        ]
    assert outcomes == ["retry", "sent"]
    refused, accepted = [json.loads(line) for line in log.read_text().splitlines()]
    assert (refused["kind"], refused["code"], refused["stage"]) == ("refused", 451, "rcpt")
    assert accepted["kind"] == "accepted"
    assert accepted["message_id"] == "<tok7@sender.example>"
    assert accepted["rcpt_to"] == "Grey@example.org"
    assert accepted["subject"] == "Hello"
    assert accepted["at"] == str(NOW)
    assert accepted["size"] > 100


def test_the_world_runs_in_a_thread() -> None:
    async def send(config: dict[str, Any]) -> str:
        async with provider_for(config) as provider:
            return (await provider.send(MESSAGE)).outcome

    with SmtpWorld(replies={"noop": DROP}).in_thread() as world:
        assert asyncio.run(send(world.config)) == "sent"
    assert len(world.accepted) == 1


def test_tls_below_1_2_is_refused() -> None:
    from pgdrip.smtp.connection import tls_context

    assert tls_context(None).minimum_version >= ssl.TLSVersion.TLSv1_2
    assert tls_context(None).verify_mode == ssl.CERT_REQUIRED
