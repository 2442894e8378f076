import pytest
from conversation import shown
from fakes_bot import bot_over
from fakes_encoder import FakeEncoder

from bot.config import Config
from bot.policy import PolicyConfig
from bot.splitting import split


@pytest.mark.parametrize(
    ("message", "parts"),
    [
        ("Where is my order and how do I return boots?", ("Where is my order", "how do I return boots?")),
        ("How much is delivery? Do you ship to Norway?", ("How much is delivery?", "Do you ship to Norway?")),
        ("where is my order, also how long does a refund take", ("where is my order", "how long does a refund take")),
        ("is there parking and can i bring my dog", ("is there parking", "can i bring my dog")),
        ("Wo ist mein Paket? Was kostet der Versand?", ("Wo ist mein Paket?", "Was kostet der Versand?")),
        (
            "My tent came broken. How do I return it? And do you have a shop in Leeds?",
            ("My tent came broken. How do I return it?", "do you have a shop in Leeds?"),
        ),
    ],
)
def test_questions_that_stand_on_their_own_are_parts(message, parts):
    assert split(message) == parts


@pytest.mark.parametrize(
    "message",
    [
        "Hi, I ordered a tent last week. Where is it?",
        "Where's my parcel? It should have come on Monday.",
        "what is it and how much does it cost?",
        "do you sell tents and boots?",
        "How do I wash and dry my jacket?",
        "can you tell me when and how i get my refund",
        "I want to return boots. What is the deadline? Is it free?",
        "I need a jacket for Wales, where it rains a lot. Should I buy down?",
        "bought a rucksack last week, do not want it now. can you mail me a label?",
        "Can I return boots? I have worn them once.",
        "Why? Why not?",
        "",
    ],
)
def test_one_question_with_what_belongs_to_it_is_whole(message):
    assert split(message) == ()


@pytest.fixture(scope="module")
def bot(tmp_path_factory):
    return bot_over(tmp_path_factory.mktemp("bot"))


def test_each_question_gets_its_answer_in_order(bot):
    reply = bot.answer("How do I return something and can I wash my tent?")
    assert (reply.outcome, shown(reply), reply.message) == ("answered", ["return", "wash"], "")
    assert [each.part for each in reply.responses] == ["How do I return something", "can I wash my tent?"]
    assert [each.rank for each in reply.responses] == [1, 2]
    assert not set(shown(reply)) & {each.pair_id for each in reply.follow_ups}


def test_a_part_without_an_answer_is_named(bot):
    reply = bot.answer("Can I wash my tent? Will Lisbon be sunny tomorrow?")
    assert (reply.outcome, shown(reply)) == ("answered", ["wash"])
    assert reply.message == "I have no answer to this part: “Will Lisbon be sunny tomorrow?”"


def test_more_questions_than_three_are_named_to_be_asked_again(bot):
    reply = bot.answer("How much is delivery? Can I wash my tent? How do I reset my password? When do I get my refund?")
    assert shown(reply) == ["price", "wash", "password"]
    assert reply.message.endswith("Please ask this again: “When do I get my refund?”")


@pytest.mark.parametrize(
    "message",
    [
        "Where is my order? Do you know where my parcel is?",
        "How much is delivery and how many euros do I pay for delivery",
        "Is Lisbon sunny? Will the weather hold?",
    ],
)
def test_parts_about_one_pair_or_none_are_not_taken_apart(bot, message):
    reply = bot.answer(message)
    assert [each.part for each in reply.responses] in ([], [""])


def test_parts_are_encoded_together_and_only_where_there_are_any(tmp_path):
    class Counting(FakeEncoder):
        def __init__(self):
            super().__init__(dimension=512)
            self.calls = []

        def encode(self, texts):
            self.calls.append(len(texts))
            return super().encode(texts)

    encoder = Counting()
    bot = bot_over(tmp_path, encoder=encoder)
    for message, calls in (("Where is my order?", [1]), ("Can I wash my tent? Where is my order?", [1, 2])):
        encoder.calls.clear()
        bot.answer(message)
        assert encoder.calls == calls


def test_how_many_parts_are_answered_can_be_set(tmp_path):
    bot = bot_over(tmp_path, config=Config(policy=PolicyConfig(most_parts=2)))
    assert len(bot.answer("How much is delivery? Can I wash my tent? How do I reset my password?").responses) == 2
