"""Decision and matches → the reply with its explanation: what is shown, and the record of why."""

from collections.abc import Sequence
from dataclasses import dataclass

from bot.context import Reading
from bot.policy import Decision
from bot.selection import Shown
from kb.codec import told_of
from kb.types import Context, Explanation, FollowUp, Match, Reply, Response, Retrieved, RunnerUp, Snapshot


@dataclass(frozen=True, kw_only=True, slots=True)
class Considered:
    """All that a reply is made of."""

    reading: Reading
    retrieved: Retrieved
    matches: Sequence[Match]
    decision: Decision
    shown: Shown
    follow_ups: tuple[FollowUp, ...]


def reply_of(considered: Considered, context: Context, snapshot: Snapshot, runners_up: int) -> Reply:
    """Return the reply, whose explanation names so many candidates that were not shown, at most."""
    decision, selected = considered.decision, considered.shown.matches
    parts = decision.parts or ("",) * len(selected)
    rules = (*considered.retrieved.rules, *decision.rules, *(match.rule for match in selected if match.rule))
    return Reply(
        turn_id=context.turn_id,
        outcome=decision.outcome,
        message=decision.message,
        responses=tuple(
            _response(match, rank, part)
            for rank, (match, part) in enumerate(zip(selected, parts, strict=True), start=1)
        ),
        follow_ups=considered.follow_ups,
        confidence=decision.confidence,
        explanation=Explanation(
            understood=considered.reading.question,
            reason=decision.reason,
            threshold=decision.threshold,
            features=_features(considered.matches) | _diversity(considered),
            runners_up=_runners_up(considered, runners_up),
            told=told_of(context),
            context=considered.reading.context,
            rules=tuple(dict.fromkeys(rules)),
            hand_over=decision.hand_over,
        ),
        snapshot=snapshot,
        offers_person=decision.offers_person,
    )


def option_of(match: Match, rank: int) -> FollowUp:
    """Return a match as one of those that a customer may have meant."""
    return FollowUp(
        pair_id=match.pair.pair_id,
        question=match.pair.question,
        similarity=match.similarity,
        relevance=match.relevance,
        rank=rank,
    )


def _runners_up(considered: Considered, most: int) -> tuple[RunnerUp, ...]:
    decision, matches = considered.decision, considered.matches
    shown = {match.pair.pair_id for match in (*considered.shown.matches, *(matches[at] for at in decision.options))}
    others = [match for match in matches if match.pair.pair_id not in shown]
    return tuple(
        RunnerUp(
            pair_id=match.pair.pair_id,
            question=match.pair.question,
            similarity=match.similarity,
            relevance=match.relevance,
            reason=considered.shown.left_out.get(match.pair.pair_id) or _is_too_little(match, decision),
        )
        for match in others[:most]
    )


def _is_too_little(match: Match, decision: Decision) -> str:
    if match.relevance < decision.threshold:
        return "below the threshold"
    return "less likely to be meant" if decision.options else "much less relevant than the first answer"


def _response(match: Match, rank: int, part: str) -> Response:
    pair = match.pair
    return Response(
        pair_id=pair.pair_id,
        question=pair.question,
        answer=pair.answer,
        topic=pair.topic,
        source=pair.source,
        matched=match.candidate.phrasing,
        similarity=match.similarity,
        relevance=match.relevance,
        rank=rank,
        part=part,
    )


def _diversity(considered: Considered) -> dict[str, float]:
    """Return the diversity that the answers were selected with, where several could have been."""
    return {"diversity": considered.shown.diversity} if considered.shown.diversity else {}


def _features(matches: Sequence[Match]) -> dict[str, float]:
    """Return what is known of the best match, for the explanation."""
    if not matches:
        return {}
    best = matches[0].candidate
    features = {
        "evidence": best.evidence,
        "similarity": best.similarity,
        "answer_similarity": best.answer_similarity,
        "lexical": best.lexical,
    }
    if len(matches) > 1:
        features["margin"] = matches[0].relevance - matches[1].relevance
    return features
