"""How charts look, and what is made of them: a Vega-Lite specification for the page, and an SVG for everywhere else.

Text and lines have the colour of the text around them, so that a chart follows the reader's theme.
"""

import json
import re
from typing import Any

import altair as alt
import vl_convert

INK = "currentColor"
COLOURS = ("#3b82f6", "#c26a00", "#1a8a4e", "#a855f7", "#e5484d", "#0b7f8a")
DASHES = ([1, 0], [6, 3], [2, 2], [8, 2, 2, 2], [4, 4], [10, 3])
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
Chart = alt.Chart | alt.LayerChart | alt.VConcatChart | alt.HConcatChart | alt.ConcatChart


def to_spec(chart: Chart, description: str) -> dict[str, Any]:
    """The chart as Vega-Lite, with its data in it; `description` is what a screen reader says of it.

    Raises altair's SchemaValidationError for a chart that is none.
    """
    with alt.data_transformers.enable("default", max_rows=None):
        spec = chart.properties(description=description).configure(**_CONFIG).to_dict()
    # Python's JSON knows numbers that JSON does not.
    return json.loads(json.dumps(spec, allow_nan=False))


def to_svg(spec: dict[str, Any]) -> str:
    """One SVG document of a specification, with a style that follows the reader's theme; the same for the same."""
    drawing = vl_convert.vegalite_to_svg(spec)
    return re.sub(r"(<svg\b[^>]*>)", rf"\1{_THEME}", drawing, count=1)
