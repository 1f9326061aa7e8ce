"""Finds providers by name and keeps one instance per channel account."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from importlib.metadata import entry_points

from pgdrip.log import get_logger
from pgdrip.providers.base import (
    Account,
    ClaimedMessage,
    DeliveryError,
    Provider,
    ProviderContext,
    ProviderFactory,
    printable,
    sender_error,
)

GROUP = "pgdrip.providers"

#: Providers of the core, found also when the package runs without its metadata.
BUILT_IN = {
    "smtp": "pgdrip.smtp:SmtpProvider",
    "noop": "pgdrip.providers.noop:NoopProvider",
    "ses": "pgdrip.providers.ses:SesProvider",
    "sendgrid": "pgdrip.providers.sendgrid:SendgridProvider",
    "waha": "pgdrip.providers.waha:WahaProvider",
    "evolution": "pgdrip.providers.evolution:EvolutionProvider",
    "whatsapp_cloud": "pgdrip.providers.whatsapp_cloud:WhatsappCloudProvider",
}


def load_factory(name: str) -> ProviderFactory | None:
    """Return the factory of the provider called ``name``, or None when there is none."""
    for entry in entry_points(group=GROUP, name=name):
        factory: ProviderFactory = entry.load()
        return factory
    if name in BUILT_IN:
        module, _, attribute = BUILT_IN[name].partition(":")
        built_in: ProviderFactory = getattr(import_module(module), attribute)
        return built_in
    return None


@dataclass(slots=True)
class _Instance:
    account: Account
    provider: Provider
    users: int = 0
    last_used: float = field(default_factory=time.monotonic)
    retired: bool = False


class ProviderCache:
    """One provider instance per channel account, made again when its configuration changed."""

    def __init__(
        self, context: ProviderContext, factories: Mapping[str, ProviderFactory] | None = None
    ) -> None:
        self._context = context
        self._factories: dict[str, ProviderFactory | None] = dict(factories or {})
        self._instances: dict[tuple[int, int], _Instance] = {}

    @contextlib.asynccontextmanager
    async def use(self, message: ClaimedMessage) -> AsyncIterator[Provider]:
        """Lend the provider of the message's account.

        Raises ``DeliveryError`` (``sender_error``) for an unknown provider or a bad configuration.
        """
        account = Account.of(message)
        key = (account.organization_id, account.channel_account_id)
        instance = self._instances.get(key)
        if instance is not None and instance.account != account:
            del self._instances[key]
            await self._retire(instance)
            instance = self._instances.get(key)
        if instance is None:
            instance = self._instances[key] = _Instance(account, self._create(account))
        instance.users += 1
        try:
            yield instance.provider
        finally:
            instance.users -= 1
            instance.last_used = time.monotonic()
            if instance.retired and instance.users == 0:
                await _close(instance.provider)

    async def close_idle(self, idle_seconds: float) -> None:
        """Close instances that nobody used for ``idle_seconds``."""
        limit = time.monotonic() - idle_seconds
        for key, instance in list(self._instances.items()):
            if instance.users == 0 and instance.last_used <= limit:
                del self._instances[key]
                await self._retire(instance)

    async def close(self) -> None:
        """Close every instance; those in use when their last message is done."""
        instances = list(self._instances.values())
        self._instances.clear()
        await asyncio.gather(*(self._retire(instance) for instance in instances))

    async def _retire(self, instance: _Instance) -> None:
        instance.retired = True
        if instance.users == 0:
            await _close(instance.provider)

    def _create(self, account: Account) -> Provider:
        name = account.provider
        if name not in self._factories:
            try:
                self._factories[name] = load_factory(name)
            except ImportError as exc:
                raise sender_error(
                    "RUN12",
                    f"the provider {printable(name, 100)} needs a library that is not installed"
                    f" ({exc.name}); for providers over HTTP: pip install 'pgdrip[providers]'",
                ) from exc
        factory = self._factories[name]
        if factory is None:
            raise sender_error(
                "RUN12", f"this runner has no provider called {printable(name, 100)}"
            )
        try:
            return factory(account, self._context)
        except DeliveryError:
            raise
        except Exception as exc:
            raise sender_error(
                "RUN13", printable(f"the configuration of this account is not usable: {exc}")
            ) from exc


async def _close(provider: Provider) -> None:
    try:
        await provider.close()
    except Exception as exc:
        get_logger().warning("provider did not close cleanly", error=printable(exc))
