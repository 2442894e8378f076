import json
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from fakes import FakeAnswerer, Outage, count, make_client, make_service, serving
from fastapi.testclient import TestClient
from httpx import Client, Response
from sqlalchemy import Engine, select

from kb.codec import reply_from_json
from kb.errors import IndexDamagedError, IndexMissingError
from kb.log import ConversationLog
from kb.tables import ClickRow, ConversationRow, HandOverRow, TurnRow, VoteRow
from web.api_models import TurnExplanation
from web.app import create_app
from web.service import ChatService

CHAT, FEEDBACK, HANDOVER = "/api/v1/chat", "/api/v1/feedback", "/api/v1/handover"


@pytest.fixture
def client(engine: Engine) -> TestClient:
    return make_client(make_service(engine))


@pytest.fixture
def sqlite_client(sqlite_engine: Engine) -> TestClient:
    """For what never reaches a database."""
    return make_client(make_service(sqlite_engine))


def ask(client: TestClient, message: str = "Where is my order?", **more: Any) -> dict[str, Any]:
    response = client.post(CHAT, json={"message": message, **more})
    assert response.status_code == 200, response.text
    return response.json()


def assert_problem(response: Response, status: int, kind: str) -> dict[str, Any]:
    assert (response.status_code, response.headers["content-type"]) == (status, "application/problem+json")
    body = response.json()
    assert (body["type"], body["status"]) == (f"urn:frontdesk:{kind}", status)
    assert "Traceback" not in response.text
    return body


def test_chat_returns_the_reply_with_its_conversation_and_turn(client: TestClient, engine: Engine) -> None:
    answer = ask(client)
    with engine.connect() as connection:
        turn = connection.execute(select(TurnRow)).one()
    assert (answer["turn_id"], answer["conversation_id"]) == (turn.turn_id, turn.conversation_id)
    assert answer["responses"][0]["pair_id"] == "p-1"
    assert answer["degraded"] is False
    assert reply_from_json(answer) == reply_from_json(turn.reply)


def test_chat_goes_on_and_records_what_was_clicked(client: TestClient, engine: Engine) -> None:
    first = ask(client)
    chosen = {"turn_id": first["turn_id"], "pair_id": "p-2", "role": "follow_up"}
    second = ask(client, "Where is your shop?", conversation_id=first["conversation_id"], chosen=chosen)
    assert second["conversation_id"] == first["conversation_id"]
    with engine.connect() as connection:
        assert connection.execute(select(ClickRow.turn_id, ClickRow.pair_id)).one() == (first["turn_id"], "p-2")


def test_a_conversation_can_be_read_with_its_votes_and_cleared(client: TestClient) -> None:
    answer = ask(client)
    address = f"/api/v1/conversations/{answer['conversation_id']}"
    client.post(FEEDBACK, json={"conversation_id": answer["conversation_id"], "turn_id": answer["turn_id"], "value": 1})
    [turn] = client.get(address).json()["turns"]
    assert (turn["question"], turn["vote"], turn["ordinal"]) == ("Where is my order?", 1, 1)
    assert turn["reply"]["turn_id"] == answer["turn_id"]
    assert client.delete(address).status_code == 204
    assert client.get(address).json()["turns"] == []


def test_a_vote_is_recorded_with_reason_and_comment(client: TestClient, engine: Engine) -> None:
    answer = ask(client)
    place = {"conversation_id": answer["conversation_id"], "turn_id": answer["turn_id"]}
    told = {"value": -1, "reason": "out_of_date", "comment": "60 days now"}
    vote = client.post(FEEDBACK, json=place | told).json()
    assert {name: vote[name] for name in told} == told
    with engine.connect() as connection:
        row = connection.execute(select(VoteRow)).one()
    assert (row.turn_id, row.value, row.reason, row.comment) == (answer["turn_id"], -1, "out_of_date", "60 days now")


def test_a_vote_on_another_conversations_turn_is_404_and_no_row(client: TestClient, engine: Engine) -> None:
    mine, other = ask(client), ask(client)
    body = {"conversation_id": mine["conversation_id"], "turn_id": other["turn_id"], "value": 1}
    assert_problem(client.post(FEEDBACK, json=body), 404, "not-found")
    assert count(engine, VoteRow) == 0


def test_a_hand_over_is_recorded_with_the_transcript(client: TestClient, engine: Engine) -> None:
    answer = ask(client)
    body = {"conversation_id": answer["conversation_id"], "contact": "kim@example.org"}
    done = client.post(HANDOVER, json=body).json()
    assert (done["contact"], len(done["transcript"])) == ("kim@example.org", 2)
    assert count(engine, HandOverRow) == 1


def test_suggestions_are_for_what_was_typed(sqlite_client: TestClient) -> None:
    found = sqlite_client.get("/api/v1/suggest", params={"q": "where", "limit": 1})
    assert found.json() == {"questions": ["Where is my order?"]}


def test_50_equal_requests_at_once_get_one_reply_and_make_one_row(engine: Engine) -> None:
    body, headers = {"message": "Where is my order?"}, {"Idempotency-Key": "key"}
    with serving(create_app(make_service(engine), page=False)) as (host, port), ThreadPoolExecutor(50) as pool:
        client = Client(base_url=f"http://{host}:{port}", timeout=60)
        answers = list(pool.map(lambda _: client.post(CHAT, json=body, headers=headers), range(50)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.text for answer in answers}) == 1
    assert (count(engine, TurnRow), count(engine, ConversationRow)) == (1, 1)


def test_the_same_key_with_another_body_is_422(client: TestClient, engine: Engine) -> None:
    headers = {"Idempotency-Key": "key"}
    client.post(CHAT, json={"message": "Where is my order?"}, headers=headers)
    refused = client.post(CHAT, json={"message": "Where is my refund?"}, headers=headers)
    assert_problem(refused, 422, "key-used-before")
    assert count(engine, TurnRow) == 1


def test_while_the_database_is_away_chat_is_degraded_and_feedback_503(client: TestClient, engine: Engine) -> None:
    answer = ask(client)
    vote = {"conversation_id": answer["conversation_id"], "turn_id": answer["turn_id"], "value": 1}
    with Outage(engine):
        assert ask(client)["degraded"] is True
        for refused in (
            client.post(FEEDBACK, json=vote),
            client.post(HANDOVER, json={}),
            client.get(f"/api/v1/conversations/{answer['conversation_id']}"),
            client.delete(f"/api/v1/conversations/{answer['conversation_id']}"),
        ):
            assert_problem(refused, 503, "storage-away")
            assert int(refused.headers["Retry-After"]) > 0
    assert client.post(FEEDBACK, json=vote).status_code == 200
    assert (count(engine, TurnRow), count(engine, VoteRow), count(engine, HandOverRow)) == (1, 1, 0)


def test_what_was_degraded_and_is_sent_again_is_recorded_once(client: TestClient, engine: Engine) -> None:
    body, headers = {"message": "Where is my order?"}, {"Idempotency-Key": "key"}
    with Outage(engine):
        assert client.post(CHAT, json=body, headers=headers).json()["degraded"] is True
    again = [client.post(CHAT, json=body, headers=headers).json() for _ in range(2)]
    assert again[0] == again[1]
    assert count(engine, TurnRow) == 1


def test_an_error_says_nothing_of_files_and_databases(sqlite_engine: Engine, tmp_path: Path) -> None:
    answerer = FakeAnswerer()
    client = make_client(make_service(sqlite_engine, answerer))
    path = Path(str(sqlite_engine.url.database))
    path.rename(tmp_path / "elsewhere.db")
    away = client.post(HANDOVER, json={})
    assert_problem(away, 503, "storage-away")
    answerer.problem = IndexDamagedError(f"{path}: cut short")
    damaged = client.post(CHAT, json={"message": "Where is my order?"})
    assert_problem(damaged, 503, "not-ready")
    assert str(tmp_path) not in away.text + damaged.text


def test_a_defect_is_a_500_that_tells_nothing(sqlite_engine: Engine) -> None:
    answerer = FakeAnswerer()
    answerer.complete = lambda prefix, limit=5: [].index("secret")  # type: ignore[method-assign,assignment]
    client = make_client(make_service(sqlite_engine, answerer))
    failed = client.get("/api/v1/suggest?q=where")
    assert_problem(failed, 500, "failed")
    assert "secret" not in failed.text
    assert failed.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({}, "body.message"),
        ({"message": 7}, "body.message"),
        ({"message": "Hi", "conversationId": "a"}, "body.conversationId"),
        ({"message": "Hi", "conversation_id": 7}, "body.conversation_id"),
        ({"message": "Hi", "chosen": {"turn_id": "a", "pair_id": "b", "role": "c"}}, "body.chosen.role"),
        ([], "body"),
    ],
)
def test_a_wrong_request_names_the_part_that_is_wrong(sqlite_client: TestClient, body: object, where: str) -> None:
    problem = assert_problem(sqlite_client.post(CHAT, json=body), 422, "invalid")
    assert [each["where"] for each in problem["errors"]] == [where]


@pytest.mark.parametrize("value", [2, -2, True, 1.5, "1", None])
def test_a_vote_of_another_value_is_422(sqlite_client: TestClient, value: object) -> None:
    body = {"conversation_id": "a", "turn_id": "b", "value": value}
    assert_problem(sqlite_client.post(FEEDBACK, json=body), 422, "invalid")


@pytest.mark.parametrize("body", [b"\xff", b"[" * 100_000, b'{"message": ' + b"9" * 5_000 + b"}"])
def test_a_body_that_is_not_json_is_400(sqlite_client: TestClient, body: bytes) -> None:
    response = sqlite_client.post(CHAT, content=body, headers={"Content-Type": "application/json"})
    assert_problem(response, 400, "bad-request")


@pytest.mark.parametrize(
    "message",
    [
        "order\x00 status",
        "\ud83dorder",
        "\u202eorder status\u202c",
        "📦❓",
        "هل طلبي في الطريق",
        "a" + "\u0301" * 40_000,
    ],
    ids=["nul", "lone surrogate", "bidi override", "emoji", "right to left", "combining marks"],
)
def test_a_strange_message_is_answered(client: TestClient, message: str) -> None:
    body = json.dumps({"message": message})
    response = client.post(CHAT, content=body, headers={"Content-Type": "application/json"})
    assert response.status_code == 200
    conversation = client.get(f"/api/v1/conversations/{response.json()['conversation_id']}")
    assert len(conversation.json()["turns"]) == 1


@pytest.mark.parametrize("message", ["", "   ", "\x00", "\u200f", "a" * 100_000, "\u0301" * 40_000])
def test_a_message_that_says_nothing_or_too_much_is_422(client: TestClient, engine: Engine, message: str) -> None:
    assert_problem(client.post(CHAT, json={"message": message}), 422, "unusable")
    assert count(engine, ConversationRow) == 0


@pytest.mark.parametrize("identifier", ["a\x00b", "\ud800", "\ud800a", "' OR 1=1 --", "a" * 200])
def test_a_strange_identifier_is_unknown_or_refused(client: TestClient, identifier: str) -> None:
    ask(client)
    for path, body in (
        (CHAT, {"message": "Hi", "conversation_id": identifier}),
        (FEEDBACK, {"conversation_id": identifier, "turn_id": identifier, "value": 1}),
        (HANDOVER, {"conversation_id": identifier}),
    ):
        response = client.post(path, content=json.dumps(body), headers={"Content-Type": "application/json"})
        assert response.status_code in (404, 422)


def test_a_conversations_id_with_nul_behind_it_does_no_harm(client: TestClient) -> None:
    conversation_id = ask(client)["conversation_id"]
    assert client.get(f"/api/v1/conversations/{conversation_id}%00").status_code == 200
    assert client.delete(f"/api/v1/conversations/{conversation_id}%00").status_code == 204
    assert client.post(HANDOVER, json={"conversation_id": conversation_id + "\x00"}).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("GET", CHAT, "POST"),
        ("PUT", "/api/v1/conversations/a", "DELETE, GET"),
        ("POST", "/livez", "GET"),
        ("TRACE", "/readyz", "GET"),
        ("POST", "/openapi.json", "GET"),
    ],
)
def test_a_wrong_method_is_405_and_names_the_right_ones(
    sqlite_client: TestClient, method: str, path: str, allow: str
) -> None:
    response = sqlite_client.request(method, path)
    assert_problem(response, 405, "method-not-allowed")
    assert response.headers["Allow"] == allow


@pytest.mark.parametrize("path", ["/api", "/api/v1/nothing", "/api/v2/chat"])
def test_an_address_without_anything_is_404(sqlite_client: TestClient, path: str) -> None:
    assert_problem(sqlite_client.get(path), 404, "not-found")


def test_ready_names_the_snapshot(sqlite_client: TestClient) -> None:
    assert sqlite_client.get("/readyz").json() == {
        "status": "ready",
        "snapshot": {"checkpoint": "zero-shot", "index": "index-1", "knowledge_version": "1", "settings": ""},
    }


def test_ready_is_503_without_an_index_and_alive_is_not(sqlite_engine: Engine) -> None:
    answerer = FakeAnswerer()
    answerer.problem = IndexMissingError("there is no index; run frontdesk index")
    client = make_client(make_service(sqlite_engine, answerer))
    problem = assert_problem(client.get("/readyz"), 503, "not-ready")
    assert problem["detail"] == "index: there is no index; run frontdesk index"
    assert client.get("/livez").status_code == 200


def test_ready_is_503_while_the_database_is_away_and_alive_is_not(client: TestClient, engine: Engine) -> None:
    with Outage(engine):
        problem = assert_problem(client.get("/readyz"), 503, "not-ready")
        assert problem["detail"] == "database: it does not answer"
        assert client.get("/livez").status_code == 200
    assert client.get("/readyz").status_code == 200


def test_ready_is_503_where_the_database_hangs(sqlite_engine: Engine) -> None:
    class Hanging(ChatService):
        released = threading.Event()

        def check_storage(self) -> None:
            self.released.wait(60)

    service = Hanging(FakeAnswerer(), ConversationLog(sqlite_engine))
    problem = assert_problem(make_client(service).get("/readyz"), 503, "not-ready")
    service.released.set()
    assert problem["detail"] == "database: it does not answer"


# Why a turn was answered as it was


def explanation(client: TestClient, conversation_id: str, turn_id: str, query: str = "") -> Response:
    return client.get(f"/api/v1/conversations/{conversation_id}/turns/{turn_id}/explanation{query}")


def test_the_record_of_a_turn_can_be_read(client: TestClient) -> None:
    answer = ask(client)
    response = explanation(client, answer["conversation_id"], answer["turn_id"])
    record = response.json()
    assert response.status_code == 200
    assert TurnExplanation.model_validate(record)
    assert record["question"] == "Where is my order?"
    assert record["attribution"] is None
    for name in ("turn_id", "outcome", "confidence", "responses", "explanation", "snapshot"):
        assert record[name] == answer[name]


def test_the_words_that_mattered_come_where_they_are_asked_for(client: TestClient) -> None:
    answer = ask(client)
    record = explanation(client, answer["conversation_id"], answer["turn_id"], "?attribution=true").json()
    assert TurnExplanation.model_validate(record)
    assert record["attribution"]["pair_id"] == answer["responses"][0]["pair_id"]
    assert record["attribution"]["words"][0] == {"word": "Where", "share": 0.25}
    assert record["attribution"]["snapshot"] == answer["snapshot"]


def test_only_who_knows_the_conversation_may_read_the_record_of_its_turns(client: TestClient) -> None:
    one, other = ask(client), ask(client)
    for conversation_id, turn_id in (
        (other["conversation_id"], one["turn_id"]),
        ("no-such-conversation", one["turn_id"]),
        (one["conversation_id"], "no-such-turn"),
    ):
        for query in ("", "?attribution=true"):
            assert_problem(explanation(client, conversation_id, turn_id, query), 404, "not-found")


def test_what_was_cleared_can_no_longer_be_read(client: TestClient) -> None:
    answer = ask(client)
    client.delete(f"/api/v1/conversations/{answer['conversation_id']}")
    assert_problem(explanation(client, answer["conversation_id"], answer["turn_id"]), 404, "not-found")
