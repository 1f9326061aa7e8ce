"""The pages behind unsubscribe links (and broken ones), in the language the browser asks for."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from html import escape
from importlib.resources import files
from typing import Any

Texts = dict[str, str]

FALLBACK = "en"

_STYLE = (
    "body{margin:0;font:1.125rem/1.6 system-ui,sans-serif;color:#1a1a1a;background:#fff}"
    "main{max-width:34rem;margin:12vh auto;padding:0 1.5rem;overflow-wrap:anywhere}"
    "h1{font-size:1.75rem;line-height:1.25}"
    "button{font:inherit;padding:.7rem 1.4rem;border:0;border-radius:.4rem;"
    "color:#fff;background:#0b4f9e;cursor:pointer}"
    "button:focus-visible{outline:3px solid #f5a300;outline-offset:3px}"
    "@media(prefers-color-scheme:dark){body{color:#eee;background:#161616}}"
)
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

#: No scripts, no foreign content, no frames; the token in the address goes to nobody else.
SECURITY_HEADERS = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self';"
        " base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "X-Robots-Tag": "noindex, nofollow",
}


def load_texts() -> dict[str, Texts]:
    """Every language there is a file for in ``locales``: a language is added by adding its file."""
    return {
        entry.name.removesuffix(".json"): json.loads(entry.read_text("utf-8"))
        for entry in files(__package__).joinpath("locales").iterdir()
        if entry.name.endswith(".json")
    }


def choose_language(accepted: str, known: Mapping[str, object]) -> str:
    """The best language of an ``Accept-Language`` header that is known; English where none is."""
    wishes = []
    for position, item in enumerate(accepted.split(",")[:20]):
        tag, _, parameters = item.strip().partition(";")
        try:
            quality = float(parameters.strip().removeprefix("q=") or 1)
        except ValueError:
            quality = 0.0
        wishes.append((-quality, position, tag.strip().lower()))
    for quality, _, tag in sorted(wishes):
        for name in (tag, tag.partition("-")[0]):
            if quality < 0 and name in known:
                return name
    return FALLBACK


def render(
    language: str, texts: Texts, kind: str, info: Mapping[str, Any], *, form: bool = False
) -> str:
    """A page: ``kind`` is ``question``, ``done``, ``no_link``, ``failed`` or ``too_many``.

    ``info`` is what ``drip.unsubscribe_info`` answers; without names the neutral text is used.
    """
    heading, explanation = kind, "explanation" if kind == "question" else f"{kind}_explanation"
    if not all(info.get(key) for key in ("sender", "organization", "address")):
        heading = f"{heading}_unknown" if f"{heading}_unknown" in texts else heading
        explanation = f"{explanation}_unknown" if f"{explanation}_unknown" in texts else explanation
    names = {key: escape(str(value)) for key, value in info.items()}
    button = (
        f'<form method="post"><button type="submit">{escape(texts["button"])}</button></form>'
        if form
        else ""
    )
    return (
        f'<!doctype html><html lang="{escape(language)}" dir="{escape(texts["dir"])}"><head>'
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(texts['no_link' if kind == 'no_link' else 'title'])}</title>"
        f"<style>{_STYLE}</style></head><body><main>"
        f'<div role="status"><h1>{escape(texts[heading]).format_map(names)}</h1>'
        f"<p>{escape(texts[explanation]).format_map(names)}</p></div>{button}</main></body></html>"
    )
