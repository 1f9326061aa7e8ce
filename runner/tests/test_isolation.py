"""H2, L7: what one organization can read, change or learn of another: nothing.

Generated from the catalog: each relation and each function, for each role, in each way in which
somebody who is not of organization A can come: bound to B, by setting, by JWT, as a viewer, for no
organization, anonymously. A function that comes later is tried as well, or fails for want of a
decision in api_surface.py.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg import sql

import api_surface
from api_surface import HIDDEN, ROLES, SCHEMAS, Caller, Function, Stage, World, callers

#: Functions of the runner work for the messages of all organizations, unless its login is bound.
FOR_ALL_ORGANIZATIONS = {
    "advance": "settles by claim token, which only a claim gives out",
    "claim": "the runner sends for all organizations",
    "doctor": "examines the installation for its operator",
    "hand_over": "as advance",
    "inbox_read": "the runner reads all mailboxes",
    "inboxes": "the runner reads all mailboxes",
    "next_due_at": "when the runner has to wake up",
    "rebuild_rollups": "counts are kept for all organizations",
    "release": "as advance",
    "tick": "the upkeep of all organizations",
    "webhook_settings": "pgdrip serve checks the webhooks of all senders",
}
#: Functions by which the operator's runner serves any organization, while nobody speaks by a JWT.
SERVED = {
    "classify_hits",
    "pause_lane",
    "recipient_check",
    "record_account_reports",
    "record_connection",
    "record_inbound",
    "record_provider_event",
    "record_provider_events",
    "record_recipient_check",
    "resolve_unknown",
    "resume_lane",
}


@pytest.fixture(scope="module")
def stage(module_database: str) -> Iterator[Stage]:
    with api_surface.open_stage(module_database) as stage:
        yield stage


# ---------------------------------------------------------------------------------------- functions


def test_H2_L1_every_argument_has_a_decision(stage: Stage) -> None:
    """What a foreign value of it would be; new functions fail here until somebody says."""
    missing = []
    for function in stage.functions:
        for argument in function.arguments:
            if function.roles:
                try:
                    api_surface.generator(function, argument)
                except api_surface.NoDecision as problem:
                    missing.append(str(problem))
    assert not missing, "\n".join(missing)


def test_H2_both_organizations_have_rows_in_every_table(stage: Stage) -> None:
    """An empty table would prove nothing about itself."""
    rows = stage.admin.execute(
        "select c.relname from pg_class as c where c.relnamespace = 'drip_core'::regnamespace"
        " and c.relkind in ('r', 'p') and not c.relispartition"
        # rows only while an old month is being reduced; never seen by others; the logins' own
        " and c.relname not in ('reduced_events', 'simulations', 'login_organizations')"
        " and exists (select from pg_attribute as a where a.attrelid = c.oid"
        " and a.attname = 'organization_id' and not a.attisdropped)"
    ).fetchall()
    empty = []
    for (name,) in rows:
        found = stage.admin.execute(
            sql.SQL("select distinct organization_id from drip_core.{}").format(
                sql.Identifier(name)
            )
        ).fetchall()
        if not {(stage.world.a["organization_id"],), (stage.world.b["organization_id"],)} <= {
            *found
        }:
            empty.append(name)
    assert not empty


def _caller_names(slow: bool) -> list[str]:
    values = {name: 1 for name in ("organization_id",)}
    nobody = api_surface.Tenant("x", values, {"admin_id": "x", "viewer_id": "x"})
    world = World(nobody, nobody, nobody)
    return [c.name for c in callers(world) if c.in_fast_suite is not slow]


def _probe(stage: Stage, role: str, name: str) -> None:
    caller = next(c for c in callers(stage.world) if c.name == name)
    problems: list[str] = []
    tried = 0
    with stage.login(role, caller) as session:
        for function in stage.functions:
            if role not in function.roles or _is_excepted(role, caller, function):
                continue
            for what, foreign, nowhere in api_surface.foreign_calls(function, stage.world):
                tried += 1
                problems += _compare(stage, session, function, what, foreign, nowhere)
    assert not problems, f"{len(problems)} of {tried}\n" + "\n".join(problems[:20])
    assert tried or role in ("drip_simulator", "none")


def _is_excepted(role: str, caller: Caller, function: Function) -> bool:
    if role != "drip_runner" or caller.bound:
        return False
    return function.name in FOR_ALL_ORGANIZATIONS or (caller.is_trusted and function.name in SERVED)


def _compare(
    stage: Stage,
    session: psycopg.Connection[Any],
    function: Function,
    what: str,
    foreign: dict[str, Any],
    nowhere: dict[str, Any],
) -> list[str]:
    """Problems of one call with ids of A, beside the same with ids that are nowhere."""
    answer, left = _answer(stage, session, function.call(foreign))
    problems = []
    if left != stage.fingerprint:
        problems.append(f"{function} ({what}) changed rows of A: {foreign} answered {answer}")
    seen = _seen_of_a(stage.world, answer, foreign)
    if seen:
        problems.append(f"{function} ({what}) told of A: {seen} in {answer}")
    if foreign != nowhere:
        other, _ = _answer(stage, session, function.call(nowhere), look=False)
        mine = _normal(answer, foreign, nowhere)
        theirs = _normal(other, foreign, nowhere)
        if mine != theirs:
            problems.append(
                f"{function} ({what}) answers A's ids with\n  {mine}\nothers\n  {theirs}"
            )
    return problems


def _answer(
    stage: Stage, session: psycopg.Connection[Any], statement: str, look: bool = True
) -> tuple[str, str]:
    """What a call answers, and (if we look) A's fingerprint after it; rolled back."""
    with session.transaction(force_rollback=True):
        answer = api_surface.answer(session, statement)
        if not look:
            return answer, ""
        left = session.execute(
            "select drip_test.fingerprint(%s)", (stage.world.a["organization_id"],)
        ).fetchone()
    assert left is not None
    return answer, left[0]


def _seen_of_a(world: World, answer: str, given: dict[str, Any]) -> list[str]:
    """What of A an answer shows that was not in the question."""
    asked = json.dumps(given, default=lambda value: value.document)
    found = {f"{HIDDEN}a"} if f"{HIDDEN}a" in answer else set()
    ids = re.findall(r"(?<!\w)7\d{6}(?!\w)", answer)
    return sorted(found | {i for i in ids if i not in asked})


def _normal(answer: str, foreign: dict[str, Any], nowhere: dict[str, Any]) -> str:
    """An answer without the values asked for, times and numbers that are new each time."""
    for name in foreign:
        for value in (foreign[name], nowhere[name]):
            for word in _words_of(value):
                answer = answer.replace(word, f"<{name}>")
    return re.sub(r"(?<!\d)[67]\d{6}(?!\d)", "<id>", api_surface.without_news(answer))


def _words_of(value: Any) -> Iterator[str]:
    if isinstance(value, api_surface.Json):
        value = value.document
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _words_of(item)
    elif isinstance(value, str) and (
        re.search(r"[-_@][an](\d|$|@|>|\.)", value) or len(value) > 30
    ):
        yield value


@pytest.mark.parametrize("caller", _caller_names(slow=False))
@pytest.mark.parametrize("role", ROLES)
def test_H2_L7_functions_tell_and_change_nothing_of_a_foreign_organization(
    stage: Stage, role: str, caller: str
) -> None:
    _probe(stage, role, caller)


def test_H2_a_viewer_changes_nothing_of_its_own_organization(stage: Stage) -> None:
    """What a role may not do answers PT403, and so does what a function does before it asks."""
    world = World(stage.world.b, stage.world.a, stage.world.nowhere)
    viewer = next(c for c in callers(world) if c.name == "viewer")
    problems, allowed = [], set()
    with stage.login("drip_app", viewer) as session:
        for function in (f for f in stage.functions if "drip_app" in f.roles):
            if "token" in {a.name for a in function.arguments}:
                continue
            for what, values in api_surface.plain_calls(function, world):
                answer, left = _answer(stage, session, function.call(values))
                if left != stage.fingerprint:
                    problems.append(f"{function} ({what}) changed something: {answer}")
                if answer.startswith("PT403"):
                    continue
                allowed.add(function.name)
    assert not problems, "\n".join(problems)
    rows = stage.admin.execute(
        "select permission from drip_core.role_permissions where least_role = 'viewer'"
    )
    assert allowed == {permission for (permission,) in rows} | {"version"}


def test_H2_the_same_calls_work_for_their_own_organization(stage: Stage) -> None:
    """Else the tests above would prove nothing: the arguments are right, only foreign there."""
    refused = {}
    for role in ("drip_app", "drip_runner", "drip_analyst", "drip_public"):
        with stage.login(role, callers(stage.world)[0]) as session:
            for function in (f for f in stage.functions if role in f.roles):
                values = api_surface.base_values(function, stage.world.b)
                answer, _ = _answer(stage, session, function.call(values))
                if re.match(r"[0-9A-Z]{5} \| ", answer):
                    refused[function.name] = answer
    assert refused == {}


@pytest.mark.parametrize("role", ["drip_app", "drip_runner", "drip_public"])
def test_H2_L7_no_setting_shows_the_caller_a_key_or_a_foreign_value(
    stage: Stage, role: str
) -> None:
    """A session can have plans sent to itself, and values are constants in them."""
    foreign = [f"{HIDDEN}a", "@a.example"]
    keys = stage.admin.execute("select inner_pad, outer_pad from drip_core.secret_keys").fetchall()
    hidden = {_as_in_a_plan(pad[:12]): "a key" for pair in keys for pad in pair}
    hidden |= {_as_in_a_plan(word.encode()): word for word in foreign}
    told: list[str] = []
    seen = set()
    with stage.login(role, callers(stage.world)[0]) as session:
        session.add_notice_handler(lambda notice: told.append(notice.message_detail or ""))
        session.execute("set client_min_messages = log")
        for name in ("debug_print_parse", "debug_print_rewritten", "debug_print_plan"):
            session.execute(f"set {name} = on".encode())
        session.execute("set debug_pretty_print = off")
        for function in (f for f in stage.functions if role in f.roles):
            told.clear()
            values = api_surface.base_values(function, stage.world.b)
            _answer(stage, session, function.call(values), look=False)
            assert told, "the session is shown nothing at all"
            shown = "\n".join(told)
            seen |= {f"{function}: {what}" for how, what in hidden.items() if how in shown}
    assert not seen


def _as_in_a_plan(value: bytes) -> str:
    """Bytes as a constant in a tree of nodes is written."""
    return " ".join(str(byte - 256 if byte > 127 else byte) for byte in value)


@pytest.mark.thorough
@pytest.mark.parametrize("caller", _caller_names(slow=True))
@pytest.mark.parametrize("role", ROLES)
def test_H2_L7_functions_tell_and_change_nothing_to_callers_in_odd_ways(
    stage: Stage, role: str, caller: str
) -> None:
    _probe(stage, role, caller)


def test_L7_who_has_the_token_of_a_link_may_do_what_the_link_does(stage: Stage) -> None:
    """The one way to A's rows without being of A: from a message that A sent."""
    anonymous = next(c for c in callers(stage.world) if c.name == "anonymous")
    with stage.login("drip_public", anonymous) as session:
        done = {}
        for function in stage.functions:
            names = [a.name for a in function.arguments]
            if "drip_public" not in function.roles or "token" not in names:
                continue
            values = api_surface.base_values(function, stage.world.a)
            values["token"] = stage.world.a["link_token"]
            answer, left = _answer(stage, session, function.call(values))
            seen = _seen_of_a(stage.world, answer, values)
            # the page behind a link names who writes
            assert seen in ([], [f"{HIDDEN}a"]), (function, answer)
            done[function.name] = left != stage.fingerprint
    assert done == {
        "click_target": False,
        "record_click": False,  # a link that the message does not have
        "record_open": True,
        "unsubscribe": True,
        "unsubscribe_info": False,
    }


# ---------------------------------------------------------------------------------------- relations


def _relations(stage: Stage, kinds: str = "rpvmS") -> list[tuple[str, str]]:
    """(name, kind) of every table, partition, view and sequence."""
    return stage.admin.execute(
        "select c.oid::regclass::text, c.relkind::text from pg_class as c"
        " where c.relnamespace::regnamespace::text = any (%s) and c.relkind = any (%s) order by 1",
        (list(SCHEMAS), list(kinds)),
    ).fetchall()


@pytest.mark.parametrize("role", [*ROLES, "none"])
def test_H2_L1_no_login_writes_a_relation_or_draws_an_id(stage: Stage, role: str) -> None:
    problems = []
    owner = callers(stage.world)[0]
    with stage.login(role, owner) as session:
        for name, kind in _relations(stage):
            statements = [f"insert into {name} default values", f"delete from {name}"]
            statements += [f"truncate {name}", f"lock {name}", f"drop table {name}"]
            column = _first_column(stage, name)
            statements += [f"update {name} set {column} = default", f"copy {name} to stdout"]
            if kind == "v":
                statements = [
                    s for s in statements if not s.startswith(("truncate", "drop", "copy"))
                ]
                if role == "drip_analyst":
                    # it may read views: what of them it sees, it may lock in share mode
                    statements.remove(f"lock {name}")
            elif role == "drip_analyst" and _reads_all_of(stage, role, name):
                # what it reads of it is looked at elsewhere
                statements.remove(f"copy {name} to stdout")
            elif kind == "S":
                statements = [f"select nextval('{name}')", f"select last_value from {name}"]
            for statement in statements:
                code = _refusal(session, statement)
                if code not in ("42501", "55000"):
                    problems.append(f"{statement}: {code}")
    assert not problems, "\n".join(problems)


def _reads_all_of(stage: Stage, role: str, name: str) -> bool:
    row = stage.admin.execute(
        "select bool_and(has_column_privilege(%s, attrelid, attnum, 'select')) from pg_attribute"
        " where attrelid = %s::regclass and attnum > 0 and not attisdropped",
        (role, name),
    ).fetchone()
    assert row is not None
    return bool(row[0])


def _first_column(stage: Stage, name: str) -> str:
    row = stage.admin.execute(
        "select quote_ident(attname) from pg_attribute"
        " where attrelid = %s::regclass and attnum = 1",
        (name,),
    ).fetchone()
    assert row is not None
    return str(row[0])


def _refusal(session: psycopg.Connection[Any], statement: str) -> str:
    try:
        with session.transaction(force_rollback=True):
            session.execute(statement.encode())
    except psycopg.Error as error:
        return error.sqlstate or "?"
    return "no error"


@pytest.mark.parametrize("role", [*ROLES, "none"])
def test_H2_L7_no_login_reads_a_row_of_a_foreign_organization(stage: Stage, role: str) -> None:
    """Of what it may read (reporting views and the columns below them): B's rows, or none."""
    problems = []
    shown = set()
    for caller in callers(stage.world):
        with stage.login(role, caller) as session:
            for name, _ in _relations(stage, "rpvm"):
                columns = _readable(stage, role, name)
                if not columns:
                    if _refusal(session, f"select from {name}") != "42501":
                        problems.append(f"{role} may look into {name}")
                    continue
                answer, _ = _answer(stage, session, f"select row({columns})::text as r from {name}")
                if answer and caller.speaks_for_b:
                    shown.add(name)
                refused = re.match(r"(42501|[0-9A-Z]{5}) \| ", answer)
                if refused or (answer and not caller.speaks_for_b):
                    problems.append(f"{caller.name} reads of {name}: {answer[:300]}")
                if seen := _seen_of_a(stage.world, answer, {}):
                    problems.append(f"{caller.name} sees of A in {name}: {seen} in {answer[:300]}")
    assert not problems, "\n".join(problems)
    assert bool(shown) is (role == "drip_analyst")


def _readable(stage: Stage, role: str, name: str) -> str:
    if role == "none":
        return ""
    (columns,) = stage.admin.execute(
        "select string_agg(quote_ident(attname), ', ' order by attnum) from pg_attribute"
        " where attrelid = %s::regclass and attnum > 0 and not attisdropped"
        " and has_schema_privilege(%s, %s, 'usage')"
        " and has_column_privilege(%s, attrelid, attnum, 'select')",
        (name, role, name.split(".")[0], role),
    ).fetchone() or ("",)
    return columns or ""


@pytest.mark.parametrize("role", [*ROLES, "none"])
def test_L1_L7_no_login_calls_a_function_that_is_not_for_its_role(stage: Stage, role: str) -> None:
    problems = []
    tried = 0
    with stage.login(role, callers(stage.world)[0]) as session:
        for function in stage.functions:
            if role not in function.roles:
                tried += 1
                # a null constant would be folded away before anybody asks for the privilege
                values = ", ".join(f"(select null::{a.type})" for a in function.arguments)
                code = _refusal(session, f"select {function}({values})")
                if code != "42501" and function.arguments:
                    problems.append(f"{function}: {code}")
    assert not problems, "\n".join(problems)
    assert tried > 100
