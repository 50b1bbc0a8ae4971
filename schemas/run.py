"""Runs of a job: who writes a destination now, and what went wrong."""

from typing import Literal

from pydantic import Field

from schemas.base import Stored

Stage = Literal["shard", "match", "noise", "rewrite"]


class RunLock(Stored):
    """The lock in a destination: anyone may see it, so it tells of no machine."""

    job: str = Field(description="Identity of the job that owns the destination.")
    run: str = Field(description="Identity of the run that writes it now, drawn for it.")
    beat: int = Field(ge=0, description="Grows while the run is alive.")


class Holder(Stored):
    """running/RUN.json of a workspace: which process a run is that holds the lock, to tell at once that it is dead."""

    run: str = Field(description="The run that this is about.")
    host: str = Field(description="Name of the machine.")
    machine: str | None = Field(description="Identity of the machine since it booted; None where it has none.")
    process: int = Field(description="Process number.")
    began: str | None = Field(description="When the process began, in the machine's own count; None: not known.")


class Redone(Stored):
    """redo.json of a workspace: which run has let go of finished work last, so that it does so once."""

    run: str = Field(description="The flow run at the root.")
    stage: Stage = Field(description="The first stage that is done again.")


class Failure(Stored):
    """One piece of work that failed: failures/STAGE/NAME.json of a workspace, gone once it is done."""

    stage: str = Field(description="The stage, such as rewrite.")
    item: str = Field(description="What failed: a shard's name, or the dataset.")
    kind: str = Field(description="Class of the error.")
    reason: str = Field(description="The problem and its mend, in one line.")
    tries: int = Field(ge=1, description="How often it failed in a row.")
    log: tuple[str, ...] = Field(description="What the last try wrote to the log, and where it broke off.")
