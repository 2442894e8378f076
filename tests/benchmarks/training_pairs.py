"""Groups of a question with candidates, as training makes them: what retrieval finds, and what the matcher reads."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bot.build import ENCODERS, open_database
from bot.config import Config
from bot.labelled import Labelled, read_retrieval
from kb.entries import entries_of, plain_text
from kb.importing import import_paths
from kb.index import build_index
from kb.lexical import LexicalIndex
from kb.retriever import Retriever, main_locale
from kb.store import KnowledgeStore
from kb.types import QAPair
from models.encoder import load_encoder
from models.matcher import MatchSettings, candidate_text
from models.training.matcher import Group

ROOT = Path(__file__).resolve().parents[2]
DEMO = ROOT / "kb" / "demo"
FEEDBACKQA = "retrieval/feedbackqa-cdc"
QUESTIONS = 400
PLAIN, AS_READ = "question and answer", "as our matcher reads"

Sets = dict[str, list[Group]]


def data_folder() -> Path:
    """Return where the public data sets are, if they are."""
    return Path(os.environ.get("FRONTDESK_DATA") or ROOT.parent / "shared" / "data")


def demo_groups(scratch: Path, candidates: int) -> Sets:
    """Return groups of the demo shop, read in both ways; each pair's last phrasing is asked, and not known."""
    engine = open_database(scratch, Config())
    try:
        store = KnowledgeStore(engine)
        import_paths(store, [DEMO], rejects_folder=scratch / "rejects")
        pairs = [pair for pair in store.pairs() if pair.phrasings]
    finally:
        engine.dispose()
    asked = [Labelled(question=pair.phrasings[-1], right=frozenset({pair.pair_id})) for pair in pairs]
    known = [replace(pair, phrasings=pair.phrasings[:-1]) for pair in pairs]
    return _groups("demo", known, asked, scratch, candidates)


def feedbackqa_groups(scratch: Path, candidates: int) -> Sets:
    """Return groups of feedbackqa's training questions, read in both ways; none where it is not there."""
    folder = data_folder() / FEEDBACKQA
    if not (folder / "train.jsonl").is_file():
        return {}
    pairs, asked = read_retrieval(folder, "train")
    return _groups("feedbackqa", pairs, asked[:QUESTIONS], scratch, candidates)


def long_groups(candidates: int, tokens: int) -> list[Group]:
    """Return groups that are all cut off at so many tokens."""
    texts = [f"{number} " + "where is my parcel " * tokens for number in range(candidates)]
    labels = [1.0, *[0.0] * (candidates - 1)]
    return [Group(question=f"Parcel {number}?", candidates=texts, labels=labels) for number in range(QUESTIONS)]


def _groups(name: str, pairs: Sequence[QAPair], asked: Sequence[Labelled], scratch: Path, candidates: int) -> Sets:
    """Return, for each question that retrieval answers, the best candidates, with one that is right among them."""
    config = Config()
    encoder = load_encoder(cache=scratch / ENCODERS)
    entries = list(entries_of(pairs, config.retrieval.passage_words))
    retriever = Retriever(
        pairs=pairs,
        entries=entries,
        index=build_index(encoder.encode([entry.encoded for entry in entries])),
        lexical=LexicalIndex.build(pairs, entries, main_locale(pairs)),
        encoder=encoder,
        config=config.retrieval,
    )
    plain, as_read = [], []
    for question, vector in zip(asked, encoder.encode([each.question for each in asked]), strict=True):
        found = retriever.retrieve_known(question.question, vector, top_k=candidates).candidates
        labels = [float(each.pair.pair_id in question.right) for each in found]
        # Equal sizes: then the mean over groups of their means is the mean over pairs, which is the peer's loss.
        if any(labels) and len(found) == candidates:
            texts = [f"{each.pair.question}: {plain_text(each.pair.answer)}" for each in found]
            plain.append(Group(question=question.question, candidates=texts, labels=labels))
            texts = [candidate_text(each, MatchSettings()) for each in found]
            as_read.append(Group(question=question.question, candidates=texts, labels=labels))
    return {f"{name}, {PLAIN}": plain, f"{name}, {AS_READ}": as_read}
