"""From a failure of an SMTP session to a ``SendResult``, by the table in ``codes``."""

from __future__ import annotations

import re
from datetime import timedelta
from fnmatch import fnmatchcase

from pgdrip.providers.base import SendResult, printable
from pgdrip.smtp.codes import RETRY, RULES, UNKNOWN, Rule

_ENHANCED = re.compile(r"^\s*([245])\.(\d{1,3})\.(\d{1,3})(?!\S)")


class Failure(Exception):
    """An SMTP session did not end with an accepted message.

    ``reply`` is the server's three-digit code as text, or the word of ``codes`` for what happened;
    ``text`` is what the server said.
    """

    def __init__(self, stage: str, reply: str, text: str = "") -> None:
        super().__init__(f"{stage}: {reply} {text}")
        self.stage = stage
        self.reply = reply
        self.text = text


def enhanced_code(reply: str, text: str) -> str:
    """The RFC 3463 code at the beginning of a reply, or ``''``.

    Where its class and the reply code disagree on permanence, the failure is read as temporary.
    """
    match = _ENHANCED.match(text)
    if match is None or not reply.isdigit():
        return ""
    return f"{_severity(reply, match[1])}.{match[2]}.{match[3]}"


def _severity(reply: str, enhanced_class: str) -> str:
    return "4" if "4" in (reply[0], enhanced_class) else reply[0]


def find_rule(failure: Failure) -> Rule:
    """The first row that matches. Raises ``LookupError`` when the table has a hole."""
    enhanced = enhanced_code(failure.reply, failure.text)
    reply = failure.reply
    if enhanced and enhanced[0] != reply[0]:
        reply = f"{enhanced[0]}xx"
    for rule in RULES:
        if (
            failure.stage in rule.stages.split()
            and _reply_matches(rule.reply, reply)
            and _enhanced_matches(rule.enhanced, enhanced)
            and (not rule.text or re.search(rule.text, failure.text, re.IGNORECASE))
        ):
            return rule
    raise LookupError(f"no rule for {failure}")


def _reply_matches(pattern: str, reply: str) -> bool:
    return (
        fnmatchcase(reply, pattern.replace("x", "?")) if pattern[0].isdigit() else pattern == reply
    )


def _enhanced_matches(patterns: str, enhanced: str) -> bool:
    return any(
        pattern == "*" or (pattern == "-" and not enhanced) or fnmatchcase(enhanced, pattern)
        for pattern in patterns.split()
    )


def classify(failure: Failure) -> SendResult:
    """What a failure means for the engine."""
    try:
        rule = find_rule(failure)
    except LookupError:
        # A reply outside 4xx and 5xx where none belongs: before the final dot nothing was accepted.
        verdict = UNKNOWN if failure.stage == "after_data" else RETRY
        rule = Rule(failure.stage, failure.reply, "*", "", verdict, "unexpected reply")
    said = _ENHANCED.match(failure.text)
    wait = rule.verdict.retry_after
    return SendResult(
        outcome=rule.verdict.outcome,
        reason=rule.verdict.reason,
        error_code=f"{failure.reply} {said[0].strip()}" if said else failure.reply,
        error_message=printable(f"{failure.stage}: {failure.text or rule.name}"),
        retry_after=None if wait is None else timedelta(seconds=wait),
    )
