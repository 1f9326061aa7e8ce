"""What a kind of webhook is: who may call, and what a call says, for each provider in a module.

A module checks the call (``Refused`` where it is not the provider's) and turns it into facts in the
shape of the SQL functions that store them. What is made of a fact is the business of SQL.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

#: A fact as one of the functions of SQL takes it.
Fact = dict[str, Any]

#: Fetches an address of the provider; only called for hosts that have been checked.
Fetch = Callable[[str], Awaitable[bytes]]


class Refused(Exception):
    """The webhook is not what its sender would have sent; says why, for the log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request. ``settings`` is ``config.webhook`` of the account, and its ``provider``."""

    settings: Mapping[str, Any]
    headers: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes = b""

    def json(self) -> Any:
        """The body, or None where it is no JSON."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


@dataclass(slots=True)
class Facts:
    """What a call says, by the function that stores it."""

    #: ``drip.record_provider_events``: what became of messages of ours.
    events: list[Fact] = field(default_factory=list)
    #: ``drip.record_inbound``: what people wrote to us.
    messages: list[Fact] = field(default_factory=list)
    #: ``drip.record_account_reports``: what the provider says of the account itself.
    reports: list[Fact] = field(default_factory=list)
    #: ``drip.record_connection``: whether a gateway's session is connected.
    connections: list[Fact] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What sources are lent: a way to fetch, and the secrets that ``config.webhook`` names."""

    fetch: Fetch
    secret: Callable[[str], str]


class Source(Protocol):
    """The webhooks of one provider, of all its accounts."""

    async def read(self, call: Call) -> Facts:
        """Check a call and read it. Raises ``Refused``."""

    async def challenge(self, call: Call) -> str | None:
        """What to answer to a GET that asks whether we are here; None: there is no such question.

        Raises ``Refused``.
        """


SourceFactory = Callable[[Tools], Source]
