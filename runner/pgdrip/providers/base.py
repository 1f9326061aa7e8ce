"""The provider protocol: what a provider is given and what it answers.

A provider never decides what happens to an enrollment. It reports one of the outcomes of
``drip.send_outcome``; SQL decides.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from typing import Any, Literal, Protocol, Self, get_args

Outcome = Literal["sent", "retry", "rejected", "throttled", "sender_error", "unknown"]
OUTCOMES: frozenset[str] = frozenset(get_args(Outcome))

ERROR_MESSAGE_LIMIT = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedMessage:
    """One row of ``drip.claim``: a message that is ready to send, fully rendered."""

    organization_id: int
    enrollment_id: int
    claim_token: int
    message_token: str = ""
    link_token: str | None = None
    channel: str
    channel_account_id: int
    provider: str
    config: Mapping[str, Any] = field(default_factory=dict)
    secret_ref: str | None = None
    to_address: str = ""
    to_name: str | None = None
    from_address: str | None = None
    from_name: str | None = None
    subject: str | None = None
    text_body: str | None = None
    html_body: str | None = None
    template: Mapping[str, Any] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    attempt: int = 1
    is_test: bool = False
    sequence_key: str | None = None
    step_key: str | None = None
    lease_expires_at: datetime | None = None

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        """Build from a result row; columns that this version does not know are ignored."""
        values = {name: row[name] for name in _MESSAGE_FIELDS if row.get(name) is not None}
        return cls(**values)

    @property
    def claim(self) -> dict[str, int]:
        """The key by which the claim is handed over, released and settled."""
        return {
            "organization_id": self.organization_id,
            "enrollment_id": self.enrollment_id,
            "claim_token": self.claim_token,
        }


_MESSAGE_FIELDS = tuple(f.name for f in fields(ClaimedMessage))


@dataclass(frozen=True, slots=True, kw_only=True)
class SendResult:
    """What a provider says of one message.

    ``reason`` is a label of ``drip.reason``. ``retry_after`` is relative, because the runner's
    clock may be virtual; it becomes ``retry_at``.
    """

    outcome: Outcome
    provider_message_id: str | None = None
    reason: str | None = None
    error_code: str | None = None
    error_message: str | None = None
    retry_after: timedelta | None = None


class DeliveryError(Exception):
    """Raised by a provider that knows what its failure means.

    Any other exception, and a cancellation that is not turned into this one, is ``unknown``: the
    message may have reached the wire.
    """

    def __init__(self, result: SendResult) -> None:
        super().__init__(f"{result.outcome}: {result.error_code} {result.error_message}")
        self.result = result


def sender_error(code: str, message: str) -> DeliveryError:
    """The sender is not usable as configured; its lane is blocked, its enrollments wait."""
    return DeliveryError(
        SendResult(
            outcome="sender_error", reason="sender_blocked", error_code=code, error_message=message
        )
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """The sender of a message: what a provider instance is made from and reused for."""

    organization_id: int
    channel_account_id: int
    provider: str
    config: Mapping[str, Any]
    secret_ref: str | None

    @classmethod
    def of(cls, message: ClaimedMessage) -> Self:
        """The account that a message is sent from."""
        return cls(
            organization_id=message.organization_id,
            channel_account_id=message.channel_account_id,
            provider=message.provider,
            config=message.config,
            secret_ref=message.secret_ref,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """What a channel said of an address: whether it can be reached, and how the channel names it.

    ``provider_address`` is the name under which it wants messages, ``alias`` another under which
    the person may write.
    """

    reachable: bool
    provider_address: str | None = None
    alias: str | None = None


class Recipients(Protocol):
    """What is known of recipients; kept by the database, so that each is asked about once.

    Both raise ``DeliveryError`` (``throttled``) where the database cannot be reached.
    """

    async def recall(self, message: ClaimedMessage) -> Recipient | None:
        """What the channel said of the address of a message; None: it was not asked."""

    async def remember(self, message: ClaimedMessage, recipient: Recipient) -> None:
        """Keep what the channel said."""


class NothingKnown:
    """Recipients without a database: each message asks anew."""

    async def recall(self, message: ClaimedMessage) -> Recipient | None:
        """Nothing is known."""
        return None

    async def remember(self, message: ClaimedMessage, recipient: Recipient) -> None:
        """Nothing is kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderContext:
    """What the runner lends: ``secret(ref)``, the time, what is known of recipients."""

    secret: Callable[[str], str]
    clock: Callable[[], datetime]
    recipients: Recipients = field(default_factory=NothingKnown)


class Provider(Protocol):
    """One sender's connection to the outside. Used concurrently by several messages."""

    async def send(self, message: ClaimedMessage) -> SendResult:
        """Hand over one message. May raise ``DeliveryError``."""

    async def close(self) -> None:
        """Give back connections. Called once, when no message is in flight."""


ProviderFactory = Callable[[Account, ProviderContext], Provider]


def printable(text: object, limit: int = ERROR_MESSAGE_LIMIT) -> str:
    """Text that PostgreSQL can store: valid UTF-8 without NUL, at most ``limit`` characters."""
    clean = str(text).encode("utf-8", "replace").decode("utf-8").replace("\x00", "")
    return clean if len(clean) <= limit else clean[: limit - 1] + "…"
