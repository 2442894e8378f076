import time

import pytest

from kb.importers.chatter import asks_back, is_about_one_case, is_chatter, is_dependent, question_in, substantive
from kb.importers.grouping import is_typing_error, question_key
from kb.importers.privacy import masked, names_in, without_placeholders


@pytest.mark.parametrize(
    ("turn", "question"),
    [
        ("Hello there, where is my order?", "where is my order?"),
        ("my parcel never arrived", "my parcel never arrived"),
        ("Return policy?", "Return policy?"),
        ("Guten Tag, wo ist mein Paket?", "wo ist mein Paket?"),
        ("i would like to check my account balance can you help me please", "i would like to check my account balance"),
        ("我的订单在哪里？", "我的订单在哪里？"),
        ("Can I return worn boots? Many thanks!", "Can I return worn boots?"),
    ],
)
def test_a_question_is_found_without_greeting_and_thanks(turn: str, question: str) -> None:
    assert question_in(turn) == question


@pytest.mark.parametrize(
    "turn",
    [
        "hi",
        "Good morning!",
        "ok thanks",
        "yes please",
        "mumbai to chennai",
        "Anthony",
        "are you there?",
        "nothing else",
        "how are you?",
        "that is all i need",
        "size 9 black",
        "",
        "???",
        "x" * 5_000,
    ],
)
def test_greetings_thanks_and_fragments_are_no_questions(turn: str) -> None:
    assert question_in(turn) == ""


def test_after_a_question_back_only_an_open_question_counts() -> None:
    assert question_in("i need the blue one", after_question_back=True) == ""
    assert question_in("how long will that be?", after_question_back=True) == "how long will that be?"


@pytest.mark.parametrize("question", ["can I track it?", "what about boots?", "and in winter?", "Do you have those?"])
def test_a_question_that_hangs_on_what_was_said_is_known(question: str) -> None:
    assert is_dependent(question)
    assert not is_dependent("Is it possible to return worn boots?")


@pytest.mark.parametrize(
    ("turn", "kept"),
    [
        ("Hi [name], thanks for asking! Boots have a 3 year warranty. Anything else?", "Boots have a 3 year warranty."),
        ("We're sorry, but we don't deliver to the USA.", "We're sorry, but we don't deliver to the USA."),
        ("Sure, I can help with that. May I have your name please?", ""),
        ("One moment please.", ""),
        ("I'm sorry to hear that. Let me check.", ""),
        ("You're welcome!", ""),
        ("Yes it is.", ""),
        ("Gerne. Sie können 60 Tage lang zurückgeben. Schönen Tag noch!", "Sie können 60 Tage lang zurückgeben."),
    ],
)
def test_of_a_reply_the_substance_is_kept(turn: str, kept: str) -> None:
    assert substantive(turn) == kept


def test_inviting_the_next_question_is_not_asking_back() -> None:
    assert asks_back("Which size do you need?")
    assert asks_back("Please give me your order number.")
    assert not asks_back("It takes two days. Is there anything else I can help with?")
    assert is_about_one_case("I've just cancelled it.")
    assert is_chatter("ok great, thank you!!")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("delivery", "delivry", True),
        ("recieve", "receive", True),
        ("boots", "boot", True),
        ("delivary", "delivery", True),
        ("boots", "roots", False),
        ("stores", "stoves", False),
        ("visa", "vista", False),
        ("austria", "australia", False),
    ],
)
def test_one_slip_in_a_long_word_is_a_typing_error(one: str, other: str, same: bool) -> None:
    assert is_typing_error(one, other) is same
    assert is_typing_error(other, one) is same


def test_politeness_changes_no_key_and_the_question_word_does() -> None:
    assert question_key("could you please tell me where is my order please") == question_key("Where is my order?")
    assert question_key("where is my order") != question_key("where can I order")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("call +44 7700 900123 or anna@x.org", "call [phone] or [email]"),
        ("order AB-12345 from 2026-05-12 14:00", "order [number] from 2026-05-12 14:00"),
        ("GBP 50.00 - 100.00, 9:00-17:30, 10,000 points", "GBP 50.00 - 100.00, 9:00-17:30, 10,000 points"),
        ("IBAN GB33BUKB20201555555555", "IBAN [number]"),
        ("call 0800 555 0142 or help@shop.example", "call 0800 555 0142 or help@shop.example"),
        ("https://shop.example/orders/123456 is a link", "https://shop.example/orders/123456 is a link"),
    ],
)
def test_personal_data_is_masked_and_what_is_general_stays(text: str, expected: str) -> None:
    assert masked(text) == expected


def test_names_are_taken_from_greetings_and_introductions() -> None:
    texts = [
        "Hi, my name is Sara",
        "Dear Mr Smith, ...",
        "I'm Tom from support",
        "this is Tarn and Thistle",
        "Sorry, Eve.",
    ]
    assert names_in(texts) == {"sara", "smith", "tom", "eve"}
    assert masked("Sara said so", names=frozenset({"sara"})) == "[name] said so"


def test_placeholders_leave_a_question_whole() -> None:
    assert without_placeholders("where is my order number [number] ?") == "where is my order?"


@pytest.mark.parametrize(
    "text",
    [
        "a",
        " ",
        "1",
        "A-",
        "a.b@",
        "hi ",
        "? ",
        "\n",
        "i have your order ",
        "0 1 ",
        "thanks ",
        "number ",
        "( ",
        "A0",
        "[name] ",
    ],
)
def test_every_pattern_takes_linear_time(text: str) -> None:
    long = (text * 100_000)[:100_000]
    for look in (masked, without_placeholders, question_in, asks_back, substantive, is_about_one_case, is_chatter):
        started = time.perf_counter()
        look(long)
        assert time.perf_counter() - started < 0.5
