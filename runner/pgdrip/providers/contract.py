"""What every provider must keep, as a check that any provider's own tests can run.

::

    async def test_contract() -> None:
        await check_contract(
            AcmeProvider,
            account=account,          # one that works against your test server
            bad_account=bad,          # one that cannot work: config or secret missing
            context=context,
            message=message,
            accepted=lambda: server.tokens,   # message tokens your server has accepted, so far
        )

Raises ``AssertionError`` with what is broken.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from pgdrip.providers.base import (
    OUTCOMES,
    Account,
    ClaimedMessage,
    DeliveryError,
    ProviderContext,
    ProviderFactory,
    SendResult,
)

_CONCURRENT = 8


def _fair(condition: object, problem: str) -> None:
    if not condition:
        raise AssertionError(problem)


async def check_contract(
    factory: ProviderFactory,
    *,
    account: Account,
    bad_account: Account,
    context: ProviderContext,
    message: ClaimedMessage,
    accepted: Callable[[], Sequence[str]],
) -> None:
    """Run the contract against a real far end; sends ten messages to it."""
    await _check_bad_account(factory, bad_account, context, message)
    provider = factory(account, context)
    try:
        _check_sent(await provider.send(message))
        _fair(message.message_token in accepted(), "what is `sent` has reached the far end")
        _fair(accepted().count(message.message_token) == 1, "one send is one message")

        others = [
            replace(message, enrollment_id=number, message_token=f"{number:066x}")
            for number in range(1, _CONCURRENT + 1)
        ]
        for result in await asyncio.gather(*(provider.send(each) for each in others)):
            _check_sent(result)
        for each in others:
            _fair(
                accepted().count(each.message_token) == 1,
                "messages that are sent at the same time arrive once each, under their own token",
            )

        await _check_bad_recipient(provider.send, replace(message, to_address="nobody"))
        before = len(accepted())
        _check_sent(await provider.send(replace(message, message_token="f" * 66)))
        _fair(len(accepted()) == before + 1, "one refused message does no harm to the next")
    finally:
        await provider.close()


def _check_sent(result: SendResult) -> None:
    _fair(isinstance(result, SendResult), "send() answers with a SendResult")
    _fair(result.outcome == "sent", f"the far end accepted it, the provider says {result}")
    identity = result.provider_message_id
    _fair(
        identity is None or (0 < len(identity) <= 500 and "\0" not in identity),
        "the provider's id is a text of at most 500 characters, or None",
    )


async def _check_bad_account(
    factory: ProviderFactory, account: Account, context: ProviderContext, message: ClaimedMessage
) -> None:
    """Known at the first message at the latest: the lane is blocked, nobody is lost."""
    try:
        provider = factory(account, context)
        try:
            await provider.send(message)
        finally:
            await provider.close()
    except DeliveryError as error:
        _fair(
            error.result.outcome == "sender_error",
            f"an account that cannot work is a sender_error, not {error.result.outcome}",
        )
        return
    raise AssertionError("an account that cannot work was accepted")


async def _check_bad_recipient(
    send: Callable[[ClaimedMessage], Awaitable[SendResult]], message: ClaimedMessage
) -> None:
    try:
        result = await send(message)
    except DeliveryError as error:
        _fair(error.result.outcome in OUTCOMES, "outcomes are those of drip.send_outcome")
        _fair(
            error.result.outcome == "rejected",
            "an address that is none is `rejected`: it concerns this message, not the sender",
        )
        return
    raise AssertionError(f"an address that is none was answered with {result}")
