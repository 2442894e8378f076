import time

import pytest

from kb.errors import ConflictError
from web.jobs import Jobs


def ended(jobs):
    for _ in range(600):
        if jobs.state().exit_code is not None:
            return jobs.state()
        time.sleep(0.1)
    raise AssertionError("the job did not end")


def test_a_job_is_a_command_over_the_data_folder_and_tells_how_it_ended(tmp_path):
    jobs = Jobs(tmp_path)
    assert jobs.state() is None
    jobs.start("operators", ["operators", "list", "--json"])
    assert jobs.state().name == "operators"
    done = ended(jobs)
    assert done.exit_code == 0
    assert (tmp_path / "frontdesk.db").is_file()


def test_one_job_runs_at_a_time_and_one_that_failed_says_why(tmp_path):
    (tmp_path / "frontdesk.toml").write_text("[nonsense]\n")
    jobs = Jobs(tmp_path)
    jobs.start("publish", ["index"])
    with pytest.raises(ConflictError, match="publish, which is running"):
        jobs.start("publish", ["index"])
    failed = ended(jobs)
    assert failed.exit_code == 2
    for _ in range(50):
        if jobs.state().lines:
            break
        time.sleep(0.1)
    assert "nonsense" in " ".join(jobs.state().lines)
    jobs.start("again", ["operators", "list"])
    jobs.stop()
    assert jobs.state().exit_code is not None
