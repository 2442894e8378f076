from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from fakes_bot import SHOP, bot_over
from fakes_desk import desk_over
from fakes_kb import turn

from kb.audit import entries
from kb.log import ConversationLog
from kb.operators import Operator, Operators
from kb.store import KnowledgeStore
from kb.verdicts import Verdicts
from web.auth import OPERATOR
from web.knowledge_actions import knowledge_actions
from web.review_actions import PAGE, review_actions


def reply():
    shown = {"pair_id": "track", "question": "Where is my order?", "answer": "**Look** <script>x</script>"}
    other = {"pair_id": "time", "question": "How long?", "relevance": 0.2}
    return {"message": "", "responses": [shown], "explanation": {"reason": "70 % likely.", "runners_up": [other]}}


@pytest.fixture
def desk(engine, tmp_path):
    log = ConversationLog(engine)
    log.start_conversation("page", conversation_id="c")
    for number in range(3):
        log.record(turn("c", f"t{number}", f"question {number}", confidence=0.9 - number / 10, reply=reply()), [])
    KnowledgeStore(engine).upsert(SHOP)
    bot = bot_over(tmp_path)
    return desk_over(engine, bot, Operators(engine))


@pytest.fixture
def act(desk):
    functions = {each.__name__: each for each in (*review_actions(desk), *knowledge_actions(desk))}

    def call(name, role="editor", who="ada", **payload):
        operator = Operator(operator_id=who, role=role, created_at=datetime.now(UTC))
        return functions[name](payload, SimpleNamespace(scope={OPERATOR: operator}))

    return call


def test_the_queue_has_the_worst_first_page_by_page(act, engine):
    found = act("review_queue", role="viewer")
    assert [each["turn_id"] for each in found["turns"]] == ["t2", "t1", "t0"]
    assert (found["total"], found["size"]) == (3, PAGE)
    assert act("review_queue", page=1)["turns"] == []
    assert act("review_queue", outcome="abstained")["turns"] == []
    assert act("review_queue", page=-3, days=10**9)["total"] == 3


def test_a_turn_comes_with_its_conversation_and_nothing_in_it_can_run(act):
    found = act("review_turn", turn_id="t1")
    assert [each["question"] for each in found["conversation"]] == ["question 0", "question 1", "question 2"]
    assert "<strong>Look</strong>" in found["conversation"][0]["html"]
    assert "<script>" not in found["conversation"][0]["html"]
    assert [each["pair_id"] for each in found["shown"] + found["others"]] == ["track", "time"]
    assert (found["why"], found["may_judge"], found["taken_by"]) == ("70 % likely.", True, "")


def test_a_turn_that_one_looks_at_another_one_sees_as_taken(act):
    act("review_turn", turn_id="t1", who="ada")
    assert act("review_turn", turn_id="t1", who="bob")["taken_by"] == "ada"
    taken = {each["turn_id"]: each["taken_by"] for each in act("review_queue", who="bob")["turns"]}
    assert taken == {"t0": "", "t1": "ada", "t2": ""}
    assert not any(each["taken_by"] for each in act("review_queue", who="ada")["turns"])
    assert "ada took" in act("review_verdict", who="bob", turn_id="t1", value="right")["error"]


def test_who_only_looks_keeps_nobody_from_judging(act):
    assert act("review_turn", role="viewer", who="eve", turn_id="t1")["may_judge"] is False
    assert act("review_turn", turn_id="t1", who="bob")["taken_by"] == ""


def test_a_verdict_is_kept_audited_and_takes_the_turn_out_of_the_queue(act, engine):
    assert act("review_verdict", turn_id="t2", value="wrong", pair_id="refund", note="see 4") == {
        "value": "wrong",
        "learned": False,
    }
    (verdict,) = Verdicts(engine).current()
    assert (verdict.operator_id, verdict.value, verdict.pair_id, verdict.note) == ("ada", "wrong", "refund", "see 4")
    assert [each["turn_id"] for each in act("review_queue")["turns"]] == ["t1", "t0"]
    assert [each["verdict"] for each in act("review_queue", judged=True)["turns"]] == ["wrong"]
    assert entries(engine)[0].action == "verdict: wrong"
    act("review_verdict", turn_id="t2", value="none")
    assert act("review_queue")["total"] == 3


def test_a_viewer_gives_no_verdict(act, engine):
    assert "needs the role editor" in act("review_verdict", role="viewer", turn_id="t2", value="right")["error"]
    assert Verdicts(engine).current() == []


@pytest.mark.parametrize(
    "payload",
    [
        {"turn_id": "t9", "value": "right"},
        {"turn_id": "t1", "value": "nonsense"},
        {"turn_id": "t1", "value": "wrong", "pair_id": "gone"},
        {"turn_id": "t1", "value": "unclear", "pair_id": "refund"},
        {},
    ],
)
def test_what_can_not_be_judged_so_is_told_and_nothing_is_kept(act, engine, payload):
    assert act("review_verdict", **payload)["error"]
    assert Verdicts(engine).current() == []


def test_pairs_are_found_by_what_they_answer(act):
    assert act("find_pairs", text="where is my parcel")["pairs"][0] == {
        "pair_id": "track",
        "question": "Where is my order?",
    }
    assert act("find_pairs", text="  ")["error"]


@pytest.mark.parametrize(
    ("verdict", "pair_id"),
    [({"value": "right"}, "track"), ({"value": "wrong", "pair_id": "time"}, "time")],
)
def test_the_words_of_a_customer_are_learned_as_another_way_of_asking(act, engine, verdict, pair_id):
    assert act("review_verdict", turn_id="t1", learn=True, **verdict)["learned"] is True
    assert "question 1" in KnowledgeStore(engine).get(pair_id).phrasings
    assert {each.action for each in entries(engine)} >= {"phrasing added"}
    assert act("review_verdict", turn_id="t1", learn=True, **verdict)["learned"] is False


def test_where_no_pair_is_right_nothing_is_learned(act, engine):
    before = KnowledgeStore(engine).corpus_hash()
    for value in ("wrong", "unclear", "out_of_scope"):
        assert act("review_verdict", turn_id="t1", learn=True, value=value)["learned"] is False
    assert KnowledgeStore(engine).corpus_hash() == before


def test_a_new_pair_is_added_and_a_known_question_refused(act, engine):
    added = act("new_pair", question="Do you sell maps?", answer="Yes.", topic="gear")["pair_id"]
    pair = KnowledgeStore(engine).get(added)
    assert (pair.question, pair.answer, pair.topic, pair.source) == ("Do you sell maps?", "Yes.", "gear", "console")
    assert "change the answer of" in act("new_pair", question="do you sell maps", answer="No.")["error"]
    assert act("new_pair", question="Do you?", answer=" ")["error"]
    assert "needs the role" in act("new_pair", role="viewer", question="Really?", answer="No.")["error"]


def test_what_was_edited_is_not_in_service_until_it_is_published(act):
    found = act("published", role="viewer")
    assert (found["version"], found["running"]) == (1, False)
    add = {"question": "Do you sell maps?", "answer": "Yes."}
    act("new_pair", **add)
    assert act("published")["version"] == 2
    assert act("published")["served"] == found["served"]
