"""H2: what an organization does answers and changes the same, whether a twin is beside it or not.

The twin has other people, contents and ids, but all else of it has the same names: keys, external
ids, addresses, templates, the provider's message ids. B is in two databases, in one of them alone.
Each function of the catalog is called for B in both. A function that looks something up and leaves
the organization out finds the twin's, sooner or later: that shows in the answer, in what changed of
B, or in the twin.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

import api_surface
from api_surface import Stage
from conftest import new_database
from servers import Server
from test_isolation import FOR_ALL_ORGANIZATIONS

pytestmark = pytest.mark.one_version

Rows = Counter[str]


@pytest.fixture(scope="module")
def stages(server: Server, template_database: str) -> Iterator[tuple[Stage, Stage]]:
    """B beside its twin, and B alone."""
    with (
        new_database(server, template_database) as beside,
        new_database(server, template_database) as alone,
        api_surface.open_twin_stages(beside, alone) as stages,
    ):
        yield stages


@pytest.mark.parametrize("is_bound", [True, False], ids=["bound", "setting"])
@pytest.mark.parametrize("role", ["drip_app", "drip_runner", "drip_public"])
def test_H2_a_twin_makes_no_difference(
    stages: tuple[Stage, Stage], role: str, is_bound: bool
) -> None:
    problems = []
    tried = 0
    beside, alone = stages
    name = "bound" if is_bound else "setting"
    caller = next(c for c in api_surface.callers(beside.world) if c.name == name)
    with beside.login(role, caller) as first, alone.login(role, caller) as second:
        before = [_rows(beside, first), _rows(alone, second)]
        assert _plain(before[0]) == _plain(before[1])
        for function in beside.functions:
            if role not in function.roles:
                continue
            if not is_bound and role == "drip_runner" and function.name in FOR_ALL_ORGANIZATIONS:
                continue
            calls = [api_surface.plain_calls(function, stage.world) for stage in stages]
            for (what, here), (_, there) in zip(*calls, strict=True):
                tried += 1
                found = _attempt(beside, first, function.call(here), before[0])
                expected = _attempt(alone, second, function.call(there), before[1])
                if found != expected:
                    problems.append(f"{function} ({what}): {_difference(found, expected)}")
    assert not problems, f"{len(problems)} of {tried}\n" + "\n".join(problems[:20])
    assert tried


def _attempt(
    stage: Stage, session: psycopg.Connection[Any], statement: str, before: Rows
) -> list[str]:
    """What a call answers, what it changed of B, and whether A is as it was; rolled back."""
    with session.transaction(force_rollback=True):
        answer = api_surface.answer(session, statement)
        after = _rows(stage, session)
        left = session.execute(
            "select drip_test.fingerprint(%s)", (stage.world.a["organization_id"],)
        ).fetchone()
    told = sorted(api_surface.without_news(line) for line in answer.split("\n"))
    told += [f"- {line}" for line in _plain(before - after)]
    told += [f"+ {line}" for line in _plain(after - before)]
    if left != (stage.fingerprint,):
        told.append("changed rows of the twin")
    return told


def _rows(stage: Stage, session: psycopg.Connection[Any]) -> Rows:
    found = session.execute(
        "select drip_test.rows_of(%s)", (stage.world.b["organization_id"],)
    ).fetchall()
    return Counter(line for (line,) in found)


def _plain(rows: Rows) -> list[str]:
    return sorted(api_surface.without_news(line) for line in rows.elements())


def _difference(found: list[str], expected: list[str]) -> str:
    return "\n".join(
        [f"  beside: {line[:400]}" for line in (Counter(found) - Counter(expected)).elements()]
        + [f"  alone: {line[:400]}" for line in (Counter(expected) - Counter(found)).elements()]
    )
