import json
import shutil

import numpy as np
import pytest
import torch

from kb.errors import TrainingError
from models.training.state import TrainingState, load_state, save_state


def state(step=3, **fields):
    given = {
        "weights": {"a.b": torch.arange(3.0)},
        "optimiser": {"a.b.step": torch.tensor(3.0), "a.b.exp_avg": torch.ones(3)},
        "average": {},
        "best": {"a.b": torch.zeros(3)},
        "task": {"near": np.arange(4).reshape(2, 2)},
        "step": step,
        "steps": 10,
        "stale": 1,
        "seconds": 2.5,
        "curve": {"losses": [(1, 0.5)], "metrics": [], "best_step": 0, "best_metric": None},
    }
    return TrainingState(**given | fields)


def test_what_is_saved_is_what_is_loaded(tmp_path):
    save_state(tmp_path, state())
    found = load_state(tmp_path)
    assert (found.step, found.steps, found.stale, found.seconds) == (3, 10, 1, 2.5)
    assert found.weights["a.b"].tolist() == [0, 1, 2]
    assert found.optimiser["a.b.step"].shape == ()
    assert found.best["a.b"].tolist() == [0, 0, 0]
    assert found.task["near"].tolist() == [[0, 1], [2, 3]]
    assert found.curve["losses"] == [[1, 0.5]]


@pytest.mark.parametrize("shape", [(0, 0), (3, 0)])
def test_a_task_may_keep_nothing_yet(tmp_path, shape):
    save_state(tmp_path, state(task={"near": np.empty(shape, dtype=np.int64)}))
    assert load_state(tmp_path).task["near"].shape == shape


def test_the_newest_state_takes_the_place_of_the_one_before(tmp_path):
    save_state(tmp_path, state(3))
    save_state(tmp_path, state(4))
    assert load_state(tmp_path).step == 4
    assert [each.name for each in tmp_path.iterdir()] == ["state"]


def test_without_a_state_there_is_none(tmp_path):
    assert load_state(tmp_path) is None
    assert load_state(tmp_path / "missing") is None


@pytest.mark.parametrize("name", ["state.json", "tensors.safetensors"])
@pytest.mark.parametrize("left", [0, 0.5])
def test_half_a_state_is_none(tmp_path, name, left):
    save_state(tmp_path, state())
    file = tmp_path / "state" / name
    file.write_bytes(file.read_bytes()[: int(left * file.stat().st_size)])
    assert load_state(tmp_path) is None


@pytest.mark.parametrize("lost", [["state.json"], ["tensors.safetensors"], ["state.json", "tensors.safetensors"]])
def test_a_kill_while_the_old_state_is_removed_leaves_the_new_one(tmp_path, lost):
    save_state(tmp_path, state(3))
    shutil.copytree(tmp_path / "state", tmp_path / "state.part")
    about = json.loads((tmp_path / "state" / "state.json").read_text())
    (tmp_path / "state.part" / "state.json").write_text(json.dumps(about | {"step": 4}))
    for name in lost:
        (tmp_path / "state" / name).unlink()
    assert load_state(tmp_path).step == 4


def test_a_part_that_is_not_whole_leaves_the_old_state(tmp_path):
    save_state(tmp_path, state(3))
    (tmp_path / "state.part").mkdir()
    (tmp_path / "state.part" / "tensors.safetensors").write_bytes(b"half")
    assert load_state(tmp_path).step == 3
    save_state(tmp_path, state(4))
    assert load_state(tmp_path).step == 4


def test_a_folder_that_cannot_be_written_is_said(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(TrainingError, match=r"expected room for the state in .*; make room, and run it again"):
        save_state(tmp_path / "file", state())


def test_nothing_of_a_state_is_pickled(tmp_path):
    save_state(tmp_path, state())
    assert sorted(each.name for each in (tmp_path / "state").iterdir()) == ["state.json", "tensors.safetensors"]
