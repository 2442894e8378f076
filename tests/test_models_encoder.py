import shutil
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from tiny_model import DIMENSION, MAX_LENGTH, save_tiny_model

from kb.errors import ModelError
from models.encoder import load_encoder
from models.folder import open_model

TEXTS = (
    "Where is my parcel?",
    "ok",
    "I sent the tent back three weeks ago, and the money has still not arrived on my card; what happens now?",
    "Grüße aus Köln 🙂",
    "配送需要多久",
    "where is my PARCEL",
    "",
    "refund " * 60,
)
POOLINGS = ("cls", "mean", "max")
# Rounding differs with the order in which a batch is summed up; a wrong mask or order is far beyond it.
CLOSE = 2e-5
RUNTIMES_AGREE = 1e-4


@pytest.fixture(scope="session")
def minilm(tmp_path_factory):
    """The bundled model in ONNX Runtime, exported once."""
    return load_encoder(cache=tmp_path_factory.mktemp("encoders"), runtime="onnx")


@pytest.fixture(scope="session")
def tiny_folders(tmp_path_factory):
    """Tiny models of each pooling, and the cache in which their graphs are."""
    folder = tmp_path_factory.mktemp("tiny")
    return {pooling: save_tiny_model(folder / pooling, pooling) for pooling in POOLINGS}, folder / "cache"


@pytest.fixture(scope="session", params=POOLINGS)
def tiny(request, tiny_folders):
    """A tiny model in both runtimes: (onnx, torch, pooling)."""
    folders, cache = tiny_folders
    folder = str(folders[request.param])
    onnx, torch = (load_encoder(folder, cache=cache, runtime=runtime) for runtime in ("onnx", "torch"))
    return onnx, torch, request.param


@pytest.fixture
def exported(tiny_folders, tmp_path):
    """A tiny model, and a cache of its own with the graph of it: (folder, cache, folder of the graph)."""
    folders, cache = tiny_folders
    folder = folders[POOLINGS[0]]
    graph = cache / load_encoder(str(folder), cache=cache, runtime="onnx").encoder_id
    own = tmp_path / "cache"
    shutil.copytree(graph, own / graph.name)
    return str(folder), own, own / graph.name


def test_the_bundled_model_gives_the_same_vectors_in_onnx_as_in_torch(minilm, tmp_path):
    torch = load_encoder(cache=tmp_path, runtime="torch")
    assert torch.encoder_id == minilm.encoder_id
    assert np.abs(torch.encode(TEXTS) - minilm.encode(TEXTS)).max() < RUNTIMES_AGREE
    assert not list(tmp_path.iterdir())


def test_vectors_have_unit_length_and_are_float32(minilm):
    vectors = minilm.encode(TEXTS)
    assert vectors.shape == (len(TEXTS), minilm.dimension) == (len(TEXTS), 384)
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)


def test_a_batch_of_mixed_lengths_gives_what_each_text_gives_alone_in_the_order_given(minilm):
    one_by_one = np.concatenate([minilm.encode([text]) for text in TEXTS])
    assert np.abs(minilm.encode(TEXTS) - one_by_one).max() < CLOSE
    assert np.abs(minilm.encode(TEXTS[::-1]) - one_by_one[::-1]).max() < CLOSE


def test_no_text_gives_no_vector(minilm):
    assert minilm.encode([]).shape == (0, 384)


def test_a_text_of_10_000_characters_is_cut_off_where_the_model_ends(minilm):
    text = "parcel " * 1_500
    vectors = minilm.encode([text[:10_000], text[:8_000]])
    assert np.isfinite(vectors).all()
    assert np.abs(vectors[0] - vectors[1]).max() < CLOSE


def test_what_means_the_same_is_nearer_than_what_does_not(minilm):
    parcel, order, tent = minilm.encode(["Where is my parcel?", "My order has not arrived", "How do I wash a tent?"])
    assert parcel @ order > parcel @ tent + 0.1


def test_threads_that_share_an_encoder_get_the_vectors_of_one_thread(minilm):
    expected = minilm.encode(TEXTS)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: minilm.encode(TEXTS), range(8)))
    assert all(np.abs(vectors - expected).max() < CLOSE for vectors in found)


def test_a_graph_that_was_exported_is_taken_again(exported):
    folder, cache, graph = exported
    written = {path: path.stat().st_mtime_ns for path in graph.iterdir()}
    encoder = load_encoder(folder, cache=cache, runtime="onnx")
    assert encoder.encoder_id == graph.name
    assert {path: path.stat().st_mtime_ns for path in graph.iterdir()} == written
    assert list(cache.iterdir()) == [graph]


def test_a_model_of_each_pooling_agrees_between_onnx_and_torch(tiny):
    onnx, torch, _ = tiny
    assert onnx.encoder_id == torch.encoder_id
    assert onnx.dimension == torch.dimension == DIMENSION
    assert np.abs(onnx.encode(TEXTS) - torch.encode(TEXTS)).max() < RUNTIMES_AGREE


def test_padding_changes_nothing_in_any_pooling(tiny):
    onnx, _, _ = tiny
    alone = np.concatenate([onnx.encode([text]) for text in TEXTS])
    assert np.abs(onnx.encode(TEXTS) - alone).max() < CLOSE


def test_each_pooling_gives_what_its_formula_gives_on_the_tokens_of_transformers(tiny, tmp_path):
    import torch
    from transformers import AutoModel, AutoTokenizer

    onnx, _, pooling = tiny
    folder = save_tiny_model(tmp_path / "same")
    text = "where is it?"
    tokens = AutoTokenizer.from_pretrained(folder)(text, return_tensors="pt")
    with torch.inference_mode():
        (states,) = AutoModel.from_pretrained(folder).eval()(**tokens).last_hidden_state.numpy()
    expected = {"cls": states[0], "mean": states.mean(axis=0), "max": states.max(axis=0)}[pooling]
    assert np.allclose(onnx.encode([text])[0], expected / np.linalg.norm(expected), atol=RUNTIMES_AGREE)


def test_the_bundled_model_gives_the_vectors_of_sentence_transformers(minilm):
    from sentence_transformers import SentenceTransformer

    theirs = SentenceTransformer(str(open_model().path), device="cpu").encode(list(TEXTS), normalize_embeddings=True)
    assert np.abs(minilm.encode(TEXTS) - theirs).max() < RUNTIMES_AGREE


@pytest.mark.parametrize("pooling", POOLINGS)
def test_a_model_saved_by_sentence_transformers_gives_its_vectors(pooling, tmp_path):
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer

    body = Transformer(str(save_tiny_model(tmp_path / "body")), max_seq_length=12)
    saved = SentenceTransformer(modules=[body, Pooling(DIMENSION, pooling)], device="cpu")
    saved.save(str(tmp_path / "saved"))
    ours = load_encoder(str(tmp_path / "saved"), cache=tmp_path, runtime="torch").encode(TEXTS)
    assert np.abs(ours - saved.encode(list(TEXTS), normalize_embeddings=True)).max() < RUNTIMES_AGREE


def test_a_plain_transformers_folder_is_pooled_by_the_mean(tiny, tmp_path):
    onnx, _, pooling = tiny
    plain = load_encoder(str(save_tiny_model(tmp_path / "plain")), cache=tmp_path, runtime="torch")
    is_same = np.allclose(plain.encode(TEXTS), onnx.encode(TEXTS), atol=RUNTIMES_AGREE)
    assert is_same == (pooling == "mean")


def test_a_text_longer_than_the_positions_of_the_model_is_cut_off(tiny):
    onnx, torch, _ = tiny
    long, longer = "x " * MAX_LENGTH, "x " * 10 * MAX_LENGTH
    for encoder in (onnx, torch):
        vectors = encoder.encode([long, longer])
        assert np.abs(vectors[0] - vectors[1]).max() < CLOSE


def test_other_weights_have_another_id(tmp_path):
    ids = {
        load_encoder(
            str(save_tiny_model(tmp_path / str(seed) / "m", seed=seed)), cache=tmp_path, runtime="torch"
        ).encoder_id
        for seed in (1, 2)
    }
    assert len(ids) == 2


def test_damaged_weights_are_refused_and_leave_nothing_in_the_cache(tmp_path):
    folder = save_tiny_model(tmp_path / "tiny")
    (folder / "model.safetensors").write_bytes(b"not weights")
    with pytest.raises(ModelError, match=f"expected a BERT-like model in {folder}"):
        load_encoder(str(folder), cache=tmp_path / "cache", runtime="onnx")
    assert not list((tmp_path / "cache").iterdir())


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json", "encoder.json"])
def test_a_damaged_graph_is_refused_with_the_folder_to_remove(name, exported):
    folder, cache, graph = exported
    whole = (graph / name).read_bytes()
    (graph / name).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ModelError, match=f"{graph}.*remove that folder"):
        load_encoder(folder, cache=cache, runtime="onnx")
