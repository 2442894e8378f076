import os
from pathlib import Path

import pytest

from kb.importers.columns import find_columns
from kb.importers.mining import MinedPair, Miner, Prepared, count_contacts, prepare
from kb.importers.privacy import KnownContacts
from kb.importers.readers import open_table
from kb.importers.records import Reject, Row
from kb.importers.transcripts import Transcript, TranscriptSpool, TranscriptTurn
from kb.text import normalised

DATA = Path(os.environ.get("FRONTDESK_DATA", "../shared/data"))


def conversation(*turns: str, name: str = "1", pair_ids: dict[int, str] | None = None) -> Transcript:
    """Make a conversation of lines 'C: ...' and 'A: ...'."""
    labels = pair_ids or {}
    return Transcript(
        conversation_id=name,
        file="chats.csv",
        turns=tuple(
            TranscriptTurn(
                role="customer" if turn.startswith("C") else "agent",
                text=turn[3:],
                line=line,
                pair_id=labels.get(line, ""),
            )
            for line, turn in enumerate(turns, start=2)
        ),
    )


def mine(*conversations: Transcript, known: dict[str, str] | None = None) -> Miner:
    texts = {normalised(text): pair_id for text, pair_id in (known or {}).items()}
    miner = Miner(pair_by_text=texts, pair_ids=set(texts.values()))
    for each in prepared(*conversations):
        miner.add(each)
    return miner


def prepared(*conversations: Transcript) -> list[Prepared]:
    contacts = count_contacts(conversations)
    return [prepare(each, contacts) for each in conversations]


def pairs(*conversations: Transcript, known: dict[str, str] | None = None) -> list[MinedPair]:
    return [found for _, found in mine(*conversations, known=known).pairs() if isinstance(found, MinedPair)]


WHOLE = conversation(
    "C: Hi there",
    "A: Hello! You're chatting with Maya. How can I help?",
    "C: How long does standard delivery take?",
    "A: One moment please.",
    "C: ok",
    "A: Standard delivery takes 3-5 working days.",
    "C: and can I track it?",
    "A: Yes, in **My orders**, from the moment the parcel leaves us. Anything else?",
    "C: Can I return worn boots?",
    "A: Worn boots can go back within 14 days:\n\n1. Open *My orders*.\n2. Print the label.\n\nHave a nice day!",
    "C: no thanks, bye",
)


def test_questions_get_what_answers_them_and_small_talk_is_left_out() -> None:
    assert [(pair.question, pair.answer) for pair in pairs(WHOLE)] == [
        ("How long does standard delivery take?", "Standard delivery takes 3-5 working days."),
        (
            "Can I return worn boots?",
            "Worn boots can go back within 14 days:\n\n1. Open *My orders*.\n2. Print the label.",
        ),
    ]


def test_an_answer_to_a_question_back_is_no_question_and_ends_the_search() -> None:
    assert not pairs(
        conversation(
            "C: where is my order 8812345?",
            "A: May I have the order number please?",
            "C: i want it on the name of Smith",
            "A: Thank you. It left our warehouse yesterday evening.",
        )
    )


def test_the_answer_given_most_often_wins_then_the_most_complete() -> None:
    short, long = "You can return boots for 60 days.", "You can return boots for 60 days, unworn, with the free label."
    ask = "C: can i return boots?"
    assert (
        pairs(*[conversation(ask, f"A: {text}", name=str(n)) for n, text in enumerate([long, short, short])])[0].answer
        == short
    )
    assert (
        pairs(*[conversation(ask, f"A: {text}", name=str(n)) for n, text in enumerate([short, long])])[0].answer == long
    )


def test_near_identical_questions_are_one_pair_with_phrasings() -> None:
    asked = [
        "How long does delivery take?",
        "hello, how long does delivery take please",
        "how long does delivry take?",
        "Could you tell me how long does delivery take",
        "how long does delivery take to Norway?",
    ]
    found = pairs(
        *[conversation(f"C: {text}", "A: It takes 3-5 working days.", name=str(n)) for n, text in enumerate(asked)]
    )
    assert [(pair.question, len(pair.phrasings)) for pair in found] == [
        ("How long does delivery take?", 3),
        ("how long does delivery take to Norway?", 0),
    ]


def test_numbers_and_similar_words_keep_questions_apart() -> None:
    asked = [
        "Can I return boots after 14 days?",
        "Can I return boots after 30 days?",
        "Can I return roots after 14 days?",
    ]
    found = pairs(
        *[
            conversation(f"C: {text}", "A: That depends on how they were used.", name=str(n))
            for n, text in enumerate(asked)
        ]
    )
    assert len(found) == 3


def test_personal_data_of_a_question_is_taken_out() -> None:
    found = pairs(
        conversation(
            "C: Hello, my name is Anna Berg",
            "C: where is my order no. AB-123456, mail me at anna@mail.example?",
            "A: Dear Anna, you see where a parcel is in **My orders**, or write to help@shop.example. Regards, Tom",
        )
    )
    assert [(pair.question, pair.answer) for pair in found] == [
        ("where is my order?", "you see where a parcel is in **My orders**, or write to help@shop.example.")
    ]
    assert "anna" not in str(found).casefold()
    assert "123456" not in str(found)
    assert "help@shop.example" in found[0].answer


@pytest.mark.parametrize(
    "answer",
    [
        "I have cancelled the order for you, the refund comes in five days.",
        "We sent it to bob.miller@mail.example yesterday evening as you asked.",
        "Your parcel has been handed to the neighbour at number seven.",
        "The reference for this case is 88213377, please keep it.",
    ],
)
def test_an_answer_about_one_customer_is_not_taken(answer: str) -> None:
    alone = list(mine(conversation("C: Can I cancel my order?", f"A: {answer}")).pairs())
    assert [type(found) for _, found in alone] == [Reject]
    assert "too personal" in alone[0][1].reason
    general = "You can cancel an order for 60 minutes in **My orders**."
    both = [conversation("C: Can I cancel my order?", f"A: {text}", name=text) for text in (answer, answer, general)]
    assert [pair.answer for pair in pairs(*both)] == [general]


def test_a_turn_that_an_existing_pair_has_is_linked_and_not_mined() -> None:
    known = {"How long does standard delivery take?": "delivery", "boots back": "boots"}
    labelled = conversation(
        "C: my feet hurt", "A: Worn boots can go back within 14 days.", name="2", pair_ids={3: "boots"}
    )
    miner = mine(WHOLE, labelled, known=known)
    found = [pair for _, pair in miner.pairs() if isinstance(pair, MinedPair)]
    assert [pair.question for pair in found] == ["Can I return worn boots?"]
    histories = list(miner.histories(prepared(WHOLE, labelled), {found[0].group: "new"}))
    assert [[turn.pair_id for turn in history.turns if turn.pair_id] for history in histories] == [
        ["delivery", "new"],
        ["boots"],
    ]
    assert [len(history.turns) for history in histories] == [11, 2]


def test_an_intent_that_is_a_pair_id_links_and_another_one_is_the_topic() -> None:
    turns = (
        TranscriptTurn(role="customer", text="i would like my money", line=2, intent="refund"),
        TranscriptTurn(role="agent", text="Refunds come within five working days.", line=3),
        TranscriptTurn(role="customer", text="How do I reset my password?", line=4, intent="account"),
        TranscriptTurn(role="agent", text="Choose 'Forgot password' on the sign-in page.", line=5),
    )
    miner = mine(Transcript(conversation_id="1", file="f", turns=turns), known={"refund?": "refund"})
    found = [pair for _, pair in miner.pairs()]
    assert [(pair.question, pair.topic) for pair in found] == [("How do I reset my password?", "account")]


def test_the_order_of_conversations_makes_no_difference() -> None:
    conversations = [
        conversation(
            "C: can i return boots?", f"A: You can return boots for {days} days if they were not worn.", name=str(days)
        )
        for days in (60, 30, 60, 14)
    ]
    assert pairs(*conversations) == pairs(*reversed(conversations))


def test_turns_are_put_in_order_wherever_they_stand_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "chats.csv"
    path.write_text(
        "conversation_id,role,text,time\n"
        "b,agent,Second,2026-01-01T10:05:00+00:00\n"
        "a,user,Only,\n"
        "b,customer,First,2026-01-01T10:00:00Z\n"
        "b,robot overlord,Third,2026-01-01T10:06:00Z\n"
        ",customer,Nowhere,\n"
        "a,system,Chat closed,\n"
    )
    table = open_table(path)
    columns = find_columns(path, table.columns)
    with TranscriptSpool() as spool:
        rejects = [spool.add("f", columns, row) for row in table.rows() if isinstance(row, Row)]
        conversations = [[turn.text for turn in each.turns] for each in spool.conversations()]
    assert conversations == [["Only"], ["First", "Second"]]
    assert [(reject.line, reject.reason) for reject in rejects if reject] == [
        (5, "unknown role 'robot overlord': expected customer or agent"),
        (6, "empty conversation id"),
    ]


@pytest.mark.data
@pytest.mark.parametrize("domain", ["airline", "finance", "insurance"])
def test_of_real_dialogues_most_openings_are_found_and_little_else(domain: str) -> None:
    path = DATA / "dialogues" / f"multidogo-{domain}" / "dev.csv"
    if not path.is_file():
        pytest.skip(f"{path} is not here: set FRONTDESK_DATA to the folder with the public data sets")
    table = open_table(path)
    columns = find_columns(path, table.columns)
    noise = {
        "openinggreeting",
        "thankyou",
        "confirmation",
        "rejection",
        "closinggreeting",
        "contentonly",
        "outofdomain",
    }
    asked = {True: [0, 0], False: [0, 0]}
    with TranscriptSpool() as spool:
        rejects = [spool.add("f", columns, row) for row in table.rows() if isinstance(row, Row)]
        assert {reject.reason for reject in rejects if reject} <= {"empty text"}
        for transcript in spool.conversations():
            found = {each.line for each in prepare(transcript, KnownContacts()).asked if each.question}
            for turn in transcript.turns:
                is_noise = turn.intent in noise
                asked[is_noise][0] += turn.line in found
                asked[is_noise][1] += 1
    assert asked[False][0] / asked[False][1] > 0.7
    assert asked[True][0] / asked[True][1] < 0.05
