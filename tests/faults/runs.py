"""Protect runs in processes of their own, which can be killed without a word."""

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable
from multiprocessing import forkserver
from multiprocessing.process import BaseProcess
from pathlib import Path

import infra.prefect_settings  # noqa: F401 - before Prefect

from flows.protect import protect
from flows.protect_bucket import protect_bucket
from infra import lease
from infra.errors import UnlearnableError
from schemas.bucket import BucketConfig
from schemas.protect import ProtectConfig

_CONTEXT = multiprocessing.get_context("forkserver")


def prepare(server: str) -> None:
    """Start the process that runs are forked from, all imported; they tell the Prefect server at `server`."""
    before = dict(os.environ)
    os.environ |= {"PREFECT_API_URL": server, "OMP_NUM_THREADS": "1", "PREFECT_LOGGING_LEVEL": "CRITICAL"}
    try:
        _CONTEXT.set_forkserver_preload([__name__])
        forkserver.ensure_running()
        run = _CONTEXT.Process(target=_nothing)  # its end tells that all is imported
        run.start()
        run.join()
    finally:
        for name in os.environ.keys() - before.keys():
            del os.environ[name]
        os.environ |= before


def start(config: ProtectConfig | BucketConfig, said: Path, beat: float = lease.BEAT) -> BaseProcess:
    """A run under way; the one line that it fails with is written to `said`, and its exit status is the command's.

    Every `beat` seconds it says that it lives.
    """
    act = _protect_bucket if isinstance(config, BucketConfig) else _protect
    run = _CONTEXT.Process(target=_tell, args=(act, config.model_dump_json(), str(said), beat))
    run.start()
    return run


def kill(run: BaseProcess) -> bool:
    """End a run as a power cut would; False when it had ended by itself."""
    alive = run.is_alive()
    if alive and run.pid is not None:
        os.kill(run.pid, signal.SIGKILL)
    run.join()
    return alive and run.exitcode == -signal.SIGKILL


def _nothing() -> None:
    pass


def _protect(config: str) -> None:
    protect(ProtectConfig.model_validate_json(config))


def _protect_bucket(config: str) -> None:
    protect_bucket(BucketConfig.model_validate_json(config))


def _tell(act: Callable[[str], None], config: str, said: str, beat: float) -> None:
    lease.BEAT = beat
    try:
        act(config)
    except UnlearnableError as error:
        Path(said).write_text(str(error))
        sys.exit(error.exit_status)
