"""What the bot hands over is recorded, confirmed and completed by a contact."""

from concurrent.futures import ThreadPoolExecutor

from fakes import FakeAnswerer, Outage, count, make_client, make_service
from sqlalchemy import Engine, select

from bot.config import HandOverConfig
from kb.hand_overs import hand_over_id_of
from kb.tables import HandOverRow, TurnRow
from web.chat_actions import chat_actions

CHAT, HANDOVER = "/api/v1/chat", "/api/v1/handover"
MESSAGE = {"message": "agent please"}


def rows(engine: Engine) -> list[tuple[str, str, str]]:
    columns = (HandOverRow.hand_over_id, HandOverRow.reason, HandOverRow.contact)
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(select(*columns))]


def test_a_reply_that_hands_over_is_recorded_with_its_turn(engine: Engine) -> None:
    answered = make_client(make_service(engine, FakeAnswerer("handed_over"))).post(CHAT, json=MESSAGE).json()
    assert answered["outcome"] == "handed_over"
    assert answered["hand_over_id"] == hand_over_id_of(answered["turn_id"])
    assert rows(engine) == [(answered["hand_over_id"], "asked", "")]


def test_any_other_reply_hands_nothing_over(engine: Engine) -> None:
    answered = make_client(make_service(engine)).post(CHAT, json=MESSAGE).json()
    assert (answered["hand_over_id"], answered["offers_person"], rows(engine)) == ("", False, [])


def test_equal_requests_at_once_hand_over_once(engine: Engine) -> None:
    service = make_service(engine, FakeAnswerer("handed_over"))

    def ask(_: int) -> str:
        return service.ask("agent please", idempotency_key="key").hand_over_id

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(ask, range(8)))) == 1
    assert (count(engine, HandOverRow), count(engine, TurnRow)) == (1, 1)


def test_a_contact_left_afterwards_completes_the_hand_over(engine: Engine) -> None:
    client = make_client(make_service(engine, FakeAnswerer("handed_over")))
    answered = client.post(CHAT, json=MESSAGE).json()
    contact = {"conversation_id": answered["conversation_id"], "contact": "kim@example.org"}
    done = client.post(HANDOVER, json=contact).json()
    assert done["hand_over_id"] == answered["hand_over_id"]
    assert rows(engine) == [(answered["hand_over_id"], "asked", "kim@example.org")]
    assert client.post(HANDOVER, json=contact).json()["hand_over_id"] != answered["hand_over_id"]


def test_what_can_not_be_recorded_is_not_promised(engine: Engine) -> None:
    outage = Outage(engine)
    service = make_service(engine, FakeAnswerer("handed_over"))
    with outage:
        answered = service.ask("agent please")
    assert answered.degraded
    assert (answered.reply.outcome, answered.reply.message) == ("abstained", HandOverConfig().away_message)
    assert answered.hand_over_id == ""
    assert rows(engine) == []


def test_the_bot_is_told_when_it_was_asked_and_whether_by_a_click(engine: Engine) -> None:
    answerer = FakeAnswerer()
    service = make_service(engine, answerer)
    answered = service.ask("Where is my order?")
    [told] = answerer.contexts
    [turn] = service.history(answered.conversation_id)
    assert (told.asked_at, told.clicked) == (turn.created_at, False)


def test_the_page_is_given_a_reference_now_and_when_it_reads_back(engine: Engine) -> None:
    service = make_service(engine, FakeAnswerer("handed_over"))
    actions = {action.__name__: action for action in chat_actions(service)}
    asked = actions["ask_question"](MESSAGE)
    reference = rows(engine)[0][0][:8].upper()
    assert (asked["turn"]["reference"], asked["turn"]["offer_person"]) == (reference, True)
    read = actions["load_history"]({"conversation_id": asked["conversation_id"]})
    assert [turn["reference"] for turn in read["turns"]] == [reference]
