import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kb.text import clean_line, clean_markdown, content_hash, normalised, storable, text_hash

any_text = st.text(st.characters(), max_size=60)


def test_a_line_loses_control_characters_and_needless_white_space():
    assert clean_line("  Where\t is\r\n\x00 my\u00a0parcel\x1b?\u2028 ") == "Where is my parcel?"


def test_lone_surrogates_and_direction_overrides_are_removed():
    assert clean_line("a\ud800b\u202ec\u2066d\ufeff") == "abcd"


def test_joiners_and_direction_marks_stay():
    assert clean_line("👩\u200d🚒 \u200fשלום") == "👩\u200d🚒 \u200fשלום"


def test_text_is_composed():
    assert clean_line("Cafe\u0301") == "Café"


def test_a_flood_of_combining_marks_is_cut_in_linear_time():
    flood = "a" + "\u0323\u0301" * 50_000
    started = time.perf_counter()
    assert len(clean_line(flood)) <= 9
    assert time.perf_counter() - started < 1


def test_markdown_keeps_its_line_breaks_lists_and_hard_breaks():
    answer = "First:  \r\n\r\n\r\n\r\n- one   item\r\n    - nested\r\n\r\nEnd.\n\n"
    assert clean_markdown(answer) == "First:  \n\n- one item\n    - nested\n\nEnd."


def test_markdown_keeps_fenced_code_as_it_is():
    answer = "Type:\n```\na   b\n\n\n  c\n```\nand   go"
    assert clean_markdown(answer) == "Type:\n```\na   b\n\n\n  c\n```\nand go"


@given(any_text)
def test_cleaning_twice_is_cleaning_once(text):
    assert clean_line(clean_line(text)) == clean_line(text)
    assert clean_markdown(clean_markdown(text)) == clean_markdown(text)


@given(any_text)
def test_cleaned_text_can_be_encoded_and_hashed(text):
    for cleaned in (clean_line(text), clean_markdown(text), storable(text)):
        assert "\x00" not in cleaned
        assert len(text_hash(cleaned)) == len(text_hash(text)) == 64
        cleaned.encode("utf-8")


@given(any_text)
def test_normalising_twice_is_normalising_once(text):
    assert normalised(normalised(text)) == normalised(text)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Where is my parcel?", "where is my PARCEL"),
        ("What’s new?", "what's new"),
        ("How much is p&p -- really?!", "how much is p&p really"),
        ("# Returns\n\n**60 days**", "returns 60 days"),
        ("Ｆull  width", "full width"),
        ("STRASSE", "straße"),
    ],
)
def test_texts_that_differ_in_form_only_are_duplicates(one, other):
    assert normalised(one) == normalised(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [("5 % off", "5 off"), ("C#", "C"), ("a@b", "a b"), ("£3.95", "£39.5"), ("???", "!"), ("👍", "👎")],
)
def test_texts_that_mean_different_things_are_no_duplicates(one, other):
    assert normalised(one) != normalised(other)


def test_content_hash_tells_contents_apart_but_not_the_order_of_phrasings():
    assert content_hash("q", "a", "t", "en", ["x", "y"]) == content_hash("q", "a", "t", "en", ["y", "x"])
    others = [("qa", ""), ("q", "b"), ("q", "a", "u"), ("q", "a", "t", "de"), ("q", "a", "t", "en", ["x"])]
    assert len({content_hash(*each) for each in others}) == len(others)
