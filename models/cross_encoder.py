"""The trained matcher in service: question and candidate texts → logits, in ONNX Runtime, or torch on a GPU."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

from kb.errors import ModelError, describe
from kb.types import FloatArray
from models.folder import ModelFolder, open_model
from models.matcher import CrossEncoder
from models.matcher_export import ABOUT, GRAPHS, Quantisation, exported_matcher_apart
from models.runtime import batches_by_length, has_gpu, session_options

MAX_LENGTH = "frontdesk_max_length"
"""Key in a matcher's `config.json`: tokens of question and candidate that it was trained to read."""

_TOKEN_BUDGET = 2048

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


class OnnxCrossEncoder:
    """A matcher's graph with its tokenizer; safe to share between threads."""

    def __init__(self, folder: Path, quantisation: Quantisation | None = None) -> None:
        """Load the graph that was chosen when it was exported, or the one named.

        Raises:
            ModelError: the folder doesn't hold what was exported.
        """
        try:
            about: dict[str, Any] = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
            self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
            graph = folder / GRAPHS[quantisation or about["serve"]]
            self._session = onnxruntime.InferenceSession(
                str(graph), session_options(), providers=["CPUExecutionProvider"]
            )
            self._tokenizer.no_padding()
            self._tokenizer.enable_truncation(int(about["max_length"]))
            self._pad_id = int(about["pad_id"])
        # onnxruntime and tokenizers have errors of their own for a file that they can't read.
        except Exception as error:
            raise ModelError(
                describe(expected=f"a matcher in {folder}", got=str(error), remedy="train it again, or promote another")
            ) from error
        self._inputs = [each.name for each in self._session.get_inputs()]

    def logits(self, question: str, texts: Sequence[str]) -> FloatArray:
        """Return one logit per text (n,)."""
        return self.judge([(question, text) for text in texts])

    def judge(self, pairs: Sequence[tuple[str, str]]) -> FloatArray:
        """Return one logit per (question, text) pair (n,)."""
        found = np.empty(len(pairs), dtype=np.float32)
        encodings = self._tokenizer.encode_batch_fast(list(pairs))
        for batch in batches_by_length([len(each.ids) for each in encodings], _TOKEN_BUDGET):
            longest = len(encodings[batch[0]].ids)
            feed = {name: np.zeros((len(batch), longest), dtype=np.int64) for name in self._inputs}
            feed["input_ids"][:] = self._pad_id
            for row, position in enumerate(batch):
                encoding = encodings[position]
                size = len(encoding.ids)
                feed["input_ids"][row, :size] = encoding.ids
                feed["attention_mask"][row, :size] = 1
                if "token_type_ids" in feed:
                    feed["token_type_ids"][row, :size] = encoding.type_ids
            found[batch] = self._session.run(None, feed)[0].reshape(len(batch), -1)[:, 0]
        return found


class TorchCrossEncoder:
    """The same in torch, on the GPU where there is one."""

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
