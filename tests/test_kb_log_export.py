import json
from datetime import UTC, datetime, timedelta

import pytest
from fakes_kb import impression, turn

from kb.log import ConversationLog

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


@pytest.fixture
def log(engine):
    return ConversationLog(engine)


def test_a_turn_is_exported_with_all_that_was_shown_and_made_of_it(log):
    conversation_id = log.start_conversation()
    given = turn(conversation_id, "a", created_at=NOON)
    log.record(given, [impression("a"), impression("a", "p-2", "follow_up")])
    log.vote(conversation_id, "a", 1)
    log.vote(conversation_id, "a", -1, "wrong", "No.")
    log.click(conversation_id, "a", "p-2", "follow_up")
    (document,) = log.export()
    shown = {"similarity": 0.5, "relevance": 0.25, "propensity": 1.0, "rank": 1}
    assert document["impressions"] == [
        {"pair_id": "p-1", "role": "response"} | shown,
        {"pair_id": "p-2", "role": "follow_up"} | shown,
    ]
    assert [(each["value"], each["reason"], each["comment"]) for each in document["votes"]] == [
        (1, None, ""),
        (-1, "wrong", "No."),
    ]
    assert [(each["pair_id"], each["role"]) for each in document["clicks"]] == [("p-2", "follow_up")]
    assert (document["vote"], document["ordinal"], document["created_at"]) == (-1, 1, NOON.isoformat())
    assert (document["question"], document["outcome"], document["reply"]) == (given.question, "answered", given.reply)


def test_the_secret_of_a_conversation_is_not_exported_though_its_turns_stay_together(log):
    ids = [log.start_conversation() for _ in range(2)]
    for number, conversation_id in enumerate(ids * 2):
        log.record(turn(conversation_id, f"t-{number}"), [])
        log.vote(conversation_id, f"t-{number}", 1)
    documents = list(log.export())
    assert not any(each in json.dumps(documents) for each in ids)
    names = {each["turn_id"]: each["conversation"] for each in documents}
    assert names["t-0"] == names["t-2"] != names["t-1"] == names["t-3"]


def test_an_export_is_json_by_time_from_the_given_one_on(log):
    conversation_id = log.start_conversation()
    for hours in (3, 1, 2):
        log.record(turn(conversation_id, f"t-{hours}", created_at=NOON + timedelta(hours=hours)), [])
    documents = list(log.export(since=NOON + timedelta(hours=2)))
    assert json.loads(json.dumps(documents)) == documents
    assert [each["turn_id"] for each in documents] == ["t-2", "t-3"]


def test_more_turns_than_a_page_are_exported_once_each_though_many_share_a_time(log):
    conversation_id = log.start_conversation()
    for number in range(503):
        log.record(turn(conversation_id, f"t-{number:03}", created_at=NOON), [impression(f"t-{number:03}")])
    documents = list(log.export())
    assert [each["turn_id"] for each in documents] == [f"t-{number:03}" for number in range(503)]
    assert all(len(each["impressions"]) == 1 for each in documents)


def test_cleared_turns_are_exported_too(log):
    conversation_id = log.start_conversation()
    log.record(turn(conversation_id, "a"), [])
    log.clear(conversation_id)
    assert [each["turn_id"] for each in log.export()] == ["a"]


def test_an_empty_log_exports_nothing(log):
    assert list(log.export()) == []


def test_conversations_that_went_to_a_person_are_known_by_the_hashes_of_the_export(log):
    passed, other = (log.start_conversation() for _ in range(2))
    for number, each in enumerate((passed, other)):
        log.record(turn(each, f"t-{number}"), [])
    log.hand_over(passed)
    log.hand_over(passed, contact="a@example.com")
    by_turn = {each["turn_id"]: each["conversation"] for each in log.export()}
    assert log.handed_over() == {by_turn["t-0"]}
