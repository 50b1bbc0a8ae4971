"""How charts look, and what is made of them: a Vega-Lite specification for the page, and an SVG for everywhere else.

Text and lines have the colour of the text around them, so that a chart follows the reader's theme.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import altair as alt
import pandas as pd
import vl_convert

INK = "currentColor"
COLOURS = ("#3b82f6", "#c26a00", "#1a8a4e", "#a855f7", "#e5484d", "#0b7f8a")
_DASHES = ([6, 3], [2, 2], [8, 2, 2, 2], [4, 4], [10, 3], [3, 1])
_SOLID = [1, 0]
_FONT = "system-ui, sans-serif"
_THEME = "<style>svg{color:#1f2328}@media (prefers-color-scheme:dark){svg{color:#e6edf3}}</style>"
_TEXT = {"labelColor": INK, "titleColor": INK, "labelFont": _FONT, "titleFont": _FONT, "titleFontWeight": 500}
_CONFIG: dict[str, Any] = {
    "background": "transparent",
    "font": _FONT,
    "view": {"stroke": None},
    "axis": {**_TEXT, "domainColor": INK, "tickColor": INK, "gridColor": INK, "gridOpacity": 0.12, "labelLimit": 260},
    "legend": {**_TEXT, "labelLimit": 0, "orient": "bottom", "direction": "vertical", "title": None},
    "title": {"color": INK, "font": _FONT, "fontSize": 12, "fontWeight": 600, "anchor": "start"},
    "text": {"color": INK, "font": _FONT},
    "rule": {"color": INK},
}
# Altair refuses large data so that notebooks stay small; a confusion matrix of 200 classes is large.
alt.data_transformers.disable_max_rows()
Chart = alt.Chart | alt.LayerChart | alt.FacetChart | alt.HConcatChart | alt.ConcatChart


@dataclass(frozen=True)
class Style:
    """Colour and dash of each line by its name: names `plain` have the colour of the text and are whole."""

    names: Sequence[str]
    plain: Sequence[str] = ("clean data",)

    def colour(self, field: str) -> alt.Color:
        """Colour by the field that holds the names."""
        tinted = iter(range(len(self.names)))
        colours = [INK if name in self.plain else COLOURS[next(tinted) % len(COLOURS)] for name in self.names]
        return alt.Color(f"{field}:N", sort=list(self.names), scale=self._scale(colours))

    def dash(self, field: str) -> alt.StrokeDash:
        """Dash by the field that holds the names, for those who can't tell the colours."""
        dashed = iter(range(len(self.names)))
        dashes = [_SOLID if name in self.plain else _DASHES[next(dashed) % len(_DASHES)] for name in self.names]
        return alt.StrokeDash(f"{field}:N", sort=list(self.names), scale=self._scale(dashes))

    def _scale(self, values: Sequence[Any]) -> alt.Scale:
        return alt.Scale(domain=list(self.names), range=list(values))


def rows(data: Sequence[Mapping[str, Any]]) -> alt.Chart:
    """A chart of these rows; a number that is None is missing."""
    return alt.Chart(pd.DataFrame(data))


def to_spec(chart: Chart, description: str) -> dict[str, Any]:
    """The chart as Vega-Lite, with its data in it; `description` is what a screen reader says of it."""
    spec = chart.properties(description=description).configure(**_CONFIG).to_dict()
    # Python's JSON knows numbers that JSON does not: better none than a page that does not open.
    return json.loads(json.dumps(spec, allow_nan=False))


def to_svg(spec: dict[str, Any]) -> str:
    """One SVG document of a specification, with a style that follows the reader's theme; the same for the same.

    A picture has one name: those that its marks have on the page are left out.
    """
    drawing = re.sub(r' (?:aria-[a-z]+|role)="[^"]*"', "", vl_convert.vegalite_to_svg(spec))
    named = f' role="img" aria-label="{escape(spec["description"])}"'
    return re.sub(r"<svg\b([^>]*)>", lambda found: f"<svg{found[1]}{named}>{_THEME}", drawing, count=1)
