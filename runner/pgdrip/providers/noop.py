"""The provider ``noop``: accepts everything, sends nothing. For trying out and for measuring."""

from __future__ import annotations

from pgdrip.providers.base import Account, ClaimedMessage, ProviderContext, SendResult


class NoopProvider:
    """Answers ``sent`` with the message token as the provider's id."""

    def __init__(self, account: Account, context: ProviderContext) -> None:
        """Nothing to configure."""

    async def send(self, message: ClaimedMessage) -> SendResult:
        """Accept the message without any I/O."""
        return SendResult(outcome="sent", provider_message_id=f"noop:{message.message_token}")

    async def close(self) -> None:
        """Nothing to close."""
