"""The provider ``waha``: a WhatsApp Web gateway (extra ``providers``), https://waha.devlike.pro.

``config``: ``endpoint``; ``session`` (default ``default``); ``accepts_ban_risk: true``. The secret
is the API key. Read ``providers/gateway.py`` first.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar
from urllib.parse import quote

import httpx

from pgdrip.providers.base import Recipient
from pgdrip.providers.gateway import GatewayProvider, State, first_text, look_up

#: Logged out and banned look alike here: a person scans the code again, and lets the sender go on.
STATES: Mapping[str, State] = {
    "WORKING": "connected",
    "STARTING": "starting",
    "STOPPED": "disconnected",
    "SCAN_QR_CODE": "banned",
    "FAILED": "banned",
}


class WahaProvider(GatewayProvider):
    """Sends the messages of one session of WAHA."""

    states: ClassVar[Mapping[str, State]] = STATES
    session_key: ClassVar[str] = "session"
    default_session: ClassVar[str] = "default"

    def headers(self, key: str) -> dict[str, str]:
        """WAHA's own header."""
        return {"X-Api-Key": key}

    async def ask_state(self) -> str:
        """Status of the session."""
        answer = await self.get(f"/api/sessions/{quote(self.session, safe='')}")
        return first_text(answer, ("status",)) or "unknown"

    async def ask_number(self, number: str) -> Recipient:
        """In some countries a number's chat has other digits: WAHA says which."""
        params = {"phone": number, "session": self.session}
        answer = await self.get("/api/contacts/check-exists", params)
        chat = first_text(answer, ("chatId",))
        return Recipient(
            reachable=look_up(answer, "numberExists") is True,
            provider_address=chat[:200] if chat else None,
            alias=chat[:200] if chat and chat.endswith("@lid") else None,
        )

    async def post_text(self, to: str, text: str) -> httpx.Response:
        """One text; its shape of answer depends on the engine behind WAHA."""
        chat = to if "@" in to else f"{to}@c.us"
        body = {"session": self.session, "chatId": chat, "text": text, "linkPreview": True}
        return await self.post("/api/sendText", {**body, "reply_to": None})
