import random
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kb.spelling import Speller, channel_of

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
        ("a sleepign mat", "a sleeping mat"),
        ("waranti", "warranty"),
    ],
)
def test_a_slip_is_mended_towards_a_word_of_the_knowledge_base(asked, meant):
    assert SPELLER.correct(asked) == meant


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        ("canyou cancel it", "can you cancel it"),
        ("where ismyparcel", "where is my parcel"),
        ("wherexis my parcel", "where is my parcel"),
        ("can i get arefnd", "can i get a refund"),
        ("can i can cel my order", "can i cancel my order"),
        ("can y ou cancel my order", "can you cancel my order"),
        ("cancel m yorder", "cancel my order"),
    ],
)
def test_a_space_that_is_lost_added_or_moved_is_mended(asked, meant):
    assert SPELLER.correct(asked) == meant


def test_a_word_that_only_english_knows_is_mended_too():
    assert SPELLER.correct("a hotle for me") == "a hotel for me"
    assert Speller([]).correct("where is my parcle") == "where is my parcel"


@pytest.mark.parametrize(
    "question",
    [
        "Where is my parcel?",
        "a hotel for my camel",
        "returning, returned and returns",
        "I can't, won't and didn’t",
        "ok thx",
        "my name is Kowalczyk",
        "is there a yardhouse near my parcel",
        "xqzzyvwk",
        "order 4711x and T3NT",
        "to tnet@parcle.example or http://retrun.example/parcle",
        "",
        "?!",
        "👍",
        "我的包裹在哪里",
        "Привет, где моя посылка",
    ],
)
def test_known_words_names_and_numbers_stay_as_they_are(question):
    assert SPELLER.correct(question) == question


def test_everything_but_the_slip_stays_as_it_was_written():
    assert SPELLER.correct("  My  (parcle)…\nWHERE?!  ") == "  My  (parcel)…\nWHERE?!  "


def test_a_slip_in_capitals_is_mended_in_capitals():
    assert SPELLER.correct("WHERE IS MY PARCLE") == "WHERE IS MY PARCEL"


def test_a_name_that_the_knowledge_base_repeats_is_a_word():
    assert SPELLER.correct("is the Fjellrev warm") == "is the Fjellrev warm"
    assert SPELLER.correct("is the Fjellrevs warm") == "is the Fjellrevs warm"
    assert SPELLER.correct("is the fjelrev warm") == "is the fjellrev warm"


def test_a_slip_of_the_knowledge_base_itself_is_no_word():
    assert SPELLER.correct("is the snorkl here") == "is the snorkl here"


def test_what_goes_before_says_which_of_two_near_words_is_meant():
    speller = Speller(["pay by card"] * 9 + ["take good care"] * 9)
    assert speller.correct("i would like to pay by carx") == "i would like to pay by card"
    assert speller.correct("i would like to take good carx") == "i would like to take good care"


def test_of_two_near_words_the_one_with_the_same_first_letter_is_meant():
    assert Speller(["cable", "table"]).correct("the tabble") == "the table"


def test_a_known_word_is_doubted_only_where_much_is_unknown():
    speller = Speller(["where is my new card"] * 9)
    assert speller.correct("where is my new care") == "where is my new care"
    assert speller.correct("wheer si my nwe care") == "where is my new card"


def test_the_more_is_unknown_the_cheaper_is_an_edit_and_the_dearer_a_strange_word():
    careful, hasty = channel_of(1, 20), channel_of(4, 8)
    assert careful.edit > hasty.edit
    assert careful.doubt > hasty.doubt
    assert careful.strange_word + 6 * careful.strange_letter < hasty.strange_word + 6 * hasty.strange_letter


@pytest.mark.parametrize("locale", ["de", "fr-CA", "zh", ""])
def test_words_of_other_languages_than_english_are_left_alone(locale):
    assert Speller(TEXTS, locale).correct("where is my parcle, Größe") == "where is my parcle, Größe"


@pytest.mark.parametrize("locale", ["en", "en-GB", "EN"])
def test_english_of_every_region_is_mended(locale):
    assert Speller(TEXTS, locale).correct("parcle") == "parcel"


@pytest.mark.parametrize("typed", ["ｐａｒｃｅｌ", "pаrcеl", "pärçel"])
def test_letters_that_look_like_others_are_read_as_these(typed):
    assert SPELLER.correct(f"where is my {typed}") == "where is my parcel"


def test_accents_that_the_knowledge_base_writes_stay():
    assert Speller(["Our café is open"]).correct("is the café fïne") == "is the café fine"


@given(st.text(max_size=60))
def test_any_text_is_taken(text):
    assert isinstance(SPELLER.correct(text), str)


@pytest.mark.parametrize("letters", ["ai", "aeiourstn", "x"])
def test_long_nonsense_takes_no_long_time(letters):
    generator = random.Random(0)
    words = ["".join(generator.choices(letters, k=generator.randint(1, 45))) for _ in range(80)]
    started = time.process_time()
    SPELLER.correct(" ".join(words)[:2000])
    assert time.process_time() - started < 5


def test_threads_that_share_a_speller_get_what_one_would():
    asked = [f"{word} number {n}" for n in range(200) for word in ("parcle", "retrun", "warrenty", "camels", "tnet")]
    alone = [Speller(TEXTS).correct(each) for each in asked[:5]] + [SPELLER.correct(each) for each in asked[5:]]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(Speller(TEXTS).correct, asked)) == alone


def test_where_no_word_is_known_only_what_is_likely_by_itself_is_mended():
    speller = Speller(["which shop has a tent", "make it to the shop", "the warranty of a tent"])
    for asked in ("Whatsapp", "Wakefit"):
        assert speller.correct(asked) == asked
    assert [speller.correct(asked) for asked in ("tnt", "waranti", "theshop")] == ["tent", "warranty", "the shop"]
    assert speller.correct("which ssop has a tant") == "which shop has a tent"
