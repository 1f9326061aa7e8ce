"""What planning an instant costs, beside an update of the same rows on the same server.

10,000 enrollments' worth of start instants and time zones, planned in one set-based call; only the
ratio means anything elsewhere.
"""

from __future__ import annotations

import argparse
import statistics
import time
from typing import Any

import psycopg

from benchmarks.server import migrated_database

LIMIT_US = 50

#: delay_elapsed, delay_days, delay_business_days, delay_at, weekdays, starts, ends, holidays
WEEK = "'{62}', '{09:00}', '{17:30}'"
SEVERAL = "'{62,62,64}', '{09:00,14:00,10:00}', '{12:00,18:00,13:00}'"
TEN = "array(select date '2026-01-01' + 31 * n from generate_series(0, 9) as n)"
CASES = {
    "no window, no delay": ("'0', 0, 0, null", "'UTC'", "'{}', '{}', '{}', '{}'"),
    "no window, 3 days, 20 time zones": ("'0', 3, 0, null", "r.zone", "'{}', '{}', '{}', '{}'"),
    "one window, one time zone": ("'0', 1, 0, null", "'Europe/Berlin'", f"{WEEK}, '{{}}'"),
    "one window, 20 time zones": ("'0', 1, 0, null", "r.zone", f"{WEEK}, '{{}}'"),
    "2 business days at 10:00": ("'0', 0, 2, '10:00'", "r.zone", f"{WEEK}, {TEN}"),
    "three windows, ten holidays": ("'2 hours', 3, 0, null", "r.zone", f"{SEVERAL}, {TEN}"),
    "from Friday evening to Monday": ("'0', 0, 0, null", "r.zone", f"{WEEK}, '{{}}'"),
}


def main() -> None:
    """Print microseconds per planned instant for each case, and the ratio to an update of a row."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5, help="the median of these counts")
    options = parser.parse_args()
    with (
        migrated_database() as url,
        psycopg.connect(url, autocommit=True) as connection,
    ):
        _prepare(connection, options.rows)
        update = _median(connection, "update raw_rows set due_at = due_at + '1 s'", options)
        print(f"update of a row with two indexes: {update:.1f} us")
        for name, (delay, zone, window) in CASES.items():
            start = "timestamptz '2026-03-06 21:00Z'" if "Friday" in name else "r.due_at"
            cost = _median(
                connection,
                f"select count(drip_core._plan_step({start}, {delay}, {zone}, {window}))"
                " from raw_rows as r",
                options,
            )
            verdict = "" if cost < LIMIT_US else f"  (over {LIMIT_US} us)"
            print(f"planned instant ({name}): {cost:.1f} us, {cost / update:.2f} updates{verdict}")


def _prepare(connection: psycopg.Connection[Any], rows: int) -> None:
    connection.execute(
        "create table raw_rows (id bigint primary key, due_at timestamptz not null,"
        " zone text not null) with (fillfactor = 50)"
    )
    connection.execute("create index on raw_rows (due_at, id)")
    connection.execute(
        "insert into raw_rows select n, timestamptz '2026-01-01Z' + n * interval '47 minutes',"
        " (array(select t.name from drip_core.timezones as t where t.name ~ '^(Europe|America)/'"
        " order by md5(t.name) limit 20))[1 + n %% 20] from generate_series(1, %s) as n",
        (rows,),
    )
    connection.execute("vacuum analyze raw_rows")


def _median(
    connection: psycopg.Connection[Any], statement: str, options: argparse.Namespace
) -> float:
    """Microseconds per row."""
    took = []
    for _ in range(options.rounds):
        began = time.perf_counter()
        connection.execute(statement.encode())
        took.append(time.perf_counter() - began)
    return statistics.median(took) / options.rows * 1e6


if __name__ == "__main__":
    main()
