"""Drawing to SVG text: the same bytes for the same numbers, and readable on light and dark pages alike."""

import io
import re
import threading
import warnings
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text

INK = "#0a0b0c"  # stands for the page's own text colour until the SVG is written
COLOURS = ("#3b82f6", "#e07b00", "#1f9d55", "#a855f7", "#e5484d", "#0e9aa7")
DASHES = ("-", (0, (5, 1.5)), (0, (1, 1)), (0, (5, 1, 1, 1)))
_SETTINGS: dict[Any, Any] = {"svg.hashsalt": "unlearnable", "svg.fonttype": "none"}
_THEME = "<style>svg{color:#1f2328}@media (prefers-color-scheme:dark){svg{color:#e6edf3}}</style>"
# matplotlib's settings and font cache belong to the process, while reports are drawn in threads.
_LOCK = threading.Lock()


def to_svg(figure: Figure) -> str:
    """`figure` as one SVG document: transparent, INK turned into a colour that follows the reader's theme."""
    for text in figure.findobj(Text):
        text.set_parse_math(False)  # type: ignore[attr-defined]  # a class name with a $ is no formula
    stream = io.StringIO()
    with _LOCK, warnings.catch_warnings(), matplotlib.rc_context(_SETTINGS):
        warnings.filterwarnings("ignore", message="Glyph")  # the browser has the fonts for every script
        warnings.filterwarnings("ignore", message="Matplotlib currently does not support")
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(stream, format="svg", transparent=True, metadata=nothing)
    drawing = re.sub(r"<!DOCTYPE.*?>|<metadata>.*?</metadata>", "", stream.getvalue(), flags=re.DOTALL)
    return re.sub(r"(<svg\b[^>]*>)", rf"\1{_THEME}", drawing, count=1).replace(INK, "currentColor")


def plain(axes: Axes) -> None:
    """Take the frame off `axes` and write what is left in INK."""
    axes.patch.set_alpha(0)
    axes.tick_params(colors=INK, labelsize=8)
    for side, spine in axes.spines.items():
        spine.set_color(INK)
        spine.set_visible(side in ("left", "bottom"))
    for label in (axes.xaxis.label, axes.yaxis.label, axes.title):
        label.set_color(INK)
