"""Retriever and matcher of a promoted checkpoint, and the plain pipeline on the same weights and candidates."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from sentence_transformers import CrossEncoder as PlainCrossEncoder
from sentence_transformers import SentenceTransformer
from tokenizers import Tokenizer

from bot.build import open_database, open_models
from bot.config import Config
from bot.indexing import INDEX, off_topic_kept, probe_of
from bot.promotion import promote
from bot.training import train
from kb.importing import import_paths
from kb.manifest import current_id, read_manifest
from kb.snapshot import load_snapshot
from kb.store import KnowledgeStore
from kb.types import Retrieved
from models.calibrate import from_json
from models.checkpoints import Checkpoint
from models.matcher import CrossEncoder, EvidenceMatcher, MatchSettings, candidate_text
from models.matcher_graph import ABOUT
from models.probe import ProbeConfig
from models.training.config import OptimiserConfig, TrainingConfig

DEMO = Path(__file__).resolve().parents[2] / "kb" / "demo"
UNWEIGHTED = 0.05
"""Weight of a matcher that training found not to help, so that there is something to measure."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """What was read for one question: candidates, and tokens with those of the question itself."""

    candidates: int
    tokens: int


class _Noting:
    """A cross-encoder that notes what it is given."""

    def __init__(self, cross_encoder: CrossEncoder) -> None:
        self._cross_encoder = cross_encoder
        self.texts: Sequence[str] = ()

    def logits(self, question: str, texts: Sequence[str]) -> Any:
        self.texts = texts
        return self._cross_encoder.logits(question, texts)


class Parts:
    """Both ways to answer one question."""

    def __init__(self, var: Path) -> None:
        """Open what serves in a data folder."""
        config = Config()
        manifest = read_manifest(var / INDEX, current_id(var / INDEX))
        models = open_models(var, config, manifest.checkpoint)
        checkpoint = models.checkpoint
        assert checkpoint is not None, "expected a promoted checkpoint in the data folder"
        assert checkpoint.matcher is not None, "expected a checkpoint with a matcher"
        chosen = models.settings or MatchSettings()
        self._settings = chosen if chosen.weight else replace(chosen, weight=UNWEIGHTED)
        cross_encoder = models.cross_encoder or _cross_encoder(checkpoint)
        loaded = load_snapshot(var / INDEX, models.encoder, manifest.snapshot_id)
        self._retriever = loaded.retriever
        probe_config = ProbeConfig(**loaded.calibration["settings"]["probe"])
        probe = probe_of(loaded.retriever, loaded.arrays, probe_config)
        off_topic = off_topic_kept(loaded.arrays)
        rows = {pair.pair_id: row for row, pair in enumerate(loaded.retriever.pairs)}

        def matcher(settings: MatchSettings, reader: CrossEncoder = cross_encoder) -> EvidenceMatcher:
            calibration = from_json(loaded.calibration["fitted"])
            return EvidenceMatcher(
                calibration, probe, rows, probe_config.weight, cross_encoder=reader, settings=settings,
                off_topic=off_topic,
            )  # fmt: skip

        self._matcher = matcher(self._settings)
        self._noting = _Noting(cross_encoder)
        self._noting_matcher = matcher(self._settings, self._noting)
        self._wide = matcher(replace(self._settings, margin=np.inf, most=20))
        self._evidence = matcher(replace(self._settings, weight=0.0))
        about = _about(checkpoint)
        self.serves = f"{about['serve']}, weight {self._settings.weight:g}" + ("" if chosen.weight else " (forced)")
        self._tokenizer = Tokenizer.from_file(str(checkpoint.matcher / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(int(about["max_length"]))
        sizes = json.loads((checkpoint.matcher / "config.json").read_text(encoding="utf-8"))
        width, inner = sizes["hidden_size"], sizes["intermediate_size"]
        self.flop_per_token = 2.0 * sizes["num_hidden_layers"] * (4 * width**2 + 2 * width * inner)
        self._plain_encoder = SentenceTransformer(str(checkpoint.encoder))
        self._plain_matcher = PlainCrossEncoder(str(checkpoint.matcher), max_length=int(about["max_length"]))
        count = len(loaded.retriever.entries)
        self._vectors = loaded.retriever.entry_vectors(np.arange(count))
        self._texts: dict[str, tuple[list[str], list[str]]] = {}

    def ours(self, question: str) -> str:
        """Return the pair that serves as the best one."""
        return self._best(self._retriever.retrieve(question), self._matcher)

    def evidence_alone(self, question: str) -> str:
        """Return the best pair without the cross-encoder."""
        return self._best(self._retriever.retrieve(question), self._evidence)

    def all_read(self, question: str) -> str:
        """Return the best pair where the cross-encoder reads all candidates."""
        return self._best(self._retriever.retrieve(question), self._wide)

    def plain(self, question: str) -> str:
        """Return what the plain pipeline finds best of the same candidates; they are looked up beforehand."""
        vector = self._plain_encoder.encode([question])[0]
        nearest = np.argsort(-(self._vectors @ vector))[:20]
        assert len(nearest), "expected entries in the knowledge base"
        ids, texts = self._candidates(question)
        found = self._plain_matcher.predict([(question, text) for text in texts])
        return ids[int(np.argmax(found))]

    def prepare(self, questions: Sequence[str]) -> None:
        """Look up the candidates of questions, so that the plain pipeline's time has none of it."""
        for question in questions:
            self._candidates(question)

    def read(self, question: str, *, has_cascade: bool) -> Reading:
        """Return what is read for a question: by ours, or without the cascade."""
        texts: Sequence[str] = self._candidates(question)[1]
        if has_cascade:
            self._noting.texts = ()
            self._best(self._retriever.retrieve(question), self._noting_matcher)
            texts = self._noting.texts
        pairs = self._tokenizer.encode_batch([(question, text) for text in texts])
        own = len(self._tokenizer.encode(question).ids)
        return Reading(candidates=len(texts), tokens=own + sum(len(each.ids) for each in pairs))

    def _candidates(self, question: str) -> tuple[list[str], list[str]]:
        if question not in self._texts:
            found = self._retriever.retrieve(question).candidates
            texts = [candidate_text(each, self._settings) for each in found]
            self._texts[question] = ([each.pair.pair_id for each in found], texts)
        return self._texts[question]

    def _best(self, retrieved: Retrieved, matcher: EvidenceMatcher) -> str:
        return retrieved.candidates[int(matcher.relevance(retrieved).argmax())].pair.pair_id


def open_parts(var: Path) -> Parts:
    """Return both ways to answer, on the checkpoint that serves in a data folder."""
    return Parts(var)


def train_parts(var: Path, steps: int) -> None:
    """Train a matcher on the demo shop for so many steps, and promote it."""
    config = Config()
    engine = open_database(var, config)
    try:
        store = KnowledgeStore(engine)
        import_paths(store, [DEMO], rejects_folder=var / "rejects")
        training = TrainingConfig(
            encoder=OptimiserConfig(steps=0),
            matcher=OptimiserConfig(steps=steps, validate_every=0, keep="last"),
            validation_questions=100,
        )
        trained = train(store, var, config, training)
        assert trained is not None, "one process alone makes the checkpoint"
        promote(var, store, config, trained.checkpoint.checkpoint_id)
    finally:
        engine.dispose()


def _cross_encoder(checkpoint: Checkpoint) -> CrossEncoder:
    from models.cross_encoder import load_cross_encoder

    return load_cross_encoder(str(checkpoint.matcher), cache=checkpoint.runtime, runtime="onnx")


def _about(checkpoint: Checkpoint) -> dict[str, Any]:
    (file,) = checkpoint.runtime.glob(f"*/{ABOUT}")
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return found
