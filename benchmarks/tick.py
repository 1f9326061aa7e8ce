"""claim + advance beside the raw limit: two hand-written statements that do the least possible.

Raw claim: one update with `skip locked`. Raw settle: one update and one event insert. Same server,
same run, same batch, same number of connections, rounds of both taken in turn; only the ratio means
anything. Then: how long a claim takes with a large backlog, before and after churn.

`--commit-delay MS` makes every commit of both sides take that much longer (PostgreSQL's
`commit_delay`): what the ratio is where a flush takes longer than on the machine at hand.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import statistics
import time
from collections.abc import Callable
from typing import Any

import psycopg

from benchmarks.server import migrated_database

Round = Callable[[psycopg.Connection[Any], int], int]

RAW = """
create schema raw;
create table raw.tasks (
  organization_id bigint not null,
  id bigint not null,
  due_at timestamptz not null,
  lease_expires_at timestamptz,
  token bigint,
  payload text not null,
  primary key (organization_id, id)
) with (fillfactor = 70);
create index tasks_due_idx on raw.tasks (organization_id, due_at, id);
create table raw.events (
  organization_id bigint not null,
  id bigint generated always as identity,
  task_id bigint not null,
  type text not null,
  at timestamptz not null default clock_timestamp(),
  primary key (organization_id, id)
);
"""

RAW_CLAIM = """
with due as (
  select id from raw.tasks
  where organization_id = 1 and due_at <= now() and lease_expires_at is null
  order by due_at, id
  limit %s
  for no key update skip locked
)
update raw.tasks as t
set lease_expires_at = now() + interval '5 minutes', token = 1
from due
where t.organization_id = 1 and t.id = due.id
returning t.id, t.token, t.payload
"""

RAW_SETTLE = """
with settled as (
  update raw.tasks as t
  set due_at = now() + interval '3 days', lease_expires_at = null, token = null
  where t.organization_id = 1 and t.id = any (%s::text::bigint[]) and t.token = 1
  returning t.id
)
insert into raw.events (organization_id, task_id, type) select 1, s.id, 'sent' from settled as s
"""


def identify(cursor: psycopg.Cursor[Any], columns: tuple[int, ...]) -> list[list[bytes | None]]:
    """What identifies each row; the rest has reached the client and is not decoded.

    What is measured is the database: of both sides the client does as little as it can.
    """
    result = cursor.pgresult
    assert result is not None
    return [[result.get_value(row, column) for column in columns] for row in range(result.ntuples)]


def raw_round(connection: psycopg.Connection[Any], batch: int) -> int:
    """Claim, commit, settle, commit."""
    rows = identify(connection.execute(RAW_CLAIM, (batch,)), (0,))
    connection.commit()
    connection.execute(RAW_SETTLE, ("{" + ",".join(str(row[0], "ascii") for row in rows) + "}",))
    connection.commit()
    return len(rows)


def drip_round(connection: psycopg.Connection[Any], batch: int) -> int:
    """The same through the API, with everything a provider would need."""
    rows = identify(
        connection.execute("select * from drip.claim(batch_size => %s)", (batch,)), (0, 1, 2)
    )
    connection.commit()
    if rows:
        results = b",".join(
            b'{"organization_id":%b,"enrollment_id":%b,"claim_token":%b,"outcome":"sent"}'
            % tuple(row)
            for row in rows
        )
        connection.execute(
            "select count(*) from drip.advance(%s::text::jsonb)", (f"[{results.decode()}]",)
        ).fetchone()
        connection.commit()
    return len(rows)


ROUNDS: dict[str, Round] = {"raw": raw_round, "drip": drip_round}


def load(url: str, contacts: int, lanes: int) -> None:
    """Contacts enrolled and due now, in the engine and in the raw table."""
    with psycopg.connect(url) as connection:
        connection.execute(RAW)  # type: ignore[arg-type]
        connection.execute(
            "insert into raw.tasks (organization_id, id, due_at, payload)"
            " select 1, g, now() - interval '1 minute', repeat('x', 60)"
            " from generate_series(1, %s) as g",
            (contacts,),
        )
        connection.execute(
            "select drip.create_organization('Bench', settings =>"
            ' \'{"public_base_url": "https://mail.example.com"}\')'
        )
        connection.execute("set drip.organization_id = '1'")
        for number in range(lanes):
            account = {
                "key": f"mailbox-{number}",
                "channel": "email",
                "provider": "noop",
                "address": f"sales{number}@example.com",
                "display_name": "Sales",
                "on_unknown": "hold",
            }
            connection.execute(
                "select drip.apply_channel_account(1, %s::jsonb)", (json.dumps(account),)
            )
        text = "Hello {{ contact.first_name | default: 'there' }},\n\n" + "A short mail. " * 20
        steps = [
            {"key": "intro", "channel": "email", "delay": "0", "text": text,
             "html": f"<p>{text}</p>", "subject": "Hi {{ contact.first_name }}"},
            {"key": "nudge", "channel": "email", "delay": "3 days", "thread": True, "text": text},
        ]  # fmt: skip
        connection.execute(
            "select drip.apply_sequence(1, %s::jsonb)",
            (json.dumps({"key": "bench", "steps": steps}),),
        )
        connection.execute(
            "insert into drip_core.contacts"
            " (organization_id, external_id, email, email_hash, first_name)"
            " select 1, 'c' || g, 'c' || g || '@example.com', sha256(('c' || g)::bytea), 'Ann'"
            " from generate_series(1, %s) as g",
            (contacts,),
        )
        connection.commit()
        started = time.perf_counter()
        for first in range(1, contacts + 1, 50_000):
            connection.execute(
                "select count(*) from drip.enroll_many(1, 'bench', array(select id from"
                " drip_core.contacts where organization_id = 1 and id between %s and %s))",
                (first, first + 49_999),
            )
            connection.commit()
        seconds = time.perf_counter() - started
        print(f"enroll_many: {contacts / seconds:,.0f} contacts/s")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("vacuum analyze")


def work(
    url: str, kind: str, batch: int, messages: int, commit_delay: float, gate: Any, answers: Any
) -> None:
    """One runner: rounds until its share of messages is done; answers messages and seconds."""
    with psycopg.connect(url) as connection:
        if commit_delay:
            connection.execute("set commit_siblings = 0")
            connection.execute(
                "select set_config('commit_delay', %s, false)", (str(int(commit_delay * 1000)),)
            )
            connection.commit()
        for _ in range(5):
            ROUNDS[kind](connection, 10)
        gate.wait()
        started, done = time.perf_counter(), 0
        while done < messages:
            done += ROUNDS[kind](connection, batch)
        answers.put((done, time.perf_counter() - started))


def rate(
    url: str, kind: str, batch: int, runners: int, messages: int, commit_delay: float
) -> float:
    """Messages per second of all runners together."""
    context = multiprocessing.get_context("spawn")
    gate, answers = context.Barrier(runners), context.Queue()
    processes = [
        context.Process(
            target=work,
            args=(url, kind, batch, messages // runners, commit_delay, gate, answers),
        )
        for _ in range(runners)
    ]
    for process in processes:
        process.start()
    results = [answers.get() for _ in processes]
    for process in processes:
        process.join()
    return float(sum(done for done, _ in results) / max(seconds for _, seconds in results))


def percentiles(url: str, sql: str, rounds: int) -> tuple[float, float]:
    """p50 and p99 of a statement in milliseconds, rolled back each time."""
    times = []
    with psycopg.connect(url) as connection:
        for _ in range(rounds):
            started = time.perf_counter()
            connection.execute(sql).fetchall()  # type: ignore[arg-type]
            times.append((time.perf_counter() - started) * 1000)
            connection.rollback()
    ordered = sorted(times[5:])
    return statistics.median(ordered), ordered[int(len(ordered) * 0.99)]


def backlog(url: str) -> None:
    """Claim and empty poll with most enrollments in the future and one in a hundred due."""
    claim = "select * from drip.claim(batch_size => 100)"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "update drip_core.enrollments set next_step_at = now() + interval '10 days'"
            " where next_step_at is not null"
        )
        connection.execute(
            "update drip_core.enrollments set next_step_at = now()"
            " where next_step_at is not null and id % 100 = 0"
        )
        connection.execute("vacuum analyze")
        counts = connection.execute(
            "select count(*), count(*) filter (where next_step_at <= now())"
            " from drip_core.enrollments where status = 'active'"
        ).fetchone()
        assert counts is not None
        print(f"{counts[0]:,} active enrollments, {counts[1]:,} due:")
        holder = psycopg.connect(url)
        for label in (
            "before churn",
            "after churn, an old snapshot held",
            "after churn",
            "after vacuum",
        ):
            if label.endswith("held"):
                holder.execute("set transaction isolation level repeatable read")
                holder.execute("select 1 from drip_core.lanes limit 1")
                connection.execute(
                    "update drip_core.enrollments set next_step_at = next_step_at"
                    " + interval '1 hour' where next_step_at > now() + interval '1 day'"
                )
            elif label == "after churn":
                holder.rollback()
            elif label == "after vacuum":
                connection.execute("vacuum analyze")
            connection.execute(
                "update drip_core.queues set due_from = '-infinity',"
                " recheck_at = now() + interval '1 hour'"
            )
            connection.execute("update drip_core.lanes set ready_at = '-infinity'")
            # what woke the lanes while they were loaded; a claim that commits removes it
            connection.execute("delete from drip_core.wakeups")
            p50, p99 = percentiles(url, claim, 200)
            connection.execute("update drip_core.lanes set ready_at = now() + interval '1 hour'")
            e50, e99 = percentiles(url, claim, 200)
            print(
                f"  {label}: claim of 100 p50 {p50:.1f} ms, p99 {p99:.1f} ms;"
                f" empty poll p50 {e50:.2f} ms, p99 {e99:.2f} ms"
            )
        holder.close()


def main() -> None:
    """Parse the command line and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--contacts", type=int, default=200_000)
    parser.add_argument("--messages", type=int, default=10_000, help="per measurement")
    parser.add_argument("--batches", default="100,500")
    parser.add_argument("--runners", default="1,2")
    parser.add_argument("--rounds", type=int, default=3, help="the median of these counts")
    parser.add_argument(
        "--commit-delay", type=float, default=0, metavar="MS", help="added to each commit"
    )
    parser.add_argument("--backlog", type=int, default=1_000_000, help="enrollments; 0 for none")
    options = parser.parse_args()
    settings = len(options.batches.split(",")) * len(options.runners.split(","))
    needed = options.messages * options.rounds * settings * 11 // 10
    if options.contacts < needed:
        parser.error(f"--contacts must be at least {needed:,} for that many messages")
    with migrated_database() as url:
        load(url, options.contacts, lanes=8)
        for batch in map(int, options.batches.split(",")):
            for runners in map(int, options.runners.split(",")):
                rates: dict[str, list[float]] = {"raw": [], "drip": []}
                for _ in range(options.rounds):
                    for kind in rates:
                        rates[kind].append(
                            rate(url, kind, batch, runners, options.messages, options.commit_delay)
                        )
                raw, drip = (statistics.median(rates[kind]) for kind in ("raw", "drip"))
                what = f"batch {batch}, {runners} runner{'s' * (runners > 1)}"
                print(f"{what}: raw {raw:,.0f}/s, claim + advance {drip:,.0f}/s")
                print(f"ratio to raw limit ({what}): {drip / raw:.2f}")
    if options.backlog:
        with migrated_database() as url:
            load(url, options.backlog, lanes=8)
            backlog(url)


if __name__ == "__main__":
    main()
