"""What a report says of each copy that it judged, for the card of that copy."""

from collections.abc import Iterator

from infra.errors import DataError
from infra.storage import Folder
from schemas.card import Worth
from schemas.evaluate import ReportRecord
from schemas.report import StoredContext
from tasks.report.display import copy_name, records
from tasks.report.read import CONTEXT, read_frame


def worths(folder: Folder, name: str, record: ReportRecord) -> Iterator[tuple[str, Worth]]:
    """Where each judged copy lies, and the worst case of it. Raises DataError when the report doesn't say which it is.

    Copies are told apart by the digest of their stored bytes: a card is of what was evaluated, or it is not written.
    """
    stored = folder.load(CONTEXT, StoredContext)
    if stored is None:
        raise DataError(f"{folder.url} has no {CONTEXT}: an earlier version wrote it", "evaluate again")
    table = read_frame(folder)
    tried: dict[str, set[tuple[str, str]]] = {}
    classes: dict[str, int] = {}
    for row in records(table):
        tried.setdefault(copy_name(row), set()).add((row["victim"], row["countermeasure"]))
        classes[copy_name(row)] = row["classes"]
    judged = {each.trained_on: each for each in record.judged}
    for copy in stored.context.protected:
        called = copy_name(copy.model_dump())
        if called in judged and copy.destination:
            worst = judged[called]
            yield (
                copy.destination,
                Worth(
                    report=name,
                    created=record.created,
                    digest=copy.digest,
                    judgement=worst.judgement,
                    victim=worst.victim,
                    countermeasure=worst.countermeasure,
                    reached=worst.reached,
                    ceiling=worst.ceiling,
                    chance=100 / max(1, classes.get(called, 1)),
                    tried=max(1, len(tried.get(called, ()))),
                ),
            )
