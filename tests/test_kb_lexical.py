import math

import numpy as np
import pytest
from fakes_kb import pair

from kb.entries import entries_of
from kb.errors import IndexDamagedError
from kb.lexical import Analyser, LexicalIndex

PAIRS = [
    pair("Where is my parcel?", "It is on its way.", phrasings=("parcel parcel lost", "track an order")),
    pair("How do I pay?", "By card, or by invoice for a parcel."),
    pair("Do you repair tents?", "Yes, in our workshop.", phrasings=("tent is torn",)),
]


def build(pairs=PAIRS, locale="en"):
    return LexicalIndex.build(pairs, entries_of(pairs, passage_words=50), locale)


def test_words_are_lower_case_and_stemmed():
    assert Analyser("en").terms("Returning PARCELS, returned!") == ["return", "parcel", "return"]


def test_the_stemmer_is_that_of_the_language_whatever_the_region():
    assert Analyser("de-AT").terms("Häuser") == Analyser("de").terms("Haus") == ["haus"]


def test_a_language_without_a_stemmer_keeps_its_words():
    assert Analyser("xx").terms("Returning parcels") == ["returning", "parcels"]


def test_numbers_are_terms_and_punctuation_is_not():
    assert Analyser("en").terms("Is £3.95 -- for A_4?!") == ["is", "3", "95", "for", "a", "4"]


@pytest.mark.parametrize(
    ("text", "terms"),
    [("退款政策", ["退款", "款政", "政策"]), ("退", ["退"]), ("app退款 now", ["app", "退款", "now"])],
)
def test_scripts_without_spaces_give_pairs_of_characters(text, terms):
    assert Analyser("zh").terms(text) == terms


@pytest.mark.parametrize("text", ["", "?!", "👍", "\ud800", "\x00"])
def test_a_text_without_words_has_no_terms(text):
    assert Analyser("en").terms(text) == []


def test_there_is_one_value_a_question_or_phrasing_and_one_a_pair():
    asked, documents = build().bm25("parcel")
    assert (asked.shape, documents.shape) == ((6,), (3,))
    assert asked.dtype == documents.dtype == np.float32


def test_only_texts_with_a_word_of_the_question_have_a_value():
    asked, documents = build().bm25("Have you lost my parcels?")
    # Entries: where, parcel parcel lost, track | pay | repair, torn. 'you' is in 'Do you repair tents?'.
    assert (asked > 0).tolist() == [True, True, False, False, True, False]
    assert (documents > 0).tolist() == [True, True, True]


def test_phrasings_belong_to_the_questions_and_answers_to_the_documents():
    index = build()
    asked, documents = index.bm25("torn")
    assert asked.argmax() == 5
    assert not documents.any()
    asked, documents = index.bm25("invoices")
    assert not asked.any()
    assert documents.nonzero()[0].tolist() == [1]


def test_terms_that_no_pair_has_are_unknown():
    index = build([pair("Where is my parcel?", "Call us.", phrasings=("where's my package",))])
    assert index.unknown("Call: my parcels, packages, zebras?") == ["packag", "zebra"]
    assert index.unknown("") == []


def test_a_rare_word_outweighs_a_frequent_one():
    _, documents = build().bm25("by parcel workshop")
    assert documents.argmax() == 1
    _, rare = build().bm25("workshop")
    _, frequent = build().bm25("parcel")
    assert rare.max() > frequent.max()


def test_bm25_is_the_number_worked_by_hand():
    # Lucene's BM25, k1 1.5, b 0.75: 'tent' is in 1 of 2 questions, once in 1 term; the mean length is 2.
    idf = math.log(1 + (2 - 1 + 0.5) / (1 + 0.5))
    expected = idf * 1 / (1 + 1.5 * (1 - 0.75 + 0.75 * 1 / 2))
    asked, _ = build([pair("tent", ""), pair("red green blue", "")]).bm25("tent")
    assert asked.tolist() == pytest.approx([expected, 0], rel=1e-5)


@pytest.mark.parametrize("question", ["", "???", "zebra", "\ud800\x00"])
def test_a_question_without_known_words_gives_zeros(question):
    asked, documents = build().bm25(question)
    assert asked.tolist() == [0] * 6
    assert documents.tolist() == [0] * 3


def test_a_knowledge_base_without_words_can_be_indexed():
    asked, documents = build([pair("???", "!"), pair("👍", "")]).bm25("hello ???")
    assert asked.tolist() == documents.tolist() == [0, 0]


def test_an_empty_knowledge_base_can_be_indexed_and_hits_nothing():
    asked, documents = build([]).bm25("hello")
    assert not asked.any()
    assert not documents.any()


def test_a_saved_index_gives_the_same_values(tmp_path):
    index = build()
    index.save(tmp_path)
    loaded = LexicalIndex.load(tmp_path, "en")
    for question in ("where's the parcel", "tents torn", "???", "by invoice"):
        for before, after in zip(index.bm25(question), loaded.bm25(question), strict=True):
            np.testing.assert_array_equal(before, after)


def saved_files(folder):
    build().save(folder)
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_a_missing_file_is_refused_with_the_remedy(tmp_path):
    for path in saved_files(tmp_path):
        content = path.read_bytes()
        path.unlink()
        with pytest.raises(IndexDamagedError, match="frontdesk index"):
            LexicalIndex.load(tmp_path)
        path.write_bytes(content)


@pytest.mark.parametrize("kept", [0.0, 0.6])
def test_a_file_that_was_cut_is_refused_with_the_remedy(tmp_path, kept):
    for path in saved_files(tmp_path):
        content = path.read_bytes()
        path.write_bytes(content[: int(kept * len(content))])
        with pytest.raises(IndexDamagedError, match="frontdesk index"):
            LexicalIndex.load(tmp_path)
        path.write_bytes(content)
