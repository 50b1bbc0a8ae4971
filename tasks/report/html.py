"""The report as one html file that loads nothing from the internet: style and figures lie in it."""

import base64
from collections.abc import Mapping, Sequence

from jinja2 import Environment, PackageLoader, StrictUndefined

from tasks.report.gallery import Picture
from tasks.report.view import View

# Autoescape always: names of classes and datasets come from outside.
_ENVIRONMENT = Environment(
    loader=PackageLoader("tasks.report"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def render_html(view: View, figures: Mapping[str, Sequence[Picture]]) -> str:
    """The whole document. `figures` holds the pictures under `curves`, `confusion`, `grids` and details' keys."""
    return _ENVIRONMENT.get_template("report.html.j2").render(view=view, figures=figures, data_url=_data_url)


def _data_url(picture: Picture) -> str:
    return f"data:{picture.media};base64,{base64.b64encode(picture.data).decode()}"
