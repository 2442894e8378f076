from dataclasses import replace

import numpy as np
import pytest
from fakes_bot import DIMENSION, SHOP, TRANSITIONS, bot_over
from fakes_encoder import FakeEncoder
from fakes_kb import turn
from hypothesis import given
from hypothesis import strategies as st

from bot.config import Config
from bot.context import ContextConfig, ordinal_of
from bot.messages import Messages
from kb.codec import reply_from_json, reply_to_json
from kb.types import Context, Transition

PRICE, TIME, RETURN = "How much is delivery?", "How long does delivery take?", "How do I return something?"


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    return bot_over(tmp_path_factory.mktemp("shop"))


def after(bot, *messages):
    """The conversation in which a customer wrote these messages."""
    history = ()
    for number, message in enumerate(messages):
        reply = bot.answer(message, Context(history=history))
        said = turn("c", f"t-{number}", message, outcome=reply.outcome, reply=reply_to_json(reply))
        history = (*history, said)
    return Context(history=history)


def first(reply):
    return reply.responses[0].pair_id if reply.responses else ""


def said(reply):
    """Return what a customer is told and why; not what the bot was told, or is set to."""
    return reply.responses, reply.message, reply.confidence, replace(reply.explanation, told=None)


def offering(**reply):
    return Context(history=(turn("c", "t", reply={"responses": [{"pair_id": "return"}]} | reply),))


def test_a_message_that_leans_on_the_last_answer_is_read_with_it(shop):
    assert shop.answer("and how long?").outcome == "abstained"
    assert first(shop.answer("and how long?", after(shop, PRICE))) == "time"


def test_a_word_that_no_pair_has_speaks_against_what_leans_on_the_last_answer(tmp_path, shop):
    asked = [shop.answer(message, after(shop, PRICE)) for message in ("and how long?", "and how long, llama?")]
    forgiving = bot_over(tmp_path, config=Config(context=ContextConfig(unknown=0.0)))
    other = forgiving.answer("and how long, llama?", after(forgiving, PRICE))
    assert all(each.explanation.context for each in asked)
    assert asked[1].confidence < min(asked[0].confidence, other.confidence)


def test_the_explanation_tells_what_was_meant_and_from_where_that_is(shop):
    explanation = shop.answer("and how long?", after(shop, PRICE)).explanation
    assert explanation.understood == "How much is delivery? and how long?"
    assert explanation.context == "after 'How much is delivery?', which was answered before"


def test_a_change_of_topic_is_answered_as_if_nothing_came_before(shop):
    alone, later = (shop.answer("How do I reset my password?", context) for context in (None, after(shop, PRICE)))
    assert said(later) == said(alone)
    assert later.explanation.context == ""


@pytest.mark.parametrize("question", [each.question for each in SHOP])
def test_what_was_just_answered_is_not_answered_again_to_other_words(shop, question):
    context = after(shop, question)
    (given_before,) = (each["pair_id"] for each in context.history[0].reply["responses"])
    for message in ("and how?", "how long?", "when?", "delivery?"):
        assert given_before not in [each.pair_id for each in shop.answer(message, context).responses]


def test_what_was_just_answered_is_answered_again_in_the_very_words_and_else_pointed_to(shop):
    assert first(shop.answer(RETURN, after(shop, RETURN))) == "return"
    again = shop.answer("where is my parcel", after(shop, "Where is my order?"))
    assert (again.outcome, again.message) == ("abstained", Messages().see_above)


@pytest.mark.parametrize("message", ["really?", "hm", "🙂", "so so"])
def test_a_message_that_asks_nothing_is_not_answered_out_of_the_conversation(shop, message):
    reply = shop.answer(message, after(shop, PRICE))
    assert (reply.outcome, reply.explanation.context) == ("abstained", "")


def test_without_a_conversation_nothing_but_the_message_is_encoded(tmp_path):
    encoder = FakeEncoder(dimension=DIMENSION)
    bot = bot_over(tmp_path, encoder=encoder)
    encoder.batches.clear()
    bot.answer("and how long?")
    assert encoder.batches == [["and how long?"]]


def test_a_message_in_a_conversation_costs_one_more_text_in_the_same_call(tmp_path):
    encoder = FakeEncoder(dimension=DIMENSION)
    bot = bot_over(tmp_path, encoder=encoder)
    context = after(bot, PRICE)
    encoder.batches.clear()
    bot.answer("and how long?", context)
    assert encoder.batches == [["and how long?", "How much is delivery? and how long?"]]


def test_no_turns_looked_at_takes_every_message_alone(tmp_path):
    bot = bot_over(tmp_path, config=Config(context=ContextConfig(turns=0)))
    assert said(bot.answer("and how long?", after(bot, PRICE))) == said(bot.answer("and how long?"))
    assert bot.answer("the second one", after(bot, PRICE)).explanation.context == ""


def test_an_answer_that_lies_further_back_than_the_turns_looked_at_is_not_leant_on(tmp_path):
    for turns, answer in ((2, "time"), (1, "")):
        bot = bot_over(tmp_path / str(turns), config=Config(context=ContextConfig(turns=turns)))
        assert first(bot.answer("and how long?", after(bot, PRICE, "Is it raining in Lisbon?"))) == answer


@pytest.mark.parametrize("message", ["can I talk to a human", "agent please", "thanks!", "hello"])
def test_a_wish_for_a_person_and_small_talk_are_taken_alone(shop, message):
    reply = shop.answer(message, after(shop, PRICE))
    assert (reply.outcome, reply.responses, reply.explanation.context) == (shop.answer(message).outcome, (), "")


def test_the_newest_answer_is_leant_on(shop):
    reply = shop.answer("and how long?", after(shop, RETURN, PRICE))
    assert "How much is delivery?" in reply.explanation.context


def test_an_answer_that_is_no_longer_known_is_not_leant_on(shop):
    gone = Context(history=(turn("c", "t", reply={"responses": [{"pair_id": "gone"}]}),))
    assert said(shop.answer("and how long?", gone)) == said(shop.answer("and how long?"))


def test_with_a_single_pair_there_is_nothing_else_to_mean(tmp_path):
    bot = bot_over(tmp_path, SHOP[:1], transitions=())
    assert bot.answer("and when?", after(bot, "Where is my order?")).explanation.context == ""


def test_what_customers_asked_next_speaks_for_a_pair(tmp_path):
    asked = (Transition(from_pair="track", to_pair="invoice", count=50),)
    config = Config(context=ContextConfig(least=0.0, same_topic=0.0, within=0.0))
    evidence = {}
    for name, transitions in (("with", asked), ("without", ())):
        bot = bot_over(tmp_path / name, config=config, transitions=transitions)
        reply = bot.answer("can I pay for something", after(bot, "Where is my order?"))
        evidence[name] = reply.explanation.features["evidence"]
        assert (reply.responses or reply.explanation.runners_up)[0].pair_id == "invoice"
    assert evidence["with"] > evidence["without"]


def test_pairs_without_a_topic_are_not_of_the_same_topic(tmp_path):
    untold = tuple(type(each)(pair_id=each.pair_id, question=each.question, answer=each.answer) for each in SHOP)
    without = Config(context=ContextConfig(same_topic=0.0))
    with_, without_ = (bot_over(tmp_path / str(at), untold, config=each) for at, each in enumerate((Config(), without)))
    replies = [bot.answer("and how long?", after(bot, PRICE)) for bot in (with_, without_)]
    assert said(replies[0]) == said(replies[1])


@pytest.mark.parametrize(
    ("message", "number"),
    [
        ("the second one", 2),
        ("The first of these", 1),
        ("the last one, please", 0),
        ("number 2", 2),
        ("no. 3", 3),
        ("#1", 1),
        ("2", 2),
        ("option two", 2),
        ("I mean the third question.", 3),
        ("the latter", 0),
        ("the 2nd", 2),
    ],
)
def test_a_number_or_an_ordinal_names_one_of_what_is_offered(message, number):
    assert ordinal_of(message) == number


@pytest.mark.parametrize(
    "message",
    ["", "0", "number 0", "the second jacket", "my first order", "one", "22", "is the last one in stock?", "the"],
)
def test_other_messages_name_none(message):
    assert ordinal_of(message) is None


@given(st.text(max_size=60))
def test_any_text_names_a_number_or_none(message):
    assert ordinal_of(message) in {None, *range(10)}


def test_an_ordinal_chooses_from_the_follow_ups(shop):
    context = after(shop, RETURN)
    offered = [each["pair_id"] for each in context.history[0].reply["follow_ups"]]
    assert len(offered) == 3
    for message, position in (("the second one", 1), ("number 1", 0), ("the last one", -1)):
        reply = shop.answer(message, context)
        assert first(reply) == offered[position]
        assert reply.explanation.understood == reply.responses[0].question
        assert reply.explanation.context == f"'{message}' of what was offered"


def test_an_ordinal_chooses_from_the_options_where_there_are_any(shop):
    context = offering(options=[{"pair_id": "wash"}, {"pair_id": "invoice"}], follow_ups=[{"pair_id": "price"}] * 2)
    assert first(shop.answer("the second one", context)) == "invoice"


def test_an_ordinal_chooses_from_further_answers_where_nothing_else_was_offered(shop):
    context = offering(responses=[{"pair_id": "return"}, {"pair_id": "wash"}], follow_ups=[])
    assert first(shop.answer("the first one", context)) == "wash"


def test_an_ordinal_beyond_what_was_offered_chooses_nothing(shop):
    context = offering(follow_ups=[{"pair_id": "wash"}])
    assert shop.answer("the third one", context).outcome == "abstained"


def test_what_follows_a_choice_leans_on_what_was_chosen(shop):
    context = offering(follow_ups=[{"pair_id": "refund"}, {"pair_id": "price"}])
    chosen = shop.answer("number 2", context)
    told = turn("c", "t-2", "number 2", reply=reply_to_json(chosen))
    reply = shop.answer("and how long?", Context(history=(*context.history, told)))
    assert (first(reply), reply.explanation.understood) == ("time", "How much is delivery? and how long?")


def test_long_words_of_before_give_way_to_the_question_that_was_answered(shop):
    rambling = turn("c", "t", PRICE + " I wonder." * 40, reply={"responses": [{"pair_id": "price"}]})
    context = Context(history=(rambling,))
    assert shop.answer("and how long?", context).explanation.understood == "How much is delivery? and how long?"


def test_the_context_of_a_reply_survives_its_json_form_and_an_older_form_has_none(shop):
    reply = shop.answer("and how long?", after(shop, PRICE))
    document = reply_to_json(reply)
    assert reply_from_json(document) == reply
    del document["explanation"]["context"]
    assert reply_from_json(document).explanation.context == ""


def test_what_was_just_answered_is_no_candidate_when_read_together(shop):
    reply = shop.answer("and how long?", after(shop, PRICE))
    assert "price" not in [each.pair_id for each in reply.explanation.runners_up]


def test_added_evidence_ranks_and_minus_infinity_leaves_out(shop):
    retriever = shop.retriever
    vector = retriever.encoder.encode([PRICE])[0]
    added = np.zeros(len(SHOP), dtype=np.float32)
    added[[0, 1]] = -np.inf, 5.0
    plain, found = (retriever.retrieve_known(PRICE, vector, added=each) for each in (None, added))
    evidence = {each.pair.pair_id: each.evidence for each in plain.candidates}
    assert "track" in evidence
    assert {each.pair.pair_id: each.evidence for each in found.candidates} == pytest.approx(
        {name: value + 5.0 * (name == "price") for name, value in evidence.items() if name != "track"}
    )


def test_transitions_of_pairs_that_are_gone_are_passed_over(tmp_path):
    asked = (*TRANSITIONS, Transition(from_pair="price", to_pair="gone", count=3))
    bot = bot_over(tmp_path, transitions=asked)
    assert first(bot.answer("and how long?", after(bot, PRICE))) == "time"
