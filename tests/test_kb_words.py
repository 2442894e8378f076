import math

import pytest

from kb.words import END, START, Words, plain, words_of

WORDS = Words(["the red tent", "the red mat", "The blue tent is O’Brien's", "a Fjellrev", "my fjellrev", "fjellrev"])


def test_words_are_in_lower_case_with_plain_apostrophes_and_without_accents():
    assert words_of("Don’t the Cafés, 4711 open?") == ["don't", "the", "cafes", "open"]
    assert plain("ÉTÉ") == "ete"


def test_probabilities_of_all_that_may_follow_add_up_to_no_more_than_one():
    followers = [*WORDS.own, END]
    for before in ("the", "red", "unheard", START):
        assert 0 < sum(math.exp(-WORDS.cost(before, word)) for word in followers) <= 1 + 1e-3


def test_a_word_that_has_followed_costs_less_than_one_that_has_not():
    assert WORDS.cost("the", "red") < WORDS.cost("the", "tent")
    assert WORDS.cost("red", "mat") < WORDS.cost("blue", "mat")


def test_frequency_is_of_the_knowledge_base_first_and_of_english_behind_it():
    assert WORDS.frequency("tent") > WORDS.frequency("hotel") > WORDS.frequency("anthracite") > 0
    assert WORDS.frequency("tent") == pytest.approx(2 / (WORDS_TOTAL + len(WORDS.own)), abs=1e-4)


WORDS_TOTAL = sum(WORDS.own.values())


@pytest.mark.parametrize("word", ["tent", "hotel", "fjellrev", "fjellrevs", "fjellrev's", "didn't", "i've", "ok"])
def test_it_knows_words_of_its_own_english_ones_plurals_and_contractions(word):
    assert WORDS.knows(word)


@pytest.mark.parametrize("word", ["tnet", "havean't", "tnet's", "x"])
def test_it_knows_no_slips(word):
    assert not WORDS.knows(word)


def test_a_strange_word_that_the_knowledge_base_has_once_is_not_its_own():
    assert "fjellrev" in WORDS.own
    assert "brien's" not in WORDS.own


def test_nothing_to_learn_from_leaves_english():
    empty = Words([])
    assert empty.knows("tent")
    assert empty.cost("the", "tent") < empty.cost("the", "anthracite")
