# ruff: noqa: E501 - one line per row reads best
"""What the error codes of the WhatsApp Cloud API mean: a table, first match wins.

The same codes come in the answer to a request and later in a ``failed`` status: the outcome counts
for the first, the reason for both. ``codes`` are separated by blanks, ``200-299`` is a range;
``text`` is a case-insensitive regular expression over message and details, where the code alone
leaves the meaning open. ``scope`` says whose fault it is: the message's, the recipient's, the
template's or the sender's; of ``provider`` it is nobody's here.

Sources: Meta's pages on error codes, template pausing, per-user marketing limits and throughput.

Three principles, as for SMTP. A fault of one recipient or message never stops the sender or a
template. ``throttled`` burns no attempt and so is given only where waiting helps whatever the
message. A template that is refused waits (``retry`` with ``template_unavailable``): with a time of
its own where it is this message alone that does not fit, else the template is left alone for all.
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from pgdrip.smtp.codes import BAD_ADDRESS, CONTENT, POLICY, RETRY, SENDER, Verdict, wait

Scope = Literal["message", "recipient", "template", "sender", "provider"]

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400

OPTED_OUT = Verdict("rejected", "opted_out")
TEMPLATE = Verdict("retry", "template_unavailable")
NO_SESSION = Verdict("retry", "session_closed")
#: A whole day and a little: early attempts make the cap of that person last longer.
USER_CAP = Verdict("retry", "throttled", _DAY + 15 * _MINUTE)
PAIR_RATE = Verdict("retry", "throttled", _MINUTE)
MISFIT = Verdict("retry", "template_unavailable", _DAY)


class Code(NamedTuple):
    """One row of the table."""

    codes: str
    text: str
    scope: Scope
    verdict: Verdict
    name: str


CODES: tuple[Code, ...] = (
    # -- the provider, or how fast we are ---------------------------------------------------------
    Code("4", "", "sender", wait(10 * _MINUTE), "calls of the app, too many"),
    Code("80007", "", "sender", wait(10 * _MINUTE), "calls for the business account, too many"),
    Code("130429", "", "sender", wait(5), "throughput of the number"),
    Code("131048", "", "sender", wait(6 * _HOUR), "too many reports of spam: a long pause"),
    Code("2", "", "provider", wait(5 * _MINUTE), "the service is down for now"),
    Code("131016", "", "provider", wait(5 * _MINUTE), "the service is overloaded"),
    Code("131057", "", "provider", wait(15 * _MINUTE), "the business account is in maintenance"),
    Code("133004", "", "provider", wait(5 * _MINUTE), "the server is not available"),
    Code("1", "", "provider", RETRY, "unknown error"),
    Code("131000", "", "provider", RETRY, "something went wrong"),
    # -- this recipient ---------------------------------------------------------------------------
    Code("131056", "", "recipient", PAIR_RATE, "too many messages from this number to this person"),
    Code("131049", "", "recipient", USER_CAP, "this person has had enough marketing for now"),
    Code("130472", "", "recipient", POLICY, "this person is part of an experiment: never again"),
    Code("131050", "", "recipient", OPTED_OUT, "this person stopped marketing messages"),
    Code("131026", "", "recipient", BAD_ADDRESS, "not on WhatsApp, or cannot get this"),
    Code("131021", "", "recipient", POLICY, "sender and recipient are the same"),
    Code("131030", "", "recipient", POLICY, "not on the list of a test number"),
    Code("131047", "", "recipient", NO_SESSION, "the session of 24 hours is closed: a template is needed"),
    # -- the template -----------------------------------------------------------------------------
    Code("132005 131062", "", "message", MISFIT, "the template does not fit with these values, or this recipient"),
    Code("132000", "", "template", TEMPLATE, "another number of parameters"),
    Code("132001", "", "template", TEMPLATE, "not there in this language, or not approved"),
    Code("132007", "", "template", TEMPLATE, "breaks a policy"),
    Code("132008 132012", "", "template", TEMPLATE, "parameters of another format"),
    Code("132015", "", "template", TEMPLATE, "paused for its quality"),
    Code("132016", "", "template", TEMPLATE, "disabled for its quality"),
    Code("132068 132069", "", "template", TEMPLATE, "its flow is blocked or throttled"),
    Code("131063", "", "template", TEMPLATE, "marketing templates are switched off"),
    # -- the sender -------------------------------------------------------------------------------
    Code("0 3 10 33 190 200-299", "", "sender", SENDER, "the token or its permissions"),
    Code("100", r"does not exist|missing permissions|unsupported post request", "sender", SENDER, "the number is not there for this token"),
    Code("368", "", "sender", SENDER, "blocked for breaking policies"),
    Code("130497", "", "sender", SENDER, "may not write to this country"),
    Code("131005", "", "sender", SENDER, "access denied"),
    Code("131031", "", "sender", SENDER, "the account is locked"),
    Code("131037", "", "sender", SENDER, "the display name is not approved"),
    Code("131042", "", "sender", SENDER, "payment"),
    Code("131045", "", "sender", SENDER, "the number is not registered rightly"),
    Code("131064", "", "sender", SENDER, "limited after templates in a wrong category"),
    Code("133010 133015 133016", "", "sender", SENDER, "the number is not registered, or not yet again"),
    # -- this message -----------------------------------------------------------------------------
    Code("100 131008 131009", "", "message", CONTENT, "a parameter is missing or wrong"),
    Code("131051 131052 131053 135000", "", "message", CONTENT, "type, media or parameters cannot be used"),
)  # fmt: skip


def find_code(code: int, words: str = "") -> Code | None:
    """The row of a code; None: it is not known."""
    for row in CODES:
        if any(_covers(each, code) for each in row.codes.split()) and (
            not row.text or re.search(row.text, words, re.IGNORECASE)
        ):
            return row
    return None


def _covers(pattern: str, code: int) -> bool:
    first, _, last = pattern.partition("-")
    return int(first) <= code <= int(last or first)
