"""The provider ``evolution``: Evolution API 2, a WhatsApp Web gateway (extra ``providers``).

``config``: ``endpoint``; ``instance``; ``accepts_ban_risk: true``. The secret is the API key. Read
``providers/gateway.py`` first. Source: https://github.com/EvolutionAPI/evolution-api
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import quote

import httpx

from pgdrip.providers.base import Recipient
from pgdrip.providers.gateway import GatewayProvider, State, first_text, look_up

STATES: Mapping[str, State] = {
    "open": "connected",
    "connecting": "starting",
    "close": "disconnected",
}
#: Why WhatsApp closed a connection (Baileys' codes), where a person has to look: logged out,
#: forbidden, the account is gone.
SHUT_OUT_CODES = frozenset({401, 403, 406})


class EvolutionProvider(GatewayProvider):
    """Sends the messages of one instance of Evolution API."""

    states: ClassVar[Mapping[str, State]] = STATES
    session_key: ClassVar[str] = "instance"

    def headers(self, key: str) -> dict[str, str]:
        """Evolution's own header."""
        return {"apikey": key}

    def _path(self, action: str) -> str:
        return f"/{action}/{quote(self.session, safe='')}"

    async def ask_state(self) -> str:
        """State of the connection."""
        answer = await self.get(self._path("instance/connectionState"))
        return first_text(answer, ("instance.state", "state")) or "unknown"

    async def ask_number(self, number: str) -> Recipient:
        """A question, though it is asked by POST."""
        body = {"numbers": [number]}
        answers = await self.ask(self._path("chat/whatsappNumbers"), body)
        answer = answers[0] if isinstance(answers, list) and answers else None
        name, _, server = (first_text(answer, ("jid",)) or "").partition("@")
        return Recipient(
            reachable=look_up(answer, "exists") is True,
            provider_address=name[:200] if name and server == "s.whatsapp.net" else None,
            alias=f"{name}@lid"[:200] if name and server == "lid" else first_text(answer, ("lid",)),
        )

    async def post_text(self, to: str, text: str) -> httpx.Response:
        """One text, without ``delay``: that only keeps the request open."""
        body = {"number": to, "text": text, "linkPreview": False}
        return await self.post(self._path("message/sendText"), body)

    def refused_number(self, answer: Any) -> bool:
        """A number that is not on WhatsApp is refused as such when it is sent to."""
        problems = look_up(answer, "response.message")
        return isinstance(problems, list) and any(
            isinstance(each, Mapping) and each.get("exists") is False for each in problems
        )
