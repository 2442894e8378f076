import json

import numpy as np
import pytest
import torch
from fakes_training import QUESTIONS, matching_task, same, train, weights
from safetensors.torch import load_file, save_file
from tiny_model import MAX_LENGTH, save_tiny_model
from transformers import AutoModelForSequenceClassification

from kb.errors import ModelError
from models.encoder import load_encoder
from models.folder import open_model
from models.matcher import MAX_LENGTH as LENGTH_KEY
from models.training.bases import load_encoder_module, load_matcher_module, save_encoder, save_matcher
from models.training.matcher import judge

PAIRS = [(question, text) for question in QUESTIONS[:4] for text in ("my parcel", "a refund within some days")]


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return open_model(str(save_tiny_model(tmp_path_factory.mktemp("base") / "tiny", "cls")))


def copy_of(base, folder, **config):
    """The base with another configuration."""
    save_tiny_model(folder, "cls")
    about = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**about, **config}))
    return folder


def moved(module):
    """Weights that are not those of the base."""
    with torch.no_grad():
        for each in module.parameters():
            each.add_(torch.randn(each.shape, generator=torch.Generator().manual_seed(3)), alpha=0.1)
    return module.eval()


def vectors_of(module, tokenizer):
    found = [tokenizer.encode(text).ids for text in QUESTIONS[:5]]
    with torch.inference_mode():
        return np.stack([module(torch.tensor([ids]), torch.ones(1, len(ids)))[0].numpy() for ids in found])


def test_a_saved_encoder_is_opened_and_gives_the_vectors_of_the_trained_module(base, tmp_path):
    module, tokenizer, _ = load_encoder_module(base)
    expected = vectors_of(moved(module), tokenizer)
    save_encoder(module, base, tmp_path / "encoder")
    opened = open_model(str(tmp_path / "encoder"))
    assert (opened.pooling, opened.max_length, opened.prompt) == (base.pooling, base.max_length, base.prompt)
    encoder = load_encoder(str(tmp_path / "encoder"), cache=tmp_path / "cache", runtime="torch")
    assert np.allclose(encoder.encode(QUESTIONS[:5]), expected, atol=1e-5)
    again, _, _ = load_encoder_module(opened)
    assert same(weights(again), weights(module))
    assert not np.allclose(vectors_of(load_encoder_module(base)[0].eval(), tokenizer), expected, atol=1e-2)


def test_a_prompt_and_a_length_stay_with_the_encoder(base, tmp_path):
    folder = save_tiny_model(tmp_path / "prompted", "mean")
    (folder / "config_sentence_transformers.json").write_text(
        json.dumps({"prompts": {"query": "ask: "}, "default_prompt_name": "query"})
    )
    (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 17}))
    prompted = open_model(str(folder))
    save_encoder(load_encoder_module(prompted)[0], prompted, tmp_path / "saved")
    saved = open_model(str(tmp_path / "saved"))
    assert (saved.prompt, saved.max_length, saved.pooling) == ("ask: ", 17, "mean")


def test_a_trained_matcher_loads_as_a_classifier_with_one_logit_and_judges_the_same(base, tmp_path):
    module, tokenizer, pad_id = load_matcher_module(base)
    task = matching_task(module)
    train(task, steps=3)
    expected = judge(module, tokenizer, PAIRS, 30, pad_id)
    save_matcher(module, base, tmp_path / "matcher", 30)
    plain = AutoModelForSequenceClassification.from_pretrained(tmp_path / "matcher", local_files_only=True)
    assert plain.config.num_labels == 1
    assert json.loads((tmp_path / "matcher" / "config.json").read_text())[LENGTH_KEY] == 30
    assert np.allclose(judge(plain, tokenizer, PAIRS, 30, pad_id), expected, atol=1e-6)
    again, _, _ = load_matcher_module(open_model(str(tmp_path / "matcher")))
    assert same(weights(again), weights(module))


def test_of_several_tasks_the_relevance_alone_is_saved(base, tmp_path):
    module, tokenizer, pad_id = load_matcher_module(base, outputs=4)
    expected = judge(moved(module), tokenizer, PAIRS, 30, pad_id)
    save_matcher(module, base, tmp_path / "matcher", 30)
    again, _, _ = load_matcher_module(open_model(str(tmp_path / "matcher")))
    assert again.classifier.weight.shape == (1, 32)
    assert np.allclose(judge(again, tokenizer, PAIRS, 30, pad_id), expected, atol=1e-6)


def test_as_many_tasks_as_dimensions_leave_the_layers_whole(base, tmp_path):
    module, _, _ = load_matcher_module(base, outputs=32)
    save_matcher(module, base, tmp_path / "matcher", 30)
    assert load_file(tmp_path / "matcher" / "model.safetensors")["bert.pooler.dense.weight"].shape == (32, 32)


def test_a_matcher_reads_no_more_than_its_model_has_positions(base, tmp_path):
    save_matcher(load_matcher_module(base)[0], base, tmp_path / "matcher", 512)
    assert json.loads((tmp_path / "matcher" / "config.json").read_text())[LENGTH_KEY] == MAX_LENGTH


def test_a_matcher_on_an_encoder_has_its_layers_and_a_head_that_the_seed_draws(base):
    encoder = load_encoder_module(base)[0].body.state_dict()
    one, same_seed, other = (load_matcher_module(base, seed=seed)[0] for seed in (1, 1, 2))
    torch.rand(3)
    assert all(torch.equal(one.bert.state_dict()[name], each) for name, each in encoder.items())
    assert same(weights(one), weights(same_seed))
    assert not torch.equal(one.classifier.weight, other.classifier.weight)


def test_a_base_in_half_precision_is_trained_and_saved_in_full(tmp_path):
    folder = copy_of(None, tmp_path / "half", dtype="float16")
    halves = {name: each.half() for name, each in load_file(folder / "model.safetensors").items()}
    save_file(halves, folder / "model.safetensors", metadata={"format": "pt"})
    half = open_model(str(folder))
    encoder, matcher = load_encoder_module(half)[0], load_matcher_module(half)[0]
    assert {each.dtype for module in (encoder, matcher) for each in module.parameters()} == {torch.float32}
    expected = vectors_of(moved(encoder), load_encoder_module(half)[1])
    save_encoder(encoder, half, tmp_path / "saved")
    again = load_encoder(str(tmp_path / "saved"), cache=tmp_path / "cache", runtime="torch")
    assert np.allclose(again.encode(QUESTIONS[:5]), expected, atol=1e-5)


def test_a_base_without_a_fast_tokenizers_file_gets_one(tmp_path):
    folder = save_tiny_model(tmp_path / "old")
    vocabulary = json.loads((folder / "tokenizer.json").read_text())["model"]["vocab"]
    (folder / "vocab.txt").write_text("\n".join(sorted(vocabulary, key=vocabulary.__getitem__)))
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "BertTokenizer"}))
    old = open_model(str(folder))
    module, tokenizer, _ = load_encoder_module(old)
    save_encoder(module, old, tmp_path / "saved")
    assert (tmp_path / "saved" / "tokenizer.json").is_file()
    _, again, _ = load_encoder_module(open_model(str(tmp_path / "saved")))
    assert again.encode("where is it?").ids == tokenizer.encode("where is it?").ids


LOADERS = pytest.mark.parametrize("load", [load_encoder_module, load_matcher_module])


def refused(load, folder, message):
    with pytest.raises(ModelError, match=message) as raised:
        load(open_model(str(folder)))
    assert "expected " in str(raised.value)
    assert "\n" not in str(raised.value)


@LOADERS
def test_an_unknown_kind_of_model_is_refused(load, tmp_path):
    refused(load, copy_of(None, tmp_path / "m", model_type="oracle", architectures=["Oracle"]), "BERT")


@LOADERS
def test_a_model_that_writes_is_refused(load, tmp_path):
    from transformers import GPT2Config, GPT2Model

    folder = save_tiny_model(tmp_path / "m")
    GPT2Model(GPT2Config(n_embd=16, n_layer=1, n_head=2, vocab_size=99, n_positions=40)).save_pretrained(folder)
    refused(load, folder, "model of BERT's family in .*; got gpt2 without hidden_size, .*; use BERT")


@LOADERS
def test_a_decoder_with_berts_names_is_refused(load, tmp_path):
    from transformers import LlamaConfig, LlamaModel

    folder = save_tiny_model(tmp_path / "m")
    config = LlamaConfig(
        hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2, vocab_size=99
    )
    LlamaModel(config).save_pretrained(folder)
    refused(load, folder, "got llama, a model of other layers")


@LOADERS
@pytest.mark.parametrize("config", [{"hidden_size": "wide"}, {"num_attention_heads": 5}, {"hidden_act": "?"}], ids=str)
def test_a_configuration_that_makes_no_model_is_refused(load, tmp_path, config):
    refused(load, copy_of(None, tmp_path / "m", **config), "BERT")


@LOADERS
def test_weights_of_another_shape_are_refused(load, tmp_path):
    refused(load, copy_of(None, tmp_path / "m", intermediate_size=48), "weights|BERT")


@LOADERS
def test_weights_that_lack_layers_are_refused_and_not_drawn_at_random(load, tmp_path):
    folder = save_tiny_model(tmp_path / "m")
    some = {name: each for name, each in load_file(folder / "model.safetensors").items() if ".layer.1." not in name}
    save_file(some, folder / "model.safetensors", metadata={"format": "pt"})
    refused(load, folder, r"weights of all layers in .*; got none that fit .*layer\.1.* others; fetch the model again")


@LOADERS
@pytest.mark.parametrize("content", [b"", b"half a file", bytes(200)])
def test_damaged_weights_are_refused(load, tmp_path, content):
    folder = save_tiny_model(tmp_path / "m")
    (folder / "model.safetensors").write_bytes(content)
    refused(load, folder, "BERT")


@LOADERS
def test_pickled_weights_are_refused(load, tmp_path):
    folder = save_tiny_model(tmp_path / "m")
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    refused(load, folder, "pickled weights are refused")


@LOADERS
def test_a_model_without_a_tokenizer_is_refused(load, tmp_path):
    folder = save_tiny_model(tmp_path / "m")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).unlink()
    refused(load, folder, "expected a tokenizer in .*; got none; copy")


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ModelError, match="expected"):
        open_model(str(tmp_path / "nowhere"))
