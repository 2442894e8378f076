"""A click model as one sealed JSON file: examination, counts behind the rates, weights and scale."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from kb.errors import ModelError, describe
from kb.sealed import is_sealed, read_json, sealed, sync, write_json
from models.clicks import Catalogue, ClickModel, Rates

FORMAT = 1
_SEPARATOR = "\x1f"


def save_clicks(model: ClickModel, path: Path, *, encoder_id: str, impressions: int) -> None:
    """Write a model beside its file and put it in its place by one rename; ValueError for one with a text model."""
    if model.texts is not None:
        raise ValueError("expected a click model without a text model; got one with it")
    document = {
        "format": FORMAT,
        "encoder": encoder_id,
        "impressions": impressions,
        "examination": model.examination.tolist(),
        "prior": model.rates.prior,
        "counts": {_SEPARATOR.join(key): count for key, count in model.rates.counts.items()},
        "weights": model.weights.tolist(),
        "scale": list(model.scale),
        "with_vectors": model.with_vectors,
    }
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    write_json(draft, sealed(document))
    draft.replace(path)
    sync(path.parent)


def load_clicks(path: Path, catalogue: Catalogue, encoder_id: str) -> tuple[ClickModel, str] | None:
    """Return a model and the seal of its file; None where there is none, or it is of another encoder.

    Raises:
        ModelError: the file was changed, cut short, or is of another format.
    """
    try:
        document = read_json(path)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise _damaged(path, str(error)) from error
    if not isinstance(document, Mapping) or not is_sealed(document) or document.get("format") != FORMAT:
        raise _damaged(path, "one that was changed, or of another format")
    if document["with_vectors"] and document["encoder"] != encoder_id:
        return None
    return _model(document, catalogue), str(document["seal"])


def _model(document: Mapping[str, Any], catalogue: Catalogue) -> ClickModel:
    rates = Rates([], np.empty(0), catalogue.topics, document["prior"])
    for name, (clicks, looks) in document["counts"].items():
        rates.counts[tuple(name.split(_SEPARATOR)) if name else ()] = [clicks, looks]
    return ClickModel(
        examination=np.array(document["examination"]),
        rates=rates,
        weights=np.array(document["weights"]),
        scale=(document["scale"][0], document["scale"][1]),
        catalogue=catalogue,
        with_vectors=document["with_vectors"],
    )


def _damaged(path: Path, got: str) -> ModelError:
    return ModelError(
        describe(expected=f"a click model in {path}", got=got, remedy="run `frontdesk clicks`, or remove the file")
    )
