"""Knowledge base → snapshot: encode what is new, build both indexes, calibrate, publish.

A snapshot goes on with the checkpoint of the current one; `bot/promotion.py` changes it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bot.asking import Judges
from bot.calibration import calibrate, known_to_training, off_topic_bank, off_topic_of, own_phrasings
from bot.config import Config
from bot.serving import Models, ModelsOf, Served, served_by
from kb.entries import entries_of
from kb.errors import IndexReplacedError, VectorIndexError
from kb.index import FaissIndex, build_index
from kb.lexical import LexicalIndex
from kb.manifest import Manifest, current_or_empty, kept_manifests
from kb.retriever import Retriever, main_locale
from kb.snapshot import check_snapshot, publish, serve_again
from kb.spelling import Speller
from kb.store import KnowledgeStore
from kb.types import QAPair, Transition
from kb.vectors import VectorCache
from models.calibrate import Calibration, to_json
from models.off_topic import OffTopic
from models.probe import FittedProbe, Probe, ProbeConfig, choose_texts

IntArray = NDArray[np.int64]
Progress = Callable[[str, int, int], None]
"""Told the name of the stage, what is done of it, and all that is to do."""

INDEX, VECTORS = "index", "vectors"
_OFF_TOPIC = "off_topic"


@dataclass(frozen=True, kw_only=True, slots=True)
class IndexReport:
    """What `update_index` did; `is_new` is False where a snapshot of this content was there, which serves now."""

    snapshot_id: str
    is_new: bool
    served: Served
    before: Served | None
    """What served before; None where nothing did."""
    pairs: int
    entries: int
    encoded: int
    knowledge_version: int
    calibration: Calibration | None


@dataclass(frozen=True, kw_only=True)
class Assembled:
    """The parts that answering takes from a knowledge base, in memory."""

    retriever: Retriever
    index: FaissIndex
    lexical: LexicalIndex
    speller: Speller
    calibration: Calibration
    judges: Judges
    encoded: int


def assemble(
    pairs: Sequence[QAPair],
    models: Models,
    cache: VectorCache,
    config: Config,
    progress: Progress | None = None,
) -> Assembled:
    """Encode the pairs and build what answers from them; nothing is published.

    A calibration that was fitted before, with the models, is taken as it is; else one is fitted on the pairs.
    """
    entries = list(entries_of(pairs, config.retrieval.passage_words))
    vectors, encoded = cache.encode([entry.encoded for entry in entries], _stage(progress, "Encoding"))
    index = build_index(vectors)
    # The index has its own copy; of a large knowledge base two are hundreds of megabytes.
    del vectors
    locale = main_locale(pairs)
    lexical = LexicalIndex.build(pairs, entries, locale)
    retriever = Retriever(
        pairs=pairs, entries=entries, index=index, lexical=lexical, encoder=models.encoder, config=config.retrieval
    )
    speller = speller_of(retriever)
    judges = judges_of(retriever, models, config.probe)
    calibration = models.calibration
    if calibration is None:
        questions = own_phrasings(judges, speller, config.calibration)
        if len(questions) >= config.calibration.fewest:
            judges = _with_off_topic(judges, off_topic_bank(), cache)
        calibration = calibrate(judges, questions, config.calibration, _stage(progress, "Calibrating"))
    elif calibration.off_topic:
        judges = _with_off_topic(judges, known_to_training(), cache)
    return Assembled(
        retriever=retriever, index=index, lexical=lexical, speller=speller, calibration=calibration, judges=judges,
        encoded=encoded,
    )  # fmt: skip


def judges_of(retriever: Retriever, models: Models, config: ProbeConfig) -> Judges:
    """Return what judges the candidates of a retriever: a probe, fitted on its texts, and the models' matcher."""
    probe, fitted = _fit_probe(retriever, config)
    return Judges(
        retriever=retriever,
        probe=probe,
        probe_entries=fitted if probe else None,
        probe_weight=config.weight,
        cross_encoder=models.cross_encoder,
        settings=models.settings,
    )


def _with_off_topic(judges: Judges, bank: Sequence[str], cache: VectorCache) -> Judges:
    return replace(judges, off_topic=off_topic_of(judges.retriever, bank, cache.encode(bank)[0]))


def update_index(
    store: KnowledgeStore,
    models_of: ModelsOf,
    var: Path,
    config: Config,
    *,
    turn: Callable[[Served | None], Served] = lambda before: before or Served(),
    force: bool = False,
    progress: Progress | None = None,
) -> IndexReport:
    """Publish a snapshot of the knowledge base, unless the current one is up to date.

    A kill or an error at any time leaves the current snapshot as it was; the next call goes on with what was encoded.

    Args:
        store: the knowledge base.
        models_of: opens the models of the checkpoint.
        var: data folder.
        config: see `Config`.
        turn: what is to serve, given what serves now (None for nothing); by default the same.
        force: build it even where a snapshot of this content is there.
        progress: told of each stage.

    Raises:
        StorageError: the database can't be read.
        ModelError: the models of the checkpoint are missing or refused.
    """
    folder = var / INDEX
    while True:
        # First of all: what is published from here on makes this attempt void.
        replaces = current_or_empty(folder)
        kept = kept_manifests(folder)
        before = served_by(kept)
        served = turn(before)
        models = models_of(served.checkpoint)
        with store.view() as unit:
            wanted = _Wanted(
                models=models,
                served=served,
                before=before,
                replaces=replaces,
                pairs=list(unit.pairs()),
                transitions=unit.transitions(),
                corpus_hash=unit.corpus_hash(),
                version=unit.version(),
                settings={name: asdict(getattr(config, name)) for name in ("retrieval", "probe", "calibration")},
            )
        try:
            found = None if force else _found(folder, wanted, kept)
            return found or _built(var, wanted, config, progress)
        except IndexReplacedError:
            continue


@dataclass(frozen=True, kw_only=True, slots=True)
class _Wanted:
    """What is to be in service, and instead of which snapshot."""

    models: Models
    served: Served
    before: Served | None
    replaces: str
    pairs: Sequence[QAPair]
    transitions: Sequence[Transition]
    corpus_hash: str
    version: int
    settings: Mapping[str, Any]


def _found(folder: Path, wanted: _Wanted, kept: Sequence[Manifest]) -> IndexReport | None:
    """Put a kept snapshot of the wanted content in service, the current one if it fits; None where none does."""
    for manifest in kept:
        if (manifest.checkpoint, manifest.corpus_hash) != (wanted.served.checkpoint, wanted.corpus_hash):
            continue
        try:
            stored = check_snapshot(folder, wanted.models.encoder, manifest.snapshot_id)
        except VectorIndexError:
            continue
        same_transitions = list(stored.transitions) == list(wanted.transitions)
        if not same_transitions or stored.calibration.get("settings") != wanted.settings:
            continue
        if (manifest.snapshot_id, manifest.lineage) == (wanted.replaces, wanted.served.lineage):
            return _report(manifest, wanted)
        lineage = wanted.served.lineage
        return _report(serve_again(folder, manifest, lineage=lineage, replaces=wanted.replaces), wanted)
    return None


def _built(var: Path, wanted: _Wanted, config: Config, progress: Progress | None) -> IndexReport:
    """Build a snapshot, and put it in service."""
    cache = VectorCache(var / VECTORS, wanted.models.encoder)
    built = assemble(wanted.pairs, wanted.models, cache, config, progress)
    manifest = publish(
        var / INDEX,
        retriever=built.retriever,
        index=built.index,
        lexical=built.lexical,
        transitions=wanted.transitions,
        calibration={"settings": wanted.settings, "fitted": to_json(built.calibration)},
        corpus_hash=wanted.corpus_hash,
        knowledge_version=wanted.version,
        arrays=arrays_of(built.judges),
        checkpoint=wanted.served.checkpoint,
        lineage=wanted.served.lineage,
        replaces=wanted.replaces,
    )
    cache.prune([entry.encoded for entry in built.retriever.entries])
    return _report(manifest, wanted, built)


def _report(manifest: Manifest, wanted: _Wanted, built: Assembled | None = None) -> IndexReport:
    return IndexReport(
        snapshot_id=manifest.snapshot_id,
        is_new=built is not None,
        served=wanted.served,
        before=wanted.before,
        pairs=manifest.pair_count,
        entries=manifest.vector_count,
        encoded=built.encoded if built else 0,
        knowledge_version=manifest.knowledge_version,
        calibration=built.calibration if built else None,
    )


def arrays_of(judges: Judges) -> dict[str, Any]:
    """Return what judges as arrays that a snapshot keeps: the probe, and what is out of scope, where there are any."""
    arrays: dict[str, Any] = {}
    if judges.off_topic is not None:
        arrays[_OFF_TOPIC] = judges.off_topic.vectors
    if judges.probe is not None:
        arrays |= {"probe_entries": judges.probe_entries, "probe_coefficients": judges.probe.coefficients}
    return arrays


def probe_of(retriever: Retriever, arrays: Mapping[str, Any], config: ProbeConfig) -> Probe | None:
    """Return the probe that `arrays_of` gave for the same entries."""
    if "probe_entries" not in arrays:
        return None
    return Probe(retriever.entry_vectors(arrays["probe_entries"]), arrays["probe_coefficients"], config.gamma)


def off_topic_kept(arrays: Mapping[str, Any]) -> OffTopic | None:
    """Return what `arrays_of` gave of what is out of scope."""
    return OffTopic(arrays[_OFF_TOPIC]) if _OFF_TOPIC in arrays else None


def speller_of(retriever: Retriever) -> Speller:
    """Return a speller that knows the words of a retriever's entries."""
    return Speller((entry.encoded for entry in retriever.entries), main_locale(retriever.pairs))


def _fit_probe(retriever: Retriever, config: ProbeConfig) -> tuple[FittedProbe | None, IntArray]:
    """Fit the probe on the knowledge base's texts, where there are phrasings to learn from."""
    count = len(retriever.pairs)
    nothing = np.empty(0, dtype=np.int64)
    has_phrasings = sum(bool(pair.phrasings) for pair in retriever.pairs) * 2 >= max(count, 1)
    if config.weight == 0 or not has_phrasings or count < 2 or count > config.most_pairs:
        return None, nothing
    rows = np.array([entry.row for entry in retriever.entries], dtype=np.int64)
    chosen = choose_texts(rows, config.most_texts)
    return FittedProbe(retriever.entry_vectors(chosen), rows[chosen], count, config), chosen


def _stage(progress: Progress | None, name: str) -> Callable[[int, int], None] | None:
    if progress is None:
        return None
    return lambda done, total: progress(name, done, total)
