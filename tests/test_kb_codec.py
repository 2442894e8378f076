import json
from dataclasses import fields, replace

from fakes import reply_to
from fakes_kb import turn

from kb.codec import context_of, reply_from_json, reply_to_json, told_of
from kb.types import Context, Told

TURN = turn("c-1", "t-3")
CONTEXT = Context(turn_id="t-3", conversation_id="c-1", locale="de", history=(turn("c-1", "t-1"), turn("c-1", "t-2")))


def test_a_reply_comes_back_from_json_as_it_was():
    reply = reply_to("Where is my order?", CONTEXT)
    told = replace(reply.explanation, told=told_of(CONTEXT))
    for each in (reply, replace(reply, explanation=told)):
        assert reply_from_json(json.loads(json.dumps(reply_to_json(each)))) == each


def test_a_record_from_before_settings_and_what_the_bot_was_told_were_logged_can_be_read():
    document = reply_to_json(reply_to("Where is my order?", CONTEXT))
    del document["explanation"]["told"]
    del document["snapshot"]["settings"]
    reply = reply_from_json(document)
    assert (reply.explanation.told, reply.snapshot.settings) == (None, "")


def test_a_context_is_made_again_of_what_is_logged_of_it():
    assert context_of(told_of(CONTEXT), TURN, CONTEXT.history) == CONTEXT


def test_all_that_a_bot_is_told_is_logged():
    # Else a replay would answer with less than the turn was answered with.
    assert {each.name for each in fields(Told)} | {"turn_id", "conversation_id"} == {
        each.name for each in fields(Context)
    }
