"""The provider ``sendgrid``: SendGrid, API v3 (extra ``providers``).

``config``: ``endpoint`` (default ``https://api.sendgrid.com``). The secret is an API key that may
send mail. The message token goes along as the custom argument ``pgdrip_message_token`` and comes
back with every event. SendGrid's own tracking is off: pgdrip counts for itself.
"""

from __future__ import annotations

import json
from typing import Any

from pgdrip.providers.base import (
    Account,
    ClaimedMessage,
    DeliveryError,
    ProviderContext,
    SendResult,
    sender_error,
)
from pgdrip.providers.http import BAD_ADDRESS, SENDER, HttpRule, judge, make_client, post
from pgdrip.smtp.classify import Failure, classify
from pgdrip.smtp.message import compose

TOKEN_ARGUMENT = "pgdrip_message_token"  # noqa: S105 - the name of an argument
_PATH = "/v3/mail/send"
#: Headers that SendGrid makes itself.
_RESERVED = {"to", "from", "subject", "reply-to", "cc", "bcc", "dkim-signature", "received"}

RULES = (
    HttpRule("400", r"personalizations\.0\.to", BAD_ADDRESS, "no address"),
    HttpRule("400 403", "from address|verified sender identity", SENDER, "the sender is not known"),
)


class SendgridProvider:
    """Sends the messages of one account."""

    def __init__(self, account: Account, context: ProviderContext) -> None:
        """Raises ``DeliveryError`` (``sender_error``) for an unusable configuration."""
        if account.secret_ref is None:
            raise sender_error("RUN13", "secret_ref is needed: it names the API key")
        self._secret_ref = account.secret_ref
        self._context = context
        endpoint = str(account.config.get("endpoint") or "https://api.sendgrid.com")
        self._client = make_client(endpoint.rstrip("/"))

    async def send(self, message: ClaimedMessage) -> SendResult:
        """Hand over one message."""
        try:
            # what SMTP would refuse is refused here as well
            outgoing = compose(message, envelope_from=None, now=self._context.clock())
        except Failure as failure:
            raise DeliveryError(classify(failure)) from failure
        to: dict[str, Any] = {"email": outgoing.rcpt_to}
        if message.to_name:
            to["name"] = message.to_name
        sender: dict[str, Any] = {"email": outgoing.mail_from}
        if message.from_name:
            sender["name"] = message.from_name
        bodies = (("text/plain", message.text_body), ("text/html", message.html_body))
        off = {"enable": False}
        request = {
            "personalizations": [
                {"to": [to], "custom_args": {TOKEN_ARGUMENT: message.message_token}}
            ],
            "from": sender,
            "subject": message.subject or "",
            "content": [{"type": kind, "value": body} for kind, body in bodies if body],
            "headers": {
                name: value
                for name, value in message.headers.items()
                if name.lower() not in _RESERVED
            },
            "tracking_settings": {
                "click_tracking": {"enable": False, "enable_text": False},
                "open_tracking": off,
                "subscription_tracking": off,
            },
        }
        headers = {
            "Authorization": f"Bearer {self._context.secret(self._secret_ref).strip()}",
            "Content-Type": "application/json",
        }
        response = await post(self._client, _PATH, json.dumps(request).encode(), headers)
        if response.is_success:
            return SendResult(
                outcome="sent", provider_message_id=response.headers.get("x-message-id") or None
            )
        words = _words(response)
        raise judge(response, RULES, "", words, self._context.clock())

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()


def _words(response: Any) -> str:
    """Field and message of each problem, as SendGrid lists them."""
    try:
        errors = response.json()["errors"]
        return "; ".join(f"{each.get('field') or ''} {each['message']}".strip() for each in errors)
    except (ValueError, KeyError, TypeError, AttributeError):
        return str(response.text[:300])
