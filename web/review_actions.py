"""What the review tab's script may ask of the server: the queue, a turn, and a verdict."""

from datetime import UTC, datetime, timedelta
from typing import Any, cast

import gradio as gr

from bot.review import Worth, ranked
from kb.editing import add_phrasing
from kb.operators import Operator
from kb.review import Filters, Reviewed, conversation_of, turn_to_review, turns_to_review
from kb.types import Turn
from kb.verdicts import Value, Verdicts
from web.chat_markdown import render_markdown
from web.desk import Desk
from web.operator_actions import Action, told

PAGE = 25
_MOST_DAYS = 3_650


def review_actions(desk: Desk) -> list[Action]:
    """Return the functions that the tab's script calls by their names."""
    verdicts = Verdicts(desk.engine)

    def review_queue(payload: dict[str, Any], request: gr.Request) -> dict[str, Any]:
        def work(operator: Operator) -> dict[str, Any]:
            now = datetime.now(UTC)
            found = ranked(turns_to_review(desk.engine, _filters(payload, now), now))
            begin = max(0, int(payload.get("page", 0))) * PAGE
            return {
                "turns": [_line(each, operator) for each in found[begin : begin + PAGE]],
                "total": len(found),
                "size": PAGE,
            }

        return told(request, "viewer", work)

    def review_turn(payload: dict[str, Any], request: gr.Request) -> dict[str, Any]:
        def work(operator: Operator) -> dict[str, Any]:
            now, turn_id = datetime.now(UTC), str(payload.get("turn_id", ""))
            reviewed = turn_to_review(desk.engine, turn_id, now)
            # Who can't judge doesn't keep others from it.
            mine = not operator.may("editor") or verdicts.take(turn_id, operator.operator_id, now)
            conversation = conversation_of(desk.engine, reviewed.turn.conversation_id)
            taken_by = "" if mine else reviewed.taken_by
            return _detail(reviewed, conversation) | {"taken_by": taken_by, "may_judge": operator.may("editor")}

        return told(request, "viewer", work)

    def review_verdict(payload: dict[str, Any], request: gr.Request) -> dict[str, Any]:
        def work(operator: Operator) -> dict[str, Any]:
            given = {name: str(payload.get(name, "")) for name in ("turn_id", "value", "pair_id", "note")}
            if given["pair_id"] and given["pair_id"] not in _known(desk):
                return {"error": "This pair is no longer in the knowledge base. Choose another one."}
            turn = turn_to_review(desk.engine, given["turn_id"], datetime.now(UTC)).turn
            verdicts.give(
                given["turn_id"],
                operator.operator_id,
                cast(Value, given["value"]),
                pair_id=given["pair_id"],
                note=given["note"],
            )
            learned = payload.get("learn") is True and _learned(desk, turn, given, operator)
            return {"value": given["value"], "learned": learned}

        return told(request, "editor", work)

    return [review_queue, review_turn, review_verdict]


def _learned(desk: Desk, turn: Turn, given: dict[str, str], operator: Operator) -> bool:
    """Give the right pair the customer's words as another way of asking it; False where no pair is right."""
    shown = [str(each["pair_id"]) for each in turn.reply["responses"]]
    right = given["pair_id"] or (shown[0] if given["value"] == "right" and shown else "")
    return bool(right) and add_phrasing(desk.store, right, turn.question, operator.operator_id)


def _filters(payload: dict[str, Any], now: datetime) -> Filters:
    days = min(max(int(payload.get("days") or 0), 0), _MOST_DAYS)
    texts = {name: str(payload.get(name) or "") for name in ("outcome", "channel", "topic", "checkpoint")}
    since = now - timedelta(days=days) if days else None
    return Filters(**texts, since=since, judged=bool(payload.get("judged")))


def _known(desk: Desk) -> set[str]:
    return {pair.pair_id for pair in desk.bot_now().pairs}


def _line(each: Worth, operator: Operator) -> dict[str, Any]:
    """Return a turn as a line of the queue."""
    turn = each.turn.turn
    shown = turn.reply.get("responses", ())
    return {
        "turn_id": turn.turn_id,
        "question": turn.question,
        "when": turn.created_at.isoformat(timespec="seconds"),
        "outcome": turn.outcome,
        "answer": str(shown[0].get("question", "")) if shown else "",
        "reasons": list(each.reasons),
        "worth": round(each.value, 3),
        "taken_by": each.turn.taken_by if each.turn.taken_by != operator.operator_id else "",
        "verdict": each.turn.verdict,
    }


def _detail(reviewed: Reviewed, conversation: list[Turn]) -> dict[str, Any]:
    """Return all that an operator needs to judge a turn."""
    turn, explanation = reviewed.turn, reviewed.turn.reply.get("explanation", {})
    shown = [{"pair_id": each["pair_id"], "question": each.get("question", "")} for each in turn.reply["responses"]]
    others = [
        {"pair_id": each["pair_id"], "question": each["question"], "relevance": each["relevance"]}
        for each in explanation.get("runners_up", ())
    ]
    return {
        "turn_id": turn.turn_id,
        "question": turn.question,
        "outcome": turn.outcome,
        "confidence": turn.confidence,
        "why": str(explanation.get("reason", "")),
        "vote": turn.vote,
        "vote_reason": reviewed.vote_reason,
        "comment": reviewed.comment,
        "channel": reviewed.channel,
        "checkpoint": str(turn.reply.get("snapshot", {}).get("checkpoint", "")),
        "shown": shown,
        "others": others,
        "verdict": reviewed.verdict,
        "right_pair": reviewed.right_pair,
        "note": reviewed.note,
        "judged_by": reviewed.judged_by,
        "conversation": [
            {"turn_id": each.turn_id, "question": each.question, "html": _answer_html(each)} for each in conversation
        ],
    }


def _answer_html(turn: Turn) -> str:
    texts = [str(turn.reply.get("message", "")), *(str(each.get("answer", "")) for each in turn.reply["responses"])]
    return "".join(render_markdown(text) for text in texts if text)
