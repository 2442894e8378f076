import json
import pickle

import pytest

from kb.errors import ModelError
from models.folder import BUNDLED, open_model

PICKLED = "pytorch_model.bin"


class Canary:
    """Touches a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


@pytest.fixture
def folder(tmp_path):
    """A folder with the files of a model, without weights in them: opening reads none."""
    folder = tmp_path / "model"
    folder.mkdir()
    write(folder, "config.json", {"hidden_size": 8, "max_position_embeddings": 64})
    (folder / "model.safetensors").write_bytes(b"weights")
    return folder


def write(folder, name, document):
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(document), encoding="utf-8")


def modules(*given):
    return [{"idx": at, "name": str(at), "path": path, "type": kind} for at, (kind, path) in enumerate(given)]


def opened(folder):
    return open_model(str(folder))


def test_without_a_name_the_bundled_model_is_opened():
    model = open_model()
    assert model == open_model(BUNDLED)
    assert (model.pooling, model.max_length, model.prompt) == ("mean", 256, "")
    assert model.encoder_id.startswith("all-MiniLM-L6-v2-")


def test_a_folder_with_pickled_weights_alone_is_refused_and_none_of_them_is_read(folder, tmp_path):
    canary = tmp_path / "canary"
    (folder / "model.safetensors").unlink()
    (folder / PICKLED).write_bytes(pickle.dumps(Canary(canary)))
    with pytest.raises(ModelError, match=r"safetensors.*pickled weights are refused.*convert"):
        opened(folder)
    assert not canary.exists()


def test_pickled_weights_beside_safetensors_are_left_alone(folder, tmp_path):
    canary = tmp_path / "canary"
    (folder / PICKLED).write_bytes(pickle.dumps(Canary(canary)))
    assert opened(folder).encoder_id
    assert not canary.exists()


@pytest.mark.parametrize(
    "kind",
    [
        "evil.Transformer",
        "custom_module.Pooling",
        "sentence_transformers.models.Dense",
        "sentence_transformers_evil.models.Pooling",
        "os.system",
        "",
    ],
)
def test_a_module_that_is_not_one_of_the_known_is_refused_by_name(kind, folder):
    write(folder, "modules.json", modules(("sentence_transformers.models.Transformer", ""), (kind, "1_X")))
    with pytest.raises(ModelError, match=kind or "an unnamed one"):
        opened(folder)


@pytest.mark.parametrize("path", ["../other", "1_Pooling/../../other", "/etc", ".."])
def test_a_module_outside_of_the_folder_is_refused(path, folder):
    write(folder, "modules.json", modules(("sentence_transformers.models.Pooling", path)))
    with pytest.raises(ModelError, match="paths within"):
        opened(folder)


@pytest.mark.parametrize(
    "library", ["sentence_transformers.models", "sentence_transformers.sentence_transformer.modules.pooling"]
)
def test_the_modules_of_old_and_new_sentence_transformers_are_accepted(library, folder):
    write(folder, "modules.json", modules((f"{library}.Transformer", ""), (f"{library}.Pooling", "1_Pooling")))
    assert opened(folder).pooling == "mean"


@pytest.mark.parametrize("document", [{"0": "Transformer"}, ["Transformer"], 3, None])
def test_modules_of_another_form_are_refused(document, folder):
    write(folder, "modules.json", document)
    with pytest.raises(ModelError, match="a list of modules"):
        opened(folder)


def test_a_folder_without_config_is_refused(folder):
    (folder / "config.json").unlink()
    with pytest.raises(ModelError, match=r"expected config\.json in .*; got none; name the folder"):
        opened(folder)


@pytest.mark.parametrize("name", ["modules.json", "config.json", "1_Pooling/config.json"])
def test_a_file_that_is_cut_short_is_named(name, folder):
    write(folder, name, [])
    (folder / name).write_text('{"hidden_size": 8')
    with pytest.raises(ModelError, match=name):
        _ = (opened(folder).config, opened(folder).pooling)


@pytest.mark.parametrize("mode", ["cls", "mean", "max"])
def test_pooling_is_read_as_old_sentence_transformers_wrote_it(mode, folder):
    flags = {"cls": "pooling_mode_cls_token", "mean": "pooling_mode_mean_tokens", "max": "pooling_mode_max_tokens"}
    write(folder, "1_Pooling/config.json", {flag: name == mode for name, flag in flags.items()})
    assert opened(folder).pooling == mode


@pytest.mark.parametrize("mode", ["cls", "mean", "max", ["cls"]])
def test_pooling_is_read_as_new_sentence_transformers_writes_it(mode, folder):
    write(folder, "1_Pooling/config.json", {"embedding_dimension": 8, "pooling_mode": mode})
    assert [opened(folder).pooling] == ([mode] if isinstance(mode, str) else mode)


@pytest.mark.parametrize(
    "settings",
    [
        {"pooling_mode": "lasttoken"},
        {"pooling_mode": ["cls", "mean"]},
        {"pooling_mode_mean_tokens": False, "pooling_mode_lasttoken": True},
        {"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": True},
    ],
)
def test_another_pooling_or_several_are_refused(settings, folder):
    write(folder, "1_Pooling/config.json", settings)
    with pytest.raises(ModelError, match="expected mean, cls or max pooling"):
        _ = opened(folder).pooling


@pytest.mark.parametrize(
    ("files", "length"),
    [
        ({}, 64),
        ({"sentence_bert_config.json": {"max_seq_length": 32}}, 32),
        ({"sentence_bert_config.json": {"max_seq_length": None}}, 64),
        ({"tokenizer_config.json": {"model_max_length": 16}}, 16),
        ({"tokenizer_config.json": {"model_max_length": 10**30}}, 64),
        ({"config.json": {"max_position_embeddings": 8192}}, 512),
    ],
)
def test_the_length_is_what_the_model_was_made_for(files, length, folder):
    for name, document in files.items():
        write(folder, name, document)
    assert opened(folder).max_length == length


def test_the_default_prompt_is_read(folder):
    prompts = {"prompts": {"query": "query: ", "document": ""}, "default_prompt_name": "query"}
    write(folder, "config_sentence_transformers.json", prompts)
    assert opened(folder).prompt == "query: "


@pytest.mark.parametrize(
    ("name", "document"),
    [
        ("config.json", {"hidden_size": 16}),
        ("tokenizer.json", {"model": "other"}),
        ("1_Pooling/config.json", {"pooling_mode": "cls"}),
        ("sentence_bert_config.json", {"max_seq_length": 32}),
        ("config_sentence_transformers.json", {"prompts": {"q": "q: "}, "default_prompt_name": "q"}),
    ],
)
def test_the_id_changes_with_all_that_a_vector_depends_on(name, document, folder):
    before = opened(folder).encoder_id
    write(folder, name, document)
    assert opened(folder).encoder_id != before


def test_the_id_is_the_same_wherever_the_folder_lies(folder, tmp_path):
    before = opened(folder).encoder_id
    (tmp_path / "elsewhere").mkdir()
    assert opened(folder.rename(tmp_path / "elsewhere" / "model")).encoder_id == before


def test_a_name_that_is_no_folder_and_no_model_of_the_hub_is_refused_without_a_network(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ModelError, match="the name of one on the hub; got nobody/nothing"):
        open_model("nobody/nothing")
