from datetime import UTC, datetime
from itertools import pairwise

import pytest
from conversation import Conversation, shown
from fakes_bot import SHOP, bot_over
from fakes_kb import pair

from bot.clarifying import ClarifyingConfig
from bot.config import Config
from bot.hours import HoursRule
from bot.messages import Messages
from bot.policy import PolicyConfig
from bot.rules import PassOn, RuleSet
from bot.selection import SelectionConfig

SAYS = Messages()
UNKNOWN = "Is it raining in Lisbon tomorrow?"
OTHERS = ("Who won the cup final?", "Sing me a song", "Paint me a horse", "Dance a waltz")


@pytest.fixture(scope="module")
def bot(tmp_path_factory):
    return bot_over(tmp_path_factory.mktemp("bot"))


def talker(folder, **policy):
    return Conversation(bot_over(folder, config=Config(policy=PolicyConfig(**policy))))


def test_who_asks_for_a_person_is_handed_over(bot):
    reply = Conversation(bot).ask("I want to talk to a human")
    assert (reply.outcome, reply.responses, reply.message) == ("handed_over", (), SAYS.hand_over)
    assert (reply.explanation.hand_over, reply.offers_person) == ("asked", True)
    assert reply.explanation.reason == "The customer asked for a person."


def test_who_asks_for_a_person_again_is_told_so_and_not_handed_over_twice(bot):
    talk = Conversation(bot)
    talk.ask("agent please")
    reply = talk.ask("agent please")
    assert (reply.outcome, reply.message, reply.explanation.hand_over) == ("handed_over", SAYS.passed_on, "")


def test_a_question_beside_the_wish_is_answered_and_a_person_offered(bot):
    reply = Conversation(bot).ask("can i talk to a person, how long does delivery take?")
    assert (reply.outcome, shown(reply), reply.message) == ("answered", ["time"], SAYS.offer)
    assert reply.offers_person


def test_a_wish_beside_what_nothing_answers_is_a_hand_over(bot):
    assert Conversation(bot).ask("I want to talk to a human about the song of my horse").outcome == "handed_over"


def test_an_indexed_question_about_persons_is_answered_and_who_insists_gets_one(tmp_path):
    own = pair("How do I talk to a person?", "Ring us at **0800**.", pair_id="phone", phrasings=("talk to a person",))
    talk = Conversation(bot_over(tmp_path, (*SHOP, own)))
    first, second = talk.ask("talk to a person"), talk.ask("talk to a person please")
    assert (first.outcome, shown(first), first.offers_person) == ("answered", ["phone"], True)
    assert second.outcome == "handed_over"


def test_two_abstentions_in_a_row_bring_a_person(bot):
    talk = Conversation(bot)
    assert talk.ask(UNKNOWN).outcome == "abstained"
    reply = talk.ask(OTHERS[0])
    assert (reply.outcome, reply.explanation.hand_over) == ("handed_over", "no_answer")
    assert reply.explanation.reason == "There was no answer 2 times in a row."


def test_an_answer_between_two_abstentions_ends_the_row_and_small_talk_does_not(bot):
    talk = Conversation(bot)
    talk.ask(UNKNOWN)
    talk.ask("Where is my order?")
    assert talk.ask(UNKNOWN).outcome == "abstained"
    talk.ask("thanks a lot")
    assert talk.ask(OTHERS[0]).outcome == "handed_over"


def test_who_asks_for_a_person_after_abstentions_brought_one_is_told_so(bot):
    talk = Conversation(bot)
    for each in (UNKNOWN, OTHERS[0]):
        talk.ask(each)
    reply = talk.ask("agent please")
    assert (reply.outcome, reply.message, reply.explanation.hand_over) == ("handed_over", SAYS.passed_on, "")


def test_how_many_abstentions_bring_a_person_can_be_set(tmp_path):
    talk = talker(tmp_path, failures=3)
    assert [talk.ask(each).outcome for each in OTHERS[:3]] == ["abstained", "abstained", "handed_over"]


def test_the_same_abstention_is_never_said_twice_in_a_row(tmp_path):
    talk = talker(tmp_path, failures=0)
    replies = [talk.ask(each) for each in (UNKNOWN, UNKNOWN, *OTHERS)]
    assert {each.outcome for each in replies} == {"abstained"}
    said = [each.message for each in replies]
    assert all(one != other for one, other in pairwise(said))
    assert said[2] == SAYS.abstain_often
    assert all(each.offers_person for each in replies[1:])


def test_after_a_hand_over_abstentions_bring_no_second_one(bot):
    talk = Conversation(bot)
    outcomes = [talk.ask(each).outcome for each in (UNKNOWN, *OTHERS)]
    assert outcomes == ["abstained", "handed_over", "abstained", "abstained", "abstained"]


def test_asked_again_in_the_same_words_the_answer_comes_again_and_says_so(bot):
    talk = Conversation(bot)
    talk.ask("Where is my order?")
    reply = talk.ask("where is my ORDER")
    assert (shown(reply), reply.message, reply.offers_person) == (["track"], SAYS.same_answer, True)


def test_a_click_on_what_was_answered_gets_the_answer_again_and_says_so(bot):
    talk = Conversation(bot)
    talk.ask("track my delivery please")
    reply = talk.ask("Where is my order?", clicked=True)
    assert (shown(reply), reply.message) == (["track"], SAYS.same_answer)


def test_asked_in_other_words_the_same_answer_is_not_given_again(bot):
    talk = Conversation(bot)
    talk.ask("Where is my order?")
    reply = talk.ask("track my delivery please")
    assert (reply.outcome, shown(reply), reply.message) == ("abstained", [], SAYS.see_above)
    assert reply.offers_person
    assert talk.ask("where is my parcel").outcome == "handed_over"


def test_asked_in_other_words_the_next_answer_is_given_where_it_is_nearly_as_likely(tmp_path):
    twins = (*SHOP, pair("How can I return something?", "Bring it to a shop.", pair_id="shop", topic="returns"))
    talk = Conversation(bot_over(tmp_path, twins, config=Config(clarifying=ClarifyingConfig(below=0.0))))
    first = shown(talk.ask("How do I return something?"))
    reply = talk.ask("How can I do return something?")
    assert reply.outcome == "answered"
    assert len(shown(reply)) == 1
    assert shown(reply) != first[:1]


def test_another_question_between_makes_an_answer_new_again(bot):
    talk = Conversation(bot)
    talk.ask("Where is my order?")
    talk.ask("Can I wash my tent?")
    reply = talk.ask("track my delivery please")
    assert (shown(reply), reply.message) == (["track"], "")


@pytest.mark.parametrize(
    ("hour", "said"),
    [
        (10, SAYS.hand_over),
        (18, f"{SAYS.hand_over} Nobody is there just now; somebody will be there again on Thursday at 09:00 (UTC)."),
    ],
)
def test_outside_of_the_hours_a_hand_over_says_when_somebody_is_there(tmp_path, hour, said):
    rules = RuleSet(hours=HoursRule(monday=("09:00-17:00",), thursday=("09:00-17:00",)))
    talk = Conversation(bot_over(tmp_path, rules=rules), datetime(2026, 11, 23, hour, tzinfo=UTC))
    assert talk.ask("agent please").message == said


def test_a_rule_may_hand_over_for_another_reason_after_the_customer_asked(tmp_path):
    rule = PassOn(name="law", contains=("lawyer",), reason="legal")
    talk = Conversation(bot_over(tmp_path, rules=RuleSet(hand_over=(rule,))))
    reasons = [talk.ask(each).explanation.hand_over for each in ("agent please", "my lawyer!", "my lawyer!!")]
    assert reasons == ["asked", "legal", ""]


def test_every_sentence_can_be_set(tmp_path):
    own = Messages(hand_over="Wait.", greeting="Moin.")
    talk = talker(tmp_path, messages=own)
    assert [talk.ask(each).message for each in ("hello", "human please")] == ["Moin.", "Wait."]


def test_an_option_that_is_not_offered_after_all_is_no_option_in_the_record(tmp_path):
    twins = (*SHOP, pair("How do I return gear?", "At the shop in town.", pair_id="shop"))
    config = Config(policy=PolicyConfig(threshold=0.01), selection=SelectionConfig(duplicate_similarity=1.0))
    question = "how do i return"
    asked_back = bot_over(tmp_path / "plain", twins, config=config).answer(question)
    rules = RuleSet(hand_over=(PassOn(name="returns", contains=("return",), reason="returns"),))
    passed_on = bot_over(tmp_path / "rules", twins, config=config, rules=rules).answer(question)
    assert (asked_back.outcome, passed_on.outcome) == ("clarifying", "handed_over")
    offered = {option.pair_id for option in asked_back.follow_ups}
    assert offered <= {other.pair_id for other in passed_on.explanation.runners_up}
