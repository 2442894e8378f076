"""A matcher's exported graph: question and candidate texts → logits, in ONNX Runtime."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

from kb.errors import ModelError, describe
from kb.types import FloatArray
from models.runtime import batches_by_length, session_options

Quantisation = Literal["fp32", "int8"]

GRAPHS: dict[str, str] = {"fp32": "matcher.onnx", "int8": "matcher.int8.onnx"}
ABOUT = "matcher.json"
"""File that says what the graphs need and how they compare with torch."""

_TOKEN_BUDGET = 2048


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
