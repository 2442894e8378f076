"""A trained matcher as ONNX graphs, in float32 and int8, each compared with torch on real questions.

int8 is dynamic quantisation of the matrix products (weights per channel, activations as they come): a third of the
time on processors with VNNI. It serves where it ranks as torch does.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kb.errors import ModelError, describe
from kb.types import FloatArray
from models.export import quietly, save_tokenizer, write_graph
from models.folder import ModelFolder, open_model
from models.matcher_graph import ABOUT, GRAPHS, OnnxCrossEncoder

LEAST_AGREEMENT = 0.98
"""Share of questions whose best candidate must be the same for int8 to serve."""
MAX_DIFFERENCE = 1e-2
"""Largest difference of a float32 logit from torch's that is let through."""

_REFUSED = 2
_SAMPLES = [("Where is my parcel?", ["How do I track a parcel? Use the link in our e-mail.", "Opening hours"])]


def export_matcher(
    model: ModelFolder, folder: Path, max_length: int, samples: Sequence[tuple[str, Sequence[str]]] = ()
) -> dict[str, Any]:
    """Write both graphs of a matcher, tokenizer and `matcher.json` into a folder; return what the latter says.

    The folder is there when all of it is.

    Args:
        model: a folder that `training.bases.save_matcher` wrote.
        folder: is made; what it holds of an export that was not finished is replaced.
        max_length: tokens of question and candidate that it reads.
        samples: questions with their candidates' texts, to compare the graphs with torch.

    Raises:
        ModelError: the model can't be loaded, or its graph doesn't give what torch gives.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=f"{folder.name}.", suffix=".part", dir=folder.parent))
    try:
        about = _export(model, part, max_length, [each for each in samples if each[1]] or _SAMPLES)
        if not (folder / ABOUT).exists():
            shutil.rmtree(folder, ignore_errors=True)
            part.rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return about


def _export(
    model: ModelFolder, folder: Path, max_length: int, groups: Sequence[tuple[str, Sequence[str]]]
) -> dict[str, Any]:
    from onnxruntime.quantization import QuantType, quantize_dynamic

    from models.training.bases import load_matcher_module
    from models.training.matcher import judge
    from models.training.passes import longest

    module, tokenizer, pad_id = load_matcher_module(model)
    module.eval()
    max_length = longest(module.config, max_length)
    _write_fp32(module, model, folder, max_length)
    with quietly():
        quantize_dynamic(
            folder / GRAPHS["fp32"], folder / GRAPHS["int8"], weight_type=QuantType.QInt8, per_channel=True
        )
    about: dict[str, Any] = {"max_length": max_length, "pad_id": pad_id, "serve": "fp32"}
    # What is compared is what will serve: it reads this file.
    (folder / ABOUT).write_text(json.dumps(about), encoding="utf-8")
    pairs = [(question, text) for question, texts in groups for text in texts]
    expected = judge(module, tokenizer, pairs, max_length, pad_id)
    about["compared_with_torch"] = compared = {
        name: _compared(folder, name, pairs, groups, expected) for name in GRAPHS
    }
    if not compared["fp32"]["max_difference"] <= MAX_DIFFERENCE:
        raise ModelError(
            describe(
                expected=f"the graph of the matcher to agree with torch within {MAX_DIFFERENCE:g}",
                got=f"{compared['fp32']['max_difference']:g}",
                remedy="set the runtime to torch, and report the model",
            )
        )
    if compared["int8"]["rank_agreement"] >= LEAST_AGREEMENT:
        about["serve"] = "int8"
    (folder / ABOUT).write_text(json.dumps(about, indent=2), encoding="utf-8")
    return about


def _write_fp32(module: Any, model: ModelFolder, folder: Path, max_length: int) -> None:
    """Write the graph in float32, and the tokenizer."""
    import torch
    from transformers import AutoTokenizer

    from models.pooling import LogitsModule

    slow = AutoTokenizer.from_pretrained(str(model.path), local_files_only=True, trust_remote_code=False)
    question, texts = _SAMPLES[0]
    batch = slow(
        [question] * len(texts),
        list(texts),
        padding=True,
        truncation=True,
        max_length=max_length,
        return_tensors="pt",
        return_token_type_ids=True,
    )
    has_kinds = int(model.config.get("type_vocab_size") or 0) > 1
    names = ("input_ids", "attention_mask", *(("token_type_ids",) if has_kinds else ()))
    inputs = {name: batch[name].to(torch.int64) for name in names}
    write_graph(LogitsModule(module).eval(), inputs, "logits", model, folder / GRAPHS["fp32"])
    save_tokenizer(slow, folder)


def exported_matcher_apart(model: ModelFolder, folder: Path, max_length: int) -> Path:
    """Return a folder with the graphs, made in another process where they are missing.

    Raises:
        ModelError: as `export_matcher`.
    """
    if (folder / ABOUT).exists():
        return folder
    command = [sys.executable, "-P", "-m", "models.matcher_export", str(model.path), str(folder), str(max_length)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == _REFUSED:
        raise ModelError(done.stdout.strip())
    if done.returncode != 0:
        last = (done.stderr.strip() or "nothing said").splitlines()[-1]
        raise ModelError(describe(expected=f"a graph of {model.name}", got=last, remedy="set the runtime to torch"))
    return folder


def _compared(
    folder: Path,
    name: str,
    pairs: Sequence[tuple[str, str]],
    groups: Sequence[tuple[str, Sequence[str]]],
    expected: FloatArray,
) -> dict[str, float]:
    """Return how far a graph's logits are from torch's, and how often it finds the same candidate best."""
    found = OnnxCrossEncoder(folder, name).judge(pairs)  # type: ignore[arg-type]
    same, start = [], 0
    for _, texts in groups:
        span = slice(start, start + len(texts))
        same.append(int(found[span].argmax()) == int(expected[span].argmax()))
        start += len(texts)
    return {
        "max_difference": float(np.abs(found - expected).max()),
        "rank_agreement": float(np.mean(same)),
        "questions": float(len(groups)),
    }


def main(path: str, folder: str, max_length: str) -> int:
    """Export one matcher, and return the exit status; what is wrong with it goes to standard output."""
    try:
        export_matcher(open_model(path), Path(folder), int(max_length))
    except ModelError as error:
        sys.stdout.write(str(error))
        return _REFUSED
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
