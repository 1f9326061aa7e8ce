"""The provider ``ses``: Amazon SES, API v2 (extra ``providers``).

``config``: ``region``; ``configuration_set`` (events come for messages with one only); ``endpoint``
(default: that of the region). The secret is ``ACCESS_KEY_ID:SECRET_ACCESS_KEY[:SESSION_TOKEN]``.
The message token goes along as the tag ``pgdrip_message_token`` and comes back with every event.
"""

from __future__ import annotations

import base64
import json
from typing import Any

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from pgdrip.providers.base import (
    Account,
    ClaimedMessage,
    DeliveryError,
    ProviderContext,
    SendResult,
    sender_error,
)
from pgdrip.providers.http import CONTENT, SENDER, HttpRule, judge, make_client, post, wait
from pgdrip.smtp.classify import Failure, classify
from pgdrip.smtp.message import compose

TOKEN_TAG = "pgdrip_message_token"  # noqa: S105 - the name of a tag
_PATH = "/v2/email/outbound-emails"

RULES = (
    HttpRule("4xx", "daily.*quota", wait(3600), "the quota of the day is used up"),
    HttpRule("4xx", "^(TooManyRequests|LimitExceeded|Throttling)", wait(60), "slow down"),
    HttpRule(
        "4xx",
        "^(AccountSuspended|SendingPaused|MailFromDomainNotVerified|NotFound|UnrecognizedClient"
        "|InvalidClientTokenId|SignatureDoesNotMatch|ExpiredToken|AccessDenied)",
        SENDER,
        "the account may not send",
    ),
    HttpRule("4xx", "not verified", SENDER, "the sender's address is not verified"),
    HttpRule("4xx", "^(MessageRejected|BadRequest)", CONTENT, "this message is refused"),
)


class SesProvider:
    """Sends the messages of one account; the id is the Message-ID under which SES delivers."""

    def __init__(self, account: Account, context: ProviderContext) -> None:
        """Raises ``DeliveryError`` (``sender_error``) for an unusable configuration."""
        self._region = str(account.config.get("region", ""))
        if not self._region or account.secret_ref is None:
            raise sender_error("RUN13", "config.region and secret_ref are needed")
        default = f"https://email.{self._region}.amazonaws.com"
        self._endpoint = str(account.config.get("endpoint") or default).rstrip("/")
        self._configuration_set = account.config.get("configuration_set")
        self._secret_ref = account.secret_ref
        self._context = context
        self._client = make_client(self._endpoint)

    def _signed(self, body: bytes) -> dict[str, str]:
        key, _, rest = self._context.secret(self._secret_ref).strip().partition(":")
        secret, _, token = rest.partition(":")
        if not key or not secret:
            raise sender_error("RUN10", "the secret is not ACCESS_KEY_ID:SECRET_ACCESS_KEY")
        request = AWSRequest(
            method="POST",
            url=self._endpoint + _PATH,
            data=body,
            headers={"Content-Type": "application/json"},
        )
        SigV4Auth(Credentials(key, secret, token or None), "ses", self._region).add_auth(request)
        return dict(request.headers.items())

    async def send(self, message: ClaimedMessage) -> SendResult:
        """Hand over one message as it would go over SMTP."""
        try:
            outgoing = compose(message, envelope_from=None, now=self._context.clock())
        except Failure as failure:
            raise DeliveryError(classify(failure)) from failure
        request: dict[str, Any] = {
            "FromEmailAddress": outgoing.mail_from,
            "Destination": {"ToAddresses": [outgoing.rcpt_to]},
            "Content": {"Raw": {"Data": base64.b64encode(outgoing.content).decode()}},
            "EmailTags": [{"Name": TOKEN_TAG, "Value": message.message_token}],
        }
        if self._configuration_set:
            request["ConfigurationSetName"] = str(self._configuration_set)
        body = json.dumps(request).encode()
        response = await post(self._client, _PATH, body, self._signed(body))
        try:
            answer = response.json()
        except ValueError:
            answer = {}
        answer = answer if isinstance(answer, dict) else {}
        if response.is_success and answer.get("MessageId"):
            return SendResult(
                outcome="sent", provider_message_id=self._id(str(answer["MessageId"]))
            )
        code = response.headers.get("x-amzn-errortype", "").partition(":")[0]
        words = str(answer.get("message") or answer.get("Message") or "")
        raise judge(response, RULES, code or str(answer.get("__type", "")), words, self._now())

    def _id(self, message_id: str) -> str:
        """The Message-ID that SES puts in the place of ours: follow-ups and replies name it."""
        domain = "email" if self._region == "us-east-1" else self._region
        return f"<{message_id}@{domain}.amazonses.com>"

    def _now(self) -> Any:
        return self._context.clock()

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()
