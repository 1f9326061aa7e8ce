"""The demo's check must notice every kind of disagreement, or its "yes" means nothing."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import pytest

from pgdrip.demo.check import (
    Delivery,
    OfficeHours,
    Sender,
    check_hours,
    check_limits,
    check_rotation,
    per_sender_and_day,
)
from pgdrip.demo.clock import VirtualClock
from pgdrip.demo.demo import SLOW_DOMAIN, check, find_examples, mailboxes
from pgdrip.demo.evidence import DatabaseSide, Failure, ServerSide

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
SENDER = Sender("box", "box@mail.example", "Europe/Berlin", 2, None, None)
ONE = Delivery("<1@mail.example>", "box@mail.example", "ann@example.org", NOON)
TWO = Delivery("<2@mail.example>", "box@mail.example", "bob@example.org", NOON)
GONE = "former.eve@example.org"

SERVER = ServerSide([ONE, TWO], [GONE], Counter({"bob@example.org": 1}), 0)
DATABASE = DatabaseSide(
    deliveries=[TWO, ONE],
    failures=[Failure(GONE, "invalid_address")],
    senders=[SENDER],
    statuses={"completed": 2, "bounced": 1},
    completed=["ann@example.org", "bob@example.org"],
    steps=1,
    failed_attempts=Counter({"bob@example.org": 1, GONE: 1}),
    retried=1,
    held=0,
    violations=[],
)


def problems(database: DatabaseSide, server: ServerSide) -> list[str]:
    return [problem for finding in check(database, server) for problem in finding.problems]


def test_two_sides_that_agree_pass() -> None:
    assert problems(DATABASE, SERVER) == []


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        (DATABASE, replace(SERVER, deliveries=[ONE]), "<2@mail.example> is not in the server"),
        (replace(DATABASE, deliveries=[ONE]), SERVER, "<2@mail.example> is not in the database"),
        (DATABASE, replace(SERVER, deliveries=[ONE, TWO, TWO]), "arrived 2 times"),
        (
            replace(DATABASE, deliveries=[ONE, replace(TWO, at=NOON + timedelta(seconds=1))]),
            SERVER,
            "was received as",
        ),
        (
            replace(DATABASE, deliveries=[ONE, replace(TWO, recipient="eve@example.org")]),
            SERVER,
            "was received as",
        ),
        (replace(DATABASE, failures=[]), SERVER, f"{GONE}: only the server"),
        (
            replace(DATABASE, failures=[*DATABASE.failures, Failure("a@b", "invalid_address")]),
            SERVER,
            "a@b: only the database",
        ),
        (DATABASE, replace(SERVER, unknown_users=[GONE, GONE]), "refused more than once"),
        (
            replace(DATABASE, failed_attempts=Counter()),
            SERVER,
            "1 on the server, 0 in the database",
        ),
        (replace(DATABASE, senders=[replace(SENDER, daily_limit=1)]), SERVER, "its limit was 1"),
        (replace(DATABASE, steps=2), SERVER, "ann@example.org received 1"),
        (replace(DATABASE, held=3), SERVER, "3 are held"),
        (replace(DATABASE, violations=["x"]), SERVER, "x"),
    ],
)
def test_every_disagreement_is_found(ours: DatabaseSide, theirs: ServerSide, expected: str) -> None:
    assert any(expected in problem for problem in problems(ours, theirs))


def test_days_are_those_of_the_sender_and_a_ramp_counts_from_its_first_day() -> None:
    sender = Sender("box", "box@mail.example", "America/New_York", 50, 10, 15)
    late = replace(ONE, at=datetime(2026, 1, 6, 4, 59, tzinfo=UTC))
    early = replace(ONE, at=datetime(2026, 1, 6, 5, 0, tzinfo=UTC))
    counts = per_sender_and_day([late, early, early], [sender])
    assert counts == {"box": Counter({date(2026, 1, 5): 1, date(2026, 1, 6): 2})}
    first = date(2026, 1, 5)
    assert [sender.limit_on(first + timedelta(days=n), first) for n in range(5)] == [
        10, 25, 40, 50, 50,
    ]  # fmt: skip
    assert check_limits({"box": Counter({first: 10})}, [sender]).holds
    assert not check_limits({"box": Counter({first: 11})}, [sender]).holds


def test_the_virtual_clock_never_goes_back() -> None:
    clock = VirtualClock(NOON)
    clock.jump(NOON + timedelta(days=1))
    assert clock() == NOON + timedelta(days=1)
    with pytest.raises(ValueError, match="would go back"):
        clock.jump(NOON)


def test_the_world_of_the_demo_has_slow_and_unknown_mailboxes() -> None:
    behaviours = mailboxes(find_examples() / "contacts.csv")
    slow = [box for address, box in behaviours.items() if address.endswith(f"@{SLOW_DOMAIN}")]
    gone = [box for address, box in behaviours.items() if address.startswith("former.")]
    assert (len(slow), len(gone)) == (60, 40)
    assert {box.greylist for box in slow} == {1, 2}
    assert all(str(box.rcpt).startswith("550 5.1.1") for box in gone)


def test_the_contacts_of_the_example_are_what_their_program_writes(tmp_path: Path) -> None:
    from tools import make_contacts

    written = tmp_path / "contacts.csv"
    make_contacts.main([str(written)])
    assert written.read_bytes() == (find_examples() / "contacts.csv").read_bytes()


@pytest.mark.parametrize(
    ("at", "recipient", "inside"),
    [
        (datetime(2026, 1, 5, 8, tzinfo=UTC), "ann@example.org", True),
        (datetime(2026, 1, 5, 16, 30, tzinfo=UTC), "ann@example.org", False),
        (datetime(2026, 1, 5, 16, 30, tzinfo=UTC), "york@example.org", True),
        (datetime(2026, 1, 5, 13, 59, tzinfo=UTC), "york@example.org", False),
        (datetime(2026, 1, 10, 12, tzinfo=UTC), "ann@example.org", False),
        (datetime(2026, 1, 6, 12, tzinfo=UTC), "ann@example.org", False),
    ],
)
def test_X5_a_message_outside_the_window_of_its_recipient_is_noticed(
    at: datetime, recipient: str, inside: bool
) -> None:
    hours = OfficeHours(
        weekdays=frozenset({1, 2, 3, 4, 5}),
        start=time(9),
        end=time(17, 30),
        holidays=frozenset({date(2026, 1, 6)}),
        timezones={"york@example.org": "America/New_York", "ann@example.org": ""},
        default_timezone="Europe/Berlin",
    )
    finding = check_hours([Delivery("<1@x>", "box@mail.example", recipient, at)], hours)
    assert finding.holds is inside


def test_a_second_sender_and_wrong_shares_are_noticed() -> None:
    weights = {"a@mail.example": 2, "b@mail.example": 1}
    fair = [
        Delivery(f"<{n}@x>", sender, f"c{n}@example.org", NOON)
        for n, sender in enumerate([*weights, "a@mail.example"] * 10)
    ]
    assert all(finding.holds for finding in check_rotation(fair, weights))
    changed = replace(fair[1], sender="a@mail.example")
    assert [f.holds for f in check_rotation([*fair, changed], weights)] == [False, True]
    unfair = [replace(each, sender="a@mail.example") for each in fair]
    assert [f.holds for f in check_rotation(unfair, weights)] == [True, False]
