"""What keeps a failed task from going unnoticed, and tries again only what may pass."""

import pytest
from prefect import flow, task

from infra.errors import ConfigurationError, DataError, StorageError
from infra.orchestration import RETRIES, cached, gpu_gate, secret_block
from infra.runners import map_tasks, run_task

pytestmark = pytest.mark.usefixtures("prefect_server")

_AT_ONCE = {**RETRIES, "retry_delay_seconds": 0, "retry_jitter_factor": None}


@task
def _half(number: int, divisor: int) -> int:
    if number % divisor:
        raise DataError(f"{number} is odd", "give an even one")
    return number // divisor


@task
def _known(number: int) -> int:
    return cached(number) if number > 1 else number


def test_results_come_in_order_and_cached_ones_are_counted() -> None:
    @flow
    def job():
        return map_tasks(_known, [3, 1, 2], 2, "numbers")

    found = job()
    assert found.results == [3, 1, 2]
    assert found.cached == 2


def test_one_failed_task_fails_the_flow_with_its_own_error() -> None:
    @flow
    def job():
        return map_tasks(_half, [2, 3, 4], 2, "numbers", divisor=2)

    with pytest.raises(DataError, match="3 is odd; give an even one"):
        job()
    state = job(return_state=True)
    assert state.is_failed()
    assert "3 is odd" in (state.message or "")


def test_several_failed_tasks_are_counted_and_named() -> None:
    @flow
    def job():
        return map_tasks(_half, [2, 3, 5], 2, "numbers", divisor=2)

    with pytest.raises(DataError, match=r"2/3 numbers failed: .*3 is odd.*5 is odd"):
        job()


def test_a_task_that_was_done_before_gives_its_record() -> None:
    @flow
    def job():
        return run_task(_known, 7)

    assert job() == 7


@pytest.mark.parametrize(("transient", "calls"), [(True, 3), (False, 1)])
def test_only_a_storage_error_that_may_pass_is_tried_again(transient: bool, calls: int) -> None:
    made: list[int] = []

    @task(**_AT_ONCE)
    def flaky() -> str:
        made.append(1)
        if len(made) < 3:
            raise StorageError("can't read s3://in", "check it", transient)
        return "done"

    @flow
    def job():
        return run_task(flaky)

    if transient:
        assert job() == "done"
    else:
        with pytest.raises(StorageError, match="can't read"):
            job()
    assert len(made) == calls


def test_a_defect_is_never_tried_again() -> None:
    made: list[int] = []

    @task(**_AT_ONCE)
    def broken() -> None:
        made.append(1)
        raise ZeroDivisionError

    @flow
    def job():
        return run_task(broken)

    with pytest.raises(ZeroDivisionError):
        job()
    assert len(made) == 1


def test_a_secret_block_that_is_not_there_is_named() -> None:
    assert secret_block(None) is None
    with pytest.raises(ConfigurationError, match="no Secret block called no-such-block"):
        secret_block("no-such-block")


def test_there_is_no_gate_before_a_cpu() -> None:
    with gpu_gate("cpu"):
        pass
