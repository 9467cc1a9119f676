"""Charts as inline SVG that takes its colours and its font from the page around it.

Specifications are Vega-Lite's, drawn by vl-convert without a browser and without a network. Colours are CSS
variables of `reports/templates/report.css`, so that one drawing serves light, dark and paper.
"""

import re
from collections.abc import Mapping
from typing import Any, TypeAlias

from markupsafe import Markup, escape

Spec: TypeAlias = Mapping[str, Any]
"""A Vega-Lite specification; colours and fonts are the theme's."""

WIDTH = 340
"""Of a drawing, in CSS pixels: its text stays readable on a phone, and a desk shows two or three in a row."""

HEIGHT = 230

SERIES = tuple(f"var(--series-{number})" for number in range(1, 7))
"""The colours of what is compared, by its place; a seventh has the colour of the first and another dash."""

DASHES = ([1, 0], [6, 3], [2, 2], [8, 3, 2, 3], [4, 4], [1, 3])
"""The strokes of what is compared, so that no line is known by its colour alone."""

SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down")

_AXIS = {
    "labelColor": "var(--soft)",
    "titleColor": "var(--soft)",
    "titleFontWeight": "normal",
    "gridColor": "var(--line)",
    "domainColor": "var(--line)",
    "tickColor": "var(--line)",
    "labelFontSize": 11,
    "titleFontSize": 11,
}

_THEME = {
    "aria": False,
    "background": None,
    "font": "inherit",
    "axis": _AXIS,
    "legend": {
        "labelColor": "var(--ink)",
        "titleColor": "var(--soft)",
        "orient": "top",
        "direction": "vertical",
        "labelFontSize": 11,
        "labelLimit": WIDTH,
        "title": None,
        "symbolStrokeWidth": 2,
        "symbolSize": 60,
    },
    "line": {"strokeWidth": 2},
    "point": {"filled": True, "size": 45, "opacity": 1},
    "rule": {"color": "var(--soft)"},
    "text": {"color": "var(--ink)", "fontSize": 11},
    "range": {"category": list(SERIES), "symbol": list(SHAPES)},
    "view": {"stroke": None},
}


def svg(spec: Spec, label: str, name: str) -> Markup:
    """Draw a specification.

    `label` says in a sentence what is to be seen, for those who listen to the page; `name` is an identifier
    of this drawing within the page.
    """
    # A heavy library: it holds the engine that draws.
    import vl_convert

    drawn = vl_convert.vegalite_to_svg(
        {
            "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
            "width": WIDTH,
            "height": HEIGHT,
            "autosize": {"type": "fit", "contains": "padding"},
            "padding": 2,
            **spec,
            "config": _THEME,
        }
    )
    # Two drawings in one page must not clip by each other's outline.
    drawn = re.sub(r'(id="|url\(#)(clip|gradient)', rf"\1{name}-\2", drawn)
    opening = f'<svg role="img" aria-label="{escape(label)}" '
    return Markup(drawn.replace("<svg ", opening, 1))  # noqa: S704  # drawn from escaped text
