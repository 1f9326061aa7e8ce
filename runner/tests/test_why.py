"""What ``drip.why`` predicts is what the next ticks do, for enrollments in random states."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from psycopg.types.json import Jsonb

from engine import START, Engine

HOUR = timedelta(hours=1)
#: The question is asked two days after everything began; then five days go by.
ASKED = START + 48 * HOUR
HORIZON = ASKED + 120 * HOUR
STEP = {"channel": "email", "subject": "Hi", "text": "Hello"}
ZONES = [None, "Asia/Tokyo", "America/New_York", "Europe/London", "Pacific/Apia", "Asia/Kathmandu"]
WINDOWS: list[Any] = [
    None,
    {"days": ["mon", "tue", "wed", "thu", "fri"], "start": "09:00", "end": "17:00"},
    {"start": "08:30", "end": "10:00", "timezone": "contact", "holidays": ["2026-03-05"]},
    {"days": ["tue", "thu", "sat"], "start": "22:00", "end": "03:00", "timezone": "contact"},
    {
        "timezone": "America/New_York",
        "hours": [{"start": "06:00", "end": "07:15"}, {"start": "20:00", "end": "24:00"}],
    },
]
#: Senders that send at once, whose backlog competes, and that do not send.
FREE, BUSY, SHUT = ("free", "other"), ("capped", "slow", "throttled"), ("paused", "blocked")
LIMITS: dict[str, dict[str, Any]] = {
    "capped": {"daily_limit": 7},
    "slow": {"min_gap": "20 minutes", "max_gap": "50 minutes"},
}
DELAYS = ["0", "26 hours", "1 business day", "next day at 09:30 local", "at 16:00"]


@pytest.fixture
def engine(database: str) -> Iterator[Engine]:
    session = Engine(database, now=START)
    yield session
    session.close()


class World:
    """An organization whose enrollments are in every state there is."""

    def __init__(self, engine: Engine, draw: random.Random, enrollments: int) -> None:
        self.engine, self.draw, self.org = engine, draw, engine.organization_id
        self._publish()
        self._enroll(enrollments)
        self._live()
        self._change()

    def call(self, function: str, *arguments: Any) -> list[dict[str, Any]]:
        holes = ", ".join(["%s"] * (len(arguments) + 1))
        return self.engine.rows(f"select * from drip.{function}({holes})", self.org, *arguments)

    def _publish(self) -> None:
        for key in (*FREE, *BUSY, *SHUT):
            account = {"channel": "email", "provider": "smtp", "address": f"{key}@a.example"}
            self.call("apply_channel_account", Jsonb({"key": key} | account | LIMITS.get(key, {})))
        line = {"channel": "whatsapp_lite", "provider": "waha", "address": "+4930111111"}
        # without the ramp of a new gateway: whoever waits for it is another of the senders
        loose = dict.fromkeys(("min_gap", "max_gap", "daily_limit", "ramp_start", "ramp_increment"))
        self.call("apply_channel_account", Jsonb({"key": "line"} | line | loose))
        self.keys = []
        for sender in (*FREE, *BUSY, *SHUT):
            for number, window in enumerate(WINDOWS):
                chat = {
                    "key": "chat",
                    "channel": "whatsapp_lite",
                    "allow_identical_text": True,
                    "delay": "0",
                    "text": "x",
                }
                first = {**STEP, "key": "first", "delay": self.draw.choice(DELAYS)}
                if number % 2:
                    first["text"] = "Hello from {{ contact.company }}"
                definition = {
                    "key": f"{sender}-{number}",
                    "senders": [{"account": sender}, {"account": "line"}],
                    "steps": [
                        *([chat] if self.draw.random() < 0.4 else []),
                        first,
                        {**STEP, "key": "second", "delay": self.draw.choice(DELAYS)},
                        {**chat, "key": "last", "delay": "1 day"},
                    ],
                }
                if window is not None:
                    definition["window"] = window
                self.call("apply_sequence", Jsonb(definition))
                self.keys.append(definition["key"])

    def _enroll(self, enrollments: int) -> None:
        people = [
            {
                "external_id": f"c{n}",
                "email": f"c{n}@b.example",
                "phone": f"+4930{1000000 + n}",
                "company": "Acme",
                "timezone": self.draw.choice(ZONES),
            }
            for n in range(enrollments)
        ]
        self.people = [row["contact_id"] for row in self.call("upsert_contacts", Jsonb(people))]
        groups: dict[tuple[str, int], list[int]] = {}
        for person in self.people:
            key = self.draw.choice(self.keys)
            if key.split("-")[0] in BUSY and self.draw.random() < 0.6:
                key = f"{self.draw.choice(FREE)}-{key[-1]}"
            start = self.draw.choice([0, 0, 3, 20, 30, 47, 50, 70, 100, 400])
            groups.setdefault((key, start), []).append(person)
        for (key, start), members in groups.items():
            self.call("enroll_many", key, members, START + start * HOUR)

    def _live(self) -> None:
        """A day of claims with every outcome; some claims are left in flight."""
        engine = self.engine
        for hours in (0, 1, 5, 12, 24, 30):
            now = START + hours * HOUR
            engine.at(now)
            for _ in range(3):
                claims = engine.rows(
                    "select enrollment_id, claim_token, sequence_key from drip.claim(40, '1 day')"
                )
                results = []
                for claim in claims:
                    outcome = self.draw.choices(
                        ["sent", "retry", "unknown", "rejected", "in flight"], [9, 4, 2, 1, 2]
                    )[0]
                    if claim.pop("sequence_key").startswith("throttled") and hours == 30:
                        outcome = "throttled"
                    if outcome == "in flight" and hours < 30:
                        outcome = "sent"
                    if outcome != "in flight":
                        results.append(
                            claim
                            | {
                                "organization_id": self.org,
                                "outcome": outcome,
                                "retry_at": (now + 40 * HOUR).isoformat()
                                if outcome == "throttled"
                                else None,
                            }
                        )
                if results:
                    engine.rows("select count(*) from drip.advance(%s)", Jsonb(results))

    def _change(self) -> None:
        """What happens to contacts, enrollments, sequences and senders meanwhile."""
        engine = self.engine
        engine.at(ASKED)
        for person in self.draw.sample(self.people, len(self.people) // 3):
            change = self.draw.choice(
                [
                    {"email": None},
                    {"phone": None},
                    {"email": None, "phone": None},
                    {"company": None},
                    {"timezone": self.draw.choice(ZONES)},
                    {"consent": {"email": "opted_out"}},
                ]
            )
            name = engine.value("select external_id from drip_core.contacts where id = %s", person)
            self.call("upsert_contact", Jsonb({"external_id": name} | change))
        ids = [row["id"] for row in engine.rows("select id from drip_core.enrollments")]
        self.call("pause_enrollments", self.draw.sample(ids, len(ids) // 12), "test")
        self.call("resume_enrollments", self.draw.sample(ids, len(ids) // 6), "test")
        self.call("remove_enrollments", self.draw.sample(ids, len(ids) // 25), "test")
        for key in self.draw.sample(self.keys, 3):
            self.call("set_sequence_status", key, "paused")
        lanes = engine.rows(
            "select id, key from drip_core.channel_accounts where key in ('paused', 'blocked')"
        )
        for lane in lanes:
            self.call("pause_lane", lane["id"], "test")
        holidays = self.draw.choice([[], ["2026-03-06"]])
        self.call("update_organization", Jsonb({"holidays": holidays}))
        # beyond the first thousand the tick plans anew
        while engine.value("select count(*) from drip_core.replans"):
            engine.rows("select drip.tick()")

    def predictions(self) -> dict[int, dict[str, tuple[str, str]]]:
        found: dict[int, dict[str, tuple[str, str]]] = {}
        for row in self.engine.rows(
            "select e.id, w.rule, w.verdict, w.detail from drip_core.enrollments as e"
            " cross join lateral drip.why(e.organization_id, e.id) as w"
        ):
            found.setdefault(row["id"], {})[row["rule"]] = (row["verdict"], row["detail"] or "")
        return found

    def happenings(self, steps: dict[int, str]) -> dict[int, tuple[datetime, str]]:
        """The first thing that happens to each enrollment in its present step, and when."""
        engine, first = self.engine, {}
        now = ASKED
        while now <= HORIZON:
            engine.at(now)
            engine.rows("select drip.tick()")
            while claims := engine.rows("select enrollment_id, claim_token from drip.claim(500)"):
                for claim in claims:
                    first.setdefault(claim["enrollment_id"], (now, "claimed"))
                results = [c | {"organization_id": self.org, "outcome": "sent"} for c in claims]
                engine.rows("select count(*) from drip.advance(%s)", Jsonb(results))
            following = engine.value("select drip.next_due_at()")
            if following is None:
                break
            now = max(following, now)
        for row in engine.rows(
            "select v.enrollment_id, v.type::text, v.occurred_at, s.key"
            " from drip_core.events as v join drip_core.steps as s on s.id = v.step_id"
            " where v.occurred_at >= %s and v.type in ('skipped', 'failed', 'exited', 'bounced',"
            " 'unsubscribed') order by v.id",
            ASKED,
        ):
            known = first.get(row["enrollment_id"])
            if row["key"] != steps.get(row["enrollment_id"]):
                continue
            if known is None or row["occurred_at"] <= known[0]:
                first[row["enrollment_id"]] = (row["occurred_at"], row["type"])
        return first


def predicts(engine: Engine, seed: int, enrollments: int) -> None:
    world = World(engine, random.Random(seed), enrollments)  # noqa: S311
    senders = {
        row["id"]: row["key"]
        for row in engine.rows(
            "select e.id, a.key from drip_core.enrollments as e"
            " left join drip_core.channel_accounts as a on a.id = e.channel_account_id"
        )
    }
    predicted = world.predictions()
    # what was removed a moment ago has its event at that very moment
    ended = {id for id, why in predicted.items() if why["status"][0] not in ("active", "paused")}
    steps = {id: why["step"][0] for id, why in predicted.items() if "step" in why}
    happened = {id: what for id, what in world.happenings(steps).items() if id not in ended}
    classes: Counter[str] = Counter()
    wrong = []
    for id, why in predicted.items():
        at, what = happened.get(id, (None, "nothing"))
        verdict, detail = why["next"]
        consequence = why.get("eligibility", ("", ""))[1]
        if id in ended:
            label, right = "ended", what == "nothing" and verdict == "never"
        elif verdict == "now":
            label, right = "in flight", True
        elif verdict == "never" and detail.startswith("not eligible"):
            status = consequence.split("would end as ")[1].split()[0]
            label = "would end"
            due = datetime.fromisoformat(why["step"][1].split("due ")[1].split(",")[0])
            right = (
                what == status
                if senders[id] in (*FREE, "line") and due <= ASKED
                else (what in (status, "nothing"))
            )
        elif verdict == "never":
            label, right = "stopped", what == "nothing"
        else:
            wanted = datetime.fromisoformat(verdict)
            skipped = "would be skipped" in consequence
            label = "skipped" if skipped else "waits" if wanted > ASKED else "due"
            exact = senders[id] in (*FREE, "line")
            if at is None:
                right = wanted > HORIZON or not exact
            elif exact:
                # a skip is not a message: it does not wait for the window
                right = what == ("skipped" if skipped else "claimed") and (
                    at <= wanted if skipped else at == wanted
                )
            else:
                label, right = f"{label}, not before", at >= wanted or skipped
        classes[label] += 1
        if not right:
            wrong.append((id, senders[id], label, why, at, what))
    assert not wrong, f"seed {seed}: {len(wrong)} of {len(predicted)}, such as {wrong[0]}"
    assert set(classes) >= {
        "ended",
        "in flight",
        "would end",
        "stopped",
        "skipped",
        "waits",
        "due",
        "waits, not before",
    }, f"seed {seed}: {classes}"


@pytest.mark.parametrize("seed", [1])
def test_what_why_predicts_is_what_the_next_ticks_do(engine: Engine, seed: int) -> None:
    predicts(engine, seed, 400)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_what_why_predicts_of_10_000_enrollments_is_what_the_next_ticks_do(engine: Engine) -> None:
    predicts(engine, random.SystemRandom().randrange(10**9), 10_000)


def test_X5_why_never_names_an_instant_outside_the_window(engine: Engine) -> None:
    world = World(engine, random.Random(3), 400)  # noqa: S311
    rows = engine.rows(
        "select w.verdict::timestamptz as at, coalesce(c.timezone, 'UTC') as zone"
        " from drip_core.enrollments as e join drip_core.contacts as c on c.id = e.contact_id"
        " join drip_core.sequences as s on s.id = e.sequence_id"
        " cross join lateral drip.why(e.organization_id, e.id) as w"
        " where s.key like '%%-2' and w.rule = 'next' and w.verdict not in ('never', 'now')"
    )
    shown = [row["at"].astimezone(ZoneInfo(row["zone"])) for row in rows]
    assert len(shown) > 10
    assert world.people
    for at in shown:
        assert (8, 30) <= (at.hour, at.minute) < (10, 0), at
        assert at.date().isoformat() != "2026-03-05", at
