"""What the page's script may call: each asks the service, and each failure is told in words."""

from typing import Any

import pytest
from fakes_chat import FakeService, WordAnswerer, logged

from kb.errors import (
    ConflictError,
    IndexMissingError,
    InputError,
    MessageError,
    NotFoundError,
    StorageError,
)
from kb.types import Context
from web.chat_actions import MAX_COMMENT, MAX_CONTACT, chat_actions
from web.service import Choice

CALLS = {
    "ask_question": {"message": "How much is delivery?"},
    "cast_vote": {"conversation_id": "c-1", "turn_id": "t-1", "value": 1},
    "request_person": {"contact": "a@b.example"},
    "load_history": {"conversation_id": "c-1"},
    "clear_history": {"conversation_id": "c-1"},
    "suggest_questions": {"prefix": "del"},
    "explain_words": {"conversation_id": "c-1", "turn_id": "t-1"},
}


def act(service: FakeService, name: str, payload: Any) -> dict[str, Any]:
    actions = {action.__name__: action for action in chat_actions(service)}
    return actions[name](payload)


def test_the_page_has_these_actions_and_no_others() -> None:
    assert [action.__name__ for action in chat_actions(FakeService())] == list(CALLS)


def test_a_question_is_asked_once_per_key_on_the_channel_of_the_page() -> None:
    service = FakeService()
    payload = {"message": "delivery costs", "conversation_id": "c-1", "idempotency_key": "k-1", "chosen": None}
    answer = act(service, "ask_question", payload)
    options = {"channel": "page", "idempotency_key": "k-1", "chosen": None}
    assert service.calls == [("ask", "delivery costs", "c-1", options)]
    assert answer["conversation_id"] == "c-1"
    assert answer["turn"]["turn_id"] == "t-1"
    assert answer["turn"]["votable"] is True


def test_the_first_question_names_no_conversation() -> None:
    service = FakeService()
    assert act(service, "ask_question", {"message": "hi", "conversation_id": None})["conversation_id"] == "c-new"
    assert service.calls[0][2] is None


def test_what_was_clicked_goes_along_with_the_question() -> None:
    service = FakeService()
    chosen = {"turn_id": "t-0", "pair_id": "refund", "role": "follow_up"}
    act(service, "ask_question", {"message": "refund", "conversation_id": "c-1", "chosen": chosen})
    assert service.calls[0][3]["chosen"] == Choice(turn_id="t-0", pair_id="refund", role="follow_up")


def test_a_degraded_answer_is_shown_without_thumbs() -> None:
    assert act(FakeService(degraded=True), "ask_question", {"message": "hi"})["turn"]["votable"] is False


def test_a_vote_goes_to_the_turn_it_names() -> None:
    service = FakeService()
    payload = {"conversation_id": "c-1", "turn_id": "t-9", "value": -1, "reason": "wrong", "comment": "no"}
    assert act(service, "cast_vote", payload) == {"value": -1, "reason": "wrong"}
    assert service.calls == [("vote", "c-1", "t-9", -1, "wrong", "no")]


def test_long_words_are_cut() -> None:
    service = FakeService()
    act(service, "cast_vote", CALLS["cast_vote"] | {"comment": "x" * 10_000})
    act(service, "request_person", {"contact": "y" * 10_000})
    assert len(service.calls[0][5]) == MAX_COMMENT
    assert len(service.calls[1][2]) == MAX_CONTACT


def test_a_hand_over_keeps_the_contact_on_one_line() -> None:
    service = FakeService()
    payload = {"conversation_id": "c-1", "contact": " a@b.example\n\x00x ", "idempotency_key": "k-2"}
    answer = act(service, "request_person", payload)
    options = {"channel": "page", "idempotency_key": "k-2"}
    assert service.calls == [("hand_over", "c-1", "a@b.example x", "asked", options)]
    assert answer == {"conversation_id": "c-1", "contact": "a@b.example x", "reference": "AB12CD34"}


def test_history_comes_back_with_votes() -> None:
    found = WordAnswerer().answer("How much is delivery?", Context(turn_id="t-1"))
    turns = act(
        FakeService([logged("c-1", "How much is delivery?", found, vote=1)]), "load_history", CALLS["load_history"]
    )
    assert [(turn["question"], turn["vote"]) for turn in turns["turns"]] == [("How much is delivery?", 1)]


def test_history_is_cleared_on_the_server() -> None:
    service = FakeService()
    assert act(service, "clear_history", {"conversation_id": "c-1"}) == {}
    assert service.calls == [("clear", "c-1")]


def test_questions_are_suggested_for_what_was_typed() -> None:
    assert "How much is delivery?" in act(FakeService(), "suggest_questions", {"prefix": "deliv"})["questions"]


def test_the_words_that_mattered_are_told_of_a_turn_of_the_conversation() -> None:
    service = FakeService()
    told = act(service, "explain_words", CALLS["explain_words"])
    assert told == {"words": [{"word": "delivery?", "percent": 100}], "changed": False}
    assert service.calls == [("turn", "c-1", "t-1")]


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (MessageError("secret"), "message"),
        (InputError("secret"), "message"),
        (NotFoundError("secret"), "not_found"),
        (StorageError("secret"), "away"),
        (IndexMissingError("secret"), "not_ready"),
        (ConflictError("secret"), "failed"),
    ],
)
def test_a_failure_is_told_in_words_that_give_nothing_away(name: str, error: Exception, kind: str) -> None:
    told = act(FakeService(error=error), name, CALLS[name])["error"]
    assert told["kind"] == kind
    assert told["text"]
    assert "secret" not in told["text"]


def test_a_defect_is_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError):
        act(FakeService(error=ZeroDivisionError()), "clear_history", CALLS["clear_history"])


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("payload", [None, [], "text", 7])
def test_a_payload_that_is_no_object_is_refused(name: str, payload: Any) -> None:
    service = FakeService()
    assert act(service, name, payload)["error"]["kind"] == "message"
    assert service.calls == []


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("ask_question", {"message": 7}),
        ("ask_question", {"conversation_id": ["c-1"]}),
        ("ask_question", {"chosen": "t-1"}),
        ("ask_question", {"chosen": {"turn_id": "t-1", "pair_id": "p", "role": "none"}}),
        ("ask_question", {"chosen": {"turn_id": "t-1", "pair_id": "p", "role": ["option"]}}),
        ("cast_vote", {"value": 2}),
        ("cast_vote", {"value": True}),
        ("cast_vote", {"value": "1"}),
        ("cast_vote", {"value": [1]}),
        ("cast_vote", {"reason": "because"}),
        ("cast_vote", {"reason": ["wrong"]}),
        ("cast_vote", {"comment": {}}),
        ("request_person", {"contact": None}),
        ("suggest_questions", {"prefix": 3}),
        ("explain_words", {"turn_id": None}),
    ],
)
def test_a_value_that_the_page_would_not_send_is_refused(name: str, wrong: dict[str, Any]) -> None:
    service = FakeService()
    assert act(service, name, CALLS[name] | wrong)["error"]["kind"] == "message"
    assert service.calls == []
