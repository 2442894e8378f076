import os
import socket
import subprocess
import sys
from pathlib import Path

import processes_run
import pytest
import torch
from processes_run import TRAININGS
from safetensors.torch import load_file

from models.training.processes import Share, gathered, joined, sum_gradients, sum_over_all


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """What two processes under torchrun left."""
    folder = tmp_path_factory.mktemp("processes")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", str(port)]
    root = Path(__file__).parent
    path = os.pathsep.join([str(root.parent), str(root), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [*command, str(root / "processes_run.py"), str(folder)],
        env=os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.parametrize("name", TRAININGS)
def test_two_processes_reach_the_losses_and_weights_of_one_with_the_same_global_batch(folder, name):
    number = list(TRAININGS).index(name)
    two, other = (load_file(folder / f"{number}.{rank}.safetensors") for rank in (0, 1))
    assert all(torch.equal(each, other[key]) for key, each in two.items())
    losses, metrics, one = processes_run.run(name, Share())
    assert two.pop("losses").tolist() == pytest.approx(losses, rel=1e-4)
    assert two.pop("metrics").tolist() == pytest.approx(metrics)
    assert two.keys() == one.keys()
    # Sums are in another order; where a gradient is nothing but rounding, AdamW makes steps of it all the same.
    differences = torch.cat([(two[key] - each).abs().reshape(-1) for key, each in one.items()])
    assert float(differences.mean()) < 1e-5
    assert float((differences > 1e-4).float().mean()) < 0.01


def test_a_training_changes_what_it_began_with():
    # Else the test above would show nothing.
    losses, _, final = processes_run.run("contrastive", Share())
    before = processes_run.TRAININGS["contrastive"]()[0].module.state_dict()
    assert len(set(losses)) == len(losses)
    assert float((final["body.pooler.dense.bias"] - before["body.pooler.dense.bias"]).abs().max()) == 0
    moved = [float((each - before[key]).abs().max()) for key, each in final.items() if "layer.0" in key]
    assert max(moved) > 2e-3


def test_shares_are_disjoint_and_whole():
    shares = [Share(rank=rank, world=3) for rank in range(3)]
    assert sorted(at for share in shares for at in share.of(8)) == list(range(8))
    assert [share.is_first for share in shares] == [True, False, False]


def test_alone_nothing_is_sent():
    share = Share()
    values = torch.arange(3.0)
    parameter = torch.nn.Parameter(values.clone())
    sum_gradients([parameter], share)
    assert sum_over_all(values, share) is values
    assert gathered(values, 3, share) is values
    assert parameter.grad is None


def test_without_torchrun_there_is_one_process(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with joined() as share:
        assert share == Share()
