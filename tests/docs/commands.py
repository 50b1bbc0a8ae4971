"""The commands and the Python of the pages, as a reader would copy them."""

import re
import shlex
import textwrap
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
    ROOT / "infra" / "README.md",
    ROOT / "CONTRIBUTING.md",
]
FENCED = re.compile(r"^(?P<indent> *)```(?P<language>\w*)\n(?P<text>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^##+ .*$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A fenced block: its page, the heading above it, the line of its first line, its language and its text."""

    page: str
    section: str
    line: int
    language: str
    text: str


@dataclass(frozen=True)
class Command:
    """A command of a `sh` block on one line, or a whole `python` block."""

    page: str
    section: str
    line: int
    language: str
    text: str

    @property
    def place(self) -> str:
        return f"{self.page}:{self.line}"


def blocks(page: Path) -> list[Block]:
    """All fenced blocks of a page."""
    text = page.read_text()
    return [
        Block(
            str(page.relative_to(ROOT)),
            (HEADING.findall(text[: found.start()]) or [""])[-1],
            text[: found.start("text")].count("\n") + 1,
            found["language"],
            textwrap.dedent(found["text"]),
        )
        for found in FENCED.finditer(text)
    ]


def commands(page: Path) -> list[Command]:
    """Commands and Python blocks of a page, in the order in which they stand."""
    found: list[Command] = []
    for block in blocks(page):
        if block.language == "sh":
            lines = split(block.text)
            found += [Command(block.page, block.section, block.line + at, "sh", text) for at, text in lines]
        elif block.language == "python":
            found.append(Command(block.page, block.section, block.line, "python", block.text))
    return found


def split(text: str) -> list[tuple[int, str]]:
    """Commands of a block with the number of the line that each begins on, counted from 0.

    Lines that go on after a backslash are joined, comments left out; a quoted text may go over several lines.
    """
    found: list[tuple[int, str]] = []
    begun, first = "", 0
    for at, line in enumerate(text.splitlines()):
        if not begun:
            first = at
        begun += without_comment(line, begun)
        if begun.endswith("\\"):
            begun = begun[:-1].rstrip() + " "
        elif not is_closed(begun):
            begun += "\n"
        else:
            if begun.strip():
                found.append((first, spaced(begun)))
            begun = ""
    assert not begun, f"a command has no end: {begun}"
    return found


def without_comment(line: str, before: str) -> str:
    """A line up to the `#` that begins a comment: one behind a space that stands in no quotes."""
    starts = [found.start() for found in re.finditer(r"(?:^|(?<=\s))#", line)]
    cut = next((at for at in starts if is_closed(before + line[:at])), len(line))
    text = line[:cut].rstrip() if is_closed(before + line[:cut]) else line
    return text.lstrip() if is_closed(before) else text


def is_closed(text: str) -> bool:
    """Whether no quote is open at the end of a text."""
    try:
        shlex.split(text.removesuffix("\\"))
    except ValueError:
        return False
    return True


def spaced(command: str) -> str:
    """One space between words, unless quotes hold more."""
    words = shlex.shlex(command, posix=False, punctuation_chars=False)
    words.whitespace_split, words.commenters = True, ""
    return " ".join(words)
