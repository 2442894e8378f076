import pytest

from models.wording import common_words, wordings


def test_words_of_the_request_become_one_sign():
    found = wordings("Ritz Carlton Las Vegas", "do you want reviews of the ritz carlton", frozenset())
    assert {"reviews of the", "the @", "@$", "^do you want reviews of"} <= found
    assert not any("ritz" in each for each in found)


def test_common_words_of_the_request_stay_words():
    assert "the shop" in wordings("the kettle", "open the shop", frozenset({"the"}))


def test_openings_runs_and_the_last_word_are_told_apart():
    assert wordings("", "what now", frozenset()) == {"^what", "^what now", "what", "now", "what now", "now$"}


def test_common_words_are_those_of_many_texts():
    assert common_words(["the cat", "the dog", "the the cow", "a bee"], 0.75) == {"the"}


@pytest.mark.parametrize("text", ["", "?!", "\ud800"])
def test_a_text_without_words_has_no_wordings(text):
    assert wordings("kettle", text, frozenset()) == frozenset()


def test_without_texts_no_word_is_common():
    assert common_words([], 0.5) == frozenset()
