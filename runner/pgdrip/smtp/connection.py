"""SMTP connections of one account: opened stage by stage, reused, never shared by two messages."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import ssl
import time
from collections.abc import AsyncIterator, Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, Literal

import aiosmtplib
from pydantic import BaseModel, ConfigDict, Field

from pgdrip.providers.base import DeliveryError
from pgdrip.smtp.classify import Failure
from pgdrip.smtp.message import Outgoing

_DEFAULT_PORT = {"none": 25, "starttls": 587, "tls": 465}
_LEADING_DOT = re.compile(rb"(?m)^\.")
_IDLE_SECONDS = 30.0
_QUIT_SECONDS = 2.0


class SmtpConfig(BaseModel):
    """The ``config`` of a channel account whose provider is ``smtp``. Other keys are ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    host: str = Field(min_length=1)
    port: int | None = Field(default=None, ge=1, le=65535)
    tls: Literal["none", "starttls", "tls"] = "starttls"
    username: str | None = None
    helo: str | None = None
    timeout_seconds: float = Field(default=30.0, gt=0, le=600)
    envelope_from: str | None = None
    max_connections: int = Field(default=4, ge=1, le=100)
    messages_per_connection: int = Field(default=100, ge=1)
    ca_file: Path | None = None


class SmtpConnection:
    """One session. After a failure it may be unusable; ``usable`` says so."""

    def __init__(self, client: aiosmtplib.SMTP, timeout: float) -> None:
        self._client = client
        self._timeout = timeout
        self._dirty = False
        self.message_count = 0
        self.last_used = time.monotonic()

    @property
    def usable(self) -> bool:
        """Whether the server still listens on this session."""
        return self._client.is_connected

    async def transfer(self, outgoing: Outgoing) -> str:
        """Hand over one message; return the server's text. Raises ``Failure``.

        A failure of stage ``after_data`` means that the message may have been accepted.
        """
        client, stage = self._client, "mail"
        self.last_used = time.monotonic()
        self.message_count += 1
        try:
            with _translated("mail"):
                if self._dirty:
                    await client.rset()
                self._dirty = True
                await client.mail(
                    outgoing.mail_from,
                    options=self._mail_options(outgoing),
                    encoding="utf-8" if outgoing.utf8 else "ascii",
                )
            stage = "rcpt"
            with _translated(stage):
                await client.rcpt(outgoing.rcpt_to, encoding="utf-8" if outgoing.utf8 else "ascii")
            stage = "data"
            with _translated(stage):
                reply = await client.execute_command(b"DATA")
                if reply.code != 354:
                    raise Failure(stage, str(reply.code), reply.message)
                protocol = client.protocol
                if protocol is None:
                    raise aiosmtplib.SMTPServerDisconnected("connection lost before the content")
            stage = "after_data"
            with _translated(stage):
                # The library's data() would not tell whether the content had been written.
                protocol.write(_LEADING_DOT.sub(b"..", outgoing.content) + b".\r\n")
                reply = await protocol.read_response(timeout=2 * self._timeout)
            if not 200 <= reply.code <= 299:
                raise Failure(stage, str(reply.code), reply.message)
            self._dirty = False
            return reply.message
        except asyncio.CancelledError:
            # Nobody can know what the session is waiting for.
            client.close()
            if stage == "after_data":
                raise
            raise Failure(stage, "timeout", "given up: the time for this message is over") from None
        except Failure as failure:
            if not failure.reply.isdigit() or failure.reply == "421":
                client.close()
            raise
        finally:
            self.last_used = time.monotonic()

    def _mail_options(self, outgoing: Outgoing) -> list[str]:
        options = []
        if self._client.supports_extension("size"):
            options.append(f"SIZE={len(outgoing.content)}")
        if outgoing.utf8:
            if not self._client.supports_extension("smtputf8"):
                self._dirty = False
                # The session is fine: only this address cannot be expressed on it.
                raise _UnsupportedAddress
            options += ["SMTPUTF8", "BODY=8BITMIME"]
        return options

    async def quit(self) -> None:
        """Say goodbye briefly, then close."""
        with contextlib.suppress(aiosmtplib.SMTPException, OSError, TimeoutError):
            await self._client.quit(timeout=_QUIT_SECONDS)
        self._client.close()


class _UnsupportedAddress(Exception):
    """The server has no SMTPUTF8."""


@contextlib.contextmanager
def _translated(stage: str) -> Iterator[None]:
    """Turn the library's and the system's errors into ``Failure`` of this stage."""
    try:
        yield
    except aiosmtplib.SMTPResponseException as exc:
        if not 200 <= exc.code <= 599:
            raise Failure(stage, "malformed", str(exc.message)) from exc
        raise Failure(stage, str(exc.code), str(exc.message)) from exc
    except _UnsupportedAddress as exc:
        raise Failure(
            stage, "unsupported", "the server does not support internationalised addresses"
        ) from exc
    except TimeoutError as exc:
        raise Failure(stage, "timeout", str(exc)) from exc
    except (aiosmtplib.SMTPConnectError, OSError) as exc:
        raise Failure(stage, _cause(exc), str(exc)) from exc
    except (aiosmtplib.SMTPException, UnicodeError, ValueError) as exc:
        raise Failure(stage, "unsupported", str(exc)) from exc


def _cause(exc: BaseException) -> str:
    seen: BaseException | None = exc
    while seen is not None:
        if isinstance(seen, socket.gaierror):
            return "dns"
        if isinstance(seen, ssl.SSLError | ssl.CertificateError):
            return "tls"
        if isinstance(seen, aiosmtplib.SMTPServerDisconnected | ConnectionResetError):
            return "dropped"
        seen = seen.__cause__
    return "refused" if isinstance(exc, aiosmtplib.SMTPConnectError) else "dropped"


async def open_connection(config: SmtpConfig, password: Callable[[], str | None]) -> SmtpConnection:
    """Connect, greet, encrypt and log in. Raises ``Failure`` of the stage, or ``DeliveryError``."""
    client = aiosmtplib.SMTP(
        hostname=config.host,
        port=config.port or _DEFAULT_PORT[config.tls],
        local_hostname=config.helo or _own_name(),
        timeout=config.timeout_seconds,
        use_tls=config.tls == "tls",
        start_tls=False,
        tls_context=None if config.tls == "none" else tls_context(config.ca_file),
    )
    stage = "connect"
    try:
        with _translated(stage):
            await client.connect()
        stage = "helo"
        with _translated(stage):
            await _greet(client)
        if config.tls == "starttls":
            stage = "starttls"
            with _translated(stage):
                await client.starttls()
                await client.ehlo()
        if config.username is not None:
            stage = "auth"
            with _translated(stage):
                await _log_in(client, config.username, password() or "", config.tls != "none")
    except asyncio.CancelledError:
        client.close()
        raise Failure(stage, "timeout", "given up: the time for this message is over") from None
    except (Failure, DeliveryError):
        client.close()
        raise
    return SmtpConnection(client, config.timeout_seconds)


async def _greet(client: aiosmtplib.SMTP) -> None:
    try:
        await client.ehlo()
    except aiosmtplib.SMTPHeloError as exc:
        # RFC 5321 section 3.2: a server that knows no EHLO may still know HELO.
        if exc.code not in (500, 501, 502) or not client.is_connected:
            raise
        await client.helo()


async def _log_in(client: aiosmtplib.SMTP, user: str, password: str, encrypted: bool) -> None:
    """Log in by one method. Trying the others after a refusal would count as more wrong logins."""
    methods = {
        "plain": client.auth_plain,
        "login": client.auth_login,
        "cram-md5": client.auth_crammd5,
    }
    order = ("plain", "login", "cram-md5") if encrypted else ("cram-md5", "plain", "login")
    offered = [name for name in order if name in client.supported_auth_methods]
    if not offered:
        raise aiosmtplib.SMTPNotSupported("the server offers no login that this client knows")
    for name in offered:
        try:
            await methods[name](user, password)
            return
        except aiosmtplib.SMTPAuthenticationError as exc:
            # 504: the method was offered, but is not there.
            if exc.code != 504 or name == offered[-1]:
                raise


@cache
def tls_context(ca_file: Path | None) -> ssl.SSLContext:
    """Certificates are always verified; ``ca_file`` adds a private authority."""
    context = ssl.create_default_context(cafile=None if ca_file is None else str(ca_file))
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


@cache
def _own_name() -> str:
    # getfqdn() may ask the network; a name without a domain is not allowed in EHLO.
    name = socket.gethostname()
    return name if "." in name and name.isascii() else "[127.0.0.1]"


class ConnectionPool:
    """At most ``max_connections`` sessions of one account, reused while they are fresh."""

    def __init__(self, config: SmtpConfig, password: Callable[[], str | None]) -> None:
        self._config = config
        self._password = password
        self._slots = asyncio.Semaphore(config.max_connections)
        self._idle: list[SmtpConnection] = []

    @contextlib.asynccontextmanager
    async def lend(self) -> AsyncIterator[SmtpConnection]:
        """Lend a session; wait while all are in use. Raises like ``open_connection``."""
        async with _slot(self._slots):
            connection = await self._take_idle()
            if connection is None:
                connection = await open_connection(self._config, self._password)
            try:
                yield connection
            finally:
                if connection.usable:
                    self._idle.append(connection)

    async def _take_idle(self) -> SmtpConnection | None:
        while self._idle:
            connection = self._idle.pop()
            if not connection.usable:
                continue
            fresh = time.monotonic() - connection.last_used < _IDLE_SECONDS
            if fresh and connection.message_count < self._config.messages_per_connection:
                return connection
            await connection.quit()
        return None

    async def close(self) -> None:
        """Close the idle sessions."""
        idle, self._idle = self._idle, []
        await asyncio.gather(*(connection.quit() for connection in idle))


@contextlib.asynccontextmanager
async def _slot(slots: asyncio.Semaphore) -> AsyncIterator[None]:
    try:
        await slots.acquire()
    except asyncio.CancelledError:
        raise Failure("connect", "timeout", "all connections were in use") from None
    try:
        yield
    finally:
        slots.release()


def config_of(values: dict[str, Any]) -> SmtpConfig:
    """Read a channel account's configuration. Raises ``pydantic.ValidationError``."""
    return SmtpConfig.model_validate(values)
