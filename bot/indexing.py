"""Knowledge base → snapshot: encode what is new, build both indexes, calibrate, publish."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bot.calibration import calibrate
from bot.config import Config
from kb.entries import entries_of
from kb.errors import VectorIndexError
from kb.index import FaissIndex, build_index
from kb.lexical import LexicalIndex
from kb.retriever import Retriever, main_locale
from kb.snapshot import check_snapshot, publish
from kb.spelling import Speller
from kb.store import KnowledgeStore
from kb.types import Encoder, QAPair, Transition
from kb.vectors import VectorCache
from models.calibrate import Calibration, to_json
from models.probe import FittedProbe, Probe, ProbeConfig, choose_texts

IntArray = NDArray[np.int64]
Progress = Callable[[str, int, int], None]
"""Told the name of the stage, what is done of it, and all that is to do."""

INDEX, VECTORS = "index", "vectors"


@dataclass(frozen=True, kw_only=True, slots=True)
class IndexReport:
    """What `update_index` did; `is_new` is False where the current snapshot was up to date."""

    snapshot_id: str
    is_new: bool
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
    probe: Probe | None
    probe_entries: IntArray
    """Positions of the entries that the probe was fitted on."""
    encoded: int


def assemble(
    pairs: Sequence[QAPair], encoder: Encoder, cache: VectorCache, config: Config, progress: Progress | None = None
) -> Assembled:
    """Encode the pairs and build what answers from them; nothing is published."""
    entries = list(entries_of(pairs, config.retrieval.passage_words))
    vectors, encoded = cache.encode([entry.encoded for entry in entries], _stage(progress, "Encoding"))
    index = build_index(vectors)
    # The index has its own copy; of a large knowledge base two are hundreds of megabytes.
    del vectors
    locale = main_locale(pairs)
    lexical = LexicalIndex.build(pairs, entries, locale)
    retriever = Retriever(
        pairs=pairs, entries=entries, index=index, lexical=lexical, encoder=encoder, config=config.retrieval
    )
    speller = speller_of(retriever)
    probe, fitted = _fit_probe(retriever, config.probe)
    calibration = calibrate(
        retriever,
        speller,
        config.calibration,
        _stage(progress, "Calibrating"),
        probed=(probe, {int(entry): at for at, entry in enumerate(fitted)}, config.probe.weight) if probe else None,
    )
    return Assembled(
        retriever=retriever,
        index=index,
        lexical=lexical,
        speller=speller,
        calibration=calibration,
        probe=probe,
        probe_entries=fitted,
        encoded=encoded,
    )


def update_index(
    store: KnowledgeStore,
    encoder: Encoder,
    var: Path,
    config: Config,
    *,
    force: bool = False,
    progress: Progress | None = None,
) -> IndexReport:
    """Publish a snapshot of the knowledge base, unless the current one is up to date.

    A kill at any time leaves the current snapshot as it was; the next call goes on with what was encoded.

    Raises:
        StorageError: the database can't be read.
    """
    with store.view() as unit:
        pairs, transitions = list(unit.pairs()), unit.transitions()
        corpus_hash, version = unit.corpus_hash(), unit.version()
    folder = var / INDEX
    settings = {name: asdict(getattr(config, name)) for name in ("retrieval", "probe", "calibration")}
    if not force:
        current = _up_to_date(folder, encoder, corpus_hash, transitions, settings)
        if current:
            return current
    cache = VectorCache(var / VECTORS, encoder)
    built = assemble(pairs, encoder, cache, config, progress)
    manifest = publish(
        folder,
        retriever=built.retriever,
        index=built.index,
        lexical=built.lexical,
        transitions=transitions,
        calibration={"settings": settings, "fitted": to_json(built.calibration)},
        corpus_hash=corpus_hash,
        knowledge_version=version,
        arrays=probe_arrays(built),
    )
    cache.prune([entry.encoded for entry in built.retriever.entries])
    return IndexReport(
        snapshot_id=manifest.snapshot_id,
        is_new=True,
        pairs=len(pairs),
        entries=manifest.vector_count,
        encoded=built.encoded,
        knowledge_version=version,
        calibration=built.calibration,
    )


def probe_arrays(built: Assembled) -> dict[str, Any]:
    """Return the probe as arrays that a snapshot keeps; none where there is no probe."""
    if built.probe is None:
        return {}
    return {"probe_entries": built.probe_entries, "probe_coefficients": built.probe.coefficients}


def probe_of(retriever: Retriever, arrays: Mapping[str, Any], config: ProbeConfig) -> Probe | None:
    """Return the probe that `probe_arrays` gave for the same entries."""
    if "probe_entries" not in arrays:
        return None
    return Probe(retriever.entry_vectors(arrays["probe_entries"]), arrays["probe_coefficients"], config.gamma)


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


def _up_to_date(
    folder: Path, encoder: Encoder, corpus_hash: str, transitions: Sequence[Transition], settings: dict[str, Any]
) -> IndexReport | None:
    """Return a report on the current snapshot where it is whole and of the same content and settings."""
    try:
        stored = check_snapshot(folder, encoder)
    except VectorIndexError:
        return None
    manifest = stored.manifest
    same = (
        manifest.corpus_hash == corpus_hash
        and list(stored.transitions) == list(transitions)
        and stored.calibration.get("settings") == settings
    )
    if not same:
        return None
    return IndexReport(
        snapshot_id=manifest.snapshot_id,
        is_new=False,
        pairs=manifest.pair_count,
        entries=manifest.vector_count,
        encoded=0,
        knowledge_version=manifest.knowledge_version,
        calibration=None,
    )


def _stage(progress: Progress | None, name: str) -> Callable[[int, int], None] | None:
    if progress is None:
        return None
    return lambda done, total: progress(name, done, total)
