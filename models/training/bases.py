"""What is trained: a base model as torch modules, and back into a folder that serves.

Encoder folders have the layout of sentence-transformers, matcher folders that of transformers; safetensors alone.
"""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from tokenizers import Tokenizer
from torch import nn

from kb.errors import ModelError, describe
from models.export import load_torch, require_whole
from models.folder import ModelFolder
from models.matcher import MAX_LENGTH
from models.pooling import SentenceModule
from models.training.adapters import ADDED, restored
from models.training.passes import longest

_CONFIG_NEEDS = ("hidden_size", "num_hidden_layers", "num_attention_heads", "vocab_size")
# Of the classes of transformers for BERT's family; other tasks' logits come after the first.
_LAST = ("classifier.weight", "classifier.bias", "classifier.out_proj.weight", "classifier.out_proj.bias")
_VOCABULARIES = ("tokenizer.json", "vocab.txt", "vocab.json", "sentencepiece.bpe.model", "spiece.model")
_TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt")


def load_encoder_module(model: ModelFolder) -> tuple[SentenceModule, Tokenizer, int]:
    """Return the encoder as a module, its tokenizer, and the id of the token that pads.

    Raises:
        ModelError: the model can't be loaded, or is none of BERT's family.
    """
    _require_bert(model)
    module, tokenizer = load_torch(model)
    assert isinstance(module, SentenceModule)
    _require_layers(module.body, model)
    # Whatever it was saved in: steps of a learning rate vanish in half precision.
    module.float()
    return module, _fast(tokenizer, model), int(tokenizer.pad_token_id or 0)


def load_matcher_module(model: ModelFolder, outputs: int = 1, *, seed: int = 0) -> tuple[nn.Module, Tokenizer, int]:
    """Return a sequence classifier on the body of a model, its tokenizer, and the id of the token that pads.

    Args:
        model: a BERT-like one; a head that is missing or of another size is made anew.
        outputs: logits of the head, the relevance first.
        seed: of a head that is made anew.

    Raises:
        ModelError: the model can't be loaded, has no head for sequences, or is none of BERT's family.
    """
    _require_bert(model)
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer
    from transformers.utils import logging as transformers_logging

    from models.first_token import reads_first_token_alone
    from models.training.quick_dropout import drops_quickly

    before = transformers_logging.get_verbosity()
    # That the head is new is what is wanted.
    transformers_logging.set_verbosity_error()
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            module, info = AutoModelForSequenceClassification.from_pretrained(
                str(model.path),
                num_labels=outputs,
                local_files_only=True,
                trust_remote_code=False,
                use_safetensors=True,
                ignore_mismatched_sizes=True,
                dtype=torch.float32,
                output_loading_info=True,
            )
        tokenizer = AutoTokenizer.from_pretrained(str(model.path), local_files_only=True, trust_remote_code=False)
    # transformers and its libraries raise errors of several kinds for a model that they can't make sense of.
    except Exception as error:
        raise ModelError(
            describe(
                expected=f"a BERT-like model in {model.path}",
                got=(str(error).splitlines() or [type(error).__name__])[0],
                remedy="use a model that transformers can classify sequences with",
            )
        ) from error
    finally:
        transformers_logging.set_verbosity(before)
    _require_layers(module, model)
    require_whole(info, model)
    restored(module, model)
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
    added = getattr(body.config, ADDED, None)
    _write(folder / "config.json", {**_in_float32(base.config), **({ADDED: added} if added else {})})
    _copy_tokenizer(base, folder)
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
        weights = {name: each[:1] if name in _LAST else each for name, each in weights.items()}
    save_file({name: each.contiguous() for name, each in weights.items()}, folder / "model.safetensors",
              metadata={"format": "pt"})  # fmt: skip
    document = _in_float32(trained.config.to_dict()) | {
        "num_labels": 1,
        "id2label": {"0": "relevance"},
        "label2id": {"relevance": 0},
        "architectures": [type(module).__name__],
        MAX_LENGTH: longest(trained.config, max_length),
    }
    document.pop("_name_or_path", None)
    _write(folder / "config.json", document)
    _copy_tokenizer(base, folder)


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
    if not any((model.path / name).is_file() for name in _VOCABULARIES):
        # transformers then makes one that knows no words.
        raise ModelError(
            describe(expected=f"a tokenizer in {model.path}", got="none", remedy="copy tokenizer.json beside the model")
        )
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


def _copy_tokenizer(base: ModelFolder, folder: Path) -> None:
    for name in _TOKENIZER_FILES:
        if (base.path / name).is_file():
            shutil.copyfile(base.path / name, folder / name)
    if not (folder / "tokenizer.json").is_file():
        from transformers import AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(str(base.path), local_files_only=True, trust_remote_code=False)
        _fast(tokenizer, base).save(str(folder / "tokenizer.json"))


def _in_float32(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration that says what the weights were trained and saved in."""
    return {name: value for name, value in config.items() if name != "torch_dtype"} | {"dtype": "float32"}


def _require_bert(model: ModelFolder) -> None:
    """Refuse by its configuration what is none of BERT's family, before weights are read."""
    missing = [name for name in _CONFIG_NEEDS if not isinstance(model.config.get(name), int)]
    if missing or model.config.get("is_decoder"):
        raise _no_bert(model, f"{model.config.get('model_type', 'an unnamed kind')} without {', '.join(missing)}")


def _require_layers(module: nn.Module, model: ModelFolder) -> None:
    """Refuse a model whose layers don't have the names by which they are frozen and given their learning rates."""
    names = {part for name, _ in module.named_parameters() for part in name.split(".")}
    if not {"embeddings", "layer"} <= names:
        raise _no_bert(model, f"{model.config.get('model_type')}, a model of other layers")


def _no_bert(model: ModelFolder, got: str) -> ModelError:
    return ModelError(
        describe(
            expected=f"a model of BERT's family in {model.path}",
            got=got,
            remedy="use BERT, RoBERTa, ELECTRA or the like, as safetensors",
        )
    )


def _write(file: Path, document: object) -> None:
    file.write_text(json.dumps(document, indent=2), encoding="utf-8")
