import json
import resource
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from fakes_checkpoint import ABOUT, assert_refused, drafted, files_of, make_checkpoint
from tiny_model import save_tiny_model

from kb.errors import CheckpointError
from models.calibrate import Calibration, to_json
from models.checkpoints import MANIFEST, discard, draft, find_id, list_checkpoints, open_checkpoint, seal
from models.encoder import load_encoder

ROOT = Path(__file__).parent.parent
TEXTS = ("where is my parcel", "pay by card")
CALIBRATION = Calibration(slope=9.0, intercept=-4.0, threshold=0.25, origin="fitted", validation={"coverage": 0.5})


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return save_tiny_model(tmp_path_factory.mktemp("model") / "tiny", "mean")


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "checkpoints"


@pytest.fixture
def checkpoint(folder, model):
    return make_checkpoint(folder, model)


# What a sealed checkpoint is


def test_a_sealed_checkpoint_opens_with_what_it_was_made_of(folder, checkpoint):
    opened = open_checkpoint(folder, checkpoint.checkpoint_id)
    assert opened == checkpoint
    for name, value in ABOUT.items():
        assert getattr(opened, name) == value
    assert (opened.matcher, opened.calibration, opened.problem) == (None, None, "")


def test_its_encoder_gives_the_vectors_of_the_model_it_was_made_of(checkpoint, model, tmp_path):
    one, other = (load_encoder(str(each), cache=tmp_path, runtime="torch") for each in (checkpoint.encoder, model))
    np.testing.assert_array_equal(one.encode(TEXTS), other.encode(TEXTS))


def test_the_manifest_has_the_hash_of_every_other_file(checkpoint):
    names = {path.relative_to(checkpoint.path).as_posix() for path in files_of(checkpoint.path)}
    assert set(checkpoint.files) == names - {MANIFEST}
    assert names >= {"encoder/model.safetensors", "training.json", "metrics.json", "README.md"}


def test_the_model_card_tells_base_data_settings_and_the_gain_of_each_metric(checkpoint):
    card = (checkpoint.path / "README.md").read_text()
    for part in ("| base model | tiny |", "ab" * 32, "| epochs | 3 |", "| P@1 | 0.5000 | 0.6250 | +0.1250 |"):
        assert part in card


def test_a_name_in_the_card_breaks_no_table(folder, model):
    made = make_checkpoint(folder, model, base_model="a|b\n<script>")
    assert "| base model | a\\|b &lt;script> |" in (made.path / "README.md").read_text()


def test_what_the_trainer_wrote_of_its_training_stays(folder, model):
    made = make_checkpoint(folder, model, {"training.json": {"seed": 7}})
    assert json.loads((made.path / "training.json").read_text()) == {"seed": 7}


def test_matcher_and_calibration_come_with_it(folder, model):
    part = drafted(folder, model)
    shutil.copytree(model, part / "matcher")
    (part / "calibration.json").write_text(json.dumps(to_json(CALIBRATION)))
    opened = open_checkpoint(folder, seal(part, **ABOUT).checkpoint_id)
    assert opened.matcher == opened.path / "matcher"
    assert opened.calibration == CALIBRATION


@pytest.mark.parametrize("document", [[], {}, {"slope": 1.0}, asdict(CALIBRATION) | {"more": 1}])
def test_a_calibration_that_is_none_is_refused(folder, model, document):
    made = make_checkpoint(folder, model, {"calibration.json": document})
    assert_refused(folder, made.checkpoint_id)


def test_checkpoints_are_listed_newest_last_and_drafts_are_not(folder, model):
    made = [make_checkpoint(folder, model).checkpoint_id for _ in range(3)]
    draft(folder)
    assert [each.checkpoint_id for each in list_checkpoints(folder)] == made
    assert list_checkpoints(folder / "none") == []


def test_a_damaged_checkpoint_is_listed_with_its_problem(folder, model):
    whole, cut, strange = (make_checkpoint(folder, model) for _ in range(3))
    (cut.path / MANIFEST).unlink()
    (strange.path / "run.py").write_text("")
    found = {each.checkpoint_id: each.problem for each in list_checkpoints(folder)}
    assert found[whole.checkpoint_id] == ""
    assert "manifest" in found[cut.checkpoint_id]
    assert "run.py" in found[strange.checkpoint_id]


def test_an_id_is_found_by_a_beginning_that_only_one_has(folder, model):
    one, other = (make_checkpoint(folder, model).checkpoint_id for _ in range(2))
    assert find_id(folder, one) == one
    assert find_id(folder, other[:-1]) == other
    assert find_id(folder, "zero-shot") == "zero-shot"
    for prefix, got in (("2", f"fits {one}, {other}"), ("none", "none has"), ("", "none has")):
        with pytest.raises(CheckpointError, match=f"{got}; see `frontdesk checkpoints list`"):
            find_id(folder, prefix)


# Kills and full disks


DRAFT = """
import sys
from pathlib import Path
from models.checkpoints import draft
part = draft(Path(sys.argv[1]))
(part / "half.json").write_text("{")
print(part, flush=True)
sys.stdin.read()
"""

SEAL = """
import os, shutil, signal, sys
from pathlib import Path
from models.checkpoints import draft, seal

class Deadly(dict):
    def items(self):
        os.kill(os.getpid(), signal.SIGKILL)

part = draft(Path(sys.argv[1]))
shutil.copytree(sys.argv[2], part / "encoder")
print(part, flush=True)
seal(part, base_model="b", data_hash="d", config={}, metrics={"after": Deadly(a=1)}, code_version="c")
"""


def started(code, *arguments):
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT, text=True)


def test_a_draft_of_a_living_process_is_left_alone_and_of_a_dead_one_removed(folder):
    process = started(DRAFT, folder)
    part = Path(process.stdout.readline().strip())
    own = draft(folder)
    assert (part / "half.json").exists()
    process.kill()
    process.communicate()
    draft(folder)
    assert not part.exists()
    assert own.exists()


def test_a_process_that_is_killed_while_it_seals_leaves_no_checkpoint(folder, model):
    process = started(SEAL, folder, model)
    part = Path(process.communicate()[0].strip())
    assert process.returncode == -signal.SIGKILL
    assert part.exists()
    assert list_checkpoints(folder) == []
    discard(draft(folder))
    assert list(folder.iterdir()) == []


@contextmanager
def largest_file(size):
    """No file may grow beyond this many bytes, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("name", ["training.json", "README.md", MANIFEST])
def test_a_full_disk_is_a_clear_error_and_leaves_what_was_there(folder, model, checkpoint, name):
    part = drafted(folder, model)
    # The manifest is the largest of them, so that with it all others are written before.
    with (
        largest_file((checkpoint.path / name).stat().st_size - 1),
        pytest.raises(CheckpointError, match=r"expected to write .*; got .*; make room"),
    ):
        seal(part, **ABOUT)
    assert [path.name for path in folder.iterdir()] == [checkpoint.checkpoint_id]
    open_checkpoint(folder, checkpoint.checkpoint_id)


def test_where_nothing_can_be_written_a_draft_is_a_clear_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match="expected to write"):
        draft(tmp_path / "file")
