from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from fakes_bot import SHOP, TRANSITIONS, bot_over
from fakes_kb import pair, turn
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.clarifying import ClarifyingConfig
from bot.config import Config
from bot.policy import PolicyConfig
from bot.selection import SelectionConfig
from kb.codec import reply_to_json
from kb.errors import MessageError
from kb.types import Context, Snapshot, Told

QUESTIONS = {each.pair_id: each.question for each in SHOP}
NOTHING_TO_READ = ["", "   ", "\n\t", "\x00", "\ud800", "\u200b", "\x00\ud800 \x07"]
HOSTILE = [
    "where is my order?" + "!" * 5_000,
    "x" * 100_000,
    "order " * 20_000,
    "where is\x00 my\ud800 order",
    "؟أين طلبي",
    "\u202ewhere is my order",
    "🙂🙃🙂",
    "a" + "\u0301" * 10_000,
    "'; DROP TABLE pairs; --",
    "<script>alert(1)</script>",
    "{{7*7}} ${jndi:ldap://x} %s%n",
    "?",
    "\\",
]


@pytest.fixture
def bot(tmp_path):
    return bot_over(tmp_path)


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    return bot_over(tmp_path_factory.mktemp("shared"))


def shown(reply):
    return [response.pair_id for response in reply.responses]


@pytest.mark.parametrize("pair_id", QUESTIONS)
def test_a_known_question_gets_its_answer_verbatim(shared, pair_id):
    reply = shared.answer(QUESTIONS[pair_id])
    (expected,) = [each for each in SHOP if each.pair_id == pair_id]
    first = reply.responses[0]
    assert reply.outcome == "answered"
    assert (first.pair_id, first.answer, first.topic, first.source) == (
        pair_id,
        expected.answer,
        expected.topic,
        expected.source,
    )
    assert reply.message == ""


def test_a_phrasing_leads_to_its_pair_and_is_named_as_what_matched(bot):
    first = bot.answer("track my delivery please").responses[0]
    assert (first.pair_id, first.matched, first.question) == ("track", "track my delivery please", QUESTIONS["track"])
    assert first.similarity == pytest.approx(1.0, abs=1e-5)


def test_what_nothing_answers_is_not_answered_and_the_nearest_questions_are_offered(bot):
    reply = bot.answer("Is it raining in Lisbon tomorrow?")
    assert (reply.outcome, reply.responses) == ("abstained", ())
    assert reply.message == PolicyConfig().abstain_message
    assert reply.confidence < reply.explanation.threshold
    assert len(reply.follow_ups) == 3


def test_an_empty_knowledge_base_answers_nothing_and_says_so(tmp_path):
    reply = bot_over(tmp_path, (), transitions=()).answer("Where is my order?")
    assert (reply.outcome, reply.responses, reply.follow_ups) == ("abstained", (), ())
    assert reply.message == PolicyConfig().empty_message
    assert reply.confidence == 0.0


def test_one_pair_is_a_knowledge_base(tmp_path):
    reply = bot_over(tmp_path, SHOP[:1], transitions=()).answer("where is my order")
    assert shown(reply) == ["track"]
    assert reply.follow_ups == ()


@pytest.mark.parametrize("message", NOTHING_TO_READ)
def test_a_message_with_nothing_to_read_is_refused(bot, message):
    with pytest.raises(MessageError, match="expected a question; got nothing to read; write one"):
        bot.answer(message)


@pytest.mark.parametrize("message", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_message_gets_a_whole_reply(shared, message):
    reply = shared.answer(message)
    assert 0 <= reply.confidence <= 1
    assert bool(reply.responses) == (reply.outcome == "answered") == (not reply.message)
    assert not {"\x00", "\ud800"} & set(reply.explanation.understood)
    assert reply_to_json(reply)["outcome"] == reply.outcome


@settings(max_examples=60)
@given(st.text(max_size=200))
def test_any_text_gets_a_reply_or_is_refused_as_unreadable(shared, text):
    try:
        reply = shared.answer(text)
    except MessageError:
        return
    assert bool(reply.responses) == (reply.outcome == "answered")
    assert not set(shown(reply)) & {each.pair_id for each in reply.follow_ups}


def test_the_same_call_gives_the_same_reply(bot):
    context = Context(turn_id="t-1", conversation_id="c-1", history=(turn("c-1", "t-0"),))
    first = bot.answer("how do i return this", context)
    bot.answer("Can I wash my tent?")
    assert bot.answer("how do i return this", context) == first


def test_two_bots_over_the_same_knowledge_give_the_same_reply(tmp_path):
    one, other = (bot_over(tmp_path / name) for name in ("one", "other"))
    assert one.answer("when is my refund due") == other.answer("when is my refund due")


def test_threads_that_share_a_bot_get_the_replies_of_one_thread(shared):
    questions = [*QUESTIONS.values(), "what is the weather like"] * 5
    expected = [shared.answer(question) for question in questions]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(shared.answer, questions)) == expected


def test_the_reply_bears_the_turn_id_and_the_snapshot_it_was_given(bot):
    reply = bot.answer("Where is my order?", Context(turn_id="t-9"))
    assert reply.turn_id == "t-9"
    assert reply.snapshot == bot.snapshot
    expected = Snapshot(checkpoint="zero-shot", index="index-1", knowledge_version="7")
    assert replace(reply.snapshot, settings="") == expected


def test_slips_are_mended_before_anything_is_looked_for(bot):
    reply = bot.answer("how do i reset my pasword")
    assert reply.explanation.understood == "how do i reset my password"
    assert shown(reply)[0] == "password"


def test_white_space_and_invisible_characters_make_no_difference(bot):
    plain, other = bot.answer("Where is my order?"), bot.answer("  Where\tis \x00my\n\norder?\u200b ")
    assert other == plain


def test_confidence_is_the_relevance_of_the_first_response(bot):
    reply = bot.answer("Where is my order?")
    assert reply.confidence == reply.responses[0].relevance >= reply.explanation.threshold


def test_responses_are_ranked_from_1_and_no_more_than_configured(tmp_path):
    everything = Config(
        policy=PolicyConfig(threshold=1e-9),
        selection=SelectionConfig(responses=3, nearly=0.0, duplicate_similarity=1.0),
    )
    reply = bot_over(tmp_path, config=everything).answer("How long does delivery take?")
    assert [each.rank for each in reply.responses] == [1, 2, 3]
    assert reply.responses[0].pair_id == "time"


def test_a_second_answer_is_shown_only_where_it_is_nearly_as_relevant(tmp_path):
    twins = (*SHOP, pair("How do I return gear?", "At the shop in town.", pair_id="shop"))
    question = "how do i return"
    shy, open_ = (
        Config(
            policy=PolicyConfig(threshold=0.01),
            selection=SelectionConfig(nearly=nearly, duplicate_similarity=1.0),
            clarifying=ClarifyingConfig(below=0.0),
        )
        for nearly in (1.0, 0.1)
    )
    assert len(bot_over(tmp_path / "shy", twins, config=shy).answer(question).responses) == 1
    assert set(shown(bot_over(tmp_path / "open", twins, config=open_).answer(question))) == {"return", "shop"}


@pytest.fixture
def unsure(tmp_path):
    """A bot for which two ways to return something are about as likely to be meant."""
    twins = (*SHOP, pair("How do I return gear?", "At the shop in town.", pair_id="shop"))
    config = Config(policy=PolicyConfig(threshold=0.01), selection=SelectionConfig(duplicate_similarity=1.0))
    return bot_over(tmp_path, twins, config=config)


def told_of(question, reply):
    """Return the context in which a reply was just given."""
    logged = turn("c-1", "t-1", question=question, outcome=reply.outcome, reply=reply_to_json(reply))
    return Context(history=(logged,))


def test_near_ties_are_asked_about(unsure):
    reply = unsure.answer("how do i return")
    assert (reply.outcome, reply.message, reply.responses) == ("clarifying", PolicyConfig().clarify_message, ())
    assert {"return", "shop"} <= {option.pair_id for option in reply.follow_ups}
    assert [option.rank for option in reply.follow_ups] == list(range(1, len(reply.follow_ups) + 1))
    assert 2 <= len(reply.follow_ups) <= 4


def test_the_option_that_was_chosen_is_answered_and_not_asked_about_again(unsure):
    asked = unsure.answer("how do i return")
    for option in asked.follow_ups:
        reply = unsure.answer(option.question, told_of("how do i return", asked))
        assert (reply.outcome, shown(reply)[0]) == ("answered", option.pair_id)
        assert reply.explanation.reason == "You chose this answer."


def test_who_means_none_of_the_options_is_told_so_and_offered_something_else(unsure):
    asked = unsure.answer("how do i return")
    reply = unsure.answer("None of these.", told_of("how do i return", asked))
    assert (reply.outcome, reply.message, reply.responses) == ("abstained", PolicyConfig().declined_message, ())
    assert unsure.answer("none of these").message != PolicyConfig().declined_message


def test_a_follow_up_that_was_clicked_gets_its_own_answer(bot):
    first = bot.answer("How do I return something?")
    for follow_up in first.follow_ups:
        assert shown(bot.answer(follow_up.question, told_of("return", first)))[0] == follow_up.pair_id


def test_a_second_answer_to_the_same_question_is_not_shown(tmp_path):
    twins = (*SHOP, pair("How do I return something", "At the shop in town.", pair_id="shop"))
    lenient = Config(policy=PolicyConfig(threshold=0.01), selection=SelectionConfig(nearly=0.0, responses=2))
    found = shown(bot_over(tmp_path, twins, config=lenient).answer("How do I return something?"))
    assert len({"return", "shop"} & set(found)) == 1


def test_no_follow_up_is_shown_twice_in_a_conversation(bot):
    first = bot.answer("How do I return something?")
    assert "refund" in [each.pair_id for each in first.follow_ups]
    told = turn("c-1", "t-1", reply={"responses": [{"pair_id": "refund"}]})
    second = bot.answer("How do I return something?", Context(history=(told,)))
    assert "refund" not in [each.pair_id for each in second.follow_ups]


def test_what_is_answered_now_is_no_follow_up(shared):
    for question in QUESTIONS.values():
        reply = shared.answer(question)
        assert not set(shown(reply)) & {each.pair_id for each in reply.follow_ups}


def test_a_turn_that_was_logged_without_responses_is_a_history_too(bot):
    assert bot.answer("Where is my order?", Context(history=(turn("c", "t", reply={}),))).outcome == "answered"


def test_the_explanation_tells_what_speaks_for_the_answer_and_who_lost_and_why(bot):
    explanation = bot.answer("Where is my order?").explanation
    assert explanation.features["similarity"] == pytest.approx(1.0, abs=1e-5)
    assert explanation.features["margin"] > 0
    assert {"evidence", "lexical", "answer_similarity"} <= set(explanation.features)
    assert len(explanation.runners_up) == 5
    assert "track" not in [each.pair_id for each in explanation.runners_up]
    assert {each.reason for each in explanation.runners_up} == {"below the threshold"}


def reasons(bot, question):
    return {each.pair_id: each.reason for each in bot.answer(question).explanation.runners_up}


@pytest.fixture
def showing(tmp_path):
    """Makes a bot of the shop, and of a pair that asks like `track`, that answers whatever is asked."""
    twin = pair("Is my order where?", "In the van.", pair_id="twin")

    def call(**selection):
        settings = SelectionConfig(**{"runners_up": 20} | selection)
        config = Config(policy=PolicyConfig(threshold=1e-12), selection=settings)
        return bot_over(tmp_path, (*SHOP, twin), config=config)

    return call


def test_a_runner_up_that_says_the_same_names_what_is_shown_instead(showing):
    found = reasons(showing(nearly=0.0), "where is my parcel")
    assert found["twin"] == "says the same as “Where is my order?”"
    assert list(found.values()).count(found["twin"]) == 1


@pytest.mark.parametrize(("count", "said"), [(1, "only one answer is shown"), (2, "only 2 answers are shown")])
def test_a_runner_up_for_which_there_was_no_room_says_so_and_is_shown_where_there_is(showing, count, said):
    found = reasons(showing(nearly=0.0, responses=count), "where is my parcel")
    left_out = {pair_id for pair_id, reason in found.items() if reason == said}
    assert len(left_out) == len(SHOP) - count
    assert left_out < set(shown(showing(nearly=0.0, responses=9).answer("where is my parcel")))


def test_a_runner_up_that_is_not_nearly_as_relevant_says_so(showing):
    found = reasons(showing(), "Can I wash my tent?")
    assert set(found.values()) == {"much less relevant than the first answer"}


def test_the_record_names_the_turns_that_the_bot_was_told_of(bot):
    history = (turn("c-1", "t-1"), turn("c-1", "t-2"))
    told = bot.answer("Where is my order?", Context(locale="en-GB", history=history)).explanation.told
    assert told == Told(locale="en-GB", history=("t-1", "t-2"))


def test_runners_up_of_an_abstention_are_the_nearest_ones_best_first(bot):
    found = bot.answer("Is it raining in Lisbon tomorrow?").explanation.runners_up
    assert [each.relevance for each in found] == sorted((each.relevance for each in found), reverse=True)


def test_rank_gives_the_matches_that_answer_decides_on(bot):
    matches = bot.rank("how much is delivery")
    assert matches[0].pair.pair_id == "price"
    assert matches[0].relevance == bot.answer("how much is delivery").confidence
    assert [each.relevance for each in matches] == sorted((each.relevance for each in matches), reverse=True)
    assert len(matches) == len(SHOP)


def test_the_configured_threshold_decides(tmp_path):
    strict = Config(policy=PolicyConfig(threshold=1.0))
    assert bot_over(tmp_path, config=strict).answer("return something please").outcome == "abstained"


def test_transitions_alone_change_the_follow_ups_and_nothing_else(tmp_path):
    with_, without = (bot_over(tmp_path, transitions=given) for given in (TRANSITIONS, ()))
    one, other = with_.answer("How do I return something?"), without.answer("How do I return something?")
    assert one.follow_ups != other.follow_ups
    assert replace(one, follow_ups=()) == replace(other, follow_ups=())
