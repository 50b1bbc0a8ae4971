"""What all tests share: a Prefect server of their own, one thread a network, and the real data where they are."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

# Before Prefect is imported: its servers say good-bye when pytest has closed the streams they would write to.
os.environ.setdefault("PREFECT_SERVER_LOGGING_LEVEL", "CRITICAL")
os.environ.setdefault("PREFECT_LOGGING_LEVEL", "CRITICAL")

import infra.prefect_settings  # noqa: F401 - before Prefect

from tests.tasks.shard import helpers


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    """For pictures as small as the tests', threads cost more than they give."""
    torch.set_num_threads(1)


@pytest.fixture(autouse=True, scope="session")
def heeds_interrupts() -> None:
    """A shell that runs the tests in its background has them ignore Ctrl-C, and all that they start with them."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def prefect_server() -> Iterator[None]:
    """An ephemeral Prefect server with an empty database, for the whole test session."""
    from prefect.testing.utilities import prefect_test_harness

    with prefect_test_harness(server_startup_timeout=120):
        yield


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real pictures; the test is skipped where it isn't."""
    return helpers.real_data()
