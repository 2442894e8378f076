"""The trained matcher in service: question and candidate texts → logits, in ONNX Runtime, or torch on a GPU."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from kb.types import FloatArray
from models.folder import ModelFolder, open_model
from models.matcher import MAX_LENGTH, CrossEncoder
from models.matcher_export import exported_matcher_apart
from models.matcher_graph import OnnxCrossEncoder
from models.runtime import has_gpu

Runtime = Literal["auto", "onnx", "torch"]


def load_cross_encoder(path: str, *, cache: Path, runtime: Runtime = "auto") -> CrossEncoder:
    """Return a trained matcher ready to read.

    Args:
        path: of a matcher folder that training wrote.
        cache: folder for exported graphs.
        runtime: `onnx`, `torch`, or `auto`: torch where there is a GPU, else ONNX Runtime.

    Raises:
        ModelError: the model is missing, refused, or can't be exported.
    """
    model = open_model(path)
    max_length = int(model.config.get(MAX_LENGTH) or model.max_length)
    if runtime == "torch" or (runtime == "auto" and has_gpu()):
        return TorchCrossEncoder(model, max_length)
    return OnnxCrossEncoder(exported_matcher_apart(model, cache / model.encoder_id, max_length))


class TorchCrossEncoder:
    """A matcher in torch, on the GPU where there is one."""

    def __init__(self, model: ModelFolder, max_length: int) -> None:
        """Load a matcher folder."""
        from models.training.bases import load_matcher_module
        from models.training.passes import longest

        self._module, self._tokenizer, self._pad_id = load_matcher_module(model)
        self._max_length = longest(self._module.config, max_length)
        self._module.eval()

    def logits(self, question: str, texts: Sequence[str]) -> FloatArray:
        """Return one logit per text (n,)."""
        return self.judge([(question, text) for text in texts])

    def judge(self, pairs: Sequence[tuple[str, str]]) -> FloatArray:
        """Return one logit per (question, text) pair (n,)."""
        from models.training.matcher import judge
        from models.training.passes import hardware

        where = hardware("auto")
        self._module.to(where.device)
        return judge(self._module, self._tokenizer, pairs, self._max_length, self._pad_id, where)
