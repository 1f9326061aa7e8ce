"""What arrives at the server: headers, encodings, threading; read back by an independent parser."""

from __future__ import annotations

import email
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.policy import compat32, default
from email.utils import getaddresses

import pytest

from pgdrip.smtp.classify import Failure
from pgdrip.smtp.message import compose, wire_address
from smtp_messages import MESSAGE, NOW, changed, content_of


def parsed(content: bytes) -> EmailMessage:
    message = email.message_from_bytes(content, policy=default)
    assert isinstance(message, EmailMessage)
    return message


def raw_header(content: bytes, name: str) -> str:
    """The header unfolded but not decoded, as a strict receiver reads it."""
    value = email.message_from_bytes(content, policy=compat32)[name]
    return str(value).replace("\r\n", "").replace("\n", "")


def lf(part: EmailMessage) -> str:
    """The text of a part with the line ends of this machine."""
    return str(part.get_content()).replace("\r\n", "\n")


def assert_wire_format(content: bytes) -> None:
    """RFC 5322: CRLF only, 7-bit, no line of 998 or more."""
    assert content.isascii()
    assert content.replace(b"\r\n", b"").count(b"\n") == 0
    assert content.replace(b"\r\n", b"").count(b"\r") == 0
    assert max(len(line) for line in content.split(b"\r\n")) < 998


async def test_text_and_html_travel_as_alternatives_and_come_back_unchanged() -> None:
    text = "Grüße, 👋\n.\n..dots\nFrom here\n" + "long " * 500 + "\n"
    html = "<p>Grüße</p>\n" + "x" * 3000 + "\n"
    content = await content_of(changed(text_body=text, html_body=html))
    assert_wire_format(content)
    message = parsed(content)
    assert message.get_content_type() == "multipart/alternative"
    plain, rich = message.iter_parts()
    assert isinstance(plain, EmailMessage)
    assert isinstance(rich, EmailMessage)
    assert (plain.get_content_type(), lf(plain)) == ("text/plain", text)
    assert (rich.get_content_type(), lf(rich)) == ("text/html", html)


@pytest.mark.parametrize(
    ("text", "html", "kind", "expected"),
    [
        ("Hello", None, "text/plain", "Hello\n"),
        (None, "<p>Hello</p>", "text/html", "<p>Hello</p>\n"),
        (None, None, "text/plain", "\n"),
        ("", None, "text/plain", "\n"),
    ],
)
async def test_one_body_is_one_part(
    text: str | None, html: str | None, kind: str, expected: str
) -> None:
    message = parsed(await content_of(changed(text_body=text, html_body=html)))
    assert (message.get_content_type(), lf(message)) == (kind, expected)
    assert message["MIME-Version"] == "1.0"


@pytest.mark.parametrize(
    "name",
    [
        "Ann Example",
        'Ann "Annie" O\\Hara, Ph.D.',
        "Zoë Müller-Ñandú",
        "山田 太郎",
        "=?utf-8?q?not_encoded?=",
        "日" * 90,
        "Ann @ Example; <ceo>",
    ],
)
async def test_names_of_any_script_survive(name: str) -> None:
    content = await content_of(changed(to_name=name, from_name=name))
    assert_wire_format(content)
    for header, address in (("To", "ann@example.org"), ("From", "sales@sender.example")):
        ((phrase, found),) = getaddresses([raw_header(content, header)])
        assert (str(make_header(decode_header(phrase))), found) == (name, address)


@pytest.mark.parametrize("name", [None, "", "  "])
async def test_without_a_name_the_address_stands_alone(name: str | None) -> None:
    content = await content_of(changed(to_name=name))
    assert raw_header(content, "To") == "ann@example.org"


@pytest.mark.parametrize(
    "subject",
    [
        "Hello",
        "",
        "Grüße aus Köln 🎉",
        "A long subject " * 20 + "end",
        "Ein überlanger Betreff " * 20 + "Ende",
        "x" * 1500,
        "Re: =?utf-8?q?fake?=",
        "日本語の件名" * 40,
    ],
)
async def test_subjects_of_any_length_and_script_survive(subject: str) -> None:
    content = await content_of(changed(subject=subject))
    assert_wire_format(content)
    assert str(make_header(decode_header(raw_header(content, "Subject")))) == subject


@pytest.mark.parametrize("evil", ["\r\nBcc: spy@example.org", "\nBcc: spy@example.org", "\rBcc: x"])
async def test_no_value_can_add_a_header_or_a_recipient(evil: str) -> None:
    content = await content_of(
        changed(
            subject="Hello" + evil,
            to_name="Ann" + evil,
            from_name="Sales" + evil,
            headers={
                "Message-ID": "<tok7@sender.example>",
                "X-Custom": "value" + evil,
                "X-Bad" + evil: "name",
                "Bcc": "spy@example.org",
                "To": "spy@example.org",
                "Content-Type": "text/html",
            },
        )
    )
    assert_wire_format(content)
    message = parsed(content)
    assert message["Bcc"] is None
    assert [to.addr_spec for to in message["To"].addresses] == ["ann@example.org"]
    assert message.get_all("Content-Type") == ['text/plain; charset="utf-8"']
    assert not any(name.startswith("X-Bad") for name in message)


@pytest.mark.parametrize("evil", ["ann@example.org\r\nRCPT TO:<spy@example.org>", "a@b>c", "a b@c"])
def test_no_address_can_add_a_command(evil: str) -> None:
    with pytest.raises(Failure, match="bad_recipient"):
        compose(changed(to_address=evil), envelope_from=None, now=NOW)


async def test_headers_decided_by_sql_arrive_exactly_as_given() -> None:
    link = "https://mail.sender.example/u/" + "aZ0_-" * 40
    headers = {
        "Message-ID": "<8f14e45fceea167a5a36dedd4bea2543@mail.sender.example>",
        "List-Unsubscribe": f"<{link}>, <mailto:unsubscribe+{'x' * 60}@sender.example>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        "X-Auto-Response-Suppress": "OOF, AutoReply",
    }
    content = await content_of(changed(headers=headers))
    assert_wire_format(content)
    for name, value in headers.items():
        assert raw_header(content, name) == value
        assert content.lower().count(name.lower().encode() + b":") == 1
    assert parsed(content)["Date"].datetime == NOW


async def test_a_thread_keeps_its_first_and_last_ids_below_the_line_limit() -> None:
    ids = [f"<{number:032x}@mail.sender.example>" for number in range(60)]
    content = await content_of(
        changed(
            subject="Re: Hello",
            headers={"In-Reply-To": ids[-1], "References": " ".join(ids)},
        )
    )
    assert_wire_format(content)
    references = raw_header(content, "References").split()
    assert references[0] == ids[0]
    assert references[1:] == ids[-10:]
    assert len(raw_header(content, "References")) < 998
    assert raw_header(content, "In-Reply-To") == ids[-1]
    assert raw_header(content, "Message-ID") == "<tok7@sender.example>"


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("ann@example.org", "ann@example.org"),
        (" Ann.O'Hara+x@Example.ORG ", "Ann.O'Hara+x@Example.ORG"),
        ("ann@bücher.example", "ann@xn--bcher-kva.example"),
        ("ann@FAß.example", "ann@xn--fa-hia.example"),
        ("ann@例え.テスト", "ann@xn--r8jz45g.xn--zckzah"),
        ("änn@example.org", "änn@example.org"),
    ],
)
def test_domains_travel_in_ascii(address: str, expected: str) -> None:
    assert wire_address(address) == expected


@pytest.mark.parametrize(
    "address",
    [
        "",
        "ann",
        "@example.org",
        "ann@",
        "ann@example..org",
        "ann@-x.org",
        "a@b@c",
        "ann@exa mple.org",
        "ann@example.org\x00",
        "x" * 65 + "@example.org",
        "ann@" + "x" * 64 + ".org",
        "a,b@example.org",
    ],
)
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="address"):
        wire_address(address)


async def test_an_address_that_needs_smtputf8_is_sent_with_it() -> None:
    content = await content_of(changed(to_address="änn@bücher.example"))
    assert b'To: "Ann Example" <\xc3\xa4nn@xn--bcher-kva.example>\r\n' in content


def test_the_envelope_sender_may_differ_from_the_header() -> None:
    outgoing = compose(MESSAGE, envelope_from="bounce@b.sender.example", now=NOW)
    assert outgoing.mail_from == "bounce@b.sender.example"
    assert b'From: "Sales" <sales@sender.example>\r\n' in outgoing.content


def test_a_message_id_is_made_where_sql_gave_none() -> None:
    outgoing = compose(changed(headers={}), envelope_from=None, now=NOW)
    assert outgoing.message_id == "<tok7@sender.example>"
    assert b"Message-ID: <tok7@sender.example>\r\n" in outgoing.content
