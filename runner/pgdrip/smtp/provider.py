"""The provider ``smtp``."""

from __future__ import annotations

from pydantic import ValidationError

from pgdrip.log import get_logger
from pgdrip.providers.base import (
    Account,
    ClaimedMessage,
    DeliveryError,
    ProviderContext,
    SendResult,
    sender_error,
)
from pgdrip.smtp.classify import Failure, classify
from pgdrip.smtp.connection import ConnectionPool, config_of
from pgdrip.smtp.message import Outgoing, compose


class SmtpProvider:
    """Sends the messages of one account over a few reused connections.

    The provider's id of a message is its Message-ID: replies and bounces name it.
    """

    def __init__(self, account: Account, context: ProviderContext) -> None:
        """Raises ``DeliveryError`` (``sender_error``) for an unusable configuration."""
        try:
            self._config = config_of(dict(account.config))
        except ValidationError as exc:
            problems = "; ".join(
                f"{'.'.join(map(str, error['loc']))}: {error['msg']}"
                for error in exc.errors(include_input=False, include_url=False)
            )
            raise sender_error("RUN13", f"config of the channel account: {problems}") from None
        self._secret_ref = account.secret_ref
        self._context = context
        self._pool = ConnectionPool(self._config, self._password)

    def _password(self) -> str | None:
        return None if self._secret_ref is None else self._context.secret(self._secret_ref)

    async def send(self, message: ClaimedMessage) -> SendResult:
        """Hand over one message; failures are classified by the table in ``codes``."""
        try:
            outgoing = compose(
                message, envelope_from=self._config.envelope_from, now=self._context.clock()
            )
            text = await self._transfer(outgoing)
        except Failure as failure:
            raise DeliveryError(classify(failure)) from failure
        get_logger().debug("accepted", message_id=outgoing.message_id, reply=text)
        return SendResult(outcome="sent", provider_message_id=outgoing.message_id)

    async def _transfer(self, outgoing: Outgoing) -> str:
        while True:
            async with self._pool.lend() as connection:
                reused = connection.message_count > 0
                try:
                    return await connection.transfer(outgoing)
                except Failure as failure:
                    # A server may close an idle session at any time: nothing was said to it yet.
                    stale = failure.stage == "mail" and failure.reply in ("dropped", "421")
                    if not (reused and stale):
                        raise

    async def close(self) -> None:
        """Close the connections."""
        await self._pool.close()
