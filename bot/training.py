"""The knowledge base → a checkpoint: what `frontdesk train` does."""

import hashlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from bot.build import CHECKPOINTS, ENCODERS
from bot.config import Config
from bot.corpus import Corpus
from bot.fine_tuning import TUNED_VECTORS, FineTuned, FineTuning, Progress
from bot.indexing import VECTORS
from kb.store import KnowledgeStore
from kb.types import QAPair
from models.calibrate import to_json
from models.checkpoints import CALIBRATION, ENCODER, MATCHER, MATCHING, RUNTIME, TRAINING, Checkpoint, draft, seal
from models.training.config import TrainingConfig
from models.training.data import LabeledPair, data_manifest, labeled_pairs, require_enough, split
from models.training.processes import Share
from models.training.writers import open_writers

RUNS, SCALARS = "training", "tensorboard"

_DIGITS = 12


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A checkpoint that was made, and how its training went."""

    checkpoint: Checkpoint
    result: FineTuned
    manifest: dict[str, Any]


def train(
    store: KnowledgeStore,
    var: Path,
    config: Config,
    training: TrainingConfig,
    *,
    verdicts: Sequence[LabeledPair] = (),
    unlabelled: Sequence[str] = (),
    share: Share | None = None,
    fresh: bool = False,
    progress: Progress | None = None,
) -> Trained | None:
    """Train on the knowledge base and make a checkpoint; nothing that serves is touched.

    A run of the same data and configuration that was killed is gone on with.

    Args:
        store: the knowledge base.
        var: data folder.
        config: how the knowledge base is retrieved from.
        training: see `TrainingConfig`.
        verdicts: further labelled questions.
        unlabelled: questions to be learnt from where they are answered surely.
        share: our part, where several processes train.
        fresh: begin anew even where a killed run could be gone on with.
        progress: told of every step.

    Returns:
        The checkpoint; None in a process that is not the first of several.

    Raises:
        TrainingDataError: there is too little to learn from.
        TrainingError: the training can't go on.
        ModelError: a base model is missing or refused, or the checkpoint can't be written.
        StorageError: the database can't be read.
    """
    share = share or Share()
    with store.view() as unit:
        pairs = list(unit.pairs())
    corpus, manifest = corpus_of(pairs, training, verdicts, unlabelled)
    folder = var / RUNS / run_id(manifest, training, config)
    if fresh and share.is_first:
        shutil.rmtree(folder, ignore_errors=True)
    writers = open_writers(var / SCALARS / folder.name, folder.name, asdict(training)) if share.is_first else None
    try:
        result = FineTuning(
            [corpus],
            training,
            config,
            folder,
            encoders=var / ENCODERS,
            vectors=var / VECTORS,
            share=share,
            progress=progress,
            writers=writers,
        ).run()
    finally:
        if writers:
            writers.close()
    if not share.is_first:
        return None
    checkpoint = make_checkpoint(var, config, training, result, manifest)
    # The knowledge base as the trained encoder sees it: promoting it need not encode it again.
    if (folder / TUNED_VECTORS).is_dir():
        shutil.copytree(folder / TUNED_VECTORS, var / VECTORS, dirs_exist_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
    return Trained(checkpoint=checkpoint, result=result, manifest=manifest)


def corpus_of(
    pairs: Sequence[QAPair],
    training: TrainingConfig,
    verdicts: Sequence[LabeledPair] = (),
    unlabelled: Sequence[str] = (),
) -> tuple[Corpus, dict[str, Any]]:
    """Return the corpus of a knowledge base, split into training and validation, and the manifest of its data.

    Raises:
        TrainingDataError: there is too little to learn from.
    """
    learned, held_out = split(labeled_pairs(pairs, verdicts), training.split)
    require_enough(learned, pairs, training.needs)
    manifest = data_manifest(learned, held_out, pairs, training.split)
    if unlabelled:
        digest = hashlib.sha256(json.dumps(sorted(unlabelled)).encode()).hexdigest()
        manifest |= {"unlabelled": len(unlabelled), "unlabelled_hash": digest}
    return Corpus(pairs=pairs, train=learned, valid=held_out, unlabelled=unlabelled), manifest


def make_checkpoint(
    var: Path, config: Config, training: TrainingConfig, result: FineTuned, manifest: dict[str, Any]
) -> Checkpoint:
    """Return a sealed checkpoint of what a training gave.

    Raises:
        CheckpointError: it can't be written.
    """
    part = draft(var / CHECKPOINTS)
    shutil.copytree(result.encoder, part / ENCODER)
    if result.matcher is not None:
        shutil.copytree(result.matcher, part / MATCHER)
        assert result.models.settings is not None, "whoever has a matcher has chosen how it is used"
        _write(part / MATCHING, asdict(result.models.settings))
    if result.runtime.is_dir():
        shutil.copytree(result.runtime, part / RUNTIME)
    if result.models.calibration is not None:
        _write(part / CALIBRATION, to_json(result.models.calibration))
    settings = {"training": asdict(training), "retrieval": asdict(config.retrieval), "probe": asdict(config.probe)}
    _write(
        part / TRAINING,
        {"config": settings, "data": manifest, "curves": {name: asdict(each) for name, each in result.curves.items()}},
    )
    return seal(
        part,
        base_model=training.encoder_base or config.encoder.model or "all-MiniLM-L6-v2",
        data_hash=str(manifest["data_hash"]),
        config=settings,
        metrics=result.metrics,
        code_version=code_version(),
    )


def code_version() -> str:
    """Return the version of frontdesk that is installed."""
    try:
        return version("frontdesk-bot")
    except PackageNotFoundError:
        return "unknown"


def run_id(manifest: dict[str, Any], training: TrainingConfig, config: Config) -> str:
    """Return the name of a run: the same for the same data and configuration."""
    about = json.dumps(
        [manifest, asdict(training), asdict(config.retrieval), asdict(config.probe), config.encoder.model],
        sort_keys=True,
    )
    return hashlib.sha256(about.encode()).hexdigest()[:_DIGITS]


def _write(path: Path, document: object) -> None:
    path.write_text(json.dumps(document, indent=1), encoding="utf-8")
