"""The reports of a workspace: found, filtered, and two of them loaded to be compared."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from infra.errors import ConfigurationError, DataError, one_line
from infra.storage import Folder
from schemas.evaluate import Judgement, ReportRecord
from schemas.report import StoredContext
from tasks.report.compare import Side
from tasks.report.display import MISSING, accuracy, capital, share
from tasks.report.read import CONTEXT, MARKER, read_frame
from tasks.report.summary import summarise


@dataclass(frozen=True)
class Listed:
    """A report by the name of its folder."""

    name: str
    record: ReportRecord


@dataclass(frozen=True)
class Filter:
    """Which reports are asked for; what is None does not matter.

    `text` is looked for in name, title and verdict, whatever its case; `judgement` is that of at least one copy;
    `since` is the first day, as YYYY-MM-DD in UTC.
    """

    text: str | None = None
    judgement: Judgement | None = None
    since: str | None = None

    def fits(self, listed: Listed) -> bool:
        """True when the report is asked for."""
        record = listed.record
        said = f"{listed.name} {record.title} {record.verdict}".lower()
        judgements = {each.judgement for each in record.judged}
        return (
            (self.text is None or self.text.lower() in said)
            and (self.judgement is None or self.judgement in judgements)
            and (self.since is None or record.created >= self.since)
        )


def reports_of(workspace: str) -> Folder:
    """Where a workspace keeps its reports."""
    return Folder(workspace).child("reports")


def listed(workspace: str, asked: Filter = Filter()) -> list[Listed]:
    """The whole reports of a workspace that fit, oldest first. Raises StorageError.

    One whose record is damaged or another version's is listed as such: it hides no other.
    """
    folder = reports_of(workspace)
    names = sorted({name.split("/")[0] for name in folder.list() if name.endswith(f"/{MARKER}")})
    found = [Listed(name, record) for name in names if (record := _record(folder.child(name)))]
    return [each for each in found if asked.fits(each)]


def _record(folder: Folder) -> ReportRecord | None:
    try:
        return folder.load(MARKER, ReportRecord)
    except DataError as error:
        unread = f"This report can't be read: {one_line(str(error))}"
        return ReportRecord(report=folder.object_url("report.html"), rows=0, created="", verdict=unread)


def one_of(found: Sequence[Listed], workspace: str, name: str) -> Listed:
    """The report of this name. Raises ConfigurationError, which names the newest ones."""
    for each in found:
        if each.name == name:
            return each
    there = f"there is {', '.join(each.name for each in found[-5:])}" if found else "run unlearnable evaluate first"
    raise ConfigurationError(f"{workspace} has no report called {name}", there)


def side_of(workspace: str, name: str) -> Side:
    """One report, to be compared. Raises DataError when its tables are damaged or no report's."""
    folder = reports_of(workspace).child(name)
    around = folder.load(CONTEXT, StoredContext)
    if around is None:
        problem = f"{folder.url} has no {CONTEXT}, so what it was asked for is not known"
        raise DataError(problem, "evaluate again: what was trained is taken from the workspace")
    return Side(name, around.context, summarise(read_frame(folder)))


INDEX_HEAD = (
    "Report",
    "Written",
    "Evaluated",
    "Copy",
    "Judgement",
    "Protected, %",
    "Clean ceiling, %",
    "Kept",
    "Under",
)


@dataclass(frozen=True)
class IndexRow:
    """A copy that a report judged: the report's name, the cells of INDEX_HEAD after it, and its judgement."""

    name: str
    cells: tuple[str, ...]
    judgement: Judgement


def index_rows(each: Listed) -> list[IndexRow]:
    """A row a copy of a report, or one that says no more than its verdict where none was judged."""
    written, title = each.record.created.replace("T", " ")[:16], one_line(each.record.title or MISSING)
    rows = [
        IndexRow(
            each.name,
            (
                written,
                title,
                one_line(copy.trained_on),
                copy.judgement,
                accuracy(copy.reached),
                accuracy(copy.ceiling),
                share(copy.kept),
                one_line(f"{copy.countermeasure}, {copy.victim}"),
            ),
            copy.judgement,
        )
        for copy in each.record.judged
    ]
    bare = (written, title, one_line(each.record.verdict), "unknown", MISSING, MISSING, MISSING, MISSING)
    return rows or [IndexRow(each.name, bare, "unknown")]


def lines(found: Sequence[Listed]) -> Iterator[str]:
    """A report in two lines or more: its name, runs and verdict, that on each further copy, and where it lies."""
    for each in found:
        yield f"{each.name}  {each.record.rows} runs  {each.record.verdict}"
        for one in each.record.judged[1:]:
            reached = f"{one_line(one.victim)} reaches {accuracy(one.reached)} % under {one_line(one.countermeasure)}"
            yield f"  {capital(one_line(one.trained_on))}: {one.judgement}; {reached}"
        yield f"  {each.record.report}"
