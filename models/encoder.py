"""The bi-encoder: texts → unit vectors. The one owner of normalisation."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from tokenizers import Tokenizer

from kb.errors import ModelError, describe
from kb.types import FloatArray
from models.export import exported_apart, load_torch
from models.folder import open_model
from models.runtime import TOKEN_BUDGET, Forward, OnnxForward, TorchForward, has_gpu, read_about, run_batches

Runtime = Literal["auto", "onnx", "torch"]

# On a GPU a batch is bound by memory, not by caches.
_GPU_TOKEN_BUDGET = 65_536


class SentenceEncoder:
    """A sentence model ready to encode; safe to share between threads."""

    def __init__(
        self,
        *,
        encoder_id: str,
        dimension: int,
        tokenizer: Tokenizer,
        max_length: int,
        pad_id: int,
        prompt: str,
        forward: Forward,
        token_budget: int = TOKEN_BUDGET,
    ) -> None:
        """Take the parts; `load_encoder` puts them together from a model."""
        self.encoder_id = encoder_id
        self.dimension = dimension
        self._tokenizer = tokenizer
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(max_length)
        self._pad_id = pad_id
        self._prompt = prompt
        self._forward = forward
        self._budget = token_budget

    def encode(self, texts: Sequence[str]) -> FloatArray:
        """Return one L2-normalised row per text, in the order given: (n, d) float32."""
        if not texts:
            return np.empty((0, self.dimension), dtype=np.float32)
        encodings = self._tokenizer.encode_batch_fast([self._prompt + text for text in texts])
        return run_batches(self._forward, [each.ids for each in encodings], self.dimension, self._pad_id, self._budget)


def load_encoder(name: str = "", *, cache: Path, runtime: Runtime = "auto") -> SentenceEncoder:
    """Return an encoder: the bundled MiniLM by default, a local folder, or a model of the hub.

    Args:
        name: of the model, see `models.folder.open_model`.
        cache: folder for exported graphs.
        runtime: `onnx`, `torch`, or `auto`: torch where there is a GPU, else ONNX Runtime.

    Raises:
        ModelError: the model is missing, refused, or can't be exported.
    """
    model = open_model(name)
    if runtime == "torch" or (runtime == "auto" and has_gpu()):
        return _torch_encoder(model)
    folder = exported_apart(model, cache)
    try:
        return _onnx_encoder(folder)
    # onnxruntime and tokenizers have errors of their own for a file that they can't read.
    except Exception as error:
        raise ModelError(
            describe(expected=f"a model in {folder}", got=str(error), remedy="remove that folder: it is made again")
        ) from error


def _onnx_encoder(folder: Path) -> SentenceEncoder:
    about: dict[str, Any] = read_about(folder)
    return SentenceEncoder(
        encoder_id=about["encoder_id"],
        dimension=about["dimension"],
        tokenizer=Tokenizer.from_file(str(folder / "tokenizer.json")),
        max_length=about["max_length"],
        pad_id=about["pad_id"],
        prompt=about["prompt"],
        forward=OnnxForward(folder / "model.onnx"),
    )


def _torch_encoder(model: Any) -> SentenceEncoder:
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    module, tokenizer = load_torch(model)
    return SentenceEncoder(
        encoder_id=model.encoder_id,
        dimension=int(model.config["hidden_size"]),
        tokenizer=Tokenizer.from_str(tokenizer.backend_tokenizer.to_str()),
        max_length=model.max_length,
        pad_id=int(tokenizer.pad_token_id or 0),
        prompt=model.prompt,
        forward=TorchForward(module, device),
        token_budget=_GPU_TOKEN_BUDGET if device == "cuda" else TOKEN_BUDGET,
    )
