"""The people behind the mailboxes: they open, click, answer, are away, complain, buy.

What each one does follows from the address alone, so every run of the demo is the same. Opens,
clicks and unsubscribes go over HTTP to the links of the message as it arrived; mail that comes back
is recorded as a mail system or a provider would report it; what happens on WhatsApp comes as
Meta's webhooks. All of it is written down here as well,
beside the database, for the check at the end.
"""

from __future__ import annotations

import asyncio
import email
import heapq
import http.client
import itertools
import re
import zlib
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.policy import default as default_policy
from functools import partial
from urllib.parse import urlsplit

from psycopg.types.json import Jsonb

from pgdrip.db import Database
from pgdrip.demo.clock import VirtualClock
from pgdrip.demo.smtp_world import Accepted as AcceptedMail
from pgdrip.demo.smtp_world import SmtpWorld
from pgdrip.demo.whatsapp_world import Accepted, Json, WhatsappWorld

BROWSER = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/143.0 Safari/537.36"
PREFETCH = "Mozilla/5.0"
"""What Apple's mail privacy protection says it is."""

#: Steps of the example by the number of the message that a person has received.
STEPS = ("intro", "nudge", "bump")
CHAT_STEP = "chat"
_TOKEN = re.compile(r"[0-9a-f]{66}")
_LINK = re.compile(r'(?:href|src)="(http[^"]+)"')
_PARALLEL = 8
#: Very few complain: of more, the guardrail of a sender would pause it.
COMPLAINER = 407

Act = Callable[[], Awaitable[None]]


@dataclass(frozen=True)
class Received:
    """A message in a mailbox: whose, the how many-th, and what is in it."""

    address: str
    number: int
    message_id: str
    sender: str
    links: tuple[str, ...]
    unsubscribe: str

    @property
    def place(self) -> tuple[str, str]:
        """Recipient and step: how the check names a message."""
        return self.address, STEPS[self.number - 1]


@dataclass
class Deeds:
    """What was done, by kind; members are messages (recipient and step), or addresses."""

    opened: set[tuple[str, str]] = field(default_factory=set)
    clicked: set[tuple[str, str]] = field(default_factory=set)
    machine_opened: set[tuple[str, str]] = field(default_factory=set)
    machine_clicked: set[tuple[str, str]] = field(default_factory=set)
    delivered: set[tuple[str, str]] = field(default_factory=set)
    replied: set[str] = field(default_factory=set)
    away: set[str] = field(default_factory=set)
    returned: set[str] = field(default_factory=set)
    complained: set[str] = field(default_factory=set)
    unsubscribed: set[str] = field(default_factory=set)
    bought: set[str] = field(default_factory=set)
    stopped_at: dict[str, datetime] = field(default_factory=dict)
    """Since when nothing more may arrive."""


class People:
    """Everybody with a mailbox on the demo's SMTP server."""

    def __init__(
        self,
        database: Database,
        organization_id: int,
        clock: VirtualClock,
        world: SmtpWorld,
        external_ids: Mapping[str, str],
        chats: WhatsappWorld,
        addresses: Mapping[str, str],
    ) -> None:
        self.deeds = Deeds()
        self._database = database
        self._organization_id = organization_id
        self._clock = clock
        self._world = world
        self._external_ids = external_ids
        self._chats = chats
        self._addresses = addresses
        self._seen = 0
        self._seen_chats = 0
        self._received: defaultdict[str, int] = defaultdict(int)
        self._plans: list[tuple[datetime, int, Act]] = []
        self._count = itertools.count()

    def next_at(self) -> datetime | None:
        """When somebody does something next; null: nobody will."""
        return self._plans[0][0] if self._plans else None

    def look(self) -> None:
        """Find what has arrived, and decide what its recipients will do about it."""
        arrived = self._world.accepted[self._seen :]
        self._seen += len(arrived)
        for each in arrived:
            address = each.rcpt_to.lower()
            self._received[address] += 1
            self._decide(_read(each, self._received[address]))
        chats = self._chats.accepted[self._seen_chats :]
        self._seen_chats += len(chats)
        for chat in chats:
            self._decide_chat(chat)

    async def act(self) -> None:
        """Do what is due by now."""
        while (due := self.next_at()) is not None and due <= self._clock.now:
            now_due = []
            while self._plans and self._plans[0][0] <= self._clock.now:
                now_due.append(heapq.heappop(self._plans)[2])
            for start in range(0, len(now_due), _PARALLEL):
                await asyncio.gather(*(each() for each in now_due[start : start + _PARALLEL]))

    def _plan(self, hours: int, act: Act) -> None:
        """Full hours: few instants, and a mail system never is exact."""
        at = self._clock.now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=hours)
        heapq.heappush(self._plans, (at, next(self._count), act))

    def _decide(self, mail: Received) -> None:
        """What a recipient does about a message: about one in three does something."""
        seed = zlib.crc32(mail.address.encode())
        hours = 1 + zlib.crc32(mail.message_id.encode()) % 8
        # by percent: what is done about the first message, the second, any
        deeds: tuple[tuple[int, int | None, int, Callable[[Received], Awaitable[None]]], ...] = (
            (3, 1, hours, self._answer),
            (5, 1, 1, self._be_away),
            (6, 1, hours, self._say_stop),
            (7, 2, 1, self._come_back),
            (9, 2, hours, self._answer),
            (10, 1, hours, self._unsubscribe),
            (14, None, 1, self._scan),
            (18, None, 1, self._prefetch),
            (32, None, hours, self._open),
            (38, None, hours, self._click),
            (41, 2, 30, self._buy),
        )
        if seed % 500 == COMPLAINER:
            deeds = ((100, 2, hours, self._complain),)
        for percent, number, after, do in deeds:
            if seed % 100 < percent:
                if number in {None, mail.number}:
                    self._plan(after, partial(do, mail))
                return

    def _decide_chat(self, chat: Accepted) -> None:
        """On WhatsApp nearly all is delivered, and most of it read; some answer, a few tap stop."""
        seed = zlib.crc32(chat.recipient.encode()) % 100
        if seed < 95:
            self._plan(1, partial(self._tell, chat, "delivered"))
        if seed < 70:
            self._plan(2, partial(self._tell, chat, "read"))
        if seed < 5:
            self._plan(3, partial(self._tap_stop, chat))
        elif seed < 15:
            self._plan(3, partial(self._chat_back, chat))

    # -- over HTTP --------------------------------------------------------------------------------

    async def _request(self, url: str, agent: str, ip: str, method: str = "GET") -> None:
        def send() -> int:
            parts = urlsplit(url)
            connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=30)
            try:
                headers = {"User-Agent": agent, "X-Forwarded-For": ip}
                connection.request(method, parts.path, headers=headers)
                answer = connection.getresponse()
                answer.read()
                return answer.status
            finally:
                connection.close()

        status = await asyncio.to_thread(send)
        if status not in {200, 302}:
            raise RuntimeError(f"{method} {parts_of(url)} was answered with {status}")

    async def _open(self, mail: Received) -> None:
        pixels = [link for link in mail.links if "/o/" in link]
        for link in pixels:
            await self._request(link, BROWSER, _ip(mail))
            self.deeds.opened.add(mail.place)

    async def _click(self, mail: Received) -> None:
        await self._open(mail)
        for link in [link for link in mail.links if "/c/" in link][:1]:
            await self._request(link, BROWSER, _ip(mail))
            self.deeds.clicked.add(mail.place)

    async def _prefetch(self, mail: Received) -> None:
        for link in [link for link in mail.links if "/o/" in link]:
            await self._request(link, PREFETCH, "17.58.0.1")
            self.deeds.machine_opened.add(mail.place)

    async def _scan(self, mail: Received) -> None:
        """A mail gateway follows every link at once; it says that it is a browser."""
        for link in mail.links:
            await self._request(link, f"{BROWSER} Barracuda", "192.0.2.77")
            if "/o/" in link:
                self.deeds.machine_opened.add(mail.place)
            if "/c/" in link:
                self.deeds.machine_clicked.add(mail.place)

    async def _unsubscribe(self, mail: Received) -> None:
        await self._request(mail.unsubscribe, BROWSER, _ip(mail), "POST")
        self.deeds.unsubscribed.add(mail.address)
        self._stop(mail)

    # -- on WhatsApp ------------------------------------------------------------------------------

    async def _hook(self, value: Json) -> None:
        body = self._chats.envelope("messages", value)
        status, said = await asyncio.to_thread(self._chats.post, body)
        if status != 200:
            raise RuntimeError(f"a webhook was answered with {status}: {said}")

    async def _tell(self, chat: Accepted, status: str) -> None:
        await self._hook(self._chats.status(chat, status))
        place = (self._addresses[chat.recipient], CHAT_STEP)
        (self.deeds.opened if status == "read" else self.deeds.delivered).add(place)

    async def _chat_back(self, chat: Accepted) -> None:
        await self._write_chat(chat, {"type": "text", "text": {"body": "Schöne Idee 👍"}})

    async def _tap_stop(self, chat: Accepted) -> None:
        tapped = {"payload": "STOP", "text": "No more messages"}
        await self._write_chat(chat, {"type": "button", "button": tapped})
        self.deeds.unsubscribed.add(self._addresses[chat.recipient])

    async def _write_chat(self, chat: Accepted, content: Json) -> None:
        await self._hook(self._chats.inbound(chat.recipient, content, chat.wamid))
        address = self._addresses[chat.recipient]
        self.deeds.replied.add(address)
        self.deeds.stopped_at.setdefault(address, self._clock.now)

    # -- by mail, by the provider, by the host system ---------------------------------------------

    def _stop(self, mail: Received) -> None:
        self.deeds.stopped_at.setdefault(mail.address, self._clock.now)

    async def _write(self, mail: Received, text: str, headers: dict[str, str]) -> None:
        letter = {
            "channel": "email",
            "from_address": mail.address,
            "to_address": mail.sender,
            "subject": "Re: Welcome",
            "text": text,
            "headers": {"In-Reply-To": mail.message_id, **headers},
            "external_id": f"{mail.address}/{mail.number}",
            "received_at": self._clock.now.isoformat(),
        }
        await self._database.fetch_value(
            "select drip.record_inbound(%s, %s)", self._organization_id, Jsonb(letter)
        )

    async def _answer(self, mail: Received) -> None:
        await self._write(mail, "Sounds good, tell me more.", {})
        self.deeds.replied.add(mail.address)
        self._stop(mail)

    async def _say_stop(self, mail: Received) -> None:
        await self._write(mail, "STOP", {})
        self.deeds.replied.add(mail.address)
        self.deeds.unsubscribed.add(mail.address)
        self._stop(mail)

    async def _be_away(self, mail: Received) -> None:
        back = self._clock.now + timedelta(days=9)
        note = f"I am out of the office until {back:%Y-%m-%d}."
        await self._write(mail, note, {"Auto-Submitted": "auto-replied"})
        self.deeds.away.add(mail.address)

    async def _report(self, mail: Received, kind: str, detail: dict[str, str]) -> None:
        token = _TOKEN.search(mail.message_id)
        event = {
            "message_token": token.group() if token else "",
            "type": kind,
            "occurred_at": self._clock.now.isoformat(),
            "external_id": f"{kind}/{mail.message_id}",
            "detail": detail,
        }
        await self._database.fetch_value(
            "select drip.record_provider_event(%s, %s)", self._organization_id, Jsonb(event)
        )
        self._stop(mail)

    async def _come_back(self, mail: Received) -> None:
        await self._report(mail, "bounced", {"status": "5.1.1"})
        self.deeds.returned.add(mail.address)

    async def _complain(self, mail: Received) -> None:
        await self._report(mail, "complained", {})
        self.deeds.complained.add(mail.address)

    async def _buy(self, mail: Received) -> None:
        """Somebody at the host system wins the deal."""
        deal = {
            "external_id": f"deal-{mail.address}",
            "contact_external_id": self._external_ids[mail.address],
            "stage": "won",
            "amount": "1200",
            "currency": "EUR",
        }
        await self._database.fetch_value(
            "select drip.upsert_deal(%s, %s)", self._organization_id, Jsonb(deal)
        )
        self.deeds.bought.add(mail.address)
        self._stop(mail)


def parts_of(url: str) -> str:
    """An address without the token in it, for messages."""
    return _TOKEN.sub("…", url)


def _ip(mail: Received) -> str:
    return f"198.51.100.{zlib.crc32(mail.address.encode()) % 250 + 1}"


def _read(each: AcceptedMail, number: int) -> Received:
    """The message as a mail program sees it."""
    content = each.content or b""
    message = email.message_from_bytes(content, policy=default_policy)
    body = message.get_body(("html",))
    html = body.get_content() if body else ""
    links = [link.replace("&amp;", "&") for link in _LINK.findall(html)]
    header = str(message["List-Unsubscribe"] or "")
    found = re.search(r"<(http[^>]+)>", header)
    return Received(
        address=each.rcpt_to.lower(),
        number=number,
        message_id=each.message_id,
        sender=each.mail_from,
        links=tuple(link for link in links if "/c/" in link or "/o/" in link),
        unsubscribe=found.group(1) if found else "",
    )
