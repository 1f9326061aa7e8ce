"""SES over SNS: one report in an envelope that Amazon signed, of ``config.webhook.topic_arn``."""

from __future__ import annotations

import json
from typing import Any

from pgdrip.log import get_logger
from pgdrip.web.webhooks.mapping import to_event
from pgdrip.web.webhooks.signatures import SnsVerifier, is_sns_address
from pgdrip.web.webhooks.source import Call, Facts, Refused, Tools

log = get_logger()


class SesSource:
    """Reports of SES, and the confirmation of the subscription."""

    def __init__(self, tools: Tools) -> None:
        self._fetch = tools.fetch
        self._sns = SnsVerifier(tools.fetch)

    async def read(self, call: Call) -> Facts:
        """Check the signature; a confirmation of the configured topic is confirmed."""
        message = await self._sns.check(str(call.settings.get("topic_arn", "")), call.body)
        if message.get("Type") == "SubscriptionConfirmation":
            await self._confirm(message)
        if message.get("Type") != "Notification":
            return Facts()
        try:
            report = json.loads(str(message.get("Message", "")))
        except ValueError:
            # the first one only says that the topic works
            return Facts()
        event = to_event("ses", report, str(message.get("MessageId", "")) or None)
        return Facts(events=[event] if event is not None else [])

    async def challenge(self, call: Call) -> str | None:
        """Amazon asks by a message, not by a GET."""
        return None

    async def _confirm(self, message: dict[str, Any]) -> None:
        """Visit the address that confirms the subscription of the configured topic."""
        url = str(message.get("SubscribeURL", ""))
        if not is_sns_address(url):
            raise Refused("the confirmation is not at Amazon's")
        await self._fetch(url)
        log.info("subscription confirmed", topic=message.get("TopicArn"))
