"""Counted links and the pixel over real HTTP: people, crawlers, HEAD, broken links, no database."""

from __future__ import annotations

from collections import Counter
from typing import Any

import httpx
import psycopg
import pytest

from engine import ONE_STEP
from test_serve import HTTP, Links, Site, public_url, site

__all__ = ["public_url", "site"]
pytestmark = pytest.mark.timeout(120)

BROWSER = {
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/131.0 Safari/537.36"
}
BODY = (
    '<p><a href="https://example.com/one?a=1&amp;b=2">one</a>'
    ' <a href="https://example.com/two">two</a> <a href="https://example.com/three">three</a></p>'
)


@pytest.fixture
def tracked(site: Site) -> Site:
    """The site, with links that are counted."""
    organization = site.engine.organization_id
    site.engine.rows(
        "select drip.update_organization(%s, jsonb_build_object('tracking', true))", organization
    )
    site.engine.sequence("welcome", [{**ONE_STEP[0], "html": BODY}])
    return site


def _later(site: Site) -> None:
    """The messages were sent a minute ago: nobody clicks in the second of the sending."""
    site.engine.connection.execute(
        "update drip_core.messages set settled_at = settled_at - interval '1 minute'"
    )


def _tracked_links(message: dict[str, Any], base: str) -> list[str]:
    links = Links()
    links.feed(message["html_body"])
    return [link for link in links.found if link.startswith((f"{base}/c/", f"{base}/o/"))]


def _hits(site: Site) -> Counter[tuple[str, bool]]:
    rows = site.engine.rows(
        "select type::text, is_machine from drip_core.events where type in ('opened', 'clicked')"
    )
    return Counter((row["type"], row["is_machine"]) for row in rows)


def test_a_crawler_that_follows_every_link_is_no_person_X6(tracked: Site) -> None:
    messages = tracked.messages(10, "x")
    _later(tracked)
    with httpx.Client(timeout=30, headers=BROWSER) as crawler:
        for message in messages:
            links = _tracked_links(message, tracked.base)
            assert len(links) == 4, message["html_body"]
            for link in links:
                assert crawler.get(link).status_code == (302 if "/c/" in link else 200)
    assert _hits(tracked) == {("opened", True): 10, ("clicked", True): 30}
    (report,) = tracked.engine.rows(
        "select open_rate, click_rate, machine_opens, machine_clicks"
        " from drip_report.sequence_overview where sequence_key = 'welcome' and enrolled > 0"
    )
    assert report == {"open_rate": 0, "click_rate": 0, "machine_opens": 10, "machine_clicks": 10}
    assert tracked.states() == {"completed": 10}


def test_a_person_opens_and_clicks_G1(tracked: Site) -> None:
    (message,) = tracked.messages(1, "p")
    _later(tracked)
    pixel = _tracked_links(message, tracked.base)[-1]
    answer = HTTP.get(pixel, headers=BROWSER)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "image/gif"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.content.startswith(b"GIF89a")
    answer = HTTP.get(
        f"{tracked.base}/c/{message['link_token']}/1",
        headers={**BROWSER, "X-Forwarded-For": "2001:db8::7"},
    )
    assert answer.status_code == 302
    assert answer.headers["location"] == "https://example.com/one?a=1&b=2"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert _hits(tracked) == {("opened", False): 1, ("clicked", False): 1}
    rows = tracked.engine.rows("select host(ip) as ip from drip_core.tracking_hits order by id")
    assert [row["ip"] for row in rows] == ["127.0.0.1", "2001:db8::7"]


def test_head_is_no_hit_and_nothing_leads_elsewhere_X6(tracked: Site) -> None:
    (message,) = tracked.messages(1, "h")
    _later(tracked)
    token = message["link_token"]
    for link in _tracked_links(message, tracked.base):
        answer = HTTP.head(link, headers=BROWSER)
        assert answer.status_code == (302 if "/c/" in link else 200)
        assert HTTP.post(link).status_code == 405
    for path in (
        f"/c/{token}/99",
        f"/c/{token}/0",
        f"/c/{token}/{10**30}",
        f"/c/{'ab' * 33}/1",
        f"/c/{message['message_token']}/1",
        f"/c/{token}/1?url=https://evil.example",
    ):
        answer = HTTP.get(tracked.base + path, headers=BROWSER)
        if "?url=" in path:
            assert answer.headers["location"] == "https://example.com/one?a=1&b=2"
        else:
            assert answer.status_code == 404, path
            assert "leads nowhere" in answer.text
            assert "location" not in answer.headers
    assert HTTP.get(f"{tracked.base}/o/nonsense.gif").content.startswith(b"GIF89a")
    assert _hits(tracked) == {("clicked", False): 1}


@pytest.mark.one_version
def test_without_a_database_the_pixel_is_shown(tracked: Site) -> None:
    (message,) = tracked.messages(1, "d")
    with psycopg.connect(tracked.engine.url, autocommit=True) as admin:
        admin.execute("alter role pgdrip_test_public nologin")
        admin.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where datname = %s and usename = 'pgdrip_test_public'",
            (admin.info.dbname,),
        )
        pixel = HTTP.get(f"{tracked.base}/o/{message['link_token']}.gif", timeout=60)
        assert pixel.status_code == 200
        assert pixel.content.startswith(b"GIF89a")
        click = HTTP.get(f"{tracked.base}/c/{message['link_token']}/1", timeout=60)
        assert click.status_code == 503
        admin.execute("alter role pgdrip_test_public login")
    assert _hits(tracked) == {}
