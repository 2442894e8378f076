"""A sentence model as one ONNX graph, pooling and normalisation included, checked against torch when it is made.

The graph is kept in the data folder, so that serving needs onnxruntime and tokenizers, and torch only the first time.
"""

import contextlib
import io
import json
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime

from kb.errors import ModelError, describe
from models.folder import ModelFolder

if TYPE_CHECKING:
    import torch

ABOUT = "encoder.json"
"""File that is written last, and says what the graph needs."""

OPSET = 18
MAX_DIFFERENCE = 1e-3
"""Largest difference of a component of a unit vector between ONNX Runtime and torch that is let through."""

_REFUSED = 2
_HEADS = frozenset({"classifier", "pooler"})
_TEXTS = ("Where is my parcel?", "How long does a refund take once you have my return?", "ok")


def ensure_exported(model: ModelFolder, cache: Path) -> Path:
    """Return the folder with `model.onnx`, `tokenizer.json` and `encoder.json`, made where it is missing.

    Raises:
        ModelError: the model can't be loaded, or its graph doesn't give what torch gives.
    """
    target = cache / model.encoder_id
    if (target / ABOUT).exists():
        return target
    cache.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=f"{model.encoder_id}.", suffix=".part", dir=cache))
    try:
        _export(model, part)
        if (target / ABOUT).exists():
            return target
        shutil.rmtree(target, ignore_errors=True)
        part.rename(target)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return target


def exported_apart(model: ModelFolder, cache: Path) -> Path:
    """Do what `ensure_exported` does, in another process: torch takes half a gigabyte, and is needed for this alone.

    Raises:
        ModelError: as `ensure_exported`.
    """
    target = cache / model.encoder_id
    if (target / ABOUT).exists():
        return target
    # -P: a folder `models` where somebody happens to stand must not take the place of this one.
    command = [sys.executable, "-P", "-m", "models.export", str(model.path), model.name, str(cache)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == _REFUSED:
        raise ModelError(done.stdout.strip())
    if done.returncode != 0:
        last = (done.stderr.strip() or "nothing said").splitlines()[-1]
        raise ModelError(describe(expected=f"a graph of {model.name}", got=last, remedy="set the runtime to torch"))
    return target


def main(path: str, name: str, cache: str) -> int:
    """Export one model, and return the exit status; what is wrong with the model goes to standard output."""
    try:
        ensure_exported(ModelFolder(Path(path), name), Path(cache))
    except ModelError as error:
        sys.stdout.write(str(error))
        return _REFUSED
    return 0


def load_torch(model: ModelFolder) -> tuple["torch.nn.Module", Any]:
    """Return the module (input_ids, attention_mask) → (n, d) unit vectors, in evaluation mode, and its tokenizer."""
    from safetensors import SafetensorError
    from transformers import AutoModel, AutoTokenizer
    from transformers.utils.logging import disable_progress_bar

    from models.pooling import SentenceModule
    from models.training.adapters import restored, unreported

    try:
        disable_progress_bar()
        with unreported(model):
            body, info = AutoModel.from_pretrained(
                str(model.path),
                local_files_only=True,
                trust_remote_code=False,
                use_safetensors=True,
                output_loading_info=True,
            )
        tokenizer = AutoTokenizer.from_pretrained(str(model.path), local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise ModelError(
            describe(
                expected=f"a BERT-like model in {model.path}",
                got=(str(error).splitlines() or [type(error).__name__])[0],
                remedy="use another model",
            )
        ) from error
    require_whole(info, model)
    restored(body, model)
    return SentenceModule(body, model.pooling).eval(), tokenizer


def require_whole(info: Mapping[str, Any], model: ModelFolder) -> None:
    """Refuse a model whose files lack weights, by what transformers says of loading it: it draws them at random.

    Raises:
        ModelError: they do; a head that is missing is made anew.
    """
    missing = [*info["missing_keys"], *(each[0] for each in info["mismatched_keys"])]
    lacking = sorted(name for name in missing if not _HEADS & set(name.split(".")))
    if lacking:
        raise ModelError(
            describe(
                expected=f"the weights of all layers in {model.path}",
                got=f"none that fit {lacking[0]}" + (f" and {len(lacking) - 1} others" if lacking[1:] else ""),
                remedy="fetch the model again, or use another",
            )
        )


def _export(model: ModelFolder, folder: Path) -> None:
    import torch

    module, tokenizer = load_torch(model)
    batch = tokenizer(list(_TEXTS), padding=True, truncation=True, max_length=model.max_length, return_tensors="pt")
    inputs = {name: batch[name] for name in ("input_ids", "attention_mask")}
    with torch.inference_mode():
        expected = module(**inputs).numpy()
    final = folder / "model.onnx"
    write_graph(module, inputs, "vectors", model, final)
    difference = _difference(final, inputs, expected)
    if difference > MAX_DIFFERENCE:
        raise ModelError(
            describe(
                expected=f"the graph of {model.name} to agree with torch within {MAX_DIFFERENCE:g}",
                got=f"{difference:g}",
                remedy="set the runtime to torch, and report the model",
            )
        )
    save_tokenizer(tokenizer, folder)
    about = {
        "encoder_id": model.encoder_id,
        "dimension": int(expected.shape[1]),
        "max_length": model.max_length,
        "pad_id": int(tokenizer.pad_token_id or 0),
        "prompt": model.prompt,
        "max_difference_from_torch": difference,
    }
    (folder / ABOUT).write_text(json.dumps(about, indent=2), encoding="utf-8")


def write_graph(
    module: "torch.nn.Module", inputs: Mapping[str, "torch.Tensor"], output: str, model: ModelFolder, path: Path
) -> None:
    """Write a module as an ONNX graph with BERT's operators fused, for any batch and number of tokens.

    Args:
        module: in evaluation mode, on the processor.
        inputs: examples (n, t) by the names of the module's parameters, which become those of the graph.
        output: name of what it gives.
        model: what the module was made of: it says how wide and deep it is.
        path: file that is written.
    """
    import torch
    from onnxruntime.transformers.optimizer import optimize_model

    raw = path.with_name("raw.onnx")
    shape = {0: torch.export.Dim("batch"), 1: torch.export.Dim("tokens", max=model.max_length)}
    with quietly():
        torch.onnx.export(
            module,
            kwargs=dict(inputs),
            f=str(raw),
            input_names=list(inputs),
            output_names=[output],
            dynamic_shapes={name: shape for name in inputs},
            opset_version=OPSET,
            dynamo=True,
            external_data=False,
        )
        heads, width = int(model.config["num_attention_heads"]), int(model.config["hidden_size"])
        fused = optimize_model(str(raw), model_type="bert", num_heads=heads, hidden_size=width, opt_level=0)
        fused.save_model_to_file(str(path))
    raw.unlink()


def _difference(graph: Path, inputs: Mapping[str, "torch.Tensor"], expected: Any) -> float:
    session = onnxruntime.InferenceSession(str(graph), providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {name: each.numpy() for name, each in inputs.items()})
    return float(np.abs(found - expected).max())


def save_tokenizer(tokenizer: Any, folder: Path) -> None:
    """Write `tokenizer.json`.

    Raises:
        ModelError: the model has a slow tokenizer alone.
    """
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise ModelError(
            describe(
                expected="a model with a fast tokenizer", got="a slow one alone", remedy="convert it to tokenizer.json"
            )
        )
    backend.save(str(folder / "tokenizer.json"))


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """The exporter reports every pass of its own; what matters of it is checked afterwards."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), open(os.devnull, "w") as nowhere:
        warnings.simplefilter("ignore")
        logging.disable(logging.WARNING)
        try:
            with contextlib.redirect_stderr(nowhere):
                yield
        finally:
            logging.disable(logging.NOTSET)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
