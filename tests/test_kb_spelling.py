from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kb.spelling import Speller

TEXTS = [
    "Where is my parcel?",
    "How do I return a tent?",
    "Can I cancel my order, and get a refund?",
    "What's the warranty of a sleeping mat?",
    "Do you ship the Fjellrev jacket?",
    "Is the Fjellrev waterproof?",
    "My Fjellrev is torn",
    "Which snorkle do you sell?",
]
SPELLER = Speller(TEXTS)


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        ("where is my parcle", "where is my parcel"),
        ("can i retrun it", "can i return it"),
        ("refudn please", "refund please"),
        ("the tnet leaks", "the tent leaks"),
        ("does the warrenty hold", "does the warranty hold"),
        ("sleepign matt", "sleeping matt"),
    ],
)
def test_a_slip_is_mended_towards_a_word_of_the_knowledge_base(asked, meant):
    assert SPELLER.correct(asked) == meant


@pytest.mark.parametrize(
    "question",
    [
        "Where is my parcel?",
        "a hotel for my camel",
        "returning, returned and returns",
        "I can't, won't and didn’t",
        "its teh mta",
        "xqzzyvwk",
        "order 4711x and T3NT",
        "",
        "?!",
        "👍",
        "我的包裹在哪里",
    ],
)
def test_known_short_and_hopeless_words_stay_as_they_are(question):
    assert SPELLER.correct(question) == question


def test_everything_but_the_slip_stays_as_it_was_written():
    assert SPELLER.correct("  MY  (parcle)…\nWHERE?!  ") == "  MY  (parcel)…\nWHERE?!  "


def test_a_name_that_the_knowledge_base_repeats_is_a_word():
    assert SPELLER.correct("is the Fjellrev warm") == "is the Fjellrev warm"
    assert SPELLER.correct("is the fjelrev warm") == "is the fjellrev warm"


def test_a_slip_of_the_knowledge_base_itself_is_no_word():
    assert SPELLER.correct("is the snorkl here") == "is the snorkl here"


def test_words_of_less_than_seven_letters_are_mended_by_one_letter_and_longer_ones_by_two():
    speller = Speller(["tent", "warranty"])
    assert speller.correct("tont") == "tent"
    assert speller.correct("tnnt tonk") == "tent tonk"
    assert speller.correct("waranti") == "warranty"


def test_of_two_near_words_the_one_with_the_same_first_letter_is_meant():
    speller = Speller(["cable cable cable cable", "table"])
    assert speller.correct("tabble") == "table"


def test_of_two_near_words_with_that_letter_the_more_frequent_one_is_meant():
    assert Speller(["party", "parts parts"]).correct("partz") == "parts"
    assert Speller(["party party", "parts"]).correct("partz") == "party"


@pytest.mark.parametrize("locale", ["de", "fr-CA", "zh", ""])
def test_other_languages_than_english_are_left_alone(locale):
    assert Speller(TEXTS, locale).correct("where is my parcle") == "where is my parcle"


@pytest.mark.parametrize("locale", ["en", "en-GB", "EN"])
def test_english_of_every_region_is_mended(locale):
    assert Speller(TEXTS, locale).correct("parcle") == "parcel"


def test_an_empty_knowledge_base_mends_nothing():
    assert Speller([]).correct("where is my parcle") == "where is my parcle"


@given(st.text(max_size=60))
def test_correcting_twice_is_correcting_once(text):
    once = SPELLER.correct(text)
    assert SPELLER.correct(once) == once


def test_threads_that_share_a_speller_get_what_one_would():
    asked = [f"{word} number {n}" for n in range(200) for word in ("parcle", "retrun", "warrenty", "camels", "tnet")]
    alone = [Speller(TEXTS).correct(each) for each in asked[:5]] + [SPELLER.correct(each) for each in asked[5:]]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(Speller(TEXTS).correct, asked)) == alone
