"""Charts as inline SVG, drawn by pygal and stripped to shapes and classes.

Colours, fonts and dark mode come from the page's style sheet. Nothing of pygal's own style, script
or ids is kept: a page may hold any number of charts under a policy that allows no inline style.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from xml.etree.ElementTree import Element, SubElement, tostring

import pygal
from markupsafe import Markup

# pygal leaves an import hook of the old kind behind, for its maps; Python 3.11 would warn of it at
# every later import.
sys.meta_path[:] = [hook for hook in sys.meta_path if type(hook).__module__ != "pygal"]

#: Each chart is drawn for wide pages, where it has all or half of their width, and for phones:
#: so letters keep their size.
FULL, HALF, PHONE = 1000, 480, 340
_HEIGHT = 200
#: So much of the x axis a label needs.
_LABEL = 75
_UNUSED = ("text-overlay", "tooltip-overlay", "background", "titles")
_NUMBER = re.compile(r"-?\d+\.\d+")


@dataclass(frozen=True)
class Series:
    """One row of values; ``style`` is its class in the style sheet, ``None`` a gap in the data."""

    name: str
    style: str
    values: Sequence[float | None]


def bars(labels: Sequence[str], series: Sequence[Series], summary: str, width: int) -> Markup:
    """Stacked bars, a bar per label. ``summary`` is what a screen reader says in its place."""
    return _both(pygal.StackedBar, labels, series, summary, width, rounded_bars=1)


def lines(labels: Sequence[str], series: Sequence[Series], summary: str, width: int) -> Markup:
    """A line per series over the labels."""
    return _both(pygal.Line, labels, series, summary, width, dots_size=2.5)


def _both(
    kind: Any,
    labels: Sequence[str],
    series: Sequence[Series],
    summary: str,
    width: int,
    **options: Any,
) -> Markup:
    sizes = {"wide": width, "narrow": PHONE}
    drawn = "".join(_draw(kind, name, sizes[name], labels, series, options) for name in sizes)
    return Markup('<div class="chart" role="img" aria-label="{}">{}</div>').format(
        summary,
        Markup(drawn),  # noqa: S704 - elements that ElementTree wrote
    )


def _draw(
    kind: Any,
    name: str,
    width: int,
    labels: Sequence[str],
    series: Sequence[Series],
    options: dict[str, Any],
) -> str:
    most = max((value or 0 for each in series for value in each.values), default=0)
    chart = kind(
        width=width,
        height=_HEIGHT,
        js=[],
        css=[],
        classes=(name,),
        show_legend=False,
        margin=0,
        margin_right=8,
        margin_top=8,
        spacing=8,
        min_scale=3,
        max_scale=5,
        include_x_axis=True,
        # without a value the axis would have no end
        range=None if most else (0, 1),
        value_formatter=_count,
        truncate_label=-1,
        show_minor_x_labels=False,
        x_labels_major_every=max(1, -(-len(labels) * _LABEL // width)),
        **options,
    )
    chart.x_labels = list(labels)
    for each in series:
        chart.add(each.name, list(each.values))
    root = chart.render_tree()
    _strip(root)
    for number, each in enumerate(series):
        _name_marks(root, f"serie-{number}", each, labels)
    return _NUMBER.sub(lambda found: f"{float(found[0]):.1f}".removesuffix(".0"), _text(root))


def _count(value: float) -> str:
    """A figure of the axis; none where it would be a broken one."""
    return f"{value:,.0f}" if float(value).is_integer() else ""


def _text(root: Element) -> str:
    return tostring(root, encoding="unicode", short_empty_elements=True)


def _strip(root: Element) -> None:
    """Remove what only pygal's own script and style would use, and every id."""
    root.attrib.pop("id", None)
    root.set("aria-hidden", "true")
    root.set("focusable", "false")
    for parent in list(root.iter()):
        for child in list(parent):
            classes = str(child.get("class", ""))
            unused = not isinstance(child.tag, str) or child.tag in {"defs", "title", "desc"}
            if unused or classes.endswith(_UNUSED):
                parent.remove(child)
        parent.attrib.pop("style", None)


def _name_marks(root: Element, name: str, series: Series, labels: Sequence[str]) -> None:
    """Give each bar or dot its words, which browsers show on hover, and the series its class."""
    for group in root.iter("g"):
        if name not in str(group.get("class", "")).split():
            continue
        group.set("class", f"series {series.style}")
        marks = [each for each in group.iter("g") if each.get("class") in {"bar", "dots"}]
        given = [n for n, value in enumerate(series.values) if value is not None] if marks else []
        for mark, number in zip(marks, given, strict=True):
            del mark.attrib["class"]
            for shape in mark:
                shape.attrib.pop("class", None)
            value = series.values[number]
            title = SubElement(mark, "title")
            title.text = f"{labels[number]}: {value:,} {series.name}"


def row_bar(share: float | Decimal | None, style: str = "") -> Markup:
    """A bar in a row of a table, as long as ``share`` (0 to 1) of its cell."""
    length = 0.0 if share is None else min(max(float(share), 0.0), 1.0) * 100
    return Markup(
        '<svg class="row-bar {}" aria-hidden="true" focusable="false" height="10">'
        '<rect class="track" width="100%" height="10" rx="2"/>'
        '<rect class="fill" width="{}%" height="10" rx="2"/></svg>'
    ).format(style, f"{length:.1f}")


def share_bar(parts: Sequence[tuple[str, int]]) -> Markup:
    """One bar in which each part (style, count) has its share; nothing where all are zero."""
    total = sum(count for _, count in parts)
    if not total:
        return Markup("")
    rects, begin = Markup(""), 0.0
    for style, count in parts:
        length = 100 * count / total
        if count:
            rects += Markup('<rect class="{}" x="{}%" width="{}%" height="22"/>').format(
                style, f"{begin:.2f}", f"{length:.2f}"
            )
        begin += length
    return Markup(
        '<svg class="share-bar" aria-hidden="true" focusable="false" height="22" width="100%">'
        "{}</svg>"
    ).format(rects)
