from dataclasses import replace

import numpy as np
import pytest
from fakes_bot import ASKED_SHOP, DIMENSION
from fakes_encoder import FakeEncoder
from fakes_kb import pair

from bot.asking import Asked, Judges
from bot.build import bot_of
from bot.config import Config
from bot.indexing import assemble
from bot.serving import Models
from kb.retriever import RetrievalConfig
from kb.vectors import VectorCache
from models.matcher import MatchSettings

READING = MatchSettings(weight=0.1, margin=np.inf, most=5)
DENSE = Config(retrieval=RetrievalConfig(lexical_weight=0.0))
QUESTIONS = ("where is my parcel", "how much is it", "refund when", "wash tent please", "password", "nothing of it")


class SharedWords:
    """A matcher that counts the words that question and text share; remembers what it read."""

    def __init__(self):
        self.read = []

    def logits(self, question, texts):
        self.read.append(list(texts))
        words = set(question.lower().split())
        return np.array([len(words & set(text.lower().split())) for text in texts], dtype=np.float32)


def parts_of(folder, pairs=ASKED_SHOP, config=None, cross_encoder=None):
    encoder = FakeEncoder(dimension=DIMENSION)
    models = Models(encoder=encoder, cross_encoder=cross_encoder, settings=READING if cross_encoder else None)
    return assemble(pairs, models, VectorCache(folder, encoder), config or Config())


def entry(judges, text):
    """The position of the entry of a text that was asked."""
    return next(at for at, each in enumerate(judges.retriever.entries) if each.text == text and each.role != "answer")


def vector_of(judges, question):
    return judges.retriever.encoder.encode([question])[0]


@pytest.mark.parametrize("cross_encoder", [None, SharedWords()], ids=["without matcher", "with matcher"])
@pytest.mark.parametrize("question", QUESTIONS)
def test_judged_is_what_the_bot_would_rank(tmp_path, question, cross_encoder):
    parts = parts_of(tmp_path, cross_encoder=cross_encoder)
    assert parts.judges.probe is not None
    ranked = bot_of(parts, Config()).rank(question)
    found = parts.judges.judged(question, vector_of(parts.judges, question))
    assert [ASKED_SHOP[row].pair_id for row in found.rows] == [match.pair.pair_id for match in ranked]
    relevance = parts.calibration.probability(found.combined, found.similarity)
    assert relevance.tolist() == pytest.approx([match.relevance for match in ranked], rel=1e-4)


@pytest.mark.parametrize("texts", [["where is my parcel"], ["where is my parcel", "Can I wash my tent? now"]])
def test_hidden_phrasings_count_for_nothing_as_if_they_had_never_been_there(tmp_path, texts):
    pairs = [replace(each, phrasings=tuple(x for x in each.phrasings if x not in texts)) for each in ASKED_SHOP]
    spies = SharedWords(), SharedWords()
    whole, lacking = (
        parts_of(tmp_path / str(at), given, DENSE, spy).judges
        for at, (given, spy) in enumerate(zip((ASKED_SHOP, pairs), spies, strict=True))
    )
    hidden = [entry(whole, text) for text in texts]
    for question in (*texts, *QUESTIONS):
        vector = vector_of(whole, question)
        found, expected = whole.judged(question, vector, hidden), lacking.judged(question, vector)
        assert found.rows.tolist() == expected.rows.tolist()
        assert np.allclose(found.combined, expected.combined, atol=1e-4)
    assert spies[0].read == spies[1].read
    assert spies[0].read


def test_with_all_its_entries_hidden_a_pair_is_not_found(tmp_path):
    judges = parts_of(tmp_path, config=DENSE).judges
    vector = vector_of(judges, "where is my order?")
    found = judges.judged("where is my order?", vector, judges.retriever.entries_of_pair(0))
    assert judges.judged("where is my order?", vector).rows[0] == 0
    assert sorted(found.rows) == list(range(1, len(ASKED_SHOP)))


def test_hidden_twice_is_hidden_once(tmp_path):
    judges = parts_of(tmp_path).judges
    at = entry(judges, "where is my parcel")
    vector = vector_of(judges, "where is my parcel")
    once, twice = (judges.judged("where is my parcel", vector, [at] * count) for count in (1, 2))
    assert (once.combined == twice.combined).all()


def asked(judges, text, row, *, is_hidden):
    hidden = (entry(judges, text),) if is_hidden else ()
    return Asked(question=text, vector=vector_of(judges, text), rows=frozenset({row}), hidden=hidden)


def test_the_matcher_does_not_read_a_hidden_question_of_a_pair_that_has_another_text(tmp_path):
    judges = parts_of(tmp_path).judges
    title = ASKED_SHOP[0].question
    shown = judges.text_of(asked(judges, title, 0, is_hidden=False), 0, READING)
    hidden = judges.text_of(asked(judges, title, 0, is_hidden=True), 0, READING)
    assert shown.startswith(f"{title} / ")
    read = hidden.split(": ")[0].split(" / ")
    assert len(read) == 1 + READING.phrasings
    assert set(read) <= set(ASKED_SHOP[0].phrasings)
    assert hidden.endswith(": Open My orders and choose Track.")


def test_a_pair_that_is_known_by_its_question_alone_is_read_by_it_all_the_same(tmp_path):
    pairs = [pair("Where is it?", "", pair_id="a"), pair("What is it?", "", pair_id="b")]
    judges = parts_of(tmp_path, pairs).judges
    assert judges.text_of(asked(judges, "Where is it?", 0, is_hidden=True), 0, READING) == "Where is it?"


def test_what_may_be_read_are_the_best_by_their_prior_with_the_texts_that_judging_reads(tmp_path):
    spy = SharedWords()
    judges = parts_of(tmp_path, cross_encoder=spy).judges
    found = judges.read(asked(judges, "where is my parcel", 0, is_hidden=True), READING, READING.most)
    without = replace(judges, cross_encoder=None)
    vector = vector_of(judges, "where is my parcel")
    hidden = [entry(judges, "where is my parcel")]
    expected = without.judged("where is my parcel", vector, hidden)
    assert found.rows.tolist() == expected.rows[:5].tolist()
    assert (found.prior == expected.combined[:5]).all()
    judges.judged("where is my parcel", vector, hidden)
    assert spy.read == [list(found.texts)]


def test_of_no_pairs_nothing_is_found(tmp_path):
    judges = Judges(retriever=parts_of(tmp_path, ()).judges.retriever)
    found = judges.judged("where", vector_of(judges, "where"))
    assert found.rows.shape == found.combined.shape == (0,)
