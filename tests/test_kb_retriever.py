from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from fakes_encoder import FakeEncoder, assemble
from fakes_kb import pair

from kb.entries import entries_of
from kb.errors import IndexStaleError
from kb.fusion import fold
from kb.retriever import RetrievalConfig, Retriever, main_locale

PAIRS = [
    pair("Where is my parcel?", "It is on its way.", pair_id="p-0", phrasings=("parcel lost", "track my order")),
    pair("How do I pay?", "By card or invoice.", pair_id="p-1", phrasings=("which cards work",)),
    pair("Do you repair tents?", "Yes: our workshop mends poles and zips.", pair_id="p-2"),
    pair("Can I cancel my order?", "Until it is packed.", pair_id="p-3", phrasings=("stop my order",)),
]


def ids(retrieved):
    return [candidate.pair.pair_id for candidate in retrieved.candidates]


def evidence(retriever, question, hidden=()):
    return retriever.evidence(question, FakeEncoder().encode([question])[0], hidden)


def many_pairs(count):
    return [pair(f"Question {n} about item{n}?", f"Answer{n}.", pair_id=f"p-{n}") for n in range(count)]


@pytest.mark.parametrize("question", ["parcel lost", "which cards work", "do you repair tents", "stop my order"])
def test_a_question_in_the_words_of_a_pair_finds_that_pair_first(question):
    asked = {"parcel lost": "p-0", "which cards work": "p-1", "do you repair tents": "p-2", "stop my order": "p-3"}
    assert ids(assemble(PAIRS).retriever.retrieve(question))[0] == asked[question]


def test_hits_of_phrasings_are_folded_into_their_pair():
    retrieved = assemble(PAIRS).retriever.retrieve("track my lost parcel order")
    assert sorted(ids(retrieved)) == ["p-0", "p-1", "p-2", "p-3"]


def test_a_candidate_names_the_text_that_was_nearest():
    best = assemble(PAIRS).retriever.retrieve("PARCEL lost").candidates[0]
    assert (best.pair, best.phrasing, best.role) == (PAIRS[0], "parcel lost", "phrasing")
    assert best.similarity == pytest.approx(1, abs=1e-6)


def test_a_question_in_the_words_of_an_answer_is_found_through_it():
    best = assemble(PAIRS).retriever.retrieve("workshop for poles, zips").candidates[0]
    assert (best.pair.pair_id, best.role, best.phrasing) == ("p-2", "answer", "Yes: our workshop mends poles and zips.")
    assert best.similarity == best.answer_similarity


def test_the_answer_similarity_is_zero_where_there_is_no_answer():
    candidates = assemble([pair("a b", ""), pair("a c", "d")]).retriever.retrieve("a b").candidates
    assert [candidate.answer_similarity == 0 for candidate in candidates] == [True, False]


def test_evidence_is_the_folded_cosines_plus_the_weighted_share_of_bm25():
    parts = assemble(PAIRS, temperature=0.1, size_discount=0.25, lexical_weight=0.5)
    question = "is my parcel lost"
    vector = FakeEncoder().encode([question])[0]
    entries = parts.retriever.entries
    cosines = FakeEncoder().encode([entry.encoded for entry in entries]) @ vector
    rows = np.array([entry.row for entry in entries])
    folded = fold(cosines, rows, len(PAIRS), temperature=0.1, size_discount=0.25)
    asked, documents = parts.lexical.bm25(question)
    asked_rows = [entry.row for entry in entries if entry.role != "answer"]
    best = np.array([max(value for value, at in zip(asked, asked_rows, strict=True) if at == row) for row in range(4)])
    share = (best / best.max() + documents / documents.max()) / 2
    found = evidence(parts.retriever, question)
    np.testing.assert_allclose(found.lexical, share, atol=1e-6)
    np.testing.assert_allclose(found.fused, folded + 0.5 * share, atol=1e-6)


def test_candidates_carry_their_evidence_and_come_in_its_order():
    retriever = assemble(PAIRS).retriever
    candidates = retriever.retrieve("cancel my order").candidates
    fused = evidence(retriever, "cancel my order").fused
    assert [candidate.evidence for candidate in candidates] == sorted(fused.tolist(), reverse=True)
    assert [fused[int(candidate.pair.pair_id[2:])] for candidate in candidates] == [
        candidate.evidence for candidate in candidates
    ]


def test_without_any_answer_the_questions_alone_make_the_lexical_share():
    found = evidence(assemble([pair("red tent", ""), pair("blue mat", "")]).retriever, "tent")
    assert found.lexical.tolist() == [1, 0]


def test_vectors_are_those_of_the_candidates_questions():
    retrieved = assemble(PAIRS).retriever.retrieve("parcel lost")
    expected = FakeEncoder().encode([candidate.pair.question for candidate in retrieved.candidates])
    np.testing.assert_array_equal(retrieved.vectors, expected)
    np.testing.assert_array_equal(retrieved.question_vector, FakeEncoder().encode(["parcel lost"])[0])
    assert retrieved.question == "parcel lost"


def test_no_more_than_top_k_pairs_are_found():
    retrieved = assemble(PAIRS, top_k=2).retriever.retrieve("my order")
    assert len(retrieved.candidates) == len(retrieved.vectors) == 2


def test_a_question_is_encoded_once_and_nothing_else_is():
    encoder = FakeEncoder()
    assemble(PAIRS, encoder).retriever.retrieve("parcel lost")
    assert encoder.batches == [["parcel lost"]]


@pytest.mark.parametrize("question", ["", "?!", "👍", "\x00", "\ud800", "退款", "a" * 100_000])
def test_any_question_gets_candidates_with_finite_numbers(question):
    candidates = assemble(PAIRS).retriever.retrieve(question).candidates
    assert len(candidates) == 4
    assert np.isfinite([[each.similarity, each.lexical, each.evidence] for each in candidates]).all()


def test_an_empty_knowledge_base_gives_no_candidates():
    retrieved = assemble([]).retriever.retrieve("where is my parcel")
    assert retrieved.candidates == ()
    assert retrieved.vectors.shape == (0, 64)
    assert retrieved.question_vector.shape == (64,)


def test_pairs_of_equal_evidence_keep_their_order():
    same = [pair("Where is it?", "Here.", pair_id=f"p-{n}") for n in range(6)]
    assert ids(assemble(same).retriever.retrieve("where is it")) == [f"p-{n}" for n in range(6)]


def test_a_rebuilt_retriever_gives_the_same_candidates_to_the_last_digit():
    one, other = (assemble(PAIRS).retriever.retrieve("is my order lost").candidates for _ in range(2))
    assert one == other


def test_threads_that_share_a_retriever_get_what_one_would():
    retriever = assemble(PAIRS).retriever
    questions = ["parcel lost", "returning tents", "paying by card", "stop my orders"] * 10
    alone = [retriever.retrieve(question).candidates for question in questions]
    with ThreadPoolExecutor(8) as pool:
        assert [found.candidates for found in pool.map(retriever.retrieve, questions)] == alone


# Few dense hits


def test_a_pair_that_dense_retrieval_misses_is_found_by_its_words_alone():
    pairs = [*many_pairs(40), pair("What does the zebrawood handle cost?", "Nine.", pair_id="rare")]
    question = "question 7 about item7 and zebrawood"
    with_words = assemble(pairs, dense_hits=1, lexical_hits=2).retriever
    without = assemble(pairs, dense_hits=1, lexical_hits=0).retriever
    assert ids(without.retrieve(question)) == ["p-7"]
    assert ids(with_words.retrieve(question)) == ["p-7", "rare"]


def test_a_pair_found_by_its_words_has_the_cosines_of_all_its_entries():
    pairs = [*many_pairs(40), pair("Zebrawood?", "Nine.", pair_id="rare", phrasings=("handle of zebrawood",))]
    narrow, wide = (
        evidence(assemble(pairs, dense_hits=hits).retriever, "question about zebrawood") for hits in (1, 2048)
    )
    np.testing.assert_allclose(narrow.similarities[-3:], wide.similarities[-3:], atol=1e-6)
    np.testing.assert_allclose(narrow.fused[-1], wide.fused[-1], atol=1e-6)


def test_with_few_dense_hits_what_nothing_speaks_for_is_no_candidate():
    retriever = assemble(many_pairs(40), dense_hits=3, lexical_hits=0).retriever
    retrieved = retriever.retrieve("Question 7 about item7?")
    assert ids(retrieved)[0] == "p-7"
    assert len(retrieved.candidates) == len(retrieved.vectors) <= 3
    assert np.isneginf(evidence(retriever, "Question 7 about item7?").similarities).sum() == 77


# Hidden entries


def test_a_hidden_phrasing_counts_for_nothing():
    retriever = assemble(PAIRS).retriever
    found = evidence(retriever, "parcel lost", hidden=[1])
    without = [
        pair("Where is my parcel?", "It is on its way.", pair_id="p-0", phrasings=("track my order",)),
        *PAIRS[1:],
    ]
    expected = evidence(assemble(without).retriever, "parcel lost")
    assert np.isneginf(found.similarities[1])
    np.testing.assert_allclose(np.delete(found.similarities, 1), expected.similarities, atol=1e-6)
    assert found.fused[0] < evidence(retriever, "parcel lost").fused[0]


def test_the_words_of_a_hidden_phrasing_are_not_found():
    retriever = assemble(PAIRS).retriever
    assert evidence(retriever, "track").lexical.argmax() == 0
    assert not evidence(retriever, "track", hidden=[2]).lexical.any()


def test_a_pair_whose_entries_are_all_hidden_is_not_there():
    retriever = assemble(PAIRS).retriever
    found = evidence(retriever, "is my parcel lost", hidden=list(retriever.entries_of_pair(0)))
    assert np.isneginf(found.fused).tolist() == [True, False, False, False]
    assert found.lexical[0] == 0
    assert found.lexical.max() > 0


def test_hiding_leaves_the_next_question_alone():
    retriever = assemble(PAIRS).retriever
    before = retriever.retrieve("is my parcel lost").candidates
    evidence(retriever, "is my parcel lost", hidden=range(len(retriever.entries)))
    assert retriever.retrieve("is my parcel lost").candidates == before


# Neighbours and parts


def test_neighbours_are_the_nearest_pairs_once_each_with_their_best_cosine():
    retriever = assemble(PAIRS).retriever
    vector = FakeEncoder().encode(["how do I track my order"])[0]
    cosines = FakeEncoder().encode([entry.encoded for entry in retriever.entries]) @ vector
    best = [max(cosines[list(retriever.entries_of_pair(row))]) for row in range(4)]
    found = retriever.neighbours(vector, 3)
    assert [row for row, _ in found] == np.argsort(-np.array(best))[:3].tolist()
    assert [cosine for _, cosine in found] == pytest.approx(sorted(best, reverse=True)[:3], abs=1e-6)


def test_an_empty_knowledge_base_has_no_neighbours():
    assert assemble([]).retriever.neighbours(FakeEncoder().encode(["hello"])[0], 3) == []


def test_the_entries_and_the_question_vector_of_a_pair_are_its_own():
    retriever = assemble(PAIRS).retriever
    assert [retriever.entries[at].text for at in retriever.entries_of_pair(1)] == [
        "How do I pay?",
        "which cards work",
        "By card or invoice.",
    ]
    expected = FakeEncoder().encode([PAIRS[2].question, PAIRS[0].question])
    np.testing.assert_array_equal(retriever.question_vectors([2, 0]), expected)


@pytest.mark.parametrize(
    ("pairs", "dimension", "message"),
    [(PAIRS, 32, "of 32 dimensions; got 12 of 64"), (PAIRS[:3], 64, "expected 9 vectors of 64 dimensions; got 12")],
)
def test_vectors_of_another_dimension_or_number_are_refused_with_the_remedy(pairs, dimension, message):
    parts = assemble(PAIRS)
    with pytest.raises(IndexStaleError, match=message) as raised:
        Retriever(
            pairs=pairs,
            entries=list(entries_of(pairs, 50)),
            index=parts.index,
            lexical=parts.lexical,
            encoder=FakeEncoder(dimension=dimension),
            config=RetrievalConfig(),
        )
    assert "frontdesk index" in str(raised.value)


def test_the_main_locale_is_that_of_most_pairs():
    assert main_locale([pair("a", "", locale=locale) for locale in ("de", "fr", "de", "")]) == "de"
    assert main_locale([]) == main_locale([pair("a", "", locale="")]) == "en"
