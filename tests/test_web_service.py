import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from fakes import QUESTIONS, SNAPSHOT, FakeAnswerer, Outage, count, make_service
from sqlalchemy import Engine, select

from bot.config import WebConfig
from kb.codec import reply_from_json
from kb.errors import ConflictError, IndexMissingError, InputError, MessageError, NotFoundError, StorageError
from kb.tables import (
    ClickRow,
    ConversationRow,
    HandOverRow,
    IdempotencyKeyRow,
    ImpressionRow,
    TurnRow,
    VoteRow,
)
from web.service import Choice

ELSEWHERE = "no-such-conversation"


def test_an_answer_is_recorded_as_it_was_given(engine: Engine) -> None:
    service = make_service(engine)
    answered = service.ask("Where is\x00 my  order?")
    [turn] = service.history(answered.conversation_id)
    assert turn.question == "Where is my order?"
    assert turn.turn_id == answered.reply.turn_id
    assert reply_from_json(turn.reply) == answered.reply
    assert turn.latency_ms > 0
    assert not answered.degraded


def test_everything_shown_is_an_impression_with_its_figures(engine: Engine) -> None:
    make_service(engine).ask("Where is my order?")
    with engine.connect() as connection:
        shown = connection.execute(select(ImpressionRow).order_by(ImpressionRow.pair_id)).all()
    assert [(row.pair_id, row.role, row.rank) for row in shown] == [
        ("p-1", "response", 1),
        ("p-2", "follow_up", 1),
        ("p-3", "follow_up", 2),
    ]
    assert [(row.similarity, row.relevance, row.propensity) for row in shown[:2]] == [(0.75, 0.5, 1), (0.5, 0.25, 1)]


def test_what_a_question_back_offers_are_options(engine: Engine) -> None:
    make_service(engine, FakeAnswerer("clarifying")).ask("order")
    with engine.connect() as connection:
        assert set(connection.scalars(select(ImpressionRow.role))) == {"option"}


def test_the_bot_is_told_the_turn_and_the_conversation_so_far(engine: Engine) -> None:
    answerer = FakeAnswerer()
    service = make_service(engine, answerer)
    first = service.ask("Where is my order?")
    second = service.ask("And my refund?", first.conversation_id)
    assert second.conversation_id == first.conversation_id
    assert answerer.contexts[1].conversation_id == first.conversation_id
    assert answerer.contexts[1].turn_id == second.reply.turn_id != first.reply.turn_id
    assert [turn.question for turn in answerer.contexts[1].history] == ["Where is my order?"]


def test_an_unknown_conversation_is_refused_and_leaves_nothing(engine: Engine) -> None:
    service = make_service(engine)
    calls = (
        lambda: service.ask("Where is my order?", ELSEWHERE),
        lambda: service.history(ELSEWHERE),
        lambda: service.clear(ELSEWHERE),
        lambda: service.hand_over(ELSEWHERE),
        lambda: service.ask("Where is my order?", ""),
    )
    for call in calls:
        with pytest.raises(NotFoundError):
            call()
    assert (count(engine, ConversationRow), count(engine, TurnRow), count(engine, HandOverRow)) == (0, 0, 0)


def test_an_unusable_message_leaves_nothing(engine: Engine) -> None:
    service = make_service(engine, web=WebConfig(max_message_length=10))
    for message in ("", "a" * 11):
        with pytest.raises(MessageError):
            service.ask(message, idempotency_key="key")
    assert (count(engine, ConversationRow), count(engine, IdempotencyKeyRow)) == (0, 0)


def test_a_bot_without_an_index_leaves_nothing_and_the_key_can_be_used_again(engine: Engine) -> None:
    answerer = FakeAnswerer()
    service = make_service(engine, answerer)
    answerer.problem = IndexMissingError("no index")
    with pytest.raises(IndexMissingError):
        service.ask("Where is my order?", idempotency_key="key")
    assert (count(engine, ConversationRow), count(engine, TurnRow)) == (0, 0)
    answerer.problem = None
    assert not service.ask("Where is my order?", idempotency_key="key").degraded


def test_a_click_is_recorded_with_the_turn_that_showed_it(engine: Engine) -> None:
    service = make_service(engine)
    first = service.ask("Where is my order?")
    chosen = Choice(turn_id=first.reply.turn_id, pair_id="p-2", role="follow_up")
    service.ask("Where is your shop?", first.conversation_id, chosen=chosen)
    with engine.connect() as connection:
        [click] = connection.execute(select(ClickRow)).all()
    assert (click.turn_id, click.pair_id, click.role) == (first.reply.turn_id, "p-2", "follow_up")


@pytest.mark.parametrize("pair_id", ["p-1", "p-9"])
def test_a_choice_of_what_was_not_shown_is_refused_and_leaves_nothing(engine: Engine, pair_id: str) -> None:
    service = make_service(engine)
    first = service.ask("Where is my order?")
    chosen = Choice(turn_id=first.reply.turn_id, pair_id=pair_id, role="follow_up")
    for conversation_id in (first.conversation_id, None):
        with pytest.raises(NotFoundError):
            service.ask("Where is your shop?", conversation_id, chosen=chosen)
    assert (count(engine, TurnRow), count(engine, ClickRow), count(engine, ConversationRow)) == (1, 0, 1)


def test_50_equal_requests_at_once_are_one_turn_with_one_reply(engine: Engine) -> None:
    service = make_service(engine)
    together = threading.Barrier(50)

    def ask(_: int) -> object:
        together.wait(30)
        return service.ask("Where is my order?", idempotency_key="key")

    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(ask, range(50)))
    assert all(answer == answers[0] for answer in answers)
    assert (count(engine, TurnRow), count(engine, ConversationRow), count(engine, ImpressionRow)) == (1, 1, 3)


def test_a_key_with_another_request_is_refused(engine: Engine) -> None:
    service = make_service(engine)
    answered = service.ask("Where is my order?", idempotency_key="key")
    with pytest.raises(ConflictError):
        service.ask("Where is my refund?", idempotency_key="key")
    with pytest.raises(ConflictError):
        service.ask("Where is my order?", answered.conversation_id, idempotency_key="key")
    assert count(engine, TurnRow) == 1


def test_a_vote_goes_up_and_down_and_is_taken_back_with_all_of_it_kept(engine: Engine) -> None:
    service = make_service(engine)
    answered = service.ask("Where is my order?")
    place = (answered.conversation_id, answered.reply.turn_id)
    for value in (1, -1, -1, 0):
        service.vote(*place, value)
        assert service.history(place[0])[0].vote == value
    with engine.connect() as connection:
        assert list(connection.scalars(select(VoteRow.value).order_by(VoteRow.vote_id))) == [1, -1, 0]


def test_a_vote_sent_again_under_its_key_does_not_undo_a_later_one(engine: Engine) -> None:
    service = make_service(engine)
    answered = service.ask("Where is my order?")
    place = (answered.conversation_id, answered.reply.turn_id)
    first = service.vote(*place, 1, idempotency_key="first")
    service.vote(*place, -1, idempotency_key="second")
    assert service.vote(*place, 1, idempotency_key="first") == first
    assert service.history(place[0])[0].vote == -1


def test_a_vote_on_another_conversations_turn_is_refused(engine: Engine) -> None:
    service = make_service(engine)
    mine, other = service.ask("Where is my order?"), service.ask("Where is my refund?")
    with pytest.raises(NotFoundError):
        service.vote(mine.conversation_id, other.reply.turn_id, 1)
    assert count(engine, VoteRow) == 0


def test_a_vote_of_another_value_is_refused(engine: Engine) -> None:
    service = make_service(engine)
    answered = service.ask("Where is my order?")
    with pytest.raises(InputError):
        service.vote(answered.conversation_id, answered.reply.turn_id, 2)


def test_a_hand_over_takes_the_transcript_along(engine: Engine) -> None:
    service = make_service(engine)
    answered = service.ask("Where is my order?")
    done = service.hand_over(answered.conversation_id, " kim@example.org ")
    assert done.contact == "kim@example.org"
    assert [entry["role"] for entry in done.transcript] == ["customer", "bot"]


def test_a_hand_over_without_a_conversation_starts_one(engine: Engine) -> None:
    service = make_service(engine)
    done = service.hand_over(None, channel="page")
    assert service.history(done.conversation_id) == []
    with engine.connect() as connection:
        assert connection.scalars(select(ConversationRow.channel)).all() == ["page"]


def test_a_hand_over_sent_again_under_its_key_is_one(engine: Engine) -> None:
    service = make_service(engine)
    answered = service.ask("Where is my order?")
    first = service.hand_over(answered.conversation_id, idempotency_key="key")
    assert service.hand_over(answered.conversation_id, idempotency_key="key") == first
    assert count(engine, HandOverRow) == 1


def test_a_cleared_conversation_is_empty_and_goes_on(engine: Engine) -> None:
    service = make_service(engine)
    answered = service.ask("Where is my order?")
    service.clear(answered.conversation_id)
    assert service.history(answered.conversation_id) == []
    service.ask("And my refund?", answered.conversation_id)
    assert [turn.question for turn in service.history(answered.conversation_id)] == ["And my refund?"]


def test_while_the_database_is_away_answers_go_out_degraded_and_nothing_else_does(engine: Engine) -> None:
    service = make_service(engine)
    before = service.ask("Where is my order?")
    with Outage(engine):
        new, going_on = service.ask("Where is my refund?"), service.ask("And my refund?", before.conversation_id)
        keyed = service.ask("Where is my tent?", idempotency_key="key")
        assert [new.degraded, going_on.degraded, keyed.degraded] == [True, True, True]
        assert going_on.conversation_id == before.conversation_id
        for kept in (
            lambda: service.vote(before.conversation_id, before.reply.turn_id, 1),
            lambda: service.hand_over(None),
            lambda: service.history(before.conversation_id),
            lambda: service.check_storage(),
        ):
            with pytest.raises(StorageError):
                kept()
    assert (count(engine, TurnRow), count(engine, VoteRow), count(engine, HandOverRow)) == (1, 0, 0)


def test_what_is_sent_again_after_an_outage_is_recorded_once(engine: Engine) -> None:
    service = make_service(engine)
    with Outage(engine):
        service.ask("Where is my order?", idempotency_key="key")
    again = [service.ask("Where is my order?", idempotency_key="key") for _ in range(3)]
    assert all(answer == again[0] for answer in again)
    assert not again[0].degraded
    assert (count(engine, TurnRow), count(engine, ConversationRow)) == (1, 1)


def test_an_outage_between_the_claim_and_the_record_leaves_a_degraded_answer(engine: Engine) -> None:
    answerer = FakeAnswerer()
    service, outage = make_service(engine, answerer), Outage(engine)
    answerer.gate.clear()
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(service.ask, "Where is my order?", idempotency_key="key")
        assert answerer.asked.wait(30)
        with outage:
            answerer.gate.set()
            assert asking.result(30).degraded
    assert count(engine, TurnRow) == 0


def test_a_conversation_begun_during_an_outage_goes_on_after_it(engine: Engine) -> None:
    service = make_service(engine)
    with Outage(engine):
        begun = service.ask("Where is my order?")
    assert service.history(begun.conversation_id) == []
    service.clear(begun.conversation_id)
    going_on = service.ask("And my refund?", begun.conversation_id)
    assert going_on.conversation_id == begun.conversation_id
    assert [turn.question for turn in service.history(begun.conversation_id)] == ["And my refund?"]
    assert service.hand_over(begun.conversation_id).transcript


def test_an_id_that_the_server_did_not_give_out_is_never_taken_up(engine: Engine) -> None:
    service = make_service(engine)
    with Outage(engine):
        service.ask("Where is my order?", ELSEWHERE)
    with pytest.raises(NotFoundError):
        service.ask("Where is my order?", ELSEWHERE)


def test_a_database_file_that_is_gone_degrades_answers_until_it_is_back(sqlite_engine: Engine, tmp_path: Path) -> None:
    service = make_service(sqlite_engine)
    service.ask("Where is my order?")
    path = Path(str(sqlite_engine.url.database))
    path.rename(tmp_path / "elsewhere.db")
    assert service.ask("Where is my order?").degraded
    (tmp_path / "elsewhere.db").rename(path)
    assert not service.ask("Where is my order?").degraded


def test_suggestions_come_from_the_bot_and_an_empty_prefix_has_none(engine: Engine) -> None:
    service = make_service(engine)
    assert service.suggest("where  IS") == list(QUESTIONS[:2])
    assert service.suggest("where", limit=1) == [QUESTIONS[0]]
    assert service.suggest(" \x00") == []
    assert service.snapshot() == SNAPSHOT
