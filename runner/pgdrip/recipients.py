"""What channels said of recipients, kept by the database (``drip.recipient_check``)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, LiteralString

import psycopg
from psycopg.types.json import Jsonb

from pgdrip.db import OUTAGE, Database
from pgdrip.providers.base import (
    ClaimedMessage,
    DeliveryError,
    Recipient,
    SendResult,
    printable,
)


class StoredRecipients:
    """The recipients that the database knows; a message is named by its claim."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def recall(self, message: ClaimedMessage) -> Recipient | None:
        """What was said of the address that this message goes to."""
        known = await self._call("select drip.recipient_check(%s, %s, %s)", *_claim(message))
        return None if known is None else Recipient(**known)

    async def remember(self, message: ClaimedMessage, recipient: Recipient) -> None:
        """Keep what was said; a claim that is no longer valid keeps nothing."""
        said = {
            "reachable": recipient.reachable,
            "provider_address": recipient.provider_address,
            "alias": recipient.alias,
        }
        statement: LiteralString = "select drip.record_recipient_check(%s, %s, %s, %s)"
        await self._call(statement, *_claim(message), Jsonb(said))

    async def _call(self, statement: LiteralString, *args: Any) -> Any:
        try:
            return await self._database.fetch_value(statement, *args)
        except (*OUTAGE, psycopg.Error) as error:
            raise DeliveryError(
                SendResult(
                    outcome="throttled",
                    reason="throttled",
                    error_code="RUN18",
                    error_message=printable(f"the database did not answer: {error}"),
                    retry_after=timedelta(seconds=30),
                )
            ) from error


def _claim(message: ClaimedMessage) -> tuple[int, int, int]:
    return message.organization_id, message.enrollment_id, message.claim_token
