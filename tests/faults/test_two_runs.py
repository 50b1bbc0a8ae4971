"""Two runs on one destination at once: one wins, the other says so, and the bytes are right."""

import pytest

from tests.faults import runs, tally

pytestmark = pytest.mark.faults


@pytest.mark.timeout(600)
def test_of_two_runs_of_one_job_one_wins_and_the_other_says_so(unbroken, tmp_path):
    refused = 0
    for attempt in range(3):
        unbroken.afresh()
        said = [tmp_path / f"said-{attempt}-{i}" for i in range(2)]
        both = [runs.start(unbroken.config, each, beat=0.3) for each in said]  # the whole job takes a few seconds
        for run in both:
            run.join()
        assert 0 in [run.exitcode for run in both]
        for run, line in zip(both, said, strict=True):
            if run.exitcode:
                assert run.exitcode == 1
                assert "another run (process " in line.read_text()
                assert "is writing" in line.read_text()
                refused += 1
        unbroken.require_finished()
    assert refused >= 1, "the runs never met"
    tally.record("two runs of one job at once", refused, "one wins, the other says so; same bytes")


@pytest.mark.timeout(600)
def test_of_two_jobs_that_start_on_one_empty_destination_one_wins(unbroken, tmp_path):
    mine = unbroken.config.model_copy(update={"destination": str(tmp_path / "contested")})
    jobs = [mine.model_copy(update={"workspace": str(tmp_path / f"workspace-{i}")}) for i in range(2)]
    said = [tmp_path / f"said-{i}" for i in range(2)]
    both = [runs.start(job, each) for job, each in zip(jobs, said, strict=True)]
    for run in both:
        run.join()
    assert sorted(run.exitcode for run in both) == [0, 2], [each.read_text() for each in said if each.exists()]
    (line,) = (each.read_text() for each in said if each.exists())
    assert any(text in line for text in ("another job", "already holds"))
    stored = {path.name: path.read_bytes() for path in (tmp_path / "contested").glob("*.tar")}
    assert stored == {name: data for name, data in unbroken.published.items() if name.endswith(".tar")}
    tally.record("two jobs on one empty destination", 1, "one wins, the other is refused")
