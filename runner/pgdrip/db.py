"""Short calls to the database over a small connection pool.

Each call is one statement in its own transaction (autocommit), so no transaction can be open while
a provider is spoken to. A connection that died is replaced by the pool; the failed call raises and
its caller decides whether to repeat it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, LiteralString, Self

import psycopg
from psycopg import AsyncConnection
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool, PoolClosed, PoolTimeout

from pgdrip.errors import PgdripError

Connection = AsyncConnection[DictRow]
CheckoutHook = Callable[[Connection], Awaitable[None]]

#: The database cannot be reached or asked to try again: the same call may succeed later.
OUTAGE = (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout)


#: Begins a statement that gives up waiting for a lock (``psycopg.errors.LockNotAvailable``) after
#: its first argument, a text such as "200ms". What reads ``patience.value`` runs under it.
PATIENCE: LiteralString = (
    "with patience as materialized"
    " (select pg_catalog.set_config('lock_timeout', %s, true) as value) "
)

#: A server that vanished without a word is noticed within a minute; what the URL says wins.
_LIVENESS = {
    "connect_timeout": 10,
    "keepalives_idle": 20,
    "keepalives_interval": 10,
    "keepalives_count": 4,
    "tcp_user_timeout": 60_000,
}
#: The pool waits twice as long after each attempt; giving up makes the next call try at once.
_RECONNECT_SECONDS = 5.0


class Database:
    """A pool of connections and the one way to call a function.

    ``on_checkout`` runs on a connection before each call; the demo and tests use it to set
    ``drip.now``, the virtual clock.
    """

    def __init__(
        self,
        url: str,
        *,
        max_size: int = 4,
        application_name: str = "pgdrip",
        on_checkout: CheckoutHook | None = None,
        wait_seconds: float = 10.0,
    ) -> None:
        self._on_checkout = on_checkout
        self._pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            url,
            # A pooler between us and the server may hand each statement to another backend.
            kwargs={
                **_liveness(url),
                "autocommit": True,
                "row_factory": dict_row,
                "prepare_threshold": None,
                "application_name": application_name,
            },
            min_size=1,
            max_size=max_size,
            timeout=wait_seconds,
            reconnect_timeout=_RECONNECT_SECONDS,
            open=False,
        )
        self._url = url
        self._max_size = max_size

    async def open(self) -> None:
        """Connect once to fail early with a clear error (CLI01), then start the pool."""
        try:
            async with await AsyncConnection.connect(self._url, connect_timeout=10):
                pass
        except psycopg.OperationalError as exc:
            raise PgdripError(
                "CLI01",
                f"cannot reach the database: {_first_line(exc)}",
                "Check DATABASE_URL and that the server is running and accepts this login.",
            ) from exc
        except psycopg.ProgrammingError as exc:
            raise PgdripError(
                "RUN01",
                f"DATABASE_URL is not a valid connection string: {_first_line(exc)}",
                "Write it as postgresql://user:password@host:5432/database.",
            ) from exc
        await self._pool.open()

    async def close(self) -> None:
        """Close every connection."""
        await self._pool.close()

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def fetch_all(self, statement: LiteralString, *args: Any) -> list[DictRow]:
        """Run one statement and return its rows. Raises ``psycopg.Error`` or ``PoolTimeout``."""
        try:
            # After a restart of the server every pooled connection is dead. The pool's own check
            # waits longer after each of them; a dead one only needs to be put aside.
            for _ in range(self._max_size):
                async with self._pool.connection() as connection:
                    if await _is_alive(connection):
                        return await self._fetch(connection, statement, args)
            async with self._pool.connection() as connection:
                return await self._fetch(connection, statement, args)
        except PoolClosed as exc:
            raise psycopg.InterfaceError("the connection pool is closed") from exc

    async def _fetch(
        self, connection: Connection, statement: LiteralString, args: tuple[Any, ...]
    ) -> list[DictRow]:
        if self._on_checkout is not None:
            await self._on_checkout(connection)
        cursor = await connection.execute(statement, args)
        return await cursor.fetchall()

    async def fetch_one(self, statement: LiteralString, *args: Any) -> DictRow:
        """Run one statement that returns exactly one row."""
        (row,) = await self.fetch_all(statement, *args)
        return row

    async def fetch_value(self, statement: LiteralString, *args: Any) -> Any:
        """Run one statement that returns one row and return its first column."""
        row = await self.fetch_one(statement, *args)
        return next(iter(row.values()))


async def _is_alive(connection: Connection) -> bool:
    try:
        await connection.execute("")
    except psycopg.OperationalError:
        return False
    return True


def _liveness(url: str) -> dict[str, int]:
    try:
        given = conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        return {}  # open() says so
    return {name: value for name, value in _LIVENESS.items() if name not in given}


def _first_line(exc: BaseException) -> str:
    return (str(exc).strip().splitlines() or [type(exc).__name__])[0]
