"""The report as markdown, with GitHub's tables; figures are links to the files beside it."""

import re
from collections.abc import Mapping, Sequence
from itertools import chain

from tasks.report.gallery import Picture
from tasks.report.tables import Table
from tasks.report.view import Section, View

_SPECIAL = re.compile(r"([\\`*_\[\]|~#$!])")
_LINK = re.compile(r"(https?|ftp)://", re.IGNORECASE)
_HOST = re.compile(r"(www)(?=\.)", re.IGNORECASE)
# Viewers look for addresses in what is left when escapes and entities are read: only markup between its parts stops
# them all, and this one is not seen.
_BREAK = "<!-- -->"
_CONFUSION_MISSING = "No run under plain training left a confusion matrix."


def escape(text: str) -> str:
    """`text` as plain words: no markup of markdown or html, no cell border, no link that a viewer makes by itself.

    What viewers of GitHub's markdown make links of is an address with http://, with www. or of mail.
    """
    without_html = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    plain = _SPECIAL.sub(r"\\\1", without_html)
    unlinked = _LINK.sub(rf"\1{_BREAK}:&#47;&#47;", _HOST.sub(rf"\1{_BREAK}", plain))
    return unlinked.replace("@", f"{_BREAK}@")


def render_markdown(view: View, figures: Mapping[str, Sequence[Picture]]) -> str:
    """The whole document: the same verdict, numbers and truths as the html."""
    blocks = chain(
        [f"# Protection of {escape(view.title)}", *(_said(sentence, view) for sentence in view.verdict)],
        ["## Results", *map(_table, view.results), escape(view.note)],
        *(_detail(part, figures[part.key]) for part in view.details),
        ["## Learning curves", *_figures(figures["curves"], "No run left a learning curve.")],
        ["## Confusion matrices", *_figures(figures["confusion"], _CONFUSION_MISSING)],
        ["## Pictures", *_figures(figures["grids"], "No pictures were given to show.")],
        ["## Imperceptibility", _table(view.stored) if view.stored.rows else "No protected copy was measured."],
        ["## What was protected", *_filled(view.covered, view.quarantined)] if view.covered.rows else [],
        ["## Configuration", *_filled(view.settings, view.about)],
        ["## Limits that no number here shows", _items(view.truths)] if view.truths else [],
        ["## Notes", _items(view.notes)] if view.notes else [],
        ["## Every run", f"<details><summary>{escape(view.runs.caption)}</summary>", _rows(view.runs), "</details>"],
    )
    return "\n\n".join(blocks) + "\n"


def _said(sentence: str, view: View) -> str:
    return f"**{escape(sentence)}**" if sentence in view.headlines else escape(sentence)


def _detail(part: Section, pictures: Sequence[Picture]) -> list[str]:
    if not part.tables and not pictures:
        return []
    return [f"## {escape(part.title)}", *map(_figure, pictures), *map(_table, part.tables)]


def _filled(*tables: Table) -> list[str]:
    return [_table(table) for table in tables if table.rows]


def _table(table: Table) -> str:
    return f"**{escape(table.caption)}**\n\n{_rows(table)}"


def _rows(table: Table) -> str:
    rule = ["--:" if column in table.numbers else ":--" for column in range(len(table.head))]
    lines = [map(escape, table.head), rule, *(map(escape, row) for row in table.rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _figures(pictures: Sequence[Picture], missing: str) -> list[str]:
    return [_figure(each) for each in pictures] or [missing]


def _figure(picture: Picture) -> str:
    return f"![{escape(picture.alt)}](figures/{picture.name})\n\n{escape(picture.caption)}"


def _items(sentences: Sequence[str]) -> str:
    return "\n".join(f"- {escape(sentence)}" for sentence in sentences)
