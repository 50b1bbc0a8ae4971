"""What a run shows in Prefect's UI: how far each stage is, tables, pictures and links. Outside a run, nothing."""

import base64
import contextlib
import math
import os
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

import infra.prefect_settings  # noqa: F401 - before Prefect

import httpx
from prefect import get_client
from prefect.artifacts import create_image_artifact, create_link_artifact, create_markdown_artifact
from prefect.artifacts import create_table_artifact as _create_table
from prefect.client.schemas.actions import ArtifactCreate, ArtifactUpdate
from prefect.context import FlowRunContext, TaskRunContext
from prefect.exceptions import PrefectHTTPStatusError

from infra import progress
from infra.errors import one_line
from infra.pace import Pace, duration

Cell = str | int | float | bool | None
MOST_ROWS = 500
# A picture lies in the server's database, as text.
MOST_PICTURE_BYTES = 1_000_000
# Whoever wants no picture in the server's hands: a few originals beside their copies tell class-wise noise.
PICTURES = "UNLEARNABLE_ARTIFACT_PICTURES"
_EVERY_SECONDS = 2.0
_PATIENCE = {"timeout": 5.0}  # seconds: work waits while progress is told
_UNREACHED = (httpx.HTTPError, PrefectHTTPStatusError, OSError)


def table(key: str, rows: Sequence[Mapping[str, object]], description: str) -> None:
    """A table of this run, a mapping a row; of more than MOST_ROWS rows the first, and the description says so.

    The UI makes Markdown of every description: none of them may hold text from outside.
    """
    if not _in_a_run():
        return
    some = f"{description} (the first {MOST_ROWS} of {len(rows)})" if len(rows) > MOST_ROWS else description
    shown = [{str(name): plain(value) for name, value in row.items()} for row in rows[:MOST_ROWS]]
    _create_table(shown, key=key, description=some)


def markdown(key: str, text: str, description: str) -> None:
    """A text of this run."""
    if _in_a_run():
        create_markdown_artifact(text, key=key, description=description)


def link(key: str, url: str, text: str) -> None:
    """A link; to a file of a machine's own it is shown as text to copy, since no browser follows such a link."""
    if "://" not in url or url.startswith("file:"):
        file = Path(url.removeprefix("file://")).resolve()
        markdown(key, f"{text}: `{one_line(str(file)).replace('`', '')}`", text)
    elif _in_a_run():
        create_link_artifact(url, key=key, link_text=text)


def picture(key: str, png: bytes, description: str) -> None:
    """A picture, kept by the server itself; not one of over MOST_PICTURE_BYTES, and none where PICTURES is off."""
    if os.environ.get(PICTURES, "").lower() == "off":
        return
    if len(png) <= MOST_PICTURE_BYTES and _in_a_run():
        create_image_artifact(f"data:image/png;base64,{base64.b64encode(png).decode()}", key, description)


def _in_a_run() -> bool:
    return FlowRunContext.get() is not None or TaskRunContext.get() is not None


def plain(value: object) -> Cell:
    """A value that JSON can hold; in a text, nothing that the UI would make a link of."""
    if isinstance(value, bool) or value is None:
        return value
    number = getattr(value, "item", lambda: value)()  # numpy's numbers
    if isinstance(number, float):
        return round(number, 4) if math.isfinite(number) else None
    return number if isinstance(number, int) else one_line(str(value)).replace("](", "] (")


@contextlib.contextmanager
def shown_progress() -> Iterator[None]:
    """Keep an artifact `progress-STAGE` of this flow run for each stage under way; outside a run, nothing."""
    context = FlowRunContext.get()
    if context is None or context.flow_run is None:
        yield
        return
    with progress.heard_by(_Shown(context.flow_run.id)):
        yield


@dataclass
class _Stage:
    pace: Pace
    artifact: UUID | None
    told: float = field(default_factory=time.monotonic)


class _Shown:
    """Posts at most every two seconds. A server that is not reached costs the artifact, never the work."""

    def __init__(self, flow_run: UUID):
        self._flow_run = flow_run
        self._stages: dict[str, _Stage] = {}
        self._lock = threading.Lock()

    def start(self, stage: str, total: int, unit: str) -> None:
        """See infra.progress.Listener."""
        pace, key = Pace(total, unit), f"progress-{stage}"
        made = ArtifactCreate(type="progress", key=key, description=pace.told(), data=0.0, flow_run_id=self._flow_run)
        artifact = None
        with contextlib.suppress(*_UNREACHED), get_client(httpx_settings=_PATIENCE, sync_client=True) as client:
            artifact = client.create_artifact(made).id
        with self._lock:
            self._stages[stage] = _Stage(pace, artifact)

    def advance(self, stage: str, done: int, note: str, images: int) -> None:
        """See infra.progress.Listener."""
        with self._lock:
            if (state := self._stages.get(stage)) is None:
                return
            state.pace.add(done, images)
            if time.monotonic() - state.told < _EVERY_SECONDS:
                return
            state.told = time.monotonic()
        del note  # it may hold names from outside, and the UI makes Markdown of a description
        self._post(state, state.pace.told())

    def finish(self, stage: str) -> None:
        """See infra.progress.Listener."""
        with self._lock:
            state = self._stages.pop(stage, None)
        if state is not None:
            told = f"{state.pace.count()}, over after {duration(state.pace.seconds)}"
            self._post(state, told, over=True)

    def say(self, text: str) -> None:
        """See infra.progress.Listener; the log has it."""

    def _post(self, state: _Stage, told: str, over: bool = False) -> None:
        if state.artifact is None:
            return
        pace = state.pace
        percent = 100.0 if over else min(100.0, 100 * pace.done / pace.total) if pace.total else 0.0
        with contextlib.suppress(*_UNREACHED), get_client(httpx_settings=_PATIENCE, sync_client=True) as client:
            client.update_artifact(state.artifact, ArtifactUpdate(data=percent, description=told))
