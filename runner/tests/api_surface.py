"""What the isolation and the fuzz tests share: functions of the catalog, and arguments for them.

A function that is new is found in the catalog; one with an argument that has no generator here
fails the test that meets it: somebody has to decide what a foreign value of it would be.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, LiteralString, cast

import psycopg
from psycopg import conninfo, sql

from pgdrip.migrate.statements import split_statements
from tools.pgtap import TESTS
from tools.postgres import ROOT

SCHEMAS = ("drip", "drip_core", "drip_report")
ROLES = ("drip_app", "drip_runner", "drip_public", "drip_analyst", "drip_simulator")

#: Ids of each organization lie in a range of their own, so that an answer can be searched for them.
NOWHERE, A, B = 6_000_000, 7_000_000, 8_000_000

_FILL = TESTS / "schema" / "each_policy_keeps_tenants_apart.sql"
_SQL = ROOT / "runner" / "tests" / "api_surface.sql"


@dataclass(frozen=True)
class Argument:
    name: str
    type: str
    optional: bool


@dataclass(frozen=True)
class Function:
    """A function as it is called; `roles`: those of ROLES that may execute it."""

    oid: int
    schema: str
    name: str
    arguments: tuple[Argument, ...]
    roles: frozenset[str]

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"

    def call(self, values: Mapping[str, Any]) -> str:
        """A statement that returns one text per row; values are written as literals."""
        arguments = ", ".join(
            f'"{a.name}" => {literal(values[a.name])}::{a.type}'
            for a in self.arguments
            if a.name in values
        )
        return f"select r::text from {self.schema}.{self.name}({arguments}) as r"


def literal(value: Any) -> str:
    """A value as SQL; lists become arrays, dicts jsonb, whatever its type is then cast to."""
    if isinstance(value, Json):
        value = json.dumps(value.document)
    elif isinstance(value, list):
        value = _array(value)
    return sql.Literal(None if value is None else str(value)).as_string(None)


def _array(values: list[Any]) -> str:
    return "{" + ",".join("null" if v is None else _element(v) for v in values) + "}"


def _element(value: Any) -> str:
    if isinstance(value, list):
        return _array(value)
    text = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'


@dataclass(frozen=True)
class Json:
    """A jsonb argument."""

    document: Any


def functions(connection: psycopg.Connection[Any]) -> list[Function]:
    """Every function of our schemas that can be called (triggers cannot), by name."""
    rows = connection.execute(
        """
        select
          p.oid::int,
          p.pronamespace::regnamespace::text,
          p.proname,
          coalesce(p.proargnames, '{}'),
          array(
            select format_type(t.oid, null)
            from unnest(p.proargtypes) with ordinality as t (oid, place) order by t.place
          ),
          p.pronargdefaults,
          array(
            select r.name from unnest(%s::text[]) as r (name)
            where has_function_privilege(r.name, p.oid, 'execute')
              and has_schema_privilege(r.name, p.pronamespace, 'usage')
          )
        from pg_proc as p
        where p.pronamespace::regnamespace::text = any (%s)
          and p.prorettype not in ('trigger'::regtype, 'event_trigger'::regtype)
          and p.prokind = 'f'
        order by 2, 3, 1
        """,
        (list(ROLES), list(SCHEMAS)),
    ).fetchall()
    return [
        Function(
            oid,
            schema,
            name,
            tuple(
                Argument(names[i], kind, i >= len(types) - defaults) for i, kind in enumerate(types)
            )
            if len(names) >= len(types)
            else (),
            frozenset(roles),
        )
        for oid, schema, name, names, types, defaults, roles in rows
    ]


# ------------------------------------------------------------------------------- two organizations


@dataclass(frozen=True)
class Tenant:
    """Values that name what one organization has; of the organization that is nowhere, invented."""

    mark: str
    ids: Mapping[str, int] = field(hash=False)
    words: Mapping[str, str] = field(hash=False)

    def __getitem__(self, name: str) -> Any:
        return self.ids[name] if name in self.ids else self.words[name]


#: What nobody but its organization may ever see; no test passes it as an argument.
HIDDEN = "hidden_of_"


@dataclass(frozen=True)
class World:
    """Two organizations with rows in every table, and one that does not exist."""

    a: Tenant
    b: Tenant
    nowhere: Tenant


def build_world(url: str) -> World:
    """Fill a database with the two; the ids of each lie in its own million."""
    with _filling(url) as connection:
        a = _fill(connection, A, _words("a"), f"{HIDDEN}a")
        b = _fill(connection, B, _words("b"), f"{HIDDEN}b")
    nowhere = Tenant(
        "n",
        {name: NOWHERE + place for place, name in enumerate(b.ids)},
        _words("n")
        | {
            # as long and of the same shape; signed with no key
            name: token[:2] + "".join("0123456789abcdef"[15 - int(c, 16)] for c in token[2:])
            for name, token in b.words.items()
            if name.endswith("_token")
        },
    )
    return World(a, b, nowhere)


def build_beside_twin(url: str, is_alone: bool) -> tuple[Tenant | None, Tenant]:
    """B, and (unless it is alone) a twin A: other people, contents and ids, all names the same."""
    with _filling(url) as connection:
        twin = None
        if not is_alone:
            people = {name: _words("a")[name] for name in ("admin_id", "viewer_id")}
            twin = _fill(connection, A, _words("b") | people, f"{HIDDEN}a")
        return twin, _fill(connection, B, _words("b"), f"{HIDDEN}b")


@contextlib.contextmanager
def _filling(url: str) -> Iterator[psycopg.Connection[Any]]:
    """A session with what fills a database; at its end, what looks at all rows is made."""
    with psycopg.connect(url) as connection:
        connection.execute(_fill_function())
        connection.execute(cast(LiteralString, _SQL.read_text("utf-8")))
        yield connection
        connection.execute("select drip_test.make_fingerprint(), drip_test.make_rows()")


def _fill_function() -> LiteralString:
    """`pg_temp.fill` of the pgTAP test that puts rows into every table of an organization."""
    (statement,) = (
        s for s in split_statements(_FILL.read_text("utf-8")) if "function pg_temp.fill" in s
    )
    return cast(LiteralString, statement)


def _number_from(connection: psycopg.Connection[Any], start: int) -> None:
    rows = connection.execute(
        "select c.oid::regclass::text from pg_class as c"
        " join pg_sequence as s on s.seqrelid = c.oid"
        " where c.relnamespace = 'drip_core'::regnamespace and s.seqmax > %s",
        (B,),
    ).fetchall()
    for (name,) in rows:
        connection.execute(cast(LiteralString, f"alter sequence {name} restart with {start}"))


def _fill(
    connection: psycopg.Connection[Any], start: int, words: dict[str, str], hidden: str
) -> Tenant:
    mark = words["mark"]
    _number_from(connection, start)
    connection.execute("select pg_temp.fill(%s)", (hidden,))
    (org,) = _one(connection, "select drip_test.org()")
    for role in ("admin", "viewer"):
        connection.execute(
            "select drip.add_member(%s, %s, %s, null, %s)",
            (org, words[f"{role}_id"], words[f"{role}_email"], role),
        )
    connection.execute("select pg_temp.more(%s, %s)", (mark, hidden))
    (ids,) = _one(connection, "select pg_temp.ids(%s, %s)", (org, mark))
    (link,), (message,) = connection.execute(
        "select pg_temp.tokens(%s, %s)", (org, ids["sent_id"])
    ).fetchall()
    (test,) = _one(
        connection,
        "select test_id::text from drip_core.test_messages where organization_id = %s limit 1",
        (org,),
    )
    return Tenant(
        mark, ids, words | {"message_token": message, "link_token": link, "test_id": test}
    )


def _words(mark: str) -> dict[str, str]:
    return {
        "mark": mark,
        "sequence_key": f"sequence-{mark}",
        "account_key": f"box-{mark}",
        "spare_key": f"spare-{mark}",
        "template": f"template_{mark}",
        "tag": f"tag-{mark}",
        "stage": f"stage-{mark}",
        "external_id": f"person-{mark}1",
        "deal_key": f"deal-{mark}",
        "email": f"person-{mark}1@{mark}.example",
        "phone": f"+4930{ {'a': 7, 'b': 8, 'n': 6}[mark] }0001",
        "gone": f"gone@{mark}.example",
        "sender": f"box-{mark}@hidden.example",
        "admin_id": f"{ord(mark):08}-0000-4000-8000-000000000001",
        "viewer_id": f"{ord(mark):08}-0000-4000-8000-000000000002",
        "test_id": f"{ord(mark):08}-0000-4000-8000-000000000003",
        "admin_email": f"admin-{mark}@members.example",
        "viewer_email": f"viewer-{mark}@members.example",
        "provider_message_id": f"<sent@{mark}>",
        "inbound_id": f"in-{mark}",
        "report_id": f"report-{mark}",
    }


def _one(connection: psycopg.Connection[Any], query: str, values: Any = None) -> Any:
    row = connection.execute(cast(LiteralString, query), values).fetchone()
    assert row is not None
    return row


def answer(session: psycopg.Connection[Any], statement: str) -> str:
    """What a statement answers: its rows as text, or the parts of its error."""
    (found,) = _one(
        session,
        "select concat_ws(' | ', a.answer, a.code, a.message, a.detail, a.hint)"
        " from drip_test.attempt(array[%s]) as a",
        (statement,),
    )
    return str(found)


def without_news(text: str) -> str:
    """A text without what is new each time: times, tokens, hashes, and numbers of B."""
    text = re.sub(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d+)?([+-]\d\d(:\d\d)?)?", "<time>", text)
    text = re.sub(r"[0-9a-f]{64,}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "<token>", text)
    return re.sub(r"(?<!\d)8\d{6}(?!\d)", "<id>", text)


# ------------------------------------------------------------------------------------------ callers

PASSWORD = "only for tests"


@dataclass(frozen=True)
class Caller:
    """A way to come: bound to B or not, with which settings. `trusted`: no claims, not bound."""

    name: str
    bound: bool
    settings: dict[str, str]
    in_fast_suite: bool = True

    @property
    def is_trusted(self) -> bool:
        return not self.bound and "request.jwt.claims" not in self.settings

    @property
    def speaks_for_b(self) -> bool:
        return self.bound or self.name in ("setting", "jwt", "viewer")


def callers(world: World) -> list[Caller]:
    """Everybody who is not of organization A, and what he may try."""

    def organization(of: int) -> dict[str, str]:
        return {"drip.organization_id": str(of)}

    def claims(**values: str | int) -> dict[str, str]:
        return {"request.jwt.claims": json.dumps(values)}

    a, b = world.a["organization_id"], world.b["organization_id"]
    return [
        Caller("bound", True, {}, False),
        Caller("bound+setting of A", True, organization(a), False),
        Caller("bound+jwt of A", True, claims(sub=world.a["admin_id"]) | organization(a)),
        Caller("setting", False, organization(b)),
        Caller("jwt", False, claims(sub=world.b["admin_id"]), False),
        Caller("jwt+setting of A", False, claims(sub=world.b["admin_id"]) | organization(a), False),
        Caller("jwt+claim of A", False, claims(sub=world.b["admin_id"], organization_id=a), False),
        Caller("viewer", False, claims(sub=world.b["viewer_id"])),
        Caller("stranger", False, claims(sub=world.nowhere["admin_id"]) | organization(a), False),
        Caller("no organization", False, {}, False),
        Caller("anonymous", False, claims(role="anon") | organization(a)),
    ]


@dataclass
class Stage:
    """A database with two organizations, and how to log in to it."""

    url: str
    admin: psycopg.Connection[Any]
    world: World
    functions: list[Function]
    fingerprint: str

    def login(self, role: str, caller: Caller) -> psycopg.Connection[Any]:
        """A session of a login that has this role and nothing else, with the caller's settings."""
        name = f"drip_test_{role}{'_b' if caller.bound else ''}"
        connection = psycopg.connect(
            conninfo.make_conninfo(self.url, user=name, password=PASSWORD), autocommit=True
        )
        row = connection.execute(
            "select session_user, current_user, r.rolsuper, r.rolbypassrls, r.rolcanlogin,"
            " exists (select from pg_class where relowner = r.oid),"
            " pg_has_role(r.oid, 'drip_owner', 'member')"
            " or pg_has_role(r.oid, 'drip_engine', 'member')"
            " from pg_roles as r where r.rolname = session_user"
        ).fetchone()
        assert row == (name, name, False, False, True, False, False), "not an unprivileged login"
        for setting, value in caller.settings.items():
            connection.execute("select set_config(%s, %s, false)", (setting, value))
        return connection


@contextlib.contextmanager
def open_stage(url: str) -> Iterator[Stage]:
    """Fill a database with two organizations and make the logins; those are dropped at the end."""
    with _open(url, build_world(url)) as stage, _logins(stage):
        yield stage


@contextlib.contextmanager
def open_twin_stages(beside: str, alone: str) -> Iterator[tuple[Stage, Stage]]:
    """B in two databases of one server: beside its twin A, and alone."""
    twin, b = build_beside_twin(beside, is_alone=False)
    _, same = build_beside_twin(alone, is_alone=True)
    assert twin is not None
    assert b.ids == same.ids
    with (
        _open(beside, World(twin, b, b)) as first,
        _open(alone, World(twin, same, same)) as second,
        _logins(first, second),
    ):
        yield first, second


@contextlib.contextmanager
def _open(url: str, world: World) -> Iterator[Stage]:
    with psycopg.connect(url, autocommit=True) as admin:
        (found,) = _one(admin, "select drip_test.fingerprint(%s)", (world.a["organization_id"],))
        yield Stage(url, admin, world, functions(admin), found)


@contextlib.contextmanager
def _logins(*stages: Stage) -> Iterator[None]:
    """Two logins for each role: one bound to B, in each of the databases of one server."""
    admin = stages[0].admin
    names = [(role, f"drip_test_{role}{end}") for role in (*ROLES, "none") for end in ("", "_b")]
    for role, name in names:
        _create_login(admin, name, role)
        if name.endswith("_b"):
            for stage in stages:
                stage.admin.execute(
                    "insert into drip_core.login_organizations values (%s, %s)",
                    (stage.world.b["organization_id"], name),
                )
    try:
        yield
    finally:
        for _, name in names:
            admin.execute(sql.SQL("drop role {}").format(sql.Identifier(name)))


def _create_login(admin: psycopg.Connection[Any], name: str, role: str) -> None:
    admin.execute(sql.SQL("drop role if exists {}").format(sql.Identifier(name)))
    admin.execute(
        sql.SQL("create role {} login password {}").format(sql.Identifier(name), PASSWORD)
    )
    if role != "none":
        admin.execute(sql.SQL("grant {} to {}").format(sql.Identifier(role), sql.Identifier(name)))


# --------------------------------------------------------------------------------------- arguments

Generator = Callable[[Tenant], list[Any]]


def _of(name: str) -> Generator:
    return lambda t: [t[name]]


def _list_of(name: str) -> Generator:
    return lambda t: [[t[name]]]


def _plain(*values: Any) -> Generator:
    return lambda t: list(values)


def _json(*builders: Callable[[Tenant], Any]) -> Generator:
    return lambda t: [Json(build(t)) for build in builders]


def _definition(t: Tenant) -> dict[str, Any]:
    return {
        "key": "mine",
        "senders": [{"account": t["account_key"]}],
        "enroll_on": [{"tag_added": "anything"}],
        "steps": [{"key": "s1", "channel": "email", "subject": "x", "text": "y"}],
    }


def _templated(t: Tenant) -> dict[str, Any]:
    step = {"key": "s1", "channel": "whatsapp_cloud", "template": t["template"], "language": "en"}
    return {"key": "mine", "steps": [step]}


def _claims(enrollment: str, token: str, **more: Any) -> Callable[[Tenant], Any]:
    return lambda t: [
        {
            "organization_id": t["organization_id"],
            "enrollment_id": t[enrollment],
            "claim_token": t[token],
            **more,
        }
    ]


_EVIDENCE = {"source": "test", "occurred_at": "2026-01-01T00:00:00Z", "basis": "asked for it"}

#: By name and type. Each says what names something of an organization, and what does not.
ARGUMENTS: dict[tuple[str, str], Generator] = {
    ("organization_id", "bigint"): _of("organization_id"),
    ("contact_id", "bigint"): _of("contact_id"),
    ("contact_ids", "bigint[]"): _list_of("contact_id"),
    ("deal_id", "bigint"): _of("deal_id"),
    ("deal_ids", "bigint[]"): _list_of("deal_id"),
    ("enrollment_id", "bigint"): _of("due_id"),
    ("enrollment_ids", "bigint[]"): lambda t: [[t["due_id"], t["paused_id"]]],
    ("channel_account_id", "bigint"): _of("channel_account_id"),
    ("claim_token", "bigint"): _of("held_token"),
    ("after", "bigint"): lambda t: [None, t["organization_id"]],
    ("sequence_key", "text"): _of("sequence_key"),
    ("account_key", "text"): _of("account_key"),
    ("from_account_key", "text"): _of("account_key"),
    ("to_account_key", "text"): _of("spare_key"),
    ("tag", "text"): _of("tag"),
    ("stage", "text"): _of("stage"),
    ("address", "text"): _of("gone"),
    ("before", "bigint"): lambda t: [None, t["organization_id"]],
    ("test_id", "uuid"): _of("test_id"),
    ("to_address", "text"): _of("admin_email"),
    ("search", "text"): _of("external_id"),
    ("secret_ref", "text"): _plain("MAILBOX_PASSWORD"),
    # third parties know a message token; who has the token of a link may do what the link does
    ("token", "text"): _of("message_token"),
    ("profile_id", "uuid"): _of("admin_id"),
    ("account", "jsonb"): _json(
        lambda t: {"key": t["account_key"], "daily_limit": 7},
        lambda t: {
            "key": f"new-{t.mark}",
            "channel": "email",
            "provider": "smtp",
            "address": t["sender"],
        },
    ),
    ("contact", "jsonb"): _json(
        lambda t: {"external_id": t["external_id"], "last_name": "x"},
        lambda t: {"email": t["email"], "last_name": "x"},
    ),
    ("contacts", "jsonb"): _json(
        lambda t: [{"external_id": t["external_id"]}, {"email": t["email"]}, {"tags": [t["tag"]]}]
    ),
    ("deal", "jsonb"): _json(
        lambda t: {"contact_id": t["contact_id"], "name": "x"},
        lambda t: {"contact_external_id": t["external_id"], "name": "x"},
        lambda t: {"external_id": t["deal_key"], "stage": "y"},
    ),
    ("definition", "jsonb"): _json(_definition, _templated),
    ("settings", "jsonb"): _json(lambda t: {"postal_address": "1 Way"}),
    ("template", "jsonb"): _json(lambda t: {"name": t["template"], "status": "paused"}),
    ("evidence", "jsonb"): _json(lambda t: _EVIDENCE),
    ("message", "jsonb"): _json(
        lambda t: {
            "channel": "email",
            "from_address": t["email"],
            "to_address": t["sender"],
            "in_reply_to": [f"<{t['message_token']}@hidden.example>", t["provider_message_id"]],
            "subject": "Re: hello",
            "text": "stop",
        },
        lambda t: {"channel": "email", "from_address": t["email"], "text": "hello"},
        # one that has come in already
        lambda t: {
            "channel": "email",
            "from_address": t["email"],
            "external_id": t["inbound_id"],
            "text": "hello",
        },
    ),
    ("event", "jsonb"): _json(
        lambda t: {"message_token": t["message_token"], "type": "bounced"},
        lambda t: {"provider_message_id": t["provider_message_id"], "type": "complained"},
        lambda t: {
            "provider_message_id": t["provider_message_id"],
            "type": "delivered",
            "external_id": t["report_id"],
        },
    ),
    ("events", "jsonb"): _json(
        lambda t: [{"message_token": t["message_token"], "type": "bounced"}]
    ),
    ("suppressions", "jsonb"): _json(
        lambda t: [{"channel": "email", "address": t["email"]}, {"address": t["gone"]}]
    ),
    ("claims", "jsonb"): _json(_claims("leased_id", "leased_token")),
    ("results", "jsonb"): _json(
        _claims("leased_id", "leased_token", outcome="sent"),
        _claims("held_id", "held_token", outcome="rejected", reason="rejected_content"),
    ),
    ("reports", "jsonb"): _json(
        lambda t: [
            {"type": "throttled", "seconds": 60, "address": t["sender"]},
            {"type": "template_status", "template": t["template"], "status": "paused"},
            {"type": "opted_out", "contact_address": t["phone"]},
        ]
    ),
    ("templates", "jsonb"): _json(lambda t: [{"name": t["template"], "status": "paused"}]),
    # what names nothing
    ("connection", "jsonb"): _json(lambda t: {"state": "banned"}),
    ("from", "date"): _plain(None, "2026-03-01"),
    ("is_complete", "boolean"): _plain(False, True),
    ("result", "jsonb"): _json(lambda t: {"reachable": True}),
    ("batch_size", "integer"): _plain(10),
    ("channel", "text"): _plain("email"),
    ("days", "integer"): _plain(3),
    ("deep", "boolean"): _plain(False, True),
    ("dry_run", "boolean"): _plain(False),
    ("email", "text"): _plain("x@example.net"),
    ("folder", "text"): _plain("INBOX"),
    ("ip", "inet"): _plain("192.0.2.1"),
    ("last_uid", "bigint"): _plain(5),
    ("lease", "interval"): _plain("5 minutes"),
    ("limit", "integer"): _plain(100),
    ("link_id", "integer"): _plain(1),
    ("name", "text"): _plain("x"),
    ("outcome", "text"): _plain("sent"),
    ("phone", "text"): _plain("+4930999999"),
    ("reason", "text"): _plain("manual"),
    ("role", "text"): _plain("member"),
    ("runner", "text"): _plain("test"),
    ("since", "timestamp with time zone"): _plain("2026-01-01"),
    ("snapshot_age_limit", "interval"): _plain("5 minutes"),
    ("source", "text"): _plain("test"),
    ("start_at", "timestamp with time zone"): _plain(None),
    ("status", "text"): _plain("active"),
    ("step_key", "text"): _plain("s1"),
    ("timezone", "text"): _plain("UTC"),
    ("to_version", "integer"): _plain(1),
    ("uid_validity", "bigint"): _plain(1),
    ("user_agent", "text"): _plain("Mozilla/5.0"),
    ("version", "integer"): _plain(1),
    # of the internal functions that reporting views and drip.doctor call
    ("counter_day", "date"): _plain("2026-03-01"),
    ("daily_limit", "integer"): _plain(5),
    ("first_claim_day", "date"): _plain("2026-03-01"),
    ("ramp_increment", "integer"): _plain(1),
    ("ramp_start", "integer"): _plain(1),
    ("day", "date"): _plain("2026-03-01"),
}

#: Where a function wants another of what its argument's name says.
OF_FUNCTION: dict[tuple[str, str], Generator] = {
    ("erase_contact", "contact_id"): _of("idle_contact_id"),
    ("enroll", "contact_id"): _of("contact_id"),
    ("get_message", "enrollment_id"): _of("sent_id"),
    ("resolve_unknown", "enrollment_id"): _of("held_id"),
    ("resume_enrollment", "enrollment_id"): _of("paused_id"),
    ("retry_failed", "enrollment_ids"): _list_of("failed_id"),
    ("set_sequence_status", "status"): _plain("archived"),
    ("list_enrollments", "status"): _plain(None),
    ("list_contacts", "after"): lambda t: [None, t["contact_id"]],
    ("list_enrollments", "after"): lambda t: [None, t["sent_id"]],
}


class NoDecision(AssertionError):
    """An argument that nobody has decided about yet."""


def generator(function: Function, argument: Argument) -> Generator:
    """What makes values for this argument; raises NoDecision where there is nothing."""
    found = OF_FUNCTION.get((function.name, argument.name)) or ARGUMENTS.get(
        (argument.name, argument.type)
    )
    if found is None:
        raise NoDecision(
            f"{function}({argument.name} {argument.type}): decide in runner/tests/api_surface.py"
            " what a value of another organization would be, and what one that is nowhere"
        )
    return found


def names_something(function: Function, argument: Argument, world: World) -> bool:
    """Whether values of this argument differ from organization to organization."""
    make = generator(function, argument)
    return make(world.a) != make(world.b)


def base_values(function: Function, tenant: Tenant) -> dict[str, Any]:
    """Values with which the organization itself calls the function."""
    return {a.name: generator(function, a)(tenant)[0] for a in function.arguments}


def foreign_calls(
    function: Function, world: World
) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """(what is foreign, values with A's, the same with those that are nowhere); the rest is B's."""
    naming = [a for a in function.arguments if names_something(function, a, world)]
    subsets = [[a] for a in naming] + ([naming] if len(naming) > 1 else [])
    mine = base_values(function, world.b)
    for subset in subsets:
        variants = max(len(generator(function, a)(world.a)) for a in subset)
        for variant in range(variants):
            pair = [
                mine | {a.name: _pick(generator(function, a)(tenant), variant) for a in subset}
                for tenant in (world.a, world.nowhere)
            ]
            yield "+".join(a.name for a in subset), pair[0], pair[1]
    for name, values in plain_calls(function, world):
        yield name, values, values


def plain_calls(function: Function, world: World) -> Iterator[tuple[str, dict[str, Any]]]:
    """B's own calls, each variant of each argument once; and with the defaults alone."""
    mine = base_values(function, world.b)
    yield "defaults", {a.name: mine[a.name] for a in function.arguments if not a.optional}
    for argument in function.arguments:
        for variant, value in enumerate(generator(function, argument)(world.b)):
            if variant or argument is function.arguments[0]:
                yield f"own {argument.name} {variant}", mine | {argument.name: value}


def _pick(values: list[Any], place: int) -> Any:
    return values[min(place, len(values) - 1)]
