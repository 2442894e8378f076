import pytest
from hypothesis import given
from hypothesis import strategies as st

from kb.letters import latin, unaccented


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("ｔｅｎｔ ４２", "tent 42"),
        ("tеnt", "tent"),
        ("ΤENT", "TENT"),
        ("mу сard", "my card"),
        ("plain text", "plain text"),
    ],
)
def test_letters_that_look_latin_inside_latin_words_are_latin(typed, read):
    assert latin(typed) == read


@pytest.mark.parametrize("text", ["Привет", "сор", "αβγ", "我的，包裹！", "naïve façade", "👍"])
def test_words_of_other_scripts_and_accents_stay(text):
    assert latin(text) == text


@pytest.mark.parametrize(
    ("word", "bare"), [("café", "cafe"), ("Ärger", "Arger"), ("straße", "strasse"), ("smørø", "smoro")]
)
def test_accents_come_off_latin_words(word, bare):
    assert unaccented(word) == bare


@pytest.mark.parametrize("word", ["й", "が", "plain", ""])
def test_other_scripts_keep_their_marks(word):
    assert unaccented(word) == word


@given(st.text())
def test_reading_letters_twice_is_reading_them_once(text):
    assert latin(latin(text)) == latin(text)
