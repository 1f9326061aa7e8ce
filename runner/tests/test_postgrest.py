"""Behind PostgREST: one login that switches roles, claims that last for a transaction.

The requests below are what PostgREST sends: a transaction with `set local role`, the claims as a
setting, then the call with named arguments; read only for GET.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg
import pytest

from conftest import Connect

ROLES = ("owner", "admin", "member", "viewer")
PEOPLE = {role: f"00000000-0000-0000-0000-00000000000{i}" for i, role in enumerate(ROLES, 1)}
STRANGER = "00000000-0000-0000-0000-0000000000ff"


@dataclass
class Gateway:
    """The pooled connection of a gateway, logged in as `authenticator`."""

    connection: psycopg.Connection[Any]
    acme: int = 0
    other: int = 0
    contact: int = 0
    foreign_contact: int = 0

    def call(
        self,
        function: str,
        arguments: dict[str, Any],
        claims: dict[str, Any] | None = None,
        *,
        get: bool = False,
        headers: dict[str, str] | None = None,
        before: str | None = None,
    ) -> tuple[int, Any]:
        """HTTP status and rows, or (code, message, detail, hint); without claims as `web_anon`."""
        role = "web_anon" if claims is None else str(claims.get("role", "web_user"))
        values = list(arguments.values())
        named = ", ".join(f"{name} => %s" for name in arguments)
        try:
            with self.connection.transaction():
                if get:
                    self.connection.execute("set transaction read only")
                self.connection.execute(
                    "select set_config('role', %s, true),"
                    " set_config('request.jwt.claims', %s, true),"
                    " set_config('request.headers', %s, true)",
                    (role, json.dumps(claims) if claims else "", json.dumps(headers or {})),
                )
                if before:
                    self.connection.execute(f"select {before}")
                rows = self.connection.execute(
                    f"select * from drip.{function}({named})", values
                ).fetchall()
                return 200, rows
        except psycopg.Error as error:
            state = error.sqlstate or ""
            diag = error.diag
            status = int(state[2:]) if state.startswith("PT") else 500
            if state == "42501":
                status = 401 if claims is None else 403
            return status, (state, diag.message_primary, diag.message_detail, diag.message_hint)


@pytest.fixture
def gateway(database: str, connect: Connect) -> Iterator[Gateway]:
    """Two organizations; the first has a member of each role, who are viewers of the second."""
    admin = connect(database)
    admin.execute(
        "drop role if exists authenticator, web_anon, web_user;"
        "create role web_anon nologin; create role web_user nologin;"
        "create role authenticator login noinherit;"
        "grant drip_public to web_anon; grant drip_app, drip_analyst to web_user;"
        "grant web_anon, web_user to authenticator"
    )
    ids = {}
    for name in ("Other", "Acme"):
        (ids[name],) = admin.execute(
            "select drip.create_organization(%s, settings =>"
            """ '{"public_base_url": "https://mail.example.com"}')""",
            (name,),
        ).fetchone() or (0,)
        admin.execute("select set_config('drip.organization_id', %s, false)", (str(ids[name]),))
        (ids[f"{name} contact"],) = admin.execute(
            "select drip.upsert_contact(%s, %s)",
            (ids[name], '{"external_id": "ann", "email": "a@example.net"}'),
        ).fetchone() or (0,)
        admin.execute(
            "select drip.apply_channel_account(%s, %s)",
            (
                ids[name],
                '{"key": "box", "channel": "email", "provider": "noop", "address": "b@a.example"}',
            ),
        )
        admin.execute(
            "select drip.apply_sequence(%s, %s)",
            (
                ids[name],
                json.dumps(
                    {
                        "key": "welcome",
                        "steps": [{"key": "a", "channel": "email", "subject": "s", "text": "t"}],
                    }
                ),
            ),
        )
    for role, person in PEOPLE.items():
        admin.execute(
            "select drip.add_member(%s, %s, %s, role => %s)",
            (ids["Acme"], person, f"{role}@acme.example", role),
        )
    connection = connect(database)
    connection.execute("set session authorization authenticator")
    yield Gateway(connection, ids["Acme"], ids["Other"], ids["Acme contact"], ids["Other contact"])
    connection.execute("reset session authorization")
    admin.execute(
        "drop owned by authenticator, web_anon, web_user;"
        "drop role authenticator, web_anon, web_user"
    )


def person(role: str, **more: Any) -> dict[str, Any]:
    return {"sub": PEOPLE[role], "role": "web_user", **more}


def test_H2_the_login_is_a_gateway_without_rights_of_its_own(gateway: Gateway) -> None:
    row = gateway.connection.execute(
        "select session_user, current_user, (select rolsuper or rolbypassrls from pg_roles"
        " where rolname = current_user)"
    ).fetchone()
    assert row == ("authenticator", "authenticator", False)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        gateway.connection.execute("select drip.version()")


@pytest.mark.parametrize("role", ROLES)
def test_H2_each_role_may_do_what_it_may(gateway: Gateway, role: str) -> None:
    org = {"organization_id": gateway.acme}
    enroll = {**org, "sequence_key": "welcome", "contact_id": gateway.contact}
    new_member = {
        **org,
        "profile_id": "00000000-0000-0000-0000-0000000000aa",
        "email": "new@acme.example",
        "role": "viewer",
    }
    wanted = {
        "list_sequences": (org, "viewer"),
        "preview": ({**enroll, "step_key": "a"}, "member"),
        "enroll": (enroll, "member"),
        "update_organization": ({**org, "settings": '{"tracking": true}'}, "admin"),
        "audit_log": (org, "admin"),
        "add_member": (new_member, "admin"),
    }
    for function, (arguments, least) in wanted.items():
        get = function in ("list_sequences", "preview", "audit_log")
        status, answer = gateway.call(function, arguments, person(role), get=get)
        if ROLES.index(role) <= ROLES.index(least):
            assert status == 200, (function, answer)
        else:
            assert (status, answer[:3]) == (
                403,
                ("PT403", "not allowed", f"{function} needs the role {least}; yours is {role}"),
            )
            assert "drip.add_member" in answer[3]
    status, answer = gateway.call("add_member", {**new_member, "role": "owner"}, person(role))
    assert status == (200 if role == "owner" else 403), answer


@pytest.mark.parametrize("role", ROLES)
def test_H2_what_is_foreign_is_not_found(gateway: Gateway, role: str) -> None:
    for claims in (person(role), person(role, organization_id=gateway.other)):
        for organization_id in (gateway.other, 999_999):
            status, answer = gateway.call(
                "list_contacts", {"organization_id": organization_id}, claims
            )
            assert (status, answer[1]) == (404, "organization not found")
    if role != "viewer":
        seen = {
            gateway.call(
                "preview",
                {
                    "organization_id": gateway.acme,
                    "sequence_key": "welcome",
                    "step_key": "a",
                    "contact_id": contact,
                },
                person(role),
            )[1][1]
            for contact in (gateway.foreign_contact, 999_999)
        }
        assert seen == {"contact not found"}


def test_L7_the_anonymous_reach_token_functions_only(gateway: Gateway) -> None:
    status, rows = gateway.call("unsubscribe_info", {"token": "00"})
    assert status == 200
    assert rows[0][0]["organization"] is None
    for function, arguments in (
        ("list_contacts", {"organization_id": gateway.acme}),
        ("claim", {"batch_size": 1}),
        ("create_organization", {"name": "x"}),
    ):
        status, answer = gateway.call(function, arguments)
        assert (status, answer[0]) == (401, "42501")
    # signed in, but not as a person; or as one that is a member of nothing
    for claims in ({"role": "web_user"}, {"role": "web_user", "sub": STRANGER}):
        status, _ = gateway.call("list_contacts", {"organization_id": gateway.acme}, claims)
        assert status == 404
    status, _ = gateway.call("create_organization", {"name": "x"}, person("owner"))
    assert status == 403


def test_L2_of_several_organizations_a_claim_or_a_header_names_one(gateway: Gateway) -> None:
    call = gateway.call
    with gateway.connection.transaction():
        gateway.connection.execute("reset session authorization")
        gateway.connection.execute(
            "select set_config('drip.organization_id', %s, true)", (str(gateway.other),)
        )
        gateway.connection.execute(
            "select drip.add_member(%s, %s, 'm@other.example', role => 'viewer')",
            (gateway.other, PEOPLE["owner"]),
        )
        gateway.connection.execute(
            "create function public.choose_organization() returns void language sql as $$"
            " select set_config('drip.organization_id', current_setting('request.headers', true)"
            "::json ->> 'x-organization-id', true) $$"
        )
    gateway.connection.execute("set session authorization authenticator")
    both = {"organization_id": gateway.acme}, {"organization_id": gateway.other}
    assert [call("list_sequences", one, person("owner"))[0] for one in both] == [
        200,  # the organization it was a member of first
        404,
    ]
    for one in both:
        claims = person("owner", **one)
        assert [call("list_sequences", other, claims)[0] == 200 for other in both] == [
            other == one for other in both
        ]
        status, _ = call(
            "list_sequences",
            one,
            person("owner"),
            headers={"x-organization-id": str(one["organization_id"])},
            before="public.choose_organization()",
        )
        assert status == 200
    # a header is no right; nor is it one to be owner of another organization
    status, _ = call(
        "list_sequences",
        both[1],
        person("admin"),
        headers={"x-organization-id": str(gateway.other)},
        before="public.choose_organization()",
    )
    assert status == 404
    status, answer = call(
        "upsert_contact",
        {"organization_id": gateway.other, "contact": '{"external_id": "x"}'},
        person("owner", organization_id=gateway.other),
    )
    assert (status, answer[2]) == (403, "upsert_contact needs the role member; yours is viewer")


def test_H2_claims_end_with_their_request(gateway: Gateway) -> None:
    assert (
        gateway.call("list_contacts", {"organization_id": gateway.acme}, person("owner"))[0] == 200
    )
    settings = gateway.connection.execute(
        "select current_setting('role'), current_setting('request.jwt.claims', true)"
    ).fetchone()
    assert settings == ("none", "")
    status, _ = gateway.call(
        "list_contacts", {"organization_id": gateway.acme}, {"role": "web_user"}
    )
    assert status == 404


def test_errors_are_http_statuses(gateway: Gateway) -> None:
    org = {"organization_id": gateway.acme}
    status, answer = gateway.call(
        "upsert_contact", {**org, "contact": '{"emial": "x"}'}, person("member")
    )
    assert (status, answer[2]) == (422, 'emial: "emial" is not a known key; did you mean "email"?')
    gateway.call(
        "set_sequence_status",
        {**org, "sequence_key": "welcome", "status": "archived"},
        person("member"),
    )
    status, _ = gateway.call(
        "set_sequence_status",
        {**org, "sequence_key": "welcome", "status": "active"},
        person("member"),
    )
    assert status == 409
    status, answer = gateway.call("list_sequences", org, {"sub": "nobody", "role": "web_user"})
    assert (status, answer[1]) == (422, "the setting request.jwt.claims cannot be read")
    for claims in ("[]", '"x"', "5", "null"):
        with gateway.connection.transaction(force_rollback=True):
            gateway.connection.execute("set local role web_user")
            gateway.connection.execute(
                "select set_config('request.jwt.claims', %s, true)", (claims,)
            )
            with pytest.raises(psycopg.Error) as raised, gateway.connection.transaction():
                gateway.connection.execute("select * from drip.list_sequences(%s)", (gateway.acme,))
            assert raised.value.sqlstate == "PT404"


def test_H2_a_test_is_asked_for_over_http(gateway: Gateway) -> None:
    wanted = {
        "organization_id": gateway.acme,
        "sequence_key": "welcome",
        "step_key": "a",
        "contact_id": gateway.contact,
    }
    for address in ("a@example.net", "owner@other.example"):
        status, answer = gateway.call(
            "send_test", {**wanted, "to_address": address}, person("owner")
        )
        assert (status, answer[1]) == (403, "a test goes to members only")
        assert address not in str(answer)
    status, rows = gateway.call(
        "send_test", {**wanted, "to_address": "owner@acme.example"}, person("member")
    )
    assert status == 200
    status, tests = gateway.call(
        "list_tests",
        {"organization_id": gateway.acme, "test_id": rows[0][0]},
        person("viewer"),
        get=True,
    )
    assert (status, len(tests)) == (200, 1)
    status, log = gateway.call(
        "audit_log", {"organization_id": gateway.acme, '"limit"': 1}, person("admin"), get=True
    )
    assert log[0][2:5] == ("send_test", "authenticator", UUID(PEOPLE["member"]))
