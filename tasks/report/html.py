"""Pages that load nothing from anywhere: style, script, charts and pictures lie in them."""

import base64
import gzip
import hashlib
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

import vl_convert
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from infra.media import media_type
from tasks.report.compare import Comparison
from tasks.report.gallery import Picture
from tasks.report.index import INDEX_HEAD, Listed, index_rows
from tasks.report.tables import RESULT_HEAD
from tasks.report.view import View

# Autoescape always: names of classes and datasets come from outside.
_ENVIRONMENT = Environment(
    loader=PackageLoader("tasks.report"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_FILTERS = ("Victim", "Countermeasure", "Judgement")


def render_html(view: View, figures: Mapping[str, Sequence[Picture]]) -> str:
    """The whole document. `figures` holds the pictures under `curves`, `confusion`, `grids` and details' keys."""
    moving = any(picture.spec for group in figures.values() for picture in group)
    return _page(
        "report",
        [_vega()] if moving else [],
        view=view,
        figures=figures,
        filtered=[(name, RESULT_HEAD.index(name)) for name in _FILTERS],
        data_url=_data_url,
        library=_packed() if moving else "",
    )


def render_index(workspace: str, found: Sequence[Listed]) -> str:
    """The page that lists reports, the newest first, a row a copy."""
    rows = [row for each in reversed(found) for row in index_rows(each)]
    return _page("index", [], workspace=workspace, reports=[each.name for each in found], head=INDEX_HEAD, rows=rows)


def render_comparison(first: str, second: str, found: Comparison) -> str:
    """The page that sets two reports side by side."""
    return _page("compare", [], first=first, second=second, found=found)


def _page(template: str, libraries: Sequence[str], **said: Any) -> str:
    script = _part("page.js")
    return _ENVIRONMENT.get_template(f"{template}.html.j2").render(
        **said,
        policy=_policy([script, *libraries]),
        style=Markup(_part("page.css")),  # noqa: S704 - ours
        script=Markup(script),  # noqa: S704 - ours
    )


def _policy(scripts: Sequence[str]) -> str:
    """Nothing is loaded and no other script runs, whatever a name from outside should smuggle in.

    Vega compiles the expressions of a chart's specification; no name from outside becomes one.
    """
    hashes = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(each.encode()).digest()).decode()}'" for each in scripts
    )
    ours = f"style-src 'unsafe-inline'; script-src {hashes} 'unsafe-eval'"
    return f"default-src 'none'; img-src data:; {ours}; form-action 'self'; base-uri 'none'"


@cache
def _part(name: str) -> str:
    return files("tasks.report").joinpath("templates", name).read_text()


@cache
def _vega() -> str:
    """The library that draws the charts."""
    return vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")


@cache
def _packed() -> str:
    return base64.b64encode(gzip.compress(_vega().encode(), 9, mtime=0)).decode()


def _data_url(picture: Picture) -> str:
    return f"data:{media_type(picture.name)};base64,{base64.b64encode(picture.data).decode()}"
