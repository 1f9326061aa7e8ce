"""A provider of your own: a class with two methods, and an entry point.

In the pyproject.toml of your package:  [project.entry-points."pgdrip.providers"]
                                        acme = "acme_provider:AcmeProvider"
"""

import json

from pgdrip.providers.base import Account, ClaimedMessage, ProviderContext, SendResult, sender_error
from pgdrip.providers.http import BAD_ADDRESS, HttpRule, judge, make_client, post

RULES = [HttpRule("422", "unknown recipient", BAD_ADDRESS, "no such address")]


class AcmeProvider:
    def __init__(self, account: Account, context: ProviderContext) -> None:
        if account.secret_ref is None:
            raise sender_error("ACME01", "secret_ref is needed: it names the API key")
        self.secret_ref, self.context = account.secret_ref, context
        self.client = make_client(str(account.config.get("endpoint", "https://api.acme.example")))

    async def send(self, message: ClaimedMessage) -> SendResult:
        key = self.context.secret(self.secret_ref)
        headers = {"Authorization": f"Bearer {key}", "Idempotency-Key": message.message_token}
        body = {
            "to": message.to_address,
            "from": message.from_address,
            "subject": message.subject,
            "text": message.text_body,
            "html": message.html_body,
            "headers": dict(message.headers),
        }
        answer = await post(self.client, "/messages", json.dumps(body).encode(), headers)
        if answer.is_success:
            return SendResult(outcome="sent", provider_message_id=answer.json()["id"])
        raise judge(answer, RULES, "", answer.text, self.context.clock())

    async def close(self) -> None:
        await self.client.aclose()
