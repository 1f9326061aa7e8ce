"""Messages as mail systems and people write them, made up for the tests, with what each one is.

The shapes are those of the systems named; addresses, hosts and words are invented. ``{id}`` is the
Message-ID of the message that each one is about.
"""
# ruff: noqa: E501 - one line per part reads best

from __future__ import annotations

from typing import NamedTuple

MESSAGE_ID = f"<{'ab' * 33}@mail.example.com>"


class Sample(NamedTuple):
    """``what``: bounced (with reason), deferred, delivered, complained; or a class of letters."""

    name: str
    what: str
    raw: bytes


def dsn(
    name: str,
    what: str,
    status: str,
    diagnostic: str = "",
    *,
    action: str = "failed",
    sender: str = "Mail Delivery System <MAILER-DAEMON@mx.example.net>",
    subject: str = "Undelivered Mail Returned to Sender",
    words: str = "I'm sorry to have to inform you that your message could not be delivered.",
    quoted: str = "message/rfc822",
    recipient: str = "rfc822; ann@example.net",
    head: str = "",
    per_message: str = "Reporting-MTA: dns; mx.example.net\n",
) -> Sample:
    block = f"Final-Recipient: {recipient}\nAction: {action}\nStatus: {status}\n"
    block += f"Diagnostic-Code: {diagnostic}\n" if diagnostic else ""
    text = (
        f"Return-Path: <>\nFrom: {sender}\nTo: sales@example.com\nSubject: {subject}\n"
        f"Message-ID: <{abs(hash(name)) % 10**9}@mx.example.net>\n{head}MIME-Version: 1.0\n"
        f'Content-Type: multipart/report; report-type=delivery-status;\n boundary="=_b"\n\n'
        f"This is a MIME-encapsulated message.\n\n--=_b\nContent-Type: text/plain; charset=us-ascii\n\n{words}\n\n"
        f"--=_b\nContent-Type: message/delivery-status\n\n{per_message}\n{block}\n"
        f"--=_b\nContent-Type: {quoted}\n\nReceived: by mx.example.net\nMessage-ID: {MESSAGE_ID}\n"
        "From: sales@example.com\nTo: ann@example.net\nSubject: Welcome\n\n"
        + ("Hello Ann\n" if quoted == "message/rfc822" else "")
        + "\n--=_b--\n"
    )
    return Sample(name, what, text.replace("\n", "\r\n").encode())


def words(name: str, what: str, head: str, body: str) -> Sample:
    text = f"{head}\nMessage-ID: <{abs(hash(name)) % 10**9}@x.example>\n\n{body}\n"
    return Sample(name, what, text.replace("\n", "\r\n").encode())


def arf(name: str, what: str, fields: str, quoted: str = f"Message-ID: {MESSAGE_ID}\n") -> Sample:
    text = (
        f"From: feedback@isp.example\nTo: abuse@example.com\nSubject: Email Feedback Report\n"
        f"Message-ID: <{abs(hash(name)) % 10**9}@isp.example>\nMIME-Version: 1.0\n"
        'Content-Type: multipart/report; report-type=feedback-report; boundary="f"\n\n'
        "--f\nContent-Type: text/plain\n\nThis is an email abuse report.\n\n"
        f"--f\nContent-Type: message/feedback-report\n\n{fields}\n\n"
        f"--f\nContent-Type: message/rfc822\n\n{quoted}From: sales@example.com\nSubject: Welcome\n\nHello\n\n--f--\n"
    )
    return Sample(name, what, text.replace("\n", "\r\n").encode())


def mail(
    name: str, what: str, subject: str, body: str, head: str = "", answers: bool = True
) -> Sample:
    reply = f"In-Reply-To: {MESSAGE_ID}\nReferences: {MESSAGE_ID}\n" if answers else ""
    charset = "" if "Content-Type" in head else "Content-Type: text/plain; charset=utf-8\n"
    text = (
        f"From: Ann Example <ann@example.net>\nTo: Sales <sales@example.com>\nSubject: {subject}\n"
        f"Message-ID: <{abs(hash(name)) % 10**9}@mail.example.net>\n{reply}{head}MIME-Version: 1.0\n{charset}\n{body}\n"
    )
    return Sample(name, what, text.replace("\n", "\r\n").encode())


QUOTED = "\n\nOn Tue, 24 Nov 2026 at 10:00, Sales <sales@example.com> wrote:\n> Hello Ann,\n> stop by our stand? Unsubscribe: https://mail.example.com/u/x\n"
AUTO = "Auto-Submitted: auto-replied\n"

CORPUS: list[Sample] = [
    # delivery reports as RFC 3464 has them
    dsn(
        "Postfix, no such user",
        "bounced invalid_address",
        "5.1.1",
        "smtp; 550 5.1.1 <ann@example.net>: Recipient address rejected: User unknown in local recipient table",
    ),
    dsn(
        "Postfix, no such domain",
        "bounced invalid_address",
        "5.4.4",
        "X-Postfix; Host or domain name not found. Name service error for name=example.net type=AAAA: Host not found",
    ),
    dsn(
        "Postfix, mailbox full",
        "bounced soft_bounced",
        "5.2.2",
        "smtp; 552 5.2.2 Mailbox size limit exceeded",
    ),
    dsn(
        "Postfix, delayed",
        "deferred",
        "4.4.1",
        "X-Postfix; connect to mx.example.net[192.0.2.1]:25: Connection timed out",
        action="delayed",
        subject="Delayed Mail (still being retried)",
    ),
    dsn(
        "Postfix, expired",
        "bounced soft_bounced",
        "4.4.7",
        "X-Postfix; delivery temporarily suspended",
        subject="Undelivered Mail Returned to Sender",
    ),
    dsn(
        "Postfix, headers only",
        "bounced invalid_address",
        "5.1.1",
        "smtp; 550 5.1.1 unknown",
        quoted="text/rfc822-headers",
    ),
    dsn(
        "Gmail, no such user",
        "bounced invalid_address",
        "5.1.1",
        "smtp; 550-5.1.1 The email account that you tried to reach does not exist.",
        sender="Mail Delivery Subsystem <mailer-daemon@googlemail.com>",
        subject="Delivery Status Notification (Failure)",
        head="X-Failed-Recipients: ann@example.net\nAuto-Submitted: auto-replied\n",
    ),
    dsn(
        "Gmail, over quota",
        "bounced soft_bounced",
        "4.2.2",
        "smtp; 452-4.2.2 The recipient's inbox is out of storage space.",
        sender="mailer-daemon@googlemail.com",
        subject="Delivery Status Notification (Failure)",
    ),
    dsn(
        "Gmail, delay",
        "deferred",
        "4.4.1",
        "",
        action="delayed",
        sender="mailer-daemon@googlemail.com",
        subject="Delivery Status Notification (Delay)",
    ),
    dsn(
        "Gmail, blocked",
        "bounced rejected_policy",
        "5.7.1",
        "smtp; 550-5.7.1 [192.0.2.1] Our system has detected that this message is likely unsolicited mail.",
        sender="mailer-daemon@googlemail.com",
    ),
    dsn(
        "Gmail, unauthenticated",
        "bounced sender_blocked",
        "5.7.26",
        "smtp; 550-5.7.26 This mail has been blocked because the sender is unauthenticated.",
        sender="mailer-daemon@googlemail.com",
    ),
    dsn(
        "Exchange Online, no such user",
        "bounced invalid_address",
        "5.1.10",
        "smtp;550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient ann@example.net not found by SMTP address lookup",
        sender="postmaster@example.net",
        subject="Undeliverable: Welcome",
        head="X-MS-Exchange-Message-Is-Ndr:\nAuto-Submitted: auto-replied\n",
    ),
    dsn(
        "Exchange Online, refused by policy",
        "bounced rejected_policy",
        "5.7.1",
        "smtp;550 5.7.1 TRANSPORT.RULES.RejectMessage; the message was rejected by organization policy",
        sender="postmaster@example.net",
        subject="Undeliverable: Welcome",
    ),
    dsn(
        "Exchange Online, full",
        "bounced soft_bounced",
        "5.2.2",
        "smtp;554 5.2.2 mailbox full; STOREDRV.Deliver.Exception:QuotaExceededException",
        sender="postmaster@example.net",
        subject="Undeliverable: Welcome",
    ),
    dsn(
        "Exchange, too large",
        "bounced rejected_content",
        "5.3.4",
        "smtp;550 5.3.4 ROUTING.SizeLimit; message size exceeds fixed maximum",
        sender="postmaster@example.net",
        subject="Undeliverable: Welcome",
    ),
    dsn(
        "Exchange, German",
        "bounced invalid_address",
        "5.1.1",
        "smtp;550 5.1.1 RESOLVER.ADR.RecipNotFound; not found",
        sender="postmaster@firma.example",
        subject="Unzustellbar: Welcome",
        words="Fehler bei der Zustellung der Nachricht an folgende Empfaenger.",
    ),
    dsn(
        "Outlook.com, a status that says little",
        "bounced rejected_content",
        "5.5.0",
        "smtp;550 5.5.0 Requested action not taken: mailbox unavailable",
        sender="postmaster@outlook.com",
        subject="Undeliverable: Welcome",
    ),
    dsn(
        "Yahoo, no such user",
        "bounced invalid_address",
        "5.0.0",
        "smtp; 554 5.1.1 delivery error: dd This user doesn't have a yahoo.com account",
        sender="MAILER-DAEMON@yahoo.com",
        subject="Failure Notice",
    ),
    dsn(
        "iCloud, no such user",
        "bounced invalid_address",
        "5.1.1",
        "smtp; 550 5.1.1 <ann@example.net>: user does not exist",
    ),
    dsn(
        "GMX, no such user",
        "bounced invalid_address",
        "5.1.1",
        "smtp; 550 Requested action not taken: mailbox unavailable",
    ),
    dsn(
        "Sendmail, host unknown",
        "bounced invalid_address",
        "5.1.2",
        "",
        sender="Mail Delivery Subsystem <MAILER-DAEMON@relay.example.net>",
        subject="Returned mail: Host unknown (Name server: example.net: host not found)",
    ),
    dsn(
        "Sendmail, warning",
        "deferred",
        "4.2.0",
        "",
        action="delayed",
        sender="Mail Delivery Subsystem <MAILER-DAEMON@relay.example.net>",
        subject="Warning: could not send message for past 4 hours",
    ),
    dsn(
        "Sendmail, success",
        "delivered",
        "2.0.0",
        "",
        action="relayed",
        sender="Mail Delivery Subsystem <MAILER-DAEMON@relay.example.net>",
        subject="Return receipt",
    ),
    dsn(
        "Proofpoint, blocked",
        "bounced rejected_policy",
        "5.7.0",
        "smtp; 554 5.7.0 Local policy violation",
        subject="Undeliverable mail",
    ),
    dsn(
        "Mimecast, refused",
        "bounced rejected_policy",
        "5.7.1",
        "smtp; 550 Administrative prohibition",
        sender="postmaster@example.net",
    ),
    dsn(
        "Barracuda, refused",
        "bounced rejected_policy",
        "5.7.1",
        "smtp; 554 rejected due to spam content",
    ),
    dsn(
        "Zimbra, disabled account",
        "bounced soft_bounced",
        "5.2.1",
        "smtp; 550 5.2.1 mailbox disabled",
    ),
    dsn(
        "null MX",
        "bounced invalid_address",
        "5.1.10",
        "smtp; 556 5.1.10 Recipient address has null MX",
    ),
    dsn(
        "moved", "bounced invalid_address", "5.1.6", "smtp; 551 5.1.6 recipient no longer on server"
    ),
    dsn(
        "domain changed hands",
        "bounced invalid_address",
        "5.7.18",
        "smtp; 550 5.7.18 domain owner has changed",
    ),
    dsn(
        "bad sender address",
        "bounced sender_blocked",
        "5.1.8",
        "smtp; 550 5.1.8 <sales@example.com>: Sender address rejected: Domain not found",
    ),
    dsn(
        "greylisted too long",
        "bounced soft_bounced",
        "4.7.1",
        "smtp; 451 4.7.1 Greylisted, please try again later",
    ),
    dsn("routing loop", "bounced soft_bounced", "5.4.6", "smtp; 554 5.4.6 Too many hops"),
    dsn(
        "OpenSMTPD",
        "bounced invalid_address",
        "5.1.1",
        "",
        subject="Delivery status notification: error",
        words="Hi! This is the MAILER-DAEMON, please DO NOT REPLY to this email.",
    ),
    dsn(
        "Courier",
        "bounced invalid_address",
        "5.0.0",
        "smtp; 550 5.1.1 User unknown.",
        per_message="Reporting-MTA: dns; mx.example.net\nArrival-Date: Tue, 24 Nov 2026 10:00:00 +0000\n",
    ),
    dsn(
        "Lotus Domino",
        "bounced invalid_address",
        "5.1.1",
        "X-Notes; User ann (ann@example.net) not listed in Domino Directory",
        subject="DELIVERY FAILURE: User ann not listed in Domino Directory",
    ),
    dsn(
        "upper case",
        "bounced invalid_address",
        "5.1.1",
        "SMTP; 550 5.1.1 NO",
        recipient="RFC822;ANN@EXAMPLE.NET",
        action="Failed",
    ),
    # bounces in words
    words(
        "qmail",
        "bounced invalid_address",
        "Return-Path: <>\nFrom: MAILER-DAEMON@mx.example.net\nSubject: failure notice",
        f"Hi. This is the qmail-send program at mx.example.net.\nI'm afraid I wasn't able to deliver your message to the following addresses.\nThis is a permanent error; I've given up. Sorry it didn't work out.\n\n<ann@example.net>:\nSorry, no mailbox here by that name. (#5.1.1)\n\n--- Below this line is a copy of the message.\n\nMessage-ID: {MESSAGE_ID}\n",
    ),
    words(
        "Exim",
        "bounced invalid_address",
        "Return-Path: <>\nFrom: Mail Delivery System <Mailer-Daemon@mx.example.net>\nX-Failed-Recipients: ann@example.net\nAuto-Submitted: auto-generated\nSubject: Mail delivery failed: returning message to sender",
        f"This message was created automatically by mail delivery software.\n\nA message that you sent could not be delivered to one or more of its recipients. This is a permanent error. The following address(es) failed:\n\n  ann@example.net\n    550 5.1.1 unknown user\n\n------ This is a copy of the message ------\n\nMessage-ID: {MESSAGE_ID}\n",
    ),
    words(
        "Gmail in words",
        "bounced invalid_address",
        "Return-Path: <>\nFrom: Mail Delivery Subsystem <mailer-daemon@googlemail.com>\nX-Failed-Recipients: ann@example.net\nSubject: Delivery Status Notification (Failure)",
        f"Address not found. The response from the remote server was: 550 5.1.1 no such user\n\n----- Original message -----\nMessage-ID: {MESSAGE_ID}\n",
    ),
    words(
        "of another message",
        "delivery_report",
        "Return-Path: <>\nFrom: MAILER-DAEMON@mx.example.net\nSubject: failure notice",
        "This is a permanent error. <bob@example.net>: no mailbox (#5.1.1)\nMessage-ID: <somebody.elses@example.org>",
    ),
    # complaints
    arf(
        "Yahoo",
        "complained",
        "Feedback-Type: abuse\nUser-Agent: Yahoo!-Mail-Feedback/2.0\nVersion: 0.1\nOriginal-Rcpt-To: redacted",
    ),
    arf("Comcast", "complained", "Feedback-Type: abuse\nUser-Agent: ReturnPathFBL/1.0\nVersion: 1"),
    arf("fraud", "complained", "Feedback-Type: fraud\nUser-Agent: X/1\nVersion: 1"),
    arf("not spam", "deferred", "Feedback-Type: not-spam\nUser-Agent: X/1\nVersion: 1"),
    arf("upper case", "complained", "FEEDBACK-TYPE: ABUSE\nUSER-AGENT: X/1\nVERSION: 1"),
    arf(
        "redacted to nothing",
        "complained",
        "Feedback-Type: abuse\nUser-Agent: X/1\nVersion: 1",
        "Message-ID: <redacted>\n",
    ),
    # absences
    mail(
        "Gmail vacation",
        "out_of_office",
        "Re: Welcome",
        "I am away until Monday.",
        AUTO + "Precedence: bulk\nX-Autoreply: yes\n",
    ),
    mail(
        "Exchange",
        "out_of_office",
        "Automatic reply: Welcome",
        "I am out of the office.",
        "Auto-Submitted: auto-generated\nX-Auto-Response-Suppress: All\n",
    ),
    mail(
        "Exchange, German",
        "out_of_office",
        "Automatische Antwort: Welcome",
        "Ich bin bis 01.12.2026 nicht im Haus.",
        "Auto-Submitted: auto-generated\nX-Auto-Response-Suppress: All\n",
    ),
    mail(
        "Exchange, French",
        "out_of_office",
        "=?utf-8?q?R=C3=A9ponse_automatique_=3A_Welcome?=",
        "Je suis absente.",
        "X-Auto-Response-Suppress: All\nAuto-Submitted: auto-generated\n",
    ),
    mail(
        "Exchange, Spanish",
        "out_of_office",
        "=?utf-8?q?Respuesta_autom=C3=A1tica=3A_Welcome?=",
        "Estoy fuera.",
        "",
    ),
    mail(
        "Exchange, Portuguese",
        "out_of_office",
        "=?utf-8?q?Resposta_autom=C3=A1tica=3A_Welcome?=",
        "Estou ausente.",
        "",
    ),
    mail(
        "Exchange, Italian", "out_of_office", "Risposta automatica: Welcome", "Sono fuori sede.", ""
    ),
    mail(
        "Exchange, Dutch", "out_of_office", "Automatisch antwoord: Welcome", "Ik ben afwezig.", ""
    ),
    mail("Outlook, older", "out_of_office", "Out of Office: Welcome", "Back soon.", ""),
    mail("German note", "out_of_office", "Abwesenheitsnotiz: Welcome", "Bin weg.", ""),
    mail("Apple", "out_of_office", "Re: Welcome", "On holiday.", "X-Apple-Action: vacation\n"),
    mail(
        "sieve vacation",
        "out_of_office",
        "Auto: Welcome",
        "Away.",
        "Auto-Submitted: auto-replied (vacation)\n",
    ),
    mail("away, and says stop", "out_of_office", "Automatic reply: Welcome", "stop", AUTO),
    mail(
        "base64",
        "out_of_office",
        "Automatic reply: Welcome",
        "SSBhbSBhd2F5Lg==",
        "Content-Transfer-Encoding: base64\nContent-Type: text/plain; charset=utf-8\n",
    ),
    # other machines
    mail(
        "ticket system",
        "auto_reply",
        "[Ticket 4711] Welcome",
        "We have received your request.",
        "Auto-Submitted: auto-generated\nPrecedence: bulk\n",
    ),
    mail(
        "OTRS", "auto_reply", "RE: Welcome", "Your ticket was created.", "X-Autoresponder: OTRS\n"
    ),
    mail(
        "cPanel",
        "auto_reply",
        "Re: Welcome",
        "Thanks.",
        "X-Autorespond: Welcome\nPrecedence: auto_reply\n",
    ),
    mail("machine", "auto_reply", "Re: Welcome", "ok", "X-FC-MachineGenerated: true\n"),
    mail(
        "null sender",
        "auto_reply",
        "Re: Welcome",
        "Confirm that you are a person.",
        "Return-Path: <>\n",
    ),
    mail(
        "newsletter",
        "list",
        "News of the week",
        "Buy now.",
        "List-Id: <news.example.net>\nList-Unsubscribe: <https://x.example>\nPrecedence: bulk\n",
        answers=False,
    ),
    mail(
        "mailing list",
        "list",
        "[users] Re: Welcome",
        "Me too.",
        "List-Post: <mailto:users@l.example>\nList-Id: <users.l.example>\n",
    ),
    # people
    mail("plain answer", "human", "Re: Welcome", "Sounds good, call me tomorrow." + QUOTED),
    mail(
        "German answer",
        "human",
        "AW: Welcome",
        "Gerne, rufen Sie mich an.\n\nAm 24.11.2026 um 10:00 schrieb Sales:\n> Hallo",
    ),
    mail("below the quote", "human", "Re: Welcome", "> Hello Ann,\n> are you there?\n\nYes, I am."),
    mail(
        "html only",
        "human",
        "Re: Welcome",
        "<html><head><style>p{}</style></head><body><p>Yes <b>please</b></p><blockquote>Hello</blockquote></body></html>",
        "Content-Type: text/html; charset=utf-8\n",
    ),
    mail(
        "both",
        "human",
        "Re: Welcome",
        "--x\nContent-Type: text/plain; charset=iso-8859-1\n\nYes\n--x\nContent-Type: text/html\n\n<p>Yes</p>\n--x--",
        'Content-Type: multipart/alternative; boundary="x"\n',
    ),
    mail("says no to a machine", "human", "Re: Welcome", "Fine.", "Auto-Submitted: no\n"),
    mail("new subject", "human", "A question", "What does it cost?", answers=False),
    mail(
        "forwarded",
        "human",
        "Fwd: Welcome",
        "Bob, is this for us?\n\n---------- Forwarded message ---------\nFrom: Sales <sales@example.com>\nSubject: Welcome\n\nHello",
    ),
    mail("stop inside", "human", "Re: Welcome", "Please do not stop, this is great."),
    mail("quoted stop only", "human", "Re: Welcome", "No thanks." + QUOTED),
    mail("a phone", "human", "Re: Welcome", "Ok\n\nSent from my phone"),
    mail("empty", "human", "Re: Welcome", ""),
    mail(
        "attachment",
        "human",
        "Re: Welcome",
        "--x\nContent-Type: text/plain\n\nSee the file.\n--x\nContent-Type: application/pdf\nContent-Disposition: attachment; filename=a.pdf\nContent-Transfer-Encoding: base64\n\nAAAA\n--x--",
        'Content-Type: multipart/mixed; boundary="x"\n',
    ),
    # who wants to be left alone
    mail("stop", "unsubscribe_request", "Re: Welcome", "STOP"),
    mail("stop, top-posted", "unsubscribe_request", "Re: Welcome", "Unsubscribe." + QUOTED),
    mail(
        "remove me",
        "unsubscribe_request",
        "Re: Welcome",
        "Please remove me!\n\n--\nAnn Example\nExample Ltd",
    ),
    mail(
        "German",
        "unsubscribe_request",
        "AW: Welcome",
        "Bitte abmelden\n\nAm 24.11.2026 schrieb Sales:\n> Hallo",
    ),
    mail("French", "unsubscribe_request", "Re: Welcome", "désabonner"),
    mail(
        "html stop",
        "unsubscribe_request",
        "Re: Welcome",
        "<div>stop</div>",
        "Content-Type: text/html; charset=utf-8\n",
    ),
    mail("mailto of a mail program", "unsubscribe_request", "unsubscribe", "", answers=False),
    # broken
    words(
        "no boundary",
        "human",
        "From: ann@example.net\nSubject: Re: Welcome\nContent-Type: multipart/mixed",
        "Hello",
    ),
    words(
        "boundary that never ends",
        "human",
        'From: ann@example.net\nSubject: Re: Welcome\nContent-Type: multipart/mixed; boundary="x"',
        "--x\nContent-Type: text/plain\n\nHello",
    ),
    words(
        "unknown charset",
        "human",
        "From: ann@example.net\nSubject: Re: Welcome\nContent-Type: text/plain; charset=x-nonsense",
        "Hello",
    ),
    words(
        "bad base64",
        "human",
        "From: ann@example.net\nSubject: Re: Welcome\nContent-Type: text/plain\nContent-Transfer-Encoding: base64",
        "!!!not base64!!!",
    ),
    words(
        "report without its parts",
        "delivery_report",
        "From: MAILER-DAEMON@x.example\nSubject: Undelivered\nContent-Type: multipart/report; report-type=delivery-status",
        "nothing",
    ),
    Sample("no header at all", "human", b"\xff\xfe nonsense \x00\r\n"),
    Sample("nothing", "human", b""),
    words(
        "broken subject",
        "human",
        "From: ann@example.net\nSubject: =?utf-8?b?////?= =?x?q?",
        "Hello",
    ),
]
