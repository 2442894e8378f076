"""A BERT of 32 dimensions with random weights, saved like any other model: loads in a moment, and knows nothing."""

import json
import string
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

if TYPE_CHECKING:
    from transformers import BertConfig

DIMENSION = 32
MAX_LENGTH = 40
PAD = 0
_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
_LETTERS = string.ascii_lowercase + string.digits + string.punctuation
_WORDS = (*_SPECIAL, *_LETTERS, *(f"##{letter}" for letter in _LETTERS))


def tiny_tokenizer() -> Tokenizer:
    """A tokenizer that knows letters alone."""
    vocabulary = {word: at for at, word in enumerate(_WORDS)}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(name, vocabulary[name]) for name in ("[CLS]", "[SEP]")],
    )
    return tokenizer


def tiny_config(**changed: Any) -> "BertConfig":
    """The shape of the model; `changed` are fields of a BertConfig."""
    from transformers import BertConfig

    given = {
        "vocab_size": len(_WORDS),
        "hidden_size": DIMENSION,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 64,
        "max_position_embeddings": MAX_LENGTH,
        # The default of 0.02 makes all texts nearly the same.
        "initializer_range": 0.5,
    }
    return BertConfig(**given | changed)


def save_tiny_model(folder: Path, pooling: str | None = None, seed: int = 0, **changed: Any) -> Path:
    """Save the model; `pooling` as sentence-transformers names it, or none in a plain transformers folder."""
    import torch
    from transformers import BertModel, PreTrainedTokenizerFast

    torch.manual_seed(seed)
    BertModel(tiny_config(**changed)).save_pretrained(folder)
    named = {name.strip("[]").lower() + "_token": name for name in _SPECIAL}
    PreTrainedTokenizerFast(tokenizer_object=tiny_tokenizer(), **named).save_pretrained(folder)
    if pooling is not None:
        (folder / "1_Pooling").mkdir()
        (folder / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode": pooling}))
    return folder
