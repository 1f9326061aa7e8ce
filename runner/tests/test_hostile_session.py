"""A tenant with raw SQL access: what it can put into its own session gains it nothing."""

from __future__ import annotations

import json
from uuid import UUID, uuid4

import psycopg
import pytest

from conftest import Connect

# Types that functions name; with an empty search_path pg_temp would be asked for them first.
TYPES = (
    "text",
    "bigint",
    "int4",
    "jsonb",
    "timestamptz",
    "uuid",
    "date",
    "interval",
    "bool",
    "name",
)


@pytest.fixture
def admin(database: str, connect: Connect) -> psycopg.Connection:
    """Two organizations; a login bound to the first; a profile that is a member of both."""
    connection = connect(database)
    connection.execute("drop role if exists drip_test_tenant")
    connection.execute("create role drip_test_tenant login")
    connection.execute("grant drip_app to drip_test_tenant")
    settings = json.dumps({"public_base_url": "https://mail.example.com"})
    for name in ("Acme", "Other"):
        connection.execute("select drip.create_organization(%s, settings => %s)", (name, settings))
    connection.execute("set drip.organization_id = '2'")
    connection.execute("""select drip.upsert_contact(2, '{"external_id": "secret"}')""")
    connection.execute("reset drip.organization_id")
    connection.execute("insert into drip_core.login_organizations values (1, 'drip_test_tenant')")
    yield connection
    connection.execute("reset session authorization")
    connection.execute("drop owned by drip_test_tenant")
    connection.execute("drop role drip_test_tenant")


def test_H2_a_temporary_type_never_runs_in_a_definer_function(admin: psycopg.Connection) -> None:
    admin.execute("set session authorization drip_test_tenant")
    assert admin.execute("select current_user, session_user").fetchone() == (
        ("drip_test_tenant", "drip_test_tenant")
    )
    admin.execute(
        "create function pg_temp.spy(value pg_catalog.text) returns pg_catalog.bool"
        " language plpgsql as $$ begin raise exception 'ran as %', current_user; end $$"
    )
    for name in TYPES:
        admin.execute(
            f"create domain pg_temp.{name} as pg_catalog.{'int8' if name == 'bigint' else name}"
            " check (pg_temp.spy(value::pg_catalog.text))"
        )
    for call in (
        """drip.upsert_contact(1, '{"external_id": "a", "email": "a@example.com"}')""",
        """drip.upsert_contacts(1, '[{"external_id": "b", "timezone": "Europe/Berlin"}]')""",
        """drip.apply_channel_account(1, '{"key": "m", "channel": "email", "provider": "smtp",
           "address": "m@example.com", "daily_limit": 5}')""",
        """drip.apply_sequence(1, '{"key": "s", "steps": [{"key": "a", "channel": "email",
           "subject": "x {{ contact.email }}", "text": "y", "delay": "1 hour"}]}')""",
        "drip.enroll(1, 's', 2)",
        "drip.enroll_many(1, 's', array[2, 3])",
        "drip.list_enrollments(1)",
        "drip.why(1, 1)",
        "drip.pause_enrollment(1, 1, 'x')",
        "drip.enrollment_history(1, 1)",
        """drip.update_organization(1, '{"holidays": ["2026-12-25"]}')""",
        "drip.set_sequence_status(1, 's', 'paused')",
    ):
        admin.execute(f"select * from {call}")


def test_H2_a_bound_login_cannot_pass_for_somebody_else(admin: psycopg.Connection) -> None:
    stranger = uuid4()
    admin.execute("set session authorization drip_test_tenant")
    for claims in (
        {"sub": str(stranger)},
        {"sub": str(stranger), "organization_id": 2},
    ):
        admin.execute("select set_config('request.jwt.claims', %s, false)", (json.dumps(claims),))
        # a stranger is nobody, also where a gateway's login is bound to one organization
        for organization_id in (1, 2):
            with pytest.raises(psycopg.Error) as raised:
                admin.execute("select * from drip.list_contacts(%s)", (organization_id,))
            assert raised.value.sqlstate == "PT404"
    admin.execute("select set_config('request.jwt.claims', '', false)")
    admin.execute(
        """select drip.apply_channel_account(1, '{"key": "m", "channel": "email",
           "provider": "smtp", "address": "m@example.com"}')"""
    )
    admin.execute(
        """select drip.apply_sequence(1, '{"key": "s", "steps": [{"key": "a",
           "channel": "email", "subject": "x", "text": "y"}]}')"""
    )
    admin.execute("reset session authorization")
    published_by = admin.execute("select published_by from drip_core.sequence_versions").fetchone()
    assert published_by == (None,)


def test_H2_a_session_that_reads_strings_otherwise_is_checked_all_the_same(
    admin: psycopg.Connection, database: str, connect: Connect
) -> None:
    """A body is read when a session first runs it: its regular expressions keep their signs."""
    tenant = connect(database, user="drip_test_tenant")
    tenant.execute("set standard_conforming_strings = off")
    write = "select drip.upsert_contact(1, %s)"
    for address in ("a@b c", "a@b\r\nBcc:victim@c", "a@b\nSubject:x"):
        with pytest.raises(psycopg.Error) as refused:
            tenant.execute(write, (json.dumps({"external_id": "n", "email": address}),))
        assert refused.value.sqlstate == "PT422"
    tenant.execute(write, (json.dumps({"external_id": "n", "email": "a@bus.example"}),))
    assert tenant.execute("show standard_conforming_strings").fetchone() == ("off",)


def test_L2_a_profile_of_two_organizations_says_which_one(admin: psycopg.Connection) -> None:
    person = uuid4()
    for organization_id in (1, 2):
        admin.execute(f"set drip.organization_id = '{organization_id}'")
        admin.execute(
            "select drip.add_member(%s, %s, 'ann@example.com', role => 'admin')",
            (organization_id, person),
        )
    admin.execute("reset drip.organization_id")

    def seen(claims: dict[str, object]) -> tuple[int | None, UUID | None]:
        admin.execute("select set_config('request.jwt.claims', %s, false)", (json.dumps(claims),))
        row = admin.execute(
            "select drip_core.current_organization(), drip_core.current_profile()"
        ).fetchone()
        assert row is not None
        return row

    assert seen({"sub": str(person)}) == (1, person), "the membership that was there first"
    assert seen({"sub": str(person), "organization_id": 2}) == (2, person)
    assert seen({"sub": str(person), "organization_id": 3}) == (None, None)
