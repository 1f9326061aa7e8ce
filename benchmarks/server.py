"""A server for benchmarks: DATABASE_URL where set, else a cluster with default durability."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

import psycopg

import servers
from pgdrip import migrate


@contextlib.contextmanager
def migrated_database() -> Iterator[str]:
    """URL of a new migrated database on a server whose durability is PostgreSQL's default."""
    # what is measured must be what a user would get: tests switch durability off, this does not
    for name in ("fsync", "full_page_writes", "synchronous_commit", "max_wal_size"):
        servers.SETTINGS.pop(name, None)
    choice = servers.choose(os.environ, servers.real_probes())
    with servers.open_server(choice, choice.majors[0]) as server:
        name = f"pgdrip_bench_{os.getpid()}"
        url = server.create_database(name)
        try:
            migrate.apply(url)
            with psycopg.connect(url) as connection:
                print(connection.execute("select version()").fetchone()[0])  # type: ignore[index]
            yield url
        finally:
            server.drop_database(name)
