import pytest

from bot.person import wish_for_person

PLAIN = """
I want to talk to a human
agent please
human
talk to a person
can i speak to someone please
Can I talk to a real person?
let me talk to an agent
connect me to customer service
please transfer me to a human agent
put me through to your manager
get me a manager
I need a human
i want a real person
I'd like to speak with a representative
I would rather speak to a person
could someone call me back please
please call me
is there anyone there
is there a real person I can talk to?
I don’t want to talk to a bot
no bots
live chat
customer service please
i need to speak with somebody right now
operator please
Could you put me through to a colleague
speak to a human, not a robot!
i wanna talk to a person
HUMAN PLEASE!!
How do I speak to a person?
""".strip().splitlines()
MENTIONED = """
can i speak to someone about my refund, it is three weeks late
I want to talk to a human about my broken tent
my parcel never came, get me a manager
this is useless, i don't want to talk to a stupid bot, my order is lost
can someone call me about my repair
""".strip().splitlines()
NONE = """
what does the agent fee cost
Where is my order?
Whom do I talk to about opening a franchise of your store?
talk to me
does someone have to be home
Can someone else pick up my parcel?
do your agents speak French
are your staff friendly
how many people fit in a tent
i was talking to someone from your team yesterday about socks
do I need an agent to import a tent
Do you need to talk to a manager before giving a discount?
who is your sales manager
can i give someone a gift card
I need someone to sign for the parcel
what is the human resources address
do you offer customer support in German
if I want to talk to a human when are you open
what are the opening hours of customer service
I need support poles for my tent
are you a robot
someone stole my parcel
please help me
""".strip().splitlines()


@pytest.mark.parametrize("message", PLAIN)
def test_a_message_that_is_nothing_but_the_wish_for_a_person_is_told(message):
    assert wish_for_person(message) == "plain"


@pytest.mark.parametrize("message", MENTIONED)
def test_a_wish_beside_something_else_is_told_apart(message):
    assert wish_for_person(message) == "mentioned"


@pytest.mark.parametrize("message", NONE)
def test_what_only_speaks_of_persons_is_no_wish(message):
    assert wish_for_person(message) == "none"


@pytest.mark.timeout(5)
@pytest.mark.parametrize("text", ["can i ", "please ", "talk to a real ", "no bots ", "i really just "])
def test_a_long_message_is_read_in_time(text):
    assert wish_for_person(text * 400 + "x") in ("none", "mentioned")
