import pytest
from fakes_kb import pair
from hypothesis import given
from hypothesis import strategies as st

from kb.entries import document_of, entries_of, plain_text, split_passages

words = st.lists(st.text("abc", min_size=1, max_size=3), max_size=60)


def test_a_pair_gives_its_question_its_phrasings_and_its_answer_in_this_order():
    asked = pair("Where is my parcel?", "On its way.", phrasings=("parcel where", "lost parcel"))
    assert [(entry.role, entry.text) for entry in entries_of([asked], passage_words=50)] == [
        ("question", "Where is my parcel?"),
        ("phrasing", "parcel where"),
        ("phrasing", "lost parcel"),
        ("answer", "On its way."),
    ]


def test_entries_carry_the_row_of_their_pair():
    pairs = [pair("One?", "1", phrasings=("uno",)), pair("Two?", ""), pair("Three?", "3")]
    assert [entry.row for entry in entries_of(pairs, passage_words=50)] == [0, 0, 0, 1, 2, 2]


def test_a_pair_without_an_answer_has_its_questions_alone():
    assert [entry.role for entry in entries_of([pair("Why?", " \n ", phrasings=("how come",))], 50)] == [
        "question",
        "phrasing",
    ]


def test_a_passage_is_encoded_with_its_question_and_shown_without():
    *_, answer = entries_of([pair("When does it come?", "In **three** days.")], passage_words=50)
    assert answer.text == "In three days."
    assert answer.encoded == "When does it come?: In three days."


def test_an_answer_of_several_passages_is_encoded_as_a_whole_too():
    answers = [entry for entry in entries_of([pair("Q?", "a b c d")], passage_words=2) if entry.role == "answer"]
    assert [(entry.text, entry.encoded) for entry in answers] == [
        ("a b", "Q?: a b"),
        ("c d", "Q?: c d"),
        ("a b", "Q? a b c d"),
    ]


def test_the_document_of_a_pair_is_its_question_and_plain_answer_without_phrasings():
    assert document_of(pair("Q?", "- **a**\n- b", phrasings=("other",))) == "Q? a b"


@pytest.mark.parametrize(
    ("markdown", "plain"),
    [
        ("# Returns\n\nYou have **60 days**.", "Returns You have 60 days."),
        ("1. Open the box.\n2. Keep it.", "Open the box. Keep it."),
        ("| Size | Price |\n|:--|--:|\n| S | £3 |", "Size Price S £3"),
        ("Use `code` or\n```\na  b\n```", "Use code or a b"),
        ("See [our terms](https://shop.example/terms).", "See our terms."),
        ("![a map](map.png) of the shop", "a map of the shop"),
        ("a line\nthat goes on", "a line that goes on"),
        ("a hard  \nbreak", "a hard break"),
        ("salt &amp; pepper", "salt & pepper"),
        ("one<br>two<BR/>three", "one two three"),
        ("H<sub>2</sub>O", "H2O"),
        ('<div class="box"><!-- hidden\nnote -->shown</div>', "shown"),
        ("3 < 5 and 5 > 3", "3 < 5 and 5 > 3"),
        (" \n\n ", ""),
    ],
)
def test_plain_text_is_the_words_that_a_reader_sees(markdown, plain):
    assert plain_text(markdown) == plain


@pytest.mark.parametrize(
    ("count", "passage_words", "lengths"),
    [(0, 3, []), (1, 3, [1]), (4, 3, [4]), (5, 3, [3, 2]), (6, 3, [3, 3]), (7, 3, [4, 3]), (9, 3, [3, 3, 3])],
)
def test_passages_are_of_about_equal_length(count, passage_words, lengths):
    found = split_passages(" ".join(["word"] * count), passage_words)
    assert [len(passage.split()) for passage in found] == lengths


@given(words, st.integers(1, 20))
def test_passages_together_are_the_text(some, passage_words):
    passages = split_passages(" ".join(some), passage_words)
    assert " ".join(passages).split() == some
    assert all(passages)
    assert all(len(passage.split()) < 2 * passage_words for passage in passages)
