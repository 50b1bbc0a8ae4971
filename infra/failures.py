"""What failed and why, kept in a workspace until it is done: failures/STAGE/NAME.json."""

import contextlib
import traceback
from collections.abc import Iterator
from contextvars import ContextVar

from infra.errors import DataError, StorageError, UnlearnableError, one_line
from infra.redaction import redact
from infra.storage import Folder
from schemas.run import Failure

FOLDER = "failures"
_MOST_LINES = 50
_heard: ContextVar[list[str] | None] = ContextVar("heard", default=None)


def hear(line: str) -> None:
    """Note a line of the log, should the work that wrote it fail."""
    lines = _heard.get()
    if lines is not None:
        lines.append(one_line(redact(line)))


@contextlib.contextmanager
def kept(workspace: Folder, stage: str, item: str) -> Iterator[None]:
    """Keep the failure of what is done within; once that succeeds, an earlier one is forgotten.

    A place that can't be written to is no reason to hide the first error.
    """
    name = f"{FOLDER}/{stage}/{item}.json"
    lines: list[str] = []
    token = _heard.set(lines)
    try:
        yield
    except Exception as error:
        with contextlib.suppress(StorageError, DataError):
            before = workspace.load(name, Failure)
            workspace.save(name, _failure(stage, item, error, lines, before))
        raise
    else:
        with contextlib.suppress(StorageError):  # done is done; the end of the run forgets all that is left
            workspace.delete(name)
    finally:
        _heard.reset(token)


def listed(workspace: Folder) -> list[Failure]:
    """All failures that are kept in a workspace, those of its datasets first. Raises DataError, StorageError."""
    found = [place.load(name, Failure) for place, name in _names(workspace)]
    return [failure for failure in found if failure is not None]


def clear(workspace: Folder) -> None:
    """Forget all failures of a job: it is done."""
    for place, name in _names(workspace):
        place.delete(name)


def _names(workspace: Folder) -> list[tuple[Folder, str]]:
    places = (workspace.child("dataset"), workspace.child("public"), workspace)
    return [(place, f"{FOLDER}/{name}") for place in places for name in place.child(FOLDER).list()]


def _failure(stage: str, item: str, error: Exception, lines: list[str], before: Failure | None) -> Failure:
    return Failure(
        stage=stage,
        item=item,
        kind=type(error).__name__,
        reason=one_line(redact(str(error))) or type(error).__name__,
        tries=1 if before is None else before.tries + 1,
        log=tuple(lines[-_MOST_LINES:]) + (() if isinstance(error, UnlearnableError) else _where(error)),
    )


def _where(error: Exception) -> tuple[str, ...]:
    """Where an error broke off that nobody foresaw: file, line and function, the innermost last; no values."""
    frames = traceback.extract_tb(error.__traceback__)[-_MOST_LINES:]
    return tuple(f"{one_line(frame.filename)}:{frame.lineno} in {frame.name}" for frame in frames)
