"""Many installers at once, with real connections."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from migrate_tree import catalog, write_tree
from pgdrip import migrate
from servers import Server


def install_at_once(urls: list[str], tree: Path) -> list[migrate.ApplyResult]:
    """Starts one installer per URL, all at the same moment."""
    start = threading.Barrier(len(urls))

    def install(url: str) -> migrate.ApplyResult:
        start.wait()
        return migrate.apply(url, sql_dir=tree)

    with ThreadPoolExecutor(len(urls)) as pool:
        return list(pool.map(install, urls))


@pytest.mark.parametrize("which", ["small tree", "real tree"])
def test_L6_twenty_installers_at_once_end_with_one_clean_install(
    scratch_cluster: Server, tmp_path: Path, which: str
) -> None:
    tree = write_tree(tmp_path) if which == "small tree" else migrate.sql_root()
    url = scratch_cluster.create_database("busy")
    results = install_at_once([url] * 20, tree)
    assert [result.changed for result in results].count(True) == 1
    assert migrate.verify(url, sql_dir=tree) == []
    with psycopg.connect(url) as connection:
        rows = connection.execute("select count(*), count(distinct path) from drip_core.migrations")
        files = len(next(result for result in results if result.changed).files)
        assert rows.fetchone() == (files, files)

    calm = scratch_cluster.create_database("calm")
    migrate.apply(calm, sql_dir=tree)
    assert catalog(url) == catalog(calm)


def test_L6_databases_of_one_cluster_install_at_once(
    scratch_cluster: Server, tmp_path: Path
) -> None:
    tree = write_tree(tmp_path)
    names = [f"db{number}" for number in range(8)]
    urls = [scratch_cluster.create_database(name) for name in names]
    results = install_at_once([url for url in urls for _ in range(2)], tree)
    assert [result.changed for result in results].count(True) >= len(urls)
    for url in urls:
        assert migrate.verify(url, sql_dir=tree) == []
        assert catalog(url) == catalog(urls[0])


def test_L6_several_logins_install_databases_of_one_cluster_at_once(
    scratch_cluster: Server, tmp_path: Path
) -> None:
    """Memberships are cluster-wide rows, too; a superuser needs none, so plain logins race here."""
    tree = write_tree(tmp_path)
    with psycopg.connect(scratch_cluster.url, autocommit=True) as superuser:
        superuser.execute("create role installer login createrole")
        urls = []
        for number in range(4):
            url = scratch_cluster.create_database(f"plain{number}")
            superuser.execute(f"grant create on database plain{number} to installer".encode())
            urls.append(psycopg.conninfo.make_conninfo(url, user="installer"))
    install_at_once(urls, tree)
    for url in urls:
        assert migrate.verify(url, sql_dir=tree) == []
