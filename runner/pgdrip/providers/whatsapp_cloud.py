"""The provider ``whatsapp_cloud``: Meta's WhatsApp Cloud API (extra ``providers``).

``config``: ``phone_number_id`` (needed), ``version`` of the Graph API (``v25.0``), ``endpoint``
(``https://graph.facebook.com``), ``preview_url`` (false), ``waba_id`` (for ``pgdrip whatsapp
sync``). The secret is an access token. The API knows no idempotency: the message token goes along
as ``biz_opaque_callback_data`` and comes back with every status, which settles what got no answer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import httpx

from pgdrip.log import get_logger
from pgdrip.providers.base import (
    Account,
    ClaimedMessage,
    DeliveryError,
    ProviderContext,
    SendResult,
    printable,
    sender_error,
)
from pgdrip.providers.http import judge, make_client, post, retry_after_of
from pgdrip.providers.whatsapp_codes import find_code

ENDPOINT = "https://graph.facebook.com"
VERSION = "v25.0"
_E164 = re.compile(r"^\+[1-9][0-9]{6,14}$")
_VERSION = re.compile(r"^v[0-9]{1,3}\.[0-9]$")
_MAX_CALLBACK_DATA = 512
log = get_logger()


def graph_address(config: Mapping[str, Any]) -> tuple[str, str]:
    """Endpoint and version of the Graph API. Raises ``DeliveryError`` (``sender_error``)."""
    version = str(config.get("version") or VERSION)
    if not _VERSION.match(version):
        raise sender_error("RUN13", f"config.version: {VERSION} is such a version")
    return str(config.get("endpoint") or ENDPOINT).rstrip("/"), version


class WhatsappCloudProvider:
    """Sends the messages of one number."""

    def __init__(self, account: Account, context: ProviderContext) -> None:
        """Raises ``DeliveryError`` (``sender_error``) for an unusable configuration."""
        if account.secret_ref is None:
            raise sender_error("RUN13", "secret_ref is needed: it names the access token")
        number = str(account.config.get("phone_number_id") or "")
        if not re.fullmatch(r"[0-9A-Za-z_-]{1,64}", number):
            raise sender_error("RUN13", "config.phone_number_id is needed: the id, not the number")
        endpoint, version = graph_address(account.config)
        self._secret_ref = account.secret_ref
        self._context = context
        self._preview = account.config.get("preview_url") is True
        self._path = f"/{version}/{number}/messages"
        self._client = make_client(endpoint)

    async def send(self, message: ClaimedMessage) -> SendResult:
        """Hand over one message."""
        if not _E164.match(message.to_address):
            # without its plus sign a number could become somebody else's
            raise DeliveryError(
                SendResult(
                    outcome="rejected",
                    reason="invalid_address",
                    error_code="bad_recipient",
                    error_message="not an international number such as +14155550123",
                )
            )
        request: dict[str, Any] = {
            "messaging_product": "whatsapp",
            "recipient_type": "individual",
            "to": message.to_address,
            "biz_opaque_callback_data": message.message_token[:_MAX_CALLBACK_DATA],
            **self._content(message),
        }
        headers = {
            "Authorization": f"Bearer {self._context.secret(self._secret_ref).strip()}",
            "Content-Type": "application/json",
        }
        response = await post(self._client, self._path, json.dumps(request).encode(), headers)
        if response.is_success:
            # accepted: whatever else it says, another try would be another message
            return SendResult(outcome="sent", provider_message_id=_message_id(response))
        raise self._failure(response)

    def _content(self, message: ClaimedMessage) -> dict[str, Any]:
        template = message.template
        if template is None:
            body = {"body": message.text_body or "", "preview_url": self._preview}
            return {"type": "text", "text": body}
        content = {"name": template["name"], "language": {"code": template["language"]}}
        if components := template.get("components"):
            content["components"] = components
        return {"type": "template", "template": content}

    def _failure(self, response: httpx.Response) -> DeliveryError:
        """What an error means, by its code; by its status where it has none."""
        now = self._context.clock()
        try:
            error = response.json()["error"]
            code = int(error["code"])
            data = error.get("error_data")
            details = str(data.get("details") or "") if isinstance(data, Mapping) else ""
            words = f"{error.get('message') or ''} {details}".strip()
        except (ValueError, KeyError, TypeError, AttributeError):
            return judge(response, (), "", str(response.text[:300]), now)
        row = find_code(code, words)
        if row is None:
            log.warning("unknown error of WhatsApp", code="RUN19", error_code=code, error=words)
            result = SendResult(
                outcome="retry", error_code=str(code), error_message=printable(f"unknown: {words}")
            )
            return DeliveryError(result)
        seconds = row.verdict.retry_after
        wanted = retry_after_of(response, now) if row.verdict.outcome == "throttled" else None
        return DeliveryError(
            SendResult(
                outcome=row.verdict.outcome,
                reason=row.verdict.reason,
                error_code=str(code),
                error_message=printable(words or row.name),
                retry_after=wanted or (timedelta(seconds=seconds) if seconds else None),
            )
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()


def _message_id(response: httpx.Response) -> str | None:
    try:
        identity = response.json()["messages"][0]["id"]
    except (ValueError, KeyError, TypeError, IndexError):
        return None
    return printable(identity) if isinstance(identity, str) and identity else None
