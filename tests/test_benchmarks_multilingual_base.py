import struct

import numpy as np
import pytest
import torch
from benchmarks.multilingual_base import MASK, dequantised, pruned, read_packed, tokenizer_of, write_folder
from transformers import AutoModelForSequenceClassification

from models.encoder import load_encoder
from models.export import load_torch
from models.folder import open_model

HIDDEN, INNER, LAYERS, POSITIONS = 32, 64, 2, 24
PIECES = ("<s>", "<pad>", "</s>", "<unk>", "▁", "a", "b", "花", "呗", "花呗", "▁ab", "～", ":", "q", "query", MASK)
SHAPES = {
    "emb.word": (len(PIECES) + 1, HIDDEN),
    "emb.pos": (POSITIONS, HIDDEN),
    "emb.type": (2, HIDDEN),
    "emb.ln.w": (HIDDEN,),
    "emb.ln.b": (HIDDEN,),
}
for layer in range(LAYERS):
    for part, shape in {
        "q": (HIDDEN, HIDDEN),
        "k": (HIDDEN, HIDDEN),
        "v": (HIDDEN, HIDDEN),
        "ao": (HIDDEN, HIDDEN),
        "aln": (HIDDEN,),
        "fi": (INNER, HIDDEN),
        "fo": (HIDDEN, INNER),
        "oln": (HIDDEN,),
    }.items():
        SHAPES[f"l{layer}.{part}.w"] = shape
        SHAPES[f"l{layer}.{part}.b"] = shape[:1]


def quantised(weights):
    """The simplest rounding to blocks: one weight after the other, apart from what reads them."""
    content = b""
    for block in weights.reshape(-1, 32):
        scale = np.float16(np.abs(block).max() / 7)
        steps = [round(float(weight / scale)) + 8 for weight in block]
        content += scale.tobytes() + bytes(steps[at] | steps[at + 16] << 4 for at in range(16))
    return content


@pytest.fixture(scope="module")
def weights():
    generator = np.random.default_rng(0)
    return {name: generator.normal(size=shape).astype(np.float32) for name, shape in SHAPES.items()}


@pytest.fixture(scope="module")
def content(weights):
    """A file as the package has it."""
    blob = "".join(PIECES).encode()
    ends = np.cumsum([0, *(len(piece.encode()) for piece in PIECES)]).astype("<u4")
    # A longer piece is more probable than its parts.
    scores = np.array([-float(9 - len(piece)) for piece in PIECES], dtype="<f4")
    head = b"E5S1" + struct.pack("<I7ifi", 1, HIDDEN, LAYERS, 2, INNER, len(PIECES) + 1, POSITIONS, 2, 1e-12, 32)
    head += struct.pack("<5iQ", len(PIECES), 0, 2, 1, 3, len(blob)) + ends.tobytes() + scores.tobytes() + blob
    head += struct.pack("<iI", 0, 3) + b"map" + struct.pack("<i", len(weights))
    data = {
        name: quantised(each) if each.ndim == 2 and name not in ("emb.pos", "emb.type") else each.tobytes()
        for name, each in weights.items()
    }
    size = len(head) + sum(2 + len(name) + 21 for name in weights)
    directory, tensors = b"", b""
    for name, each in data.items():
        packed = len(each) != 4 * weights[name].size
        directory += struct.pack("<H", len(name)) + name.encode()
        directory += struct.pack("<BIQQ", packed, weights[name].size, size + len(tensors), len(each))
        tensors += each
    return head + directory + tensors


@pytest.fixture(scope="module")
def packed(content):
    return read_packed(content)


@pytest.fixture(scope="module")
def folder(packed, tmp_path_factory):
    folder = tmp_path_factory.mktemp("bases") / "base"
    write_folder(packed, folder)
    return folder


def test_weights_of_a_hand_worked_block():
    blocks = np.zeros(1, dtype=[("scale", "<f2"), ("nibbles", "u1", 16)])
    blocks["scale"], blocks["nibbles"] = 0.5, 0x88
    blocks["nibbles"][0, :2] = 0xF0, 0x19
    weights = dequantised(blocks)
    assert list(weights[[0, 1, 2, 16, 17, 18]]) == [-4.0, 0.5, 0.0, 3.5, -3.5, 0.0]


def test_a_file_is_read_within_the_rounding_of_its_weights(packed, weights):
    assert (packed.hidden, packed.layers, packed.heads, packed.inner, packed.positions) == (32, 2, 2, 64, 24)
    assert packed.pieces == PIECES
    query = packed.tensors["encoder.layer.1.attention.self.query.weight"]
    assert np.abs(query - weights["l1.q.w"]).max() < np.abs(weights["l1.q.w"]).max() / 7 * 0.51
    np.testing.assert_array_equal(packed.tensors["encoder.layer.0.output.dense.bias"], weights["l0.fo.b"])
    assert packed.tensors["encoder.layer.0.output.dense.weight"].shape == (HIDDEN, INNER)


@pytest.mark.parametrize(("at", "with_", "named"), [(0, b"GGUF", "begins with"), (40, b"\x40", "blocks of 32")])
def test_a_file_of_another_format_is_refused(content, at, with_, named):
    with pytest.raises(ValueError, match=named):
        read_packed(content[:at] + with_ + content[at + len(with_) :])


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("ab", ["▁ab"]),
        ("花呗", ["▁", "花呗"]),
        ("a  ａ\u200bb\x01", ["▁", "a", "▁", "a", "▁", "b"]),
        ("～b", ["▁", "～", "b"]),
        ("a<mask>", ["▁", "a", MASK]),
    ],
)
def test_texts_are_split_as_sentencepiece_does(packed, text, tokens):
    assert tokenizer_of(packed).encode(text).tokens == ["<s>", *tokens, "</s>"]


def test_a_pair_has_two_separators_and_one_type(packed):
    encoding = tokenizer_of(packed).encode("a", "b")
    assert encoding.tokens == ["<s>", "▁", "a", "</s>", "</s>", "▁", "b", "</s>"]
    assert set(encoding.type_ids) == {0}


def test_the_folder_is_an_encoder_with_the_prefix_of_questions(folder, packed, tmp_path):
    model = open_model(str(folder))
    assert (model.pooling, model.max_length, model.prompt) == ("mean", POSITIONS, "query: ")
    module, tokenizer = load_torch(model)
    assert tokenizer("a b")["input_ids"] == tokenizer_of(packed).encode("a b").ids
    vectors = load_encoder(str(folder), cache=tmp_path, runtime="torch").encode(["ab", "花呗"])
    assert vectors.shape == (2, HIDDEN)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    loaded = module.body.state_dict()
    assert {name: tuple(each.shape) for name, each in loaded.items()} == {
        name: each.shape for name, each in packed.tensors.items()
    }
    for name, each in packed.tensors.items():
        np.testing.assert_array_equal(loaded[name], each)


def test_the_folder_is_the_body_of_a_classifier(folder):
    model = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=1).eval()
    with torch.inference_mode():
        assert model(input_ids=torch.tensor([[0, 5, 2]])).logits.shape == (1, 1)


def test_a_smaller_vocabulary_splits_its_own_texts_as_before_with_the_same_vectors(packed, folder, tmp_path):
    assert pruned(packed, ["花呗\nab"]).pieces == packed.pieces
    smaller = pruned(packed, ["b"])
    assert set(packed.pieces) - set(smaller.pieces) == {"花呗", "▁ab"}
    write_folder(smaller, tmp_path / "small")
    texts = ["b", "b b", "花"]
    ours, full = (
        load_encoder(str(each), cache=tmp_path, runtime="torch").encode(texts) for each in (tmp_path / "small", folder)
    )
    np.testing.assert_allclose(ours, full, atol=1e-5)
    assert tokenizer_of(smaller).encode("花呗").tokens == ["<s>", "▁", "花", "呗", "</s>"]
