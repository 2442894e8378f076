"""What is trained: a base model as torch modules, and back into a folder that serves.

Encoder folders have the layout of sentence-transformers, matcher folders that of transformers; safetensors alone.
"""

import json
import shutil
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import save_file
from tokenizers import Tokenizer
from torch import nn

from kb.errors import ModelError, describe
from models.cross_encoder import MAX_LENGTH
from models.export import load_torch
from models.folder import ModelFolder
from models.pooling import SentenceModule

_TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt")


def load_encoder_module(model: ModelFolder) -> tuple[SentenceModule, Tokenizer, int]:
    """Return the encoder as a module, its tokenizer, and the id of the token that pads.

    Raises:
        ModelError: the model can't be loaded.
    """
    module, tokenizer = load_torch(model)
    assert isinstance(module, SentenceModule)
    return module, _fast(tokenizer, model), int(tokenizer.pad_token_id or 0)


def load_matcher_module(model: ModelFolder, outputs: int = 1) -> tuple[nn.Module, Tokenizer, int]:
    """Return a sequence classifier on the body of a model, its tokenizer, and the id of the token that pads.

    Args:
        model: a BERT-like one; a head that is missing or of another size is made anew.
        outputs: logits of the head, the relevance first.

    Raises:
        ModelError: the model can't be loaded, or has no head for sequences.
    """
    from transformers import AutoModelForSequenceClassification, AutoTokenizer
    from transformers.utils import logging as transformers_logging

    from models.first_token import reads_first_token_alone
    from models.training.quick_dropout import drops_quickly

    before = transformers_logging.get_verbosity()
    # That the head is new is what is wanted.
    transformers_logging.set_verbosity_error()
    try:
        module = AutoModelForSequenceClassification.from_pretrained(
            str(model.path),
            num_labels=outputs,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            ignore_mismatched_sizes=True,
        )
        tokenizer = AutoTokenizer.from_pretrained(str(model.path), local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise ModelError(
            describe(
                expected=f"a BERT-like model in {model.path}",
                got=str(error).splitlines()[0],
                remedy="use a model that transformers can classify sequences with",
            )
        ) from error
    finally:
        transformers_logging.set_verbosity(before)
    reads_first_token_alone(module)
    drops_quickly(module)
    return module, _fast(tokenizer, model), int(tokenizer.pad_token_id or 0)


def save_encoder(module: SentenceModule, base: ModelFolder, folder: Path) -> None:
    """Write an encoder into a folder in the layout of sentence-transformers, to be opened by `models.folder`.

    Args:
        module: the trained one.
        base: what it was made of: its tokenizer and settings stay.
        folder: is made, and must not hold a model yet.
    """
    folder.mkdir(parents=True, exist_ok=True)
    body: Any = module.body
    save_file({name: each.detach().cpu().contiguous() for name, each in _own(body)}, folder / "model.safetensors",
              metadata={"format": "pt"})  # fmt: skip
    _copy(base, folder, ("config.json", *_TOKENIZER_FILES))
    pooling = folder / "1_Pooling"
    pooling.mkdir(exist_ok=True)
    _write(pooling / "config.json", {"embedding_dimension": body.config.hidden_size, "pooling_mode": module.pooling})
    kinds = ("Transformer", "Pooling", "Normalize")
    paths = ("", "1_Pooling", "2_Normalize")
    _write(
        folder / "modules.json",
        [
            {"idx": at, "name": str(at), "path": path, "type": f"sentence_transformers.models.{kind}"}
            for at, (kind, path) in enumerate(zip(kinds, paths, strict=True))
        ],
    )
    _write(folder / "sentence_bert_config.json", {"max_seq_length": base.max_length})
    if base.prompt:
        _write(
            folder / "config_sentence_transformers.json",
            {"prompts": {"text": base.prompt}, "default_prompt_name": "text"},
        )


def save_matcher(module: nn.Module, base: ModelFolder, folder: Path, max_length: int) -> None:
    """Write a matcher into a folder in the layout of transformers, with one logit: other tasks' heads stay behind.

    Args:
        module: the trained classifier.
        base: what it was made of: its tokenizer stays.
        folder: is made, and must not hold a model yet.
        max_length: tokens of question and candidate that it was trained to read.
    """
    folder.mkdir(parents=True, exist_ok=True)
    trained: Any = module
    weights = {name: each.detach().cpu() for name, each in _own(module)}
    outputs = int(trained.config.num_labels)
    if outputs > 1:
        # The head's rows are the tasks; relevance is the first.
        weights = {
            name: each[:1] if name.startswith("classifier.") and len(each) == outputs else each
            for name, each in weights.items()
        }
    save_file({name: each.contiguous() for name, each in weights.items()}, folder / "model.safetensors",
              metadata={"format": "pt"})  # fmt: skip
    document = trained.config.to_dict() | {
        "num_labels": 1,
        "id2label": {"0": "relevance"},
        "label2id": {"relevance": 0},
        "architectures": [type(module).__name__],
        MAX_LENGTH: max_length,
    }
    document.pop("_name_or_path", None)
    _write(folder / "config.json", document)
    _copy(base, folder, _TOKENIZER_FILES)


def _own(module: nn.Module) -> list[tuple[str, Any]]:
    """Return parameters and lasting buffers by name, each once."""
    seen: set[int] = set()
    found = []
    for name, each in module.state_dict().items():
        if each.data_ptr() not in seen or not each.numel():
            seen.add(each.data_ptr())
            found.append((name, each))
    return found


def _fast(tokenizer: Any, model: ModelFolder) -> Tokenizer:
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise ModelError(
            describe(
                expected=f"a model with a fast tokenizer in {model.path}",
                got="a slow one alone",
                remedy="convert it to tokenizer.json",
            )
        )
    found = Tokenizer.from_str(backend.to_str())
    found.no_padding()
    return found


def _copy(base: ModelFolder, folder: Path, names: tuple[str, ...]) -> None:
    for name in names:
        if (base.path / name).is_file():
            shutil.copyfile(base.path / name, folder / name)


def _write(file: Path, document: object) -> None:
    file.write_text(json.dumps(document, indent=2), encoding="utf-8")
