"""What providers over HTTP share: one client per sender, and what answers mean, as a table.

Until the request is written nothing can have been sent: a failure before that waits. After it,
without an answer, nobody knows. Answers are read by the table of the provider, first match wins:
status (``x`` is any digit; several separated by blanks), then the provider's own code or words.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from fnmatch import fnmatchcase
from typing import NamedTuple

import httpx

from pgdrip.providers.base import DeliveryError, SendResult, printable
from pgdrip.smtp.codes import BAD_ADDRESS, CONTENT, POLICY, RETRY, SENDER, UNKNOWN, Verdict, wait

__all__ = ["BAD_ADDRESS", "CONTENT", "POLICY", "RETRY", "SENDER", "UNKNOWN", "HttpRule", "wait"]

TIMEOUT = httpx.Timeout(30, connect=10, pool=30)
LIMITS = httpx.Limits(max_connections=32, max_keepalive_connections=16, keepalive_expiry=30)
_LONGEST_WAIT = timedelta(days=1)


class HttpRule(NamedTuple):
    """One row of a table of answers."""

    status: str
    text: str
    verdict: Verdict
    name: str


#: What every provider's answers mean where its own table says nothing.
COMMON: Sequence[HttpRule] = (
    HttpRule("429", "", wait(60), "slow down"),
    HttpRule("401 403 404 405 407", "", SENDER, "the account may not, or is configured wrongly"),
    HttpRule("408 502 503 504", "", wait(60), "the provider is not there"),
    HttpRule("413", "", CONTENT, "too large"),
    HttpRule("5xx", "", RETRY, "it failed, perhaps on this message alone"),
    HttpRule("4xx", "", CONTENT, "this message is refused"),
    HttpRule("xxx", "", UNKNOWN, "an answer that says neither yes nor no"),
)


def make_client(base_url: str) -> httpx.AsyncClient:
    """A client for one sender; redirects are not followed: credentials go where they were meant."""
    return httpx.AsyncClient(
        base_url=base_url, timeout=TIMEOUT, limits=LIMITS, follow_redirects=False
    )


async def post(
    client: httpx.AsyncClient, path: str, content: bytes, headers: Mapping[str, str]
) -> httpx.Response:
    """Send a request. Raises ``DeliveryError`` where there is no answer."""
    try:
        return await client.post(path, content=content, headers=dict(headers))
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
        raise failure(wait(30), "unreachable", type(error).__name__) from error
    except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
        raise failure(SENDER, "bad_url", type(error).__name__) from error
    except httpx.HTTPError as error:
        raise failure(UNKNOWN, "no_answer", type(error).__name__) from error


async def get(
    client: httpx.AsyncClient, path: str, params: Mapping[str, str], headers: Mapping[str, str]
) -> httpx.Response:
    """Ask something that changes nothing: without an answer, nothing has happened. Raises so."""
    try:
        return await client.get(path, params=dict(params), headers=dict(headers))
    except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
        raise failure(SENDER, "bad_url", type(error).__name__) from error
    except httpx.HTTPError as error:
        raise failure(wait(30), "unreachable", type(error).__name__) from error


def judge(
    response: httpx.Response, rules: Sequence[HttpRule], code: str, words: str, now: datetime
) -> DeliveryError:
    """What an answer that is no success means."""
    status = str(response.status_code)
    text = f"{code} {words}"
    for rule in (*rules, *COMMON):
        patterns = (pattern.replace("x", "?") for pattern in rule.status.split())
        if any(fnmatchcase(status, pattern) for pattern in patterns) and (
            not rule.text or re.search(rule.text, text, re.IGNORECASE)
        ):
            break
    return failure(
        rule.verdict,
        f"{status} {code}".strip(),
        words,
        retry_after_of(response, now),
    )


def retry_after_of(response: httpx.Response, now: datetime) -> timedelta | None:
    """How long an answer asks to wait; at most a day."""
    return _retry_after(response.headers.get("retry-after", ""), now)


def failure(
    verdict: Verdict, code: str, words: str, retry_after: timedelta | None = None
) -> DeliveryError:
    """The error of a verdict; the time to wait only where it makes the sender wait."""
    waits = verdict.outcome == "throttled"
    default = timedelta(seconds=verdict.retry_after) if verdict.retry_after is not None else None
    return DeliveryError(
        SendResult(
            outcome=verdict.outcome,
            reason=verdict.reason,
            error_code=printable(code, 100),
            error_message=printable(words),
            retry_after=(retry_after or default) if waits else None,
        )
    )


def _retry_after(value: str, now: datetime) -> timedelta | None:
    """``Retry-After``: seconds, or an instant; at most a day."""
    if value.isdigit():
        return min(timedelta(seconds=int(value[:9])), _LONGEST_WAIT)
    try:
        at = parsedate_to_datetime(value)
    except ValueError:
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return max(timedelta(seconds=1), min(at - now, _LONGEST_WAIT))
