import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from technique_corpus import labeled, pairs
from tiny_model import save_tiny_model

from kb.errors import ModelError, TrainingError
from models.encoder import load_encoder
from models.export import load_torch
from models.folder import open_model
from models.training.adapt import adapted
from models.training.adapters import ADDED, is_added
from models.training.bases import load_encoder_module, load_matcher_module, save_encoder, save_matcher
from models.training.config import AdaptConfig, ContrastiveConfig, MatchingConfig, OptimiserConfig
from models.training.encoder import ContrastiveData, ContrastiveTask
from models.training.loop import fit
from models.training.matcher import Group, MatchingTask, judge

METHODS = ("full", "frozen", "lora", "ia3", "adapters", "prefix")
CARRIED = ("adapters", "prefix")
OPTIMISER = OptimiserConfig(steps=40, learning_rate=5e-3, validate_every=0, keep="last", precision="fp32")
TEXTS = ["where is my parcel", "a refund", "zip"]


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return open_model(str(save_tiny_model(tmp_path_factory.mktemp("model") / "tiny", "mean")))


def data():
    rows = {pair.pair_id: at for at, pair in enumerate(pairs())}
    return ContrastiveData(
        questions=[row.question for row in labeled()],
        rows=[frozenset({rows[row.pair_id]}) for row in labeled()],
        weights=[1.0] * len(labeled()),
        answers=[[pair.answer] for pair in pairs()],
    )


def trained_encoder(base, method):
    module, tokenizer, pad_id = load_encoder_module(base)
    before = {name: each.detach().clone() for name, each in module.named_parameters()}
    module.body, plain = adapted(module.body, AdaptConfig(method=method, adapter_size=8, prefix_length=4, rank=4))
    config = ContrastiveConfig(anchors=8, max_length=30)
    curve = fit(ContrastiveTask(module, tokenizer, data(), config, pad_id=pad_id), OPTIMISER)
    module.body = plain(module.body)
    return module.eval(), curve, before


def groups():
    """Short enough for a model that reads 40 letters."""
    words = [pair.pair_id for pair in pairs()]
    return [
        Group(question=form.format(word), candidates=words, labels=[float(word == each) for each in words])
        for word in words
        for form in ("my {}", "{} again", "a {}?", "{}")
    ]


def trained_matcher(base, method, steps=60):
    # The head is drawn anew.
    torch.manual_seed(0)
    module, tokenizer, pad_id = load_matcher_module(base)
    module, plain = adapted(module, AdaptConfig(method=method, adapter_size=8, prefix_length=4, rank=4))
    task = MatchingTask(module, tokenizer, groups(), MatchingConfig(max_length=40), pad_id=pad_id)
    curve = fit(task, replace(OPTIMISER, steps=steps))
    return plain(module).eval(), curve, tokenizer, pad_id


def vectors(module, tokenizer):
    batch = tokenizer(TEXTS, padding=True, return_tensors="pt")
    with torch.inference_mode():
        return module(batch["input_ids"], batch["attention_mask"]).numpy()


def first_and_last(curve):
    losses = [loss for _, loss in curve.losses]
    return np.mean(losses[:10]), np.mean(losses[-10:])


@pytest.mark.parametrize("method", METHODS)
def test_every_method_reduces_the_encoders_loss_and_its_folder_gives_the_same_vectors(base, method, tmp_path):
    module, curve, _ = trained_encoder(base, method)
    first, last = first_and_last(curve)
    assert last < first
    save_encoder(module, base, tmp_path / "encoder")
    again, tokenizer = load_torch(open_model(str(tmp_path / "encoder")))
    assert np.abs(vectors(again, tokenizer) - vectors(module, tokenizer)).max() < 1e-5
    assert np.abs(vectors(again, tokenizer) - vectors(*load_torch(base))).max() > 1e-3


@pytest.mark.parametrize("method", METHODS)
def test_every_method_reduces_the_matchers_loss_and_its_folder_gives_the_same_logits(base, method, tmp_path):
    module, curve, tokenizer, pad_id = trained_matcher(base, method)
    first, last = first_and_last(curve)
    assert last < first
    save_matcher(module, base, tmp_path / "matcher", 40)
    again, _, _ = load_matcher_module(open_model(str(tmp_path / "matcher")))
    asked = [(text, pairs()[0].question) for text in TEXTS]
    expected = judge(module, tokenizer, asked, 40, pad_id)
    assert np.abs(judge(again, tokenizer, asked, 40, pad_id) - expected).max() < 1e-4


@pytest.mark.parametrize("method", CARRIED)
def test_what_is_added_is_all_that_changes_beside_norms(base, method):
    module, _, before = trained_encoder(base, method)
    after = dict(module.named_parameters())
    changed = {name for name, each in before.items() if not torch.equal(each, after[name])}
    assert changed
    assert all("LayerNorm" in name for name in changed)
    assert any(is_added(name) for name in after)


def test_bottlenecks_give_at_first_what_the_model_gives(base):
    module, tokenizer = load_torch(base)
    before = vectors(module, tokenizer)
    module.body, _ = adapted(module.body, AdaptConfig(method="adapters"))
    assert np.array_equal(vectors(module.eval(), tokenizer), before)


@pytest.mark.parametrize("method", CARRIED)
def test_a_text_has_the_same_vector_alone_and_padded_in_a_batch(base, method):
    module, _, _ = trained_encoder(base, method)
    _, tokenizer = load_torch(base)
    together = vectors(module, tokenizer)
    alone = tokenizer(TEXTS[-1:], return_tensors="pt")
    with torch.inference_mode():
        assert np.abs(module(alone["input_ids"], alone["attention_mask"]).numpy() - together[-1:]).max() < 1e-5


def test_an_exported_graph_carries_what_was_added(base, tmp_path):
    module, _, _ = load_encoder_module(base)
    before = vectors(*load_torch(base))
    for method in CARRIED:
        adapted(module.body, AdaptConfig(method=method, adapter_size=8, prefix_length=4))
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if is_added(name):
                parameter.normal_()
    save_encoder(module, base, tmp_path / "encoder")
    path = str(tmp_path / "encoder")
    found = load_encoder(path, cache=tmp_path / "graphs", runtime="onnx").encode(TEXTS)
    assert np.abs(found - vectors(*load_torch(open_model(path)))).max() < 1e-4
    assert np.abs(found - before).max() > 0.1


@pytest.mark.parametrize("added", [{"prefix": 0}, {"prefix": "4"}, {"hooks": 3}, [4], {"adapters": 10**9}])
def test_a_folder_that_names_something_else_as_added_is_refused(base, added, tmp_path):
    module, _, _ = load_encoder_module(base)
    save_encoder(module, base, tmp_path / "encoder")
    file = tmp_path / "encoder" / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {ADDED: added}))
    with pytest.raises(ModelError, match="expected adapters or prefix and a size"):
        load_torch(open_model(str(tmp_path / "encoder")))


def test_a_folder_without_the_weights_of_what_was_added_is_refused(base, tmp_path):
    module, _, _ = load_encoder_module(base)
    save_encoder(module, base, tmp_path / "encoder")
    file = tmp_path / "encoder" / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {ADDED: {"adapters": 8}}))
    with pytest.raises(ModelError, match=r"got none, or another shape; train it again"):
        load_torch(open_model(str(tmp_path / "encoder")))


@pytest.mark.parametrize("method", CARRIED)
def test_a_model_without_such_layers_is_refused(method):
    from transformers import DistilBertConfig, DistilBertModel

    body = DistilBertModel(DistilBertConfig(vocab_size=20, dim=8, n_heads=2, n_layers=1, hidden_dim=8))
    with pytest.raises(TrainingError, match="expected layers like those of BERT"):
        adapted(body, AdaptConfig(method=method))
