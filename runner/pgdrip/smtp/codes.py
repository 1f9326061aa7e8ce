# ruff: noqa: E501 - one line per row reads best
"""What SMTP replies mean: a table, read from top to bottom, first match wins.

``stages`` says what we were doing: ``compose`` (before any I/O), ``connect`` (name lookup, TCP, TLS
from the start, greeting), ``helo``, ``starttls``, ``auth``, ``mail``, ``rcpt``, ``data`` (the
command), ``after_data`` (everything was sent, the reply to the final dot is due).
``reply`` is a reply code (``x`` is any digit) or, where the server gave none, a word for what
happened (``timeout dropped refused dns tls unsupported malformed bad_recipient bad_sender
bad_content``). ``enhanced`` is an RFC 3463 code (``*`` any part, ``?`` any digit, ``-`` none
given); several are separated by blanks. ``text`` is a case-insensitive regular expression.

Sources: RFC 5321 section 4.2, RFC 3463, RFC 7504, RFC 7505, RFC 5248, the IANA registry of
enhanced codes, and what large providers really send. The enhanced code is asked first, the reply
code second, the text only where both leave the meaning open.

Three principles. A fault of the *recipient* must never stop the sender, a fault of the *sender*
must never cost a recipient: until RCPT the server knows nothing of the recipient, so what it
refuses there is the sender. Only a mailbox or domain that does not exist is ``invalid_address``
(bounce and suppression). ``throttled`` burns no attempt and so is given only where waiting helps
whatever the message; a fault that may stick to one message is ``retry``, which ends.
"""

from __future__ import annotations

from typing import NamedTuple

from pgdrip.providers.base import Outcome


class Verdict(NamedTuple):
    """What the engine is told. ``retry_after`` is in seconds; of SMTP only ``throttled`` uses it."""

    outcome: Outcome
    reason: str | None
    retry_after: int | None = None


class Rule(NamedTuple):
    """One row of the table."""

    stages: str
    reply: str
    enhanced: str
    text: str
    verdict: Verdict
    name: str


BAD_ADDRESS = Verdict("rejected", "invalid_address")
CONTENT = Verdict("rejected", "rejected_content")
POLICY = Verdict("rejected", "rejected_policy")
SENDER = Verdict("sender_error", "sender_blocked")
RETRY = Verdict("retry", None)
UNKNOWN = Verdict("unknown", "outcome_unknown")


def wait(seconds: int) -> Verdict:
    """The sender waits this long; no attempt is burned."""
    return Verdict("throttled", "throttled", seconds)


OPENING = "connect helo starttls auth"
BEFORE_RCPT = "connect helo starttls auth mail"
RECIPIENT = "rcpt data after_data"
SESSION = "mail rcpt data after_data"
ANY = "connect helo starttls auth mail rcpt data after_data"

AUTH_WORDS = r"authentication (is )?required|not authenticated|must (be )?authenticat|log ?in first"
RELAY_WORDS = r"relay(ing)? (access )?(is )?(denied|not (allowed|permitted))|unable to relay"
RATE_WORDS = (
    r"rate.?limit|too (many (messages|mails|emails|connections|requests)|much mail|fast)"
    r"|throttl|(sending|message|hourly|daily) (limit|quota)|exceeded .{0,40}(rate|limit per)"
)
SIZE_WORDS = r"size|too (large|big)|exceeds"
UNKNOWN_USER_WORDS = (
    r"(no such|unknown|invalid|non.?exist\w*|unrecognized) (user|mailbox|recipient|address|account)"
    r"|(user|mailbox|recipient|account|address)( \S+)? (is )?(unknown|unavailable|not found|invalid"
    r"|(does ?n.t|does not|do not) exist|not exist|no longer (valid|exists?))|no mailbox here"
    r"|not a (valid|known) (user|mailbox|recipient)|user not local"
)
POLICY_WORDS = (
    r"spam|block(ed|list)?|blacklist|denylist|polic(y|ies)|reputation|dnsbl|rbl|spamhaus|dmarc"
    r"|spf|dkim|prohibited|not accepted|reject(ed)? due to|denied"
)
FULL_WORDS = r"full|quota|storage|over.?quota|insufficient"

RULES: tuple[Rule, ...] = (
    # -- found before anything was sent ---------------------------------------------------------
    Rule("compose", "bad_recipient", "*", "", BAD_ADDRESS, "our address check: recipient"),
    Rule("compose", "bad_sender", "*", "", SENDER, "our address check: sender"),
    Rule("compose", "bad_content", "*", "", CONTENT, "message cannot be built"),
    # -- no answer, or none that can be read ----------------------------------------------------
    Rule("after_data", "timeout", "*", "", UNKNOWN, "everything sent, no reply"),
    Rule("after_data", "dropped", "*", "", UNKNOWN, "everything sent, connection lost"),
    Rule("after_data", "malformed", "*", "", UNKNOWN, "everything sent, reply unreadable"),
    Rule("connect", "refused", "*", "", wait(120), "nothing listens"),
    Rule("connect", "dns", "*", "", wait(300), "server name not found"),
    Rule(BEFORE_RCPT, "timeout", "*", "", wait(120), "no answer while opening"),
    Rule(BEFORE_RCPT, "dropped", "*", "", wait(120), "connection lost while opening"),
    Rule(BEFORE_RCPT, "malformed", "*", "", SENDER, "not an SMTP server"),
    Rule("connect starttls", "tls", "*", "", SENDER, "certificate or TLS refused"),
    Rule("helo starttls auth", "unsupported", "*", "", SENDER, "TLS or login not offered"),
    Rule("mail", "unsupported", "*", "", POLICY, "internationalised address not supported"),
    Rule("rcpt data", "timeout", "*", "", RETRY, "no answer to RCPT or DATA"),
    Rule("rcpt data", "dropped", "*", "", RETRY, "connection lost at RCPT or DATA"),
    Rule("rcpt data", "malformed", "*", "", RETRY, "unreadable reply to RCPT or DATA"),
    # -- the login and the sender, whatever the stage -------------------------------------------
    Rule(ANY, "5xx", "5.7.8 5.7.9 5.7.11 5.7.14", "", SENDER, "login refused"),
    Rule(ANY, "53x", "*", "", SENDER, "login refused or required, by reply code"),
    Rule(SESSION, "5xx", "5.1.7 5.1.8", "", SENDER, "sender address refused"),
    Rule(ANY, "5xx", "5.7.2?", "", SENDER, "sender domain fails authentication"),
    Rule(ANY, "5xx", "5.7.30 5.7.31 5.7.32 5.7.40", "", SENDER, "sender domain fails authentication (Google)"),
    Rule(ANY, "5xx", "5.7.515 5.7.15 5.7.509", "", SENDER, "sender domain fails authentication (Microsoft)"),
    Rule(ANY, "5xx", "5.7.57 5.7.60 5.7.64 5.7.70? 5.7.750 5.1.90", "", SENDER, "sender account refused (Microsoft)"),
    Rule(SESSION, "5xx", "5.7.0 5.7.1 5.5.1 -", AUTH_WORDS, SENDER, "we are not logged in, by text"),
    Rule(SESSION, "5xx", "5.7.0 5.7.1 5.4.0 -", RELAY_WORDS, SENDER, "server does not relay for us, by text"),
    # -- temporary, for the whole sender --------------------------------------------------------
    Rule(ANY, "421", "4.7.28", "", wait(900), "server closes the connection, rate limit"),
    Rule(ANY, "421", "*", "", wait(120), "server closes the connection"),
    Rule(ANY, "4xx", "4.7.28", "", wait(900), "sender rate limited"),
    Rule(ANY, "4xx", "4.7.2? 4.7.30 4.7.31 4.7.32 4.7.40", "", wait(900), "sender domain not authenticated yet"),
    Rule(SESSION, "4xx", "4.7.* 4.5.3 4.3.2 4.0.0 -", RATE_WORDS, wait(900), "sending limit reached, by text"),
    Rule(OPENING, "4xx", "*", "", wait(120), "temporary refusal while opening"),
    Rule("mail", "4xx", "*", "", wait(120), "temporary refusal of the sender"),
    Rule("rcpt", "4xx", "4.3.1 4.3.2", "", wait(120), "mail system full or closed"),
    # -- permanent while opening: our configuration ---------------------------------------------
    Rule(OPENING, "5xx", "*", "", SENDER, "refused while opening"),
    Rule("mail", "5xx", "5.2.3 5.3.4", "", CONTENT, "message too big, announced"),
    Rule("mail", "552", "*", "", CONTENT, "message too big, announced, by reply code"),
    Rule("mail", "5xx", "5.6.7", "", POLICY, "internationalised address refused"),
    Rule("mail", "5xx", "*", "", SENDER, "sender refused"),
    # -- temporary, for one recipient or message ------------------------------------------------
    Rule(RECIPIENT, "4xx", "4.7.1", "", RETRY, "greylisted"),
    Rule(RECIPIENT, "4xx", "4.2.2", "", RETRY, "mailbox full, temporary code"),
    Rule(RECIPIENT, "4xx", "*", "", RETRY, "any other temporary refusal"),
    # -- permanent: the recipient does not exist ------------------------------------------------
    Rule(RECIPIENT, "5xx", "5.1.0 5.1.1", "", BAD_ADDRESS, "no such mailbox"),
    Rule(RECIPIENT, "5xx", "5.1.2 5.4.4", "", BAD_ADDRESS, "no such domain"),
    Rule(RECIPIENT, "5xx", "5.1.3", "", BAD_ADDRESS, "address syntax"),
    Rule(RECIPIENT, "5xx", "5.1.6", "", BAD_ADDRESS, "moved"),
    Rule(RECIPIENT, "5xx", "5.1.10", "", BAD_ADDRESS, "domain accepts no mail"),
    Rule(RECIPIENT, "5xx", "5.7.17 5.7.18", "", BAD_ADDRESS, "mailbox or domain changed its owner"),
    Rule(RECIPIENT, "5xx", "5.1.*", "", POLICY, "other fault of the address"),
    # -- permanent: the mailbox exists ----------------------------------------------------------
    # Sources differ on a disabled mailbox; it may come back, so the address is not suppressed.
    Rule(RECIPIENT, "5xx", "5.2.1 5.7.13", "", POLICY, "mailbox disabled"),
    Rule(RECIPIENT, "5xx", "5.2.2", "", RETRY, "mailbox full"),
    Rule(RECIPIENT, "5xx", "5.2.3 5.3.4", "", CONTENT, "message too big"),
    Rule(RECIPIENT, "5xx", "5.2.4", "", RETRY, "mailing list cannot be expanded"),
    Rule(RECIPIENT, "5xx", "5.4.6", "", RETRY, "mail loop"),
    Rule(RECIPIENT, "5xx", "5.5.3", "", RETRY, "too many recipients"),
    Rule(RECIPIENT, "503", "5.5.1 -", "", RETRY, "session out of step"),
    # Outlook.com says 550 5.5.0 for mailboxes that do not exist.
    Rule("rcpt", "550", "5.5.0 5.5.1 5.0.0 5.3.0", UNKNOWN_USER_WORDS, BAD_ADDRESS, "no such mailbox, under a protocol code"),
    Rule(RECIPIENT, "5xx", "5.5.*", "", CONTENT, "protocol"),
    Rule(RECIPIENT, "5xx", "5.6.*", "", CONTENT, "content or conversion"),
    Rule(RECIPIENT, "5xx", "5.7.*", "", POLICY, "policy"),
    # -- no enhanced code, or one that says nothing: reply code, then text ----------------------
    Rule(RECIPIENT, "552", "*", SIZE_WORDS, CONTENT, "too big, by text"),
    Rule(RECIPIENT, "552", "*", "", RETRY, "mailbox full, by reply code"),
    Rule(RECIPIENT, "556", "*", "", BAD_ADDRESS, "domain accepts no mail, by reply code"),
    Rule(RECIPIENT, "5xx", "5.0.0 -", POLICY_WORDS, POLICY, "policy, by text"),
    Rule(RECIPIENT, "5xx", "5.0.0 -", FULL_WORDS, RETRY, "mailbox full, by text"),
    Rule(RECIPIENT, "5xx", "5.0.0 -", UNKNOWN_USER_WORDS, BAD_ADDRESS, "no such mailbox, by text"),
    Rule("rcpt", "501", "5.0.0 -", "", BAD_ADDRESS, "address syntax, by reply code"),
    Rule("rcpt", "553", "5.0.0 -", "", BAD_ADDRESS, "mailbox name not allowed, by reply code"),
    Rule(RECIPIENT, "5xx", "*", "", POLICY, "any other permanent refusal"),
)  # fmt: skip
