import json

import numpy as np
import onnx
import pytest
from fakes_training import QUESTIONS, SUBJECTS, matching_task, train
from tiny_model import MAX_LENGTH, PAD, save_tiny_model, tiny_tokenizer

from kb.errors import ModelError
from models.cross_encoder import TorchCrossEncoder, load_cross_encoder
from models.folder import open_model
from models.matcher_export import LEAST_AGREEMENT, MAX_DIFFERENCE, export_matcher
from models.matcher_graph import ABOUT, GRAPHS, OnnxCrossEncoder
from models.training.bases import load_matcher_module, save_matcher
from models.training.matcher import judge
from models.training.passes import hardware

SAMPLES = [(question, SUBJECTS) for question in QUESTIONS]
TEXTS = ["a", "my parcel", "", "x" * 500, "Where? Ünïcode 日本", "a refund " * 3]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A small trained matcher as a folder."""
    folder = tmp_path_factory.mktemp("trained")
    base = open_model(str(save_tiny_model(folder / "base")))
    module, _, _ = load_matcher_module(base)
    train(matching_task(module), steps=10)
    save_matcher(module, base, folder / "matcher", 30)
    return open_model(str(folder / "matcher"))


@pytest.fixture(scope="module")
def exported(trained, tmp_path_factory):
    """Its graphs, and what is said of them."""
    folder = tmp_path_factory.mktemp("exported") / "graphs"
    return folder, export_matcher(trained, folder, 30, SAMPLES)


def in_torch(trained, pairs):
    module, tokenizer, pad_id = load_matcher_module(trained)
    return judge(module.eval(), tokenizer, pairs, 30, pad_id)


def test_the_graph_in_float32_agrees_with_torch(trained, exported):
    folder, about = exported
    pairs = [(question, text) for question, texts in SAMPLES for text in texts]
    found, expected = OnnxCrossEncoder(folder, "fp32").judge(pairs), in_torch(trained, pairs)
    assert np.allclose(found, expected, atol=1e-4)
    compared = about["compared_with_torch"]["fp32"]
    assert compared["max_difference"] == pytest.approx(float(np.abs(found - expected).max()), abs=1e-6)
    assert compared["max_difference"] < MAX_DIFFERENCE
    assert (compared["rank_agreement"], compared["questions"]) == (1.0, len(SAMPLES))


def test_int8_is_compared_question_by_question_and_serves_where_it_agrees(trained, exported):
    folder, about = exported
    pairs = [(question, text) for question, texts in SAMPLES for text in texts]
    expected = in_torch(trained, pairs).reshape(len(SAMPLES), -1)
    found = OnnxCrossEncoder(folder, "int8").judge(pairs).reshape(len(SAMPLES), -1)
    agreement = float((found.argmax(axis=1) == expected.argmax(axis=1)).mean())
    compared = about["compared_with_torch"]["int8"]
    assert compared["rank_agreement"] == agreement
    assert compared["max_difference"] == pytest.approx(float(np.abs(found - expected).max()), abs=1e-5)
    assert about["serve"] == ("int8" if agreement >= LEAST_AGREEMENT else "fp32")
    assert (folder / GRAPHS["int8"]).stat().st_size < (folder / GRAPHS["fp32"]).stat().st_size


def test_int8_that_finds_others_best_does_not_serve(trained, tmp_path):
    # Of forty candidates that are nearly the same, another one is often the best by a hair.
    candidates = [f"{at:04}" for at in range(40)]
    about = export_matcher(trained, tmp_path / "graphs", 30, [(question, candidates) for question in QUESTIONS])
    assert about["compared_with_torch"]["int8"]["rank_agreement"] < LEAST_AGREEMENT
    assert about["serve"] == "fp32"


def test_int8_that_finds_the_same_best_serves_and_an_export_gives_the_same_graphs_again(trained, exported, tmp_path):
    about = export_matcher(trained, tmp_path / "graphs", 30, [(question, ["a"]) for question in QUESTIONS])
    assert about["compared_with_torch"]["int8"]["rank_agreement"] == 1.0
    assert about["serve"] == "int8"
    for name in GRAPHS:
        one, other = (
            OnnxCrossEncoder(each, name).logits("where", TEXTS) for each in (exported[0], tmp_path / "graphs")
        )
        assert (one == other).all()


def test_what_is_returned_is_what_is_written_and_served(exported):
    folder, about = exported
    assert json.loads((folder / ABOUT).read_text()) == about
    assert (about["max_length"], about["pad_id"]) == (30, PAD)
    assert sorted(each.name for each in folder.iterdir()) == sorted([*GRAPHS.values(), ABOUT, "tokenizer.json"])
    chosen, named = OnnxCrossEncoder(folder), OnnxCrossEncoder(folder, about["serve"])
    assert (chosen.logits("where", TEXTS) == named.logits("where", TEXTS)).all()


@pytest.mark.parametrize("question", ["where is my parcel", "", "w" * 300])
def test_texts_of_any_length_are_read_the_same_alone_and_beside_others(trained, exported, question):
    found = OnnxCrossEncoder(exported[0], "fp32").logits(question, TEXTS)
    assert found == pytest.approx(in_torch(trained, [(question, text) for text in TEXTS]), abs=1e-4)
    alone = [OnnxCrossEncoder(exported[0], "fp32").logits(question, [text])[0] for text in TEXTS]
    assert found == pytest.approx(np.array(alone), abs=1e-4)


def test_no_texts_have_no_logits(trained, exported):
    assert OnnxCrossEncoder(exported[0]).logits("where", []).shape == (0,)
    assert TorchCrossEncoder(trained, 30).logits("where", []).shape == (0,)


@pytest.mark.parametrize("quantisation", GRAPHS)
def test_the_same_texts_have_the_same_logits(exported, quantisation):
    one, other = (OnnxCrossEncoder(exported[0], quantisation) for _ in range(2))
    assert (one.logits("where", TEXTS) == other.logits("where", TEXTS)).all()
    assert (one.logits("where", TEXTS) == one.logits("where", TEXTS)).all()


def test_torch_serves_the_same_logits(trained):
    pairs = [("where", text) for text in TEXTS]
    encoder = TorchCrossEncoder(trained, 30)
    # Where bfloat16 is quicker, it serves; it has three digits.
    tolerance = 0.25 if hardware("auto").is_bf16 else 1e-4
    assert encoder.logits("where", TEXTS) == pytest.approx(in_torch(trained, pairs), abs=tolerance)


def test_a_matcher_is_loaded_by_its_folder_and_exported_once(trained, tmp_path):
    first = load_cross_encoder(str(trained.path), cache=tmp_path, runtime="onnx")
    (folder,) = tmp_path.iterdir()
    assert folder.name == trained.encoder_id
    before = {each.name: each.stat().st_mtime_ns for each in folder.iterdir()}
    again = load_cross_encoder(str(trained.path), cache=tmp_path, runtime="onnx")
    assert {each.name: each.stat().st_mtime_ns for each in folder.iterdir()} == before
    assert (first.logits("where", TEXTS) == again.logits("where", TEXTS)).all()
    slow = load_cross_encoder(str(trained.path), cache=tmp_path, runtime="torch")
    assert isinstance(slow, TorchCrossEncoder)


def test_what_was_not_finished_is_made_anew_and_reads_no_more_than_the_model_has_positions(trained, tmp_path):
    folder = tmp_path / "graphs"
    folder.mkdir()
    (folder / GRAPHS["fp32"]).write_bytes(b"half")
    about = export_matcher(trained, folder, 512)
    assert about["max_length"] == MAX_LENGTH
    assert np.isfinite(OnnxCrossEncoder(folder).logits("where", TEXTS)).all()
    assert np.isfinite(TorchCrossEncoder(trained, 512).logits("where", TEXTS)).all()
    assert [each.name for each in tmp_path.iterdir()] == ["graphs"]


def test_a_matcher_that_cannot_be_loaded_is_refused_and_leaves_nothing(tmp_path):
    broken = save_tiny_model(tmp_path / "model")
    (broken / "model.safetensors").write_bytes(b"half")
    with pytest.raises(ModelError, match="expected a BERT-like model in "):
        export_matcher(open_model(str(broken)), tmp_path / "here" / "graphs", 30)
    # In a process of its own it is refused in the same words.
    with pytest.raises(ModelError, match=r"^expected a BERT-like model in "):
        load_cross_encoder(str(broken), cache=tmp_path / "apart", runtime="onnx")
    for folder in ("here", "apart"):
        assert list((tmp_path / folder).iterdir()) == []


def damaged(exported, folder, name, content):
    folder.mkdir()
    for each in exported[0].iterdir():
        (folder / each.name).write_bytes(each.read_bytes())
    (folder / name).write_bytes(content)
    return folder


@pytest.mark.parametrize("name", [GRAPHS["fp32"], "tokenizer.json", ABOUT])
@pytest.mark.parametrize("content", [b"", b"half", b"{}"])
def test_damaged_files_are_refused(exported, tmp_path, name, content):
    folder = damaged(exported, tmp_path / "damaged", name, content)
    with pytest.raises(ModelError, match=r"expected a matcher in .*; train it again, or promote another"):
        OnnxCrossEncoder(folder, "fp32")


def test_a_graph_that_is_cut_short_is_refused(exported, tmp_path):
    whole = (exported[0] / GRAPHS["fp32"]).read_bytes()
    folder = damaged(exported, tmp_path / "damaged", GRAPHS["fp32"], whole[: len(whole) // 2])
    with pytest.raises(ModelError, match="expected a matcher in "):
        OnnxCrossEncoder(folder, "fp32")


def test_the_graph_has_no_weights_outside_of_it(exported):
    for name in GRAPHS.values():
        graph = onnx.load(exported[0] / name, load_external_data=False).graph
        assert not any(each.data_location == onnx.TensorProto.EXTERNAL for each in graph.initializer)


def test_the_tokenizer_beside_the_graphs_reads_pairs_as_the_models_does(exported):
    from tokenizers import Tokenizer

    found = Tokenizer.from_file(str(exported[0] / "tokenizer.json"))
    assert found.encode("where", "my parcel").ids == tiny_tokenizer().encode("where", "my parcel").ids
