"""A reply as the chat page shows it: plain dicts for JSON, answers as sanitised HTML, confidence in words."""

from html import escape
from typing import Any

from bot.attribution import Attribution
from bot.clarifying import NONE_OF_THESE
from kb.codec import reply_from_json
from kb.hand_overs import hand_over_id_of
from kb.types import Explanation, HandOver, Reply, Response, Turn
from web.chat_markdown import render_markdown

# Lower bounds, highest first. Confidence is calibrated, so that a word stands for a share of right answers.
CONFIDENCE_WORDS = ((0.9, "Very sure"), (0.75, "Sure"), (0.5, "Fairly sure"), (0.0, "Not sure"))
_SHOWN_RUNNERS_UP = 3
_SHOWN_WORDS = 6
_LEAST_SHARE = 0.05
_SHORT_ID = 8


def turn_view(turn: Turn) -> dict[str, Any]:
    """Return a logged turn as the page shows it; KeyError or TypeError where its reply is not one."""
    return reply_view(turn.question, reply_from_json(turn.reply), vote=turn.vote)


def reply_view(question: str, reply: Reply, *, vote: int = 0, votable: bool = True) -> dict[str, Any]:
    """Return one exchange as the page shows it.

    Args:
        question: the customer's text, shown as text.
        reply: what the bot said.
        vote: the customer's present vote: 1, -1 or 0.
        votable: False where the turn could not be recorded, so that a vote on it would have nothing to stand on.
    """
    first, *others = reply.responses or (None,)
    return {
        "turn_id": reply.turn_id,
        "question": question,
        "outcome": reply.outcome,
        "html": _answer_html(reply, first),
        "more": [
            {"question": other.question, "html": render_markdown(other.answer)}
            for other in others
            if other and not other.part
        ],
        "choices": _choices(reply),
        "offer_person": reply.offers_person or reply.outcome in ("abstained", "handed_over"),
        "reference": _reference(hand_over_id_of(reply.turn_id)) if reply.explanation.hand_over else "",
        "why": _why(question, reply, first),
        "vote": vote,
        "vote_reason": None,
        "votable": votable,
    }


def hand_over_view(hand_over: HandOver) -> dict[str, Any]:
    """Return a hand-over as the page confirms it; the reference is the part of its id that one can read aloud."""
    return {
        "conversation_id": hand_over.conversation_id,
        "contact": hand_over.contact,
        "reference": _reference(hand_over.hand_over_id),
    }


def words_view(reply: Reply, attribution: Attribution | None) -> dict[str, Any]:
    """Return the words that mattered, most first; `changed`: they were judged by other answers than the turn was."""
    found = sorted(attribution.words, key=lambda each: -each.share) if attribution else []
    words = [{"word": each.word, "percent": _percent(each.share)} for each in found if each.share >= _LEAST_SHARE]
    changed = attribution is not None and attribution.snapshot != reply.snapshot
    return {"words": words[:_SHOWN_WORDS], "changed": changed}


def _reference(hand_over_id: str) -> str:
    return hand_over_id.replace("-", "")[:_SHORT_ID].upper()


def confidence_words(confidence: float) -> str:
    """Return how sure the bot is, in words; `confidence` is a probability."""
    return next(words for bound, words in CONFIDENCE_WORDS if confidence >= bound)


def _answer_html(reply: Reply, first: Response | None) -> str:
    said = render_markdown(reply.message) if reply.message else ""
    if first is None:
        return said
    if not first.part:
        return said + render_markdown(first.answer)
    # What answers several questions is shown whole, each answer under what it answers.
    answers = (f"<h3>{escape(each.part)}</h3>{render_markdown(each.answer)}" for each in reply.responses)
    return said + "".join(answers)


def _choices(reply: Reply) -> list[dict[str, str]]:
    """Return what can be clicked; where the bot asks back, the last choice is none of them, and names no pair."""
    role = "option" if reply.outcome == "clarifying" else "follow_up"
    choices = [{"pair_id": each.pair_id, "question": each.question, "role": role} for each in reply.follow_ups]
    none = [{"pair_id": "", "question": NONE_OF_THESE, "role": role}] if reply.outcome == "clarifying" else []
    return choices + none


def _why(question: str, reply: Reply, first: Response | None) -> dict[str, Any]:
    explanation = reply.explanation
    return {
        "matched_question": first.question if first else "",
        "matched_text": first.matched if first else "",
        "understood": explanation.understood if explanation.understood.strip() != question.strip() else "",
        "source": _source(first) if first else "",
        "reason": _capital(explanation.reason),
        "words": confidence_words(max(0.0, reply.confidence)),
        "percent": _percent(reply.confidence),
        "rules": list(explanation.rules),
        "runners_up": _runners_up(explanation),
        "snapshot": " · ".join((reply.snapshot.checkpoint, reply.snapshot.index, reply.snapshot.knowledge_version)),
    }


def _source(response: Response) -> str:
    return _capital(" · ".join(part for part in (response.topic, response.source) if part))


def _runners_up(explanation: Explanation) -> list[dict[str, Any]]:
    return [
        {"question": other.question, "percent": _percent(other.relevance), "reason": other.reason}
        for other in explanation.runners_up[:_SHOWN_RUNNERS_UP]
    ]


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _percent(probability: float) -> int:
    return round(100 * min(1.0, max(0.0, probability)))
