"""What is no whole checkpoint, or could run code, is refused; nothing of it runs."""

import io
import json
import os
import pickle
import shutil
import tarfile
import zipfile

import pytest
from fakes_checkpoint import ABOUT, assert_refused, drafted, files_of, make_checkpoint, seal_by_hand
from tiny_model import save_tiny_model

from kb.errors import CheckpointError, ModelError
from models.checkpoints import MANIFEST, open_checkpoint, seal


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return save_tiny_model(tmp_path_factory.mktemp("model") / "tiny", "mean")


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "checkpoints"


@pytest.fixture
def checkpoint(folder, model):
    return make_checkpoint(folder, model)


class Canary:
    """Touches a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def test_a_flipped_byte_in_any_file_is_refused(folder, checkpoint):
    for path in files_of(checkpoint.path):
        content = path.read_bytes()
        for at in {0, len(content) // 2, len(content) - 1}:
            flipped = bytearray(content)
            flipped[at] ^= 0x04
            path.write_bytes(flipped)
            assert_refused(folder, checkpoint.checkpoint_id)
        path.write_bytes(content)
    open_checkpoint(folder, checkpoint.checkpoint_id)


def test_a_file_that_is_cut_or_missing_is_refused(folder, checkpoint):
    for path in files_of(checkpoint.path):
        content = path.read_bytes()
        path.write_bytes(content[:-1])
        assert_refused(folder, checkpoint.checkpoint_id)
        path.unlink()
        assert_refused(folder, checkpoint.checkpoint_id)
        path.write_bytes(content)


def test_a_file_that_the_manifest_does_not_name_is_refused(folder, checkpoint):
    (checkpoint.path / "encoder" / "more.json").write_text("{}")
    assert_refused(folder, checkpoint.checkpoint_id)


def test_a_changed_figure_in_the_manifest_is_refused(folder, checkpoint):
    path = checkpoint.path / MANIFEST
    path.write_text(path.read_text().replace("0.625", "0.925"))
    assert_refused(folder, checkpoint.checkpoint_id, "a changed one")


def test_a_checkpoint_under_another_name_is_refused(folder, checkpoint):
    checkpoint.path.rename(folder / "another")
    assert_refused(folder, "another", "a changed one")


def test_another_format_is_refused(folder, checkpoint):
    seal_by_hand(checkpoint.path, format=2)
    assert_refused(folder, checkpoint.checkpoint_id, "format 2")


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"null", b'{"format": 1}', b"\xff\xfe", b"[" * 100_000])
def test_a_manifest_that_is_none_is_refused(folder, checkpoint, content):
    (checkpoint.path / MANIFEST).write_bytes(content)
    assert_refused(folder, checkpoint.checkpoint_id)


@pytest.mark.parametrize("name", ["", ".", "..", "../checkpoints", "a/b", "/etc", "none", "zero-shot", "x\0y"])
def test_a_name_that_is_no_checkpoint_is_refused(folder, checkpoint, name):
    assert_refused(folder, name)


def test_a_draft_is_no_checkpoint(folder, checkpoint):
    part = checkpoint.path.rename(folder / f"{checkpoint.checkpoint_id}.part")
    assert_refused(folder, part.name)


def archive(kind, canary):
    """An archive whose member would be unpacked outside its folder."""
    stream = io.BytesIO()
    if kind == "tar":
        with tarfile.open(fileobj=stream, mode="w") as tar:
            tar.addfile(tarfile.TarInfo(f"../../../../../../../../{canary}"))
    else:
        with zipfile.ZipFile(stream, "w") as packed:
            packed.writestr(f"../../../../../../../../{canary}", "")
    return stream.getvalue()


@pytest.mark.parametrize(
    "name",
    [
        *(f"encoder/weights{suffix}" for suffix in (".bin", ".pt", ".pkl", ".pth", ".ckpt", ".PKL", ".joblib", "")),
        "encoder/model.safetensors",
        "training.json",
        "runtime/graph/model.onnx",
        "notes.txt",
    ],
)
@pytest.mark.parametrize("kind", ["pickle", "tar", "zip"])
def test_pickles_and_archives_are_refused_by_any_name_and_nothing_of_them_runs(folder, model, tmp_path, name, kind):
    canary = tmp_path / "canary"
    content = pickle.dumps(Canary(canary)) if kind == "pickle" else archive(kind, canary)
    part = drafted(folder, model)
    path = make_checkpoint(folder, model).path
    for at in (part / name, path / name):
        at.parent.mkdir(parents=True, exist_ok=True)
        at.write_bytes(content)
    with pytest.raises(CheckpointError):
        seal(part, **ABOUT)
    seal_by_hand(path)
    assert_refused(folder, path.name)
    assert not canary.exists()
    assert not part.exists()


def test_an_archive_in_place_of_a_folder_is_refused(folder, checkpoint, tmp_path):
    shutil.rmtree(checkpoint.path)
    checkpoint.path.write_bytes(archive("tar", tmp_path / "canary"))
    assert_refused(folder, checkpoint.checkpoint_id, "a file")
    assert not (tmp_path / "canary").exists()


@pytest.mark.parametrize("name", ["../secret.json", "/etc/passwd", "encoder/../../secret.json", "..\\secret.json", ""])
def test_a_manifest_that_names_files_outside_is_refused(folder, checkpoint, name):
    (folder / "secret.json").write_text("{}")
    seal_by_hand(checkpoint.path, files={**checkpoint.files, name: "0" * 64})
    assert_refused(folder, checkpoint.checkpoint_id)


def test_links_and_special_files_are_refused(folder, checkpoint, model):
    path = checkpoint.path / "encoder" / "extra.json"
    for make in (lambda: path.symlink_to("/etc/passwd"), lambda: path.symlink_to(model), lambda: os.mkfifo(path)):
        make()
        assert_refused(folder, checkpoint.checkpoint_id)
        path.unlink()
    (folder / "link").symlink_to(checkpoint.path)
    assert_refused(folder, "link", "a link")


@pytest.mark.parametrize(
    ("name", "document"),
    [
        ("encoder/modules.json", [{"idx": 0, "name": "0", "path": "", "type": "evil.Module"}]),
        ("encoder/modules.json", [{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Evil"}]),
        ("encoder/modules.json", [{"path": "../..", "type": "sentence_transformers.models.Transformer"}]),
        ("matcher/modules.json", [{"idx": 0, "name": "0", "path": "", "type": "evil.Module"}]),
        ("matcher/modules.json", ["evil"]),
        ("encoder/config.json", {"hidden_size": 32, "auto_map": {"AutoModel": "modeling.Evil"}}),
        ("encoder/config.json", {"hidden_size": 32, "text_config": [{"trust_remote_code": True}]}),
        ("encoder/tokenizer_config.json", {"auto_map": {"AutoTokenizer": ["evil.Tokenizer", None]}}),
    ],
)
def test_classes_of_its_own_are_refused(folder, model, checkpoint, name, document):
    part = drafted(folder, model)
    for at in (part / name, checkpoint.path / name):
        at.parent.mkdir(exist_ok=True)
        at.write_text(json.dumps(document))
    with pytest.raises(ModelError):
        seal(part, **ABOUT)
    seal_by_hand(checkpoint.path)
    assert_refused(folder, checkpoint.checkpoint_id)
    assert not part.exists()


def test_a_setting_that_says_no_code_is_let_in(folder, model):
    made = make_checkpoint(folder, model, {"encoder/more_config.json": {"trust_remote_code": False, "auto_map": None}})
    open_checkpoint(folder, made.checkpoint_id)


def test_weights_whose_header_begins_like_a_pickle_are_let_in(folder, model):
    header = b"{}".ljust(0x0480)
    part = drafted(folder, model)
    (part / "encoder" / "more.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
    assert (part / "encoder" / "more.safetensors").read_bytes()[:2] == b"\x80\x04"
    open_checkpoint(folder, seal(part, **ABOUT).checkpoint_id)


@pytest.mark.parametrize("name", ["encoder/model.safetensors", "encoder/tokenizer.json", "encoder/config.json"])
def test_a_draft_without_a_file_of_its_encoder_is_refused_and_gone(folder, model, name):
    part = drafted(folder, model)
    (part / name).unlink()
    with pytest.raises(CheckpointError, match=rf"{name}; got none; "):
        seal(part, **ABOUT)
    assert list(folder.iterdir()) == []


def test_a_matcher_without_weights_is_refused(folder, model):
    with pytest.raises(CheckpointError, match=r"matcher/model\.safetensors"):
        make_checkpoint(folder, model, {"matcher/config.json": {}})


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object()])
def test_a_metric_that_is_no_number_is_refused_and_nothing_remains(folder, model, value):
    with pytest.raises(CheckpointError, match="expected to write"):
        make_checkpoint(folder, model, metrics={"after": {"P@1": value}})
    assert list(folder.iterdir()) == []


def test_what_is_no_draft_is_not_sealed_and_stays(folder, checkpoint):
    with pytest.raises(CheckpointError, match="begin with `draft`"):
        seal(checkpoint.path, **ABOUT)
    open_checkpoint(folder, checkpoint.checkpoint_id)
