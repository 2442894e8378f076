import re
import time
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kb.errors import TrainingDataError
from models.training.augment import AugmentConfig, Augmenter, read_synonyms
from models.training.slips import is_protected, pieces_of
from models.training.templates import CLOSINGS, OPENINGS

KINDS = [field.name for field in fields(AugmentConfig) if field.name != "locale"]
NOTHING = AugmentConfig(**dict.fromkeys(KINDS, 0.0))
ALWAYS = AugmentConfig(**dict.fromkeys(KINDS, 1.0))
SYNONYMS = {"return": ("send back",), "send back": ("return",), "订单": ("单子",)}
EVERYTHING = Augmenter(ALWAYS, synonyms=SYNONYMS)
QUESTION = "How do I return my tent, if it doesn't fit?"
HARD = ["A12-345", "12345", "jo.doe@mail.example", "https://shop.example/a?b=c", "www.shop.example", "3.50", "x2", "٣٤"]
PARTS = st.sampled_from([*HARD, "where", "is", "my", "Tent", "don't", "我的", "订单", "，", "?", "!!!", "pls", "Größe"])
SEEDS = st.integers(0, 2**32)


def only(kind, **fields):
    return Augmenter(replace(NOTHING, **{kind: 1.0}, **fields), synonyms=SYNONYMS)


def results(augmenter, text, count=200):
    rng = np.random.default_rng(0)
    return {augmenter.augment(text, rng) for _ in range(count)}


def letters(text):
    return sorted(character for character in text.lower() if character.isalpha())


def test_with_no_chance_nothing_changes():
    assert results(Augmenter(NOTHING), QUESTION) == {QUESTION}


def test_the_default_leaves_some_texts_alone_and_changes_many_in_many_ways():
    changed = results(Augmenter(AugmentConfig()), QUESTION)
    assert QUESTION in changed
    assert len(changed) > 50


@given(st.text(st.characters()), SEEDS)
def test_the_same_generator_gives_the_same_text_and_never_an_empty_one(text, seed):
    first = EVERYTHING.augment(text, np.random.default_rng(seed))
    assert first == EVERYTHING.augment(text, np.random.default_rng(seed))
    assert bool(first.strip()) == bool(text.strip())


@given(st.text(st.characters()))
def test_pieces_joined_are_the_text(text):
    assert "".join(pieces_of(text)) == text


@given(st.lists(st.tuples(PARTS, st.sampled_from(["", " "])), max_size=10), SEEDS)
def test_digits_links_and_addresses_stay_as_they_are_and_in_their_order(parts, seed):
    text = "".join(part + space for part, space in parts)
    changed = EVERYTHING.augment(text, np.random.default_rng(seed))
    hard = re.compile(r"\w*\d[\w.\-\d]*|[\w.]+@[\w.]+\w|https?://[\w./?=]+|www[\w.]+\w", re.ASCII)
    assert hard.findall(changed) == hard.findall(text)
    assert [c for c in changed if c.isdigit()] == [c for c in text if c.isdigit()]


@pytest.mark.parametrize("word", HARD)
def test_a_question_about_a_number_or_an_address_keeps_it_whole(word):
    assert all(word in changed.split() for changed in results(EVERYTHING, f"where is {word} by now"))


@pytest.mark.parametrize("text", ["订单A12号是什么", "我的12345号", "退x2款吧好", "看www.shop.example吧好"])
def test_a_number_among_chinese_characters_gets_no_new_neighbours(text):
    around = re.compile(r".?[A-Za-z.]*\d+.?|.?www\.shop\.example.?")
    augmenter = Augmenter(replace(ALWAYS, template=0.0))
    assert {tuple(around.findall(changed)) for changed in results(augmenter, text)} == {tuple(around.findall(text))}


def test_a_keyboard_slip_changes_one_letter_into_a_neighbour_of_its_case():
    for changed in results(only("keyboard_slip"), "TENT tent"):
        [(was, became)] = [(a, b) for a, b in zip("TENT tent", changed, strict=True) if a != b]
        assert became.isupper() == was.isupper()
        assert became.lower() in {"t": "ryfg", "e": "wrsd", "n": "bmhj"}[was.lower()]


@pytest.mark.parametrize(("kind", "longer"), [("transposition", 0), ("missing_letter", -1), ("doubled_letter", 1)])
def test_a_slip_of_letters_leaves_the_other_words_alone(kind, longer):
    for changed in results(only(kind), QUESTION):
        assert len(changed) == len(QUESTION) + longer
        assert sum(a != b for a, b in zip(changed.split(), QUESTION.split(), strict=True)) <= 1
        if not longer:
            assert letters(changed) == letters(QUESTION)


def test_words_of_two_letters_have_no_slips():
    assert results(only("missing_letter"), "is it ok") == {"is it ok"}


def test_a_dropped_word_is_never_a_negation_and_short_texts_drop_none():
    changed = results(only("word_drop"), "it does not fit")
    assert changed == {"does not fit", "it not fit", "it does not"}
    assert results(only("word_drop"), "where is it") == {"where is it"}


def test_a_swap_is_of_neighbours_that_nothing_stands_between():
    assert results(only("word_swap"), "my tent, too late") == {"tent my, too late", "my tent, late too"}


def test_a_missing_space_joins_two_words():
    assert results(only("missing_space"), "my tent is") == {"mytent is", "my tentis"}


def test_dropped_punctuation_leaves_words_apart():
    assert results(only("punctuation_drop"), "Don't you have tents,stoves?") == {"Dont you have tents stoves"}


def test_casing_is_lower_upper_or_mixed_and_leaves_the_letters():
    changed = results(only("casing"), "My Tent")
    assert {"my tent", "MY TENT"} < changed
    assert {each.lower() for each in changed} == {"my tent"}


def test_a_template_adds_an_opening_or_a_closing_or_takes_them_away():
    changed = results(only("template"), "hi, could you tell me where my tent is pls", 2000)
    core = "where my tent is"
    assert changed == {core, *(each + core for each in OPENINGS["en"]), *(core + each for each in CLOSINGS["en"])}


def test_a_text_that_is_all_opening_stays():
    assert all("please" in changed for changed in results(only("template"), "please "))


def test_templates_of_the_language_are_taken_chinese_by_its_characters():
    assert "麻烦问一下，订单到哪了" in results(only("template"), "订单到哪了", 2000)
    assert results(only("template", locale="de-AT"), "Wo ist es?") == {"Wo ist es?"}


def test_the_organisations_own_phrases_are_taken_beside_the_built_in_ones():
    augmenter = Augmenter(replace(NOTHING, template=1.0, locale="de"), phrases=["Servus, ", " bitte"])
    assert results(augmenter, "Wo ist es") == {"Wo ist es", "Servus, Wo ist es", "Wo ist es bitte"}


@pytest.mark.parametrize("phrase", ["hello", "", " ", "order 5 "])
def test_a_phrase_that_is_neither_opening_nor_closing_is_refused(phrase):
    with pytest.raises(TrainingDataError, match=r"expected phrases .*; got .*; "):
        Augmenter(AugmentConfig(), phrases=[phrase])


def test_synonyms_replace_words_and_terms_of_several_words_in_their_case():
    assert results(only("synonym"), "Return a tent") == {"Send back a tent"}
    assert results(only("synonym"), "can I SEND back it") == {"can I RETURN it"}
    assert results(only("synonym"), "我的订单呢") == {"我的单子呢"}
    assert results(only("synonym"), "returning") == {"returning"}


def test_synonyms_with_digits_are_passed_over():
    augmenter = Augmenter(
        replace(NOTHING, synonym=1.0), synonyms={"one": ("1",), "2": ("two",), "tent": ("tipi", "t2")}
    )
    assert results(augmenter, "one tent 2 go") == {"one tipi 2 go"}


def test_chinese_has_characters_dropped_and_swapped_but_no_slips_of_a_keyboard():
    text = "花呗怎么还款"
    assert len(results(only("word_drop"), text)) == len(text)
    assert len(results(only("word_swap"), text)) == len(text) - 1
    for kind in ("keyboard_slip", "casing", "missing_space", "transposition"):
        assert results(only(kind), text) == {text}
    assert all("不" in changed for changed in results(only("word_drop"), "为什么不能退"))


@pytest.mark.parametrize(
    ("one", "other", "spliced"),
    [
        ("How do I return a tent?", "can I send back a tent that I bought", "How do I return a tent that I bought"),
        ("我的订单没到", "买的订单呢在哪", "我的订单呢在哪"),
        ("where is it", "refund please", "where is it"),
        ("return order A12 now", "the order is late", "return order A12 now"),
    ],
)
def test_two_phrasings_are_spliced_at_a_word_of_both(one, other, spliced):
    rng = np.random.default_rng(0)
    assert spliced in {EVERYTHING.splice(one, other, rng) for _ in range(50)}


@given(st.text(st.characters()), st.text(st.characters()), SEEDS)
def test_a_splice_is_never_empty_and_brings_nothing_new(one, other, seed):
    spliced = EVERYTHING.splice(one, other, np.random.default_rng(seed))
    assert bool(spliced.strip()) == bool(one.strip())
    assert set(spliced) <= set(one + other)


def test_a_splice_of_texts_with_numbers_keeps_the_first():
    rng = np.random.default_rng(0)
    for one, other in (("where is order 5 now", "my order is late"), ("my order is late", "where is order 5 now")):
        assert EVERYTHING.splice(one, other, rng) == one


def test_synonyms_are_read_one_group_a_line(tmp_path):
    path = tmp_path / "synonyms.txt"
    path.write_text(
        "# shop\nreturn, send  back,hand in\n\nparcel, package # both\nreturn, refund\n", encoding="utf-8-sig"
    )
    assert read_synonyms(path) == {
        "return": ("send back", "hand in", "refund"),
        "send back": ("return", "hand in"),
        "hand in": ("return", "send back"),
        "parcel": ("package",),
        "package": ("parcel",),
        "refund": ("return",),
    }


def test_a_file_of_synonyms_that_is_wrong_is_refused(tmp_path):
    path = tmp_path / "synonyms.txt"
    with pytest.raises(TrainingDataError, match=r"file of synonyms at .*; got No such file"):
        read_synonyms(path)
    path.write_bytes(b"a, b\nalone\n")
    with pytest.raises(TrainingDataError, match=r"in line 2 of .*; got alone; "):
        read_synonyms(path)
    path.write_bytes(b"\xff\xfe\n")
    with pytest.raises(TrainingDataError, match="got other bytes"):
        read_synonyms(path)


def test_a_text_of_many_signs_takes_no_time_out_of_proportion():
    text = "a.b-" * 500 + "!?" * 500
    assert is_protected(pieces_of(text)[0])
    assert EVERYTHING.augment("-" * 2000 + " x", np.random.default_rng(0))


def test_the_time_of_a_text_is_printed():
    augmenter, rng = Augmenter(AugmentConfig(), synonyms=SYNONYMS), np.random.default_rng(0)
    began = time.process_time()
    texts = [augmenter.augment(QUESTION, rng) for _ in range(2000)]
    print(f"{(time.process_time() - began) / len(texts) * 1e6:.0f} µs a text")
    assert all(texts)
