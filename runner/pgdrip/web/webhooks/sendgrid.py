"""SendGrid's event webhook: an array of reports, signed (``config.webhook.public_key``)."""

from __future__ import annotations

from pgdrip.log import get_logger
from pgdrip.web.webhooks.mapping import to_event
from pgdrip.web.webhooks.signatures import check_sendgrid
from pgdrip.web.webhooks.source import Call, Facts, Tools

_PREFIX = "X-Twilio-Email-Event-Webhook-"
log = get_logger()


class SendgridSource:
    """Reports of SendGrid."""

    def __init__(self, tools: Tools) -> None:
        """Nothing is needed."""

    async def read(self, call: Call) -> Facts:
        """Check the signature; reports that say nothing of a message of ours are left out."""
        check_sendgrid(
            str(call.settings.get("public_key", "")),
            call.headers.get(f"{_PREFIX}Signature", ""),
            call.headers.get(f"{_PREFIX}Timestamp", ""),
            call.body,
        )
        reports = call.json()
        if not isinstance(reports, list):
            log.warning("webhook without reports", code="WEB09", provider="sendgrid")
            return Facts()
        events = (to_event("sendgrid", report) for report in reports)
        return Facts(events=[event for event in events if event is not None])

    async def challenge(self, call: Call) -> str | None:
        """SendGrid asks nothing."""
        return None
