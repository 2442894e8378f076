import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from fakes_kb import turn
from sqlalchemy import func, select

from kb.database import reading
from kb.errors import ConflictError, StorageError
from kb.log import ConversationLog, IdempotentCall
from kb.tables import IdempotencyKeyRow, TurnRow

BODY, OTHER_BODY = "body-1", "body-2"
AT_ONCE = 50


@pytest.fixture
def log(engine):
    return ConversationLog(engine)


def rows(engine, table):
    with reading(engine) as connection:
        return connection.scalar(select(func.count()).select_from(table))


def test_a_claimed_key_that_was_completed_gives_its_response_ever_after(log):
    assert log.claim("k", "chat", BODY) is None
    log.complete("k", "chat", '{"a": 1}')
    assert [log.claim("k", "chat", BODY) for _ in range(2)] == ['{"a": 1}'] * 2


def test_a_key_is_another_one_in_another_scope(log):
    assert log.claim("k", "conversation-1", BODY) is None
    assert log.claim("k", "conversation-2", OTHER_BODY) is None


def test_the_same_key_with_another_body_conflicts_before_and_after_the_response(log):
    log.claim("k", "chat", BODY)
    with pytest.raises(ConflictError, match="got another body"):
        log.claim("k", "chat", OTHER_BODY)
    log.complete("k", "chat", "{}")
    with pytest.raises(ConflictError, match="use a new key for a new request"):
        log.claim("k", "chat", OTHER_BODY)


def test_a_released_key_can_be_claimed_again_even_with_another_body(log):
    log.claim("k", "chat", BODY)
    log.release("k", "chat")
    assert log.claim("k", "chat", OTHER_BODY) is None


def test_releasing_a_completed_key_changes_nothing(log):
    log.claim("k", "chat", BODY)
    log.complete("k", "chat", "{}")
    log.release("k", "chat")
    assert log.claim("k", "chat", BODY) == "{}"


def test_a_claim_without_a_response_makes_others_wait_and_then_try_again(engine):
    impatient = ConversationLog(engine, claim_wait_s=0.1)
    impatient.claim("k", "chat", BODY)
    with pytest.raises(StorageError, match="try again with the same Idempotency-Key"):
        impatient.claim("k", "chat", BODY)


def test_an_equal_request_that_waits_gets_the_response_of_the_first(log):
    log.claim("k", "chat", BODY)
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(log.claim, "k", "chat", BODY)
        log.complete("k", "chat", '"first"')
        assert waiting.result(timeout=30) == '"first"'


def test_an_expired_claim_is_taken_over_by_one_and_its_owner_can_not_answer_otherwise(engine):
    log = ConversationLog(engine, claim_lease_s=0.0)
    assert log.claim("k", "chat", BODY) is None
    assert log.claim("k", "chat", BODY) is None
    log.complete("k", "chat", '"the heir"')
    with pytest.raises(ConflictError, match="got one that an equal request has taken over and completed"):
        log.complete("k", "chat", '"the owner"')
    assert log.claim("k", "chat", BODY) == '"the heir"'


def test_completing_a_key_again_with_the_same_response_changes_nothing(log):
    log.claim("k", "chat", BODY)
    log.complete("k", "chat", "{}")
    log.complete("k", "chat", "{}")
    assert log.claim("k", "chat", BODY) == "{}"


def test_a_key_that_nobody_claimed_can_not_be_completed(log, engine):
    with pytest.raises(ConflictError, match="got one that nobody claimed"):
        log.complete("k", "chat", "{}")
    assert rows(engine, IdempotencyKeyRow) == 0


def test_a_turn_and_the_response_to_its_key_are_stored_together_or_not_at_all(log, engine):
    conversation_id = log.start_conversation()
    call = IdempotentCall(key="k", scope="chat", response_json="{}")
    with pytest.raises(ConflictError):
        log.record(turn(conversation_id, "t-1"), [], call)
    assert rows(engine, TurnRow) == 0
    log.claim("k", "chat", BODY)
    log.record(turn(conversation_id, "t-1"), [], call)
    assert (rows(engine, TurnRow), log.claim("k", "chat", BODY)) == (1, "{}")


def test_a_key_may_hold_any_text(log):
    for key in ("", "x" * 10_000, "\x00\ud800k", "'; DROP TABLE turns; --", "🔑"):
        assert log.claim(key, "chat", BODY) is None
        log.complete(key, "chat", "{}")
        assert log.claim(key, "chat", BODY) == "{}"


def test_one_key_used_fifty_times_at_once_is_one_row_and_one_reply(log, engine):
    conversation_id = log.start_conversation()
    together = threading.Barrier(AT_ONCE)

    def request(number):
        together.wait()
        known = log.claim("k", conversation_id, BODY)
        if known is not None:
            return known
        response = f'{{"turn_id": "t-{number}"}}'
        call = IdempotentCall(key="k", scope=conversation_id, response_json=response)
        log.record(turn(conversation_id, f"t-{number}"), [], call)
        return response

    with ThreadPoolExecutor(AT_ONCE) as threads:
        replies = list(threads.map(request, range(AT_ONCE)))
    (only,) = log.history(conversation_id)
    assert set(replies) == {f'{{"turn_id": "{only.turn_id}"}}'}
    assert (rows(engine, TurnRow), rows(engine, IdempotencyKeyRow)) == (1, 1)


def test_of_fifty_equal_requests_at_once_another_one_goes_on_where_the_first_fails(log, engine):
    together = threading.Barrier(AT_ONCE)
    worked = []

    def request(number):
        together.wait()
        known = log.claim("k", "chat", BODY)
        if known is not None:
            return known
        worked.append(number)
        if len(worked) == 1:
            log.release("k", "chat")
            return "failed"
        log.complete("k", "chat", "{}")
        return "{}"

    with ThreadPoolExecutor(AT_ONCE) as threads:
        replies = list(threads.map(request, range(AT_ONCE)))
    assert (replies.count("failed"), replies.count("{}"), len(worked)) == (1, AT_ONCE - 1, 2)
