"""A bot that answers by shared words over a handful of pairs, and a chat service that only remembers its calls."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

from fakes_kb import pair, turn

from bot.attribution import Attribution, WordShare
from kb.codec import reply_to_json
from kb.types import (
    Context,
    Explanation,
    FollowUp,
    HandOver,
    QAPair,
    Reply,
    Response,
    RunnerUp,
    Snapshot,
    Turn,
    Vote,
)

SNAPSHOT = Snapshot(checkpoint="zero-shot", index="ix-3f9a", knowledge_version="7")
TABLE = """Delivery in the UK depends on the service you pick at checkout:

| Service | Arrives in | Price |
|:--|:--|--:|
| Standard | 2–4 working days | £3.95 |
| Next day | 1 working day | £6.95 |
| Big parcels | 3–6 working days | £12.50 |

Standard delivery is **free over £60**. Prices are the same for the Highlands, but allow *two more days* there."""
STEPS = """You have **60 days** to send things back, unused and with their labels.

1. Open *Your orders* and choose **Return an item**.
2. Pick a reason. It helps us, and changes nothing for you.
3. Print the label, or show the code at a parcel shop.

We refund you within 5 working days of the parcel reaching us. More at
[our returns page](https://shop.example/returns)."""
PAIRS = (
    pair("Where is my order?", "Open **Your orders** and choose *Track parcel*.", pair_id="track", topic="orders"),
    pair("How do I return something?", STEPS, pair_id="return", topic="returns", source="faq.csv"),
    pair(
        "How long does a refund take?", "Five working days after the parcel is back.", pair_id="refund", topic="returns"
    ),
    pair("How much is delivery?", TABLE, pair_id="delivery", topic="delivery", source="faq.csv"),
    pair(
        "Do you deliver on Saturdays?", "Yes, *Next day* runs on Saturdays too.", pair_id="saturday", topic="delivery"
    ),
    pair("Can I change my delivery address?", "Yes, until the parcel is packed.", pair_id="address", topic="delivery"),
)
NO_ANSWER = "I don't have an answer to that. Would you like to talk to a person?"
WHICH_ONE = "I am not sure which of these you mean."
_WORDS = re.compile(r"\w+")
_COMMON = frozenset(
    ["a", "i", "my", "is", "to", "do", "you", "can", "how", "where", "much", "long", "doe", "what", "of"]
)


class WordAnswerer:
    """Answers with the pair that shares most words with the question; one that fits several is asked back."""

    def __init__(self, pairs: Sequence[QAPair] = PAIRS) -> None:
        self._pairs = tuple(pairs)

    def answer(self, question: str, context: Context) -> Reply:
        ranked = sorted(self._pairs, key=lambda each: -_overlap(question, each))
        best = ranked[0]
        count = _overlap(question, best)
        if not count:
            return reply(context.turn_id, "abstained", message=NO_ANSWER, confidence=0.12, understood=question)
        if len(question.split()) == 1 and _overlap(question, ranked[1]) == count:
            tied = [each for each in ranked if _overlap(question, each) == count]
            return reply(
                context.turn_id, "clarifying", message=WHICH_ONE, follow_ups=tied, confidence=0.4, understood=question
            )
        others = [each for each in ranked[1:] if each.topic == best.topic] + list(self._pairs)
        next_ones = list({each.pair_id: each for each in others if each is not best}.values())[:3]
        return reply(
            context.turn_id, "answered", [best], follow_ups=next_ones, runners_up=ranked[1:3], understood=question
        )

    def complete(self, prefix: str, limit: int = 5) -> list[str]:
        return [each.question for each in self._pairs if prefix.casefold() in each.question.casefold()][:limit]

    def ready(self) -> str | None:
        return None

    def attribute(self, understood: str, pair_id: str) -> Attribution:
        """Every word that the pair's question has too did the same."""
        [known] = [each for each in self._pairs if each.pair_id == pair_id]
        given = understood.split()
        shared = [word for word in given if _words(word) & _words(known.question)]
        words = tuple(WordShare(word=word, share=(word in shared) / max(len(shared), 1)) for word in given)
        return Attribution(pair_id=pair_id, words=words, snapshot=SNAPSHOT)

    def snapshot(self) -> Snapshot:
        return SNAPSHOT


class FakeService:
    """Remembers what it was asked to do; raises `error` where one is given."""

    def __init__(self, turns: Sequence[Turn] = (), error: Exception | None = None, degraded: bool = False) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self._turns = list(turns)
        self._error = error
        self._degraded = degraded

    def ask(self, message: str, conversation_id: str | None = None, **options: Any) -> SimpleNamespace:
        self._note("ask", message, conversation_id, options)
        found = _found("t-1", message)
        return SimpleNamespace(conversation_id=conversation_id or "c-new", reply=found, degraded=self._degraded)

    def vote(self, conversation_id: str, turn_id: str, value: int, reason: Any = None, comment: str = "") -> Vote:
        self._note("vote", conversation_id, turn_id, value, reason, comment)
        return Vote(turn_id=turn_id, value=value, reason=reason, comment=comment, created_at=datetime.now(UTC))

    def hand_over(
        self, conversation_id: str | None, contact: str = "", reason: str = "asked", **options: Any
    ) -> HandOver:
        self._note("hand_over", conversation_id, contact, reason, options)
        return HandOver(
            hand_over_id="ab12cd34ef56",
            conversation_id=conversation_id or "c-new",
            reason=reason,
            contact=contact,
            transcript=(),
            created_at=datetime.now(UTC),
        )

    def history(self, conversation_id: str) -> list[Turn]:
        self._note("history", conversation_id)
        return self._turns

    def turn(self, conversation_id: str, turn_id: str) -> Turn:
        self._note("turn", conversation_id, turn_id)
        return self._turns[0] if self._turns else logged(conversation_id, "How much is delivery?", _found(turn_id))

    def attribution(self, reply: Reply) -> Attribution | None:
        nearest = [each.pair_id for each in reply.responses]
        return WordAnswerer().attribute(reply.explanation.understood, nearest[0]) if nearest else None

    def clear(self, conversation_id: str) -> None:
        self._note("clear", conversation_id)

    def suggest(self, prefix: str) -> list[str]:
        self._note("suggest", prefix)
        return WordAnswerer().complete(prefix)

    def _note(self, *call: Any) -> None:
        self.calls.append(call)
        if self._error:
            raise self._error


def reply(
    turn_id: str,
    outcome: Any,
    pairs: Sequence[QAPair] = (),
    *,
    message: str = "",
    follow_ups: Sequence[QAPair] = (),
    runners_up: Sequence[QAPair] = (),
    confidence: float = 0.91,
    understood: str = "",
) -> Reply:
    """Return a reply with these pairs as answers, as follow-ups and as those that were not shown."""
    return Reply(
        turn_id=turn_id,
        outcome=outcome,
        message=message,
        responses=tuple(_response(each, rank) for rank, each in enumerate(pairs, start=1)),
        follow_ups=tuple(_follow_up(each, rank) for rank, each in enumerate(follow_ups, start=1)),
        confidence=confidence,
        explanation=Explanation(
            understood=understood,
            reason="best of 6 candidates, above the threshold" if pairs else "no candidate is above the threshold",
            threshold=0.5,
            runners_up=tuple(_runner_up(each) for each in runners_up),
        ),
        snapshot=SNAPSHOT,
    )


def logged(conversation_id: str, question: str, found: Reply, **fields: Any) -> Turn:
    """Return a turn as the log gives it back."""
    values = {"outcome": found.outcome, "confidence": found.confidence, "reply": reply_to_json(found)}
    return turn(conversation_id, found.turn_id, question, **values | fields)


def _found(turn_id: str, question: str = "How much is delivery?") -> Reply:
    return WordAnswerer().answer(question, Context(turn_id=turn_id))


def _words(text: str) -> frozenset[str]:
    return frozenset(word.casefold().rstrip("s") for word in _WORDS.findall(text)) - _COMMON


def _overlap(question: str, candidate: QAPair) -> int:
    return len(_words(question) & _words(candidate.question))


def _response(each: QAPair, rank: int) -> Response:
    return Response(
        pair_id=each.pair_id,
        question=each.question,
        answer=each.answer,
        topic=each.topic,
        source=each.source,
        matched=each.question,
        similarity=0.83,
        relevance=0.9,
        rank=rank,
    )


def _follow_up(each: QAPair, rank: int) -> FollowUp:
    return FollowUp(pair_id=each.pair_id, question=each.question, similarity=0.5, relevance=0.6, rank=rank)


def _runner_up(each: QAPair) -> RunnerUp:
    return RunnerUp(
        pair_id=each.pair_id, question=each.question, similarity=0.5, relevance=0.31, reason="less relevant"
    )
