"""What comes back by mail is told apart: parsed in Python, judged in SQL."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from engine import Engine
from mail_corpus import CORPUS, MESSAGE_ID, Sample
from pgdrip.inbox.parse import parse

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def connection(database: str) -> Iterator[psycopg.Connection[Any]]:
    engine = Engine(database)
    yield engine.connection
    engine.close()


def verdict(connection: psycopg.Connection[Any], sample: Sample) -> str:
    """As the reader would: the report that it is, or the class of the letter."""
    facts = parse(sample.raw, sample.name)
    assert len(facts) == 1, sample.name
    (fact,) = facts
    body = fact.body
    if fact.kind == "letter":
        row = connection.execute(
            "select drip_core._classify_inbound('email', %s, %s, %s, ("
            " select coalesce(jsonb_object_agg(h.key, h.value ->> 0), '{}')"
            " from jsonb_each(%s) as h))::text as class",
            (body["from_address"], body["subject"], body["text"], Jsonb(body["headers"])),
        ).fetchone()
        assert row is not None
        return str(row["class"])
    assert body.get("message_token", MESSAGE_ID[1:67]) == MESSAGE_ID[1:67], sample.name
    if body["type"] != "bounced":
        return str(body["type"])
    row = connection.execute(
        "select drip_core._bounce_reason('bounced', null, %s)::text as reason",
        (Jsonb(body.get("detail", {})),),
    ).fetchone()
    assert row is not None
    return f"bounced {row['reason']}"


def test_at_least_98_of_100_messages_are_told_apart_X11(
    connection: psycopg.Connection[Any],
) -> None:
    assert len(CORPUS) >= 80
    assert len({sample.raw for sample in CORPUS}) == len(CORPUS)
    misses = [
        f"{sample.name}: {found}, not {sample.what}"
        for sample in CORPUS
        if (found := verdict(connection, sample)) != sample.what
    ]
    print(*misses, sep="\n")
    assert len(misses) <= 0.02 * len(CORPUS), misses
    machines = {"out_of_office", "auto_reply", "list", "delivery_report"}
    wrong = [miss for miss in misses if miss.endswith(tuple(f"not {kind}" for kind in machines))]
    assert wrong == [], "no machine is taken for a person, or for somebody who leaves"
