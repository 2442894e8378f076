"""Start here: ChatBot.answer(question, context) → Reply: understand, retrieve, match, decide, select, suggest.

It does no I/O and keeps nothing between calls: whoever calls it mints the turn id and records the turn, so that a
replay of a logged turn is the same call.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from bot.conduct import Asked, Conduct
from bot.follow_ups import FollowUps
from bot.policy import Decision, Policy
from bot.rules import Rules, RuleSet
from bot.selector import select
from bot.splitting import Part, split, together
from kb.errors import MessageError, describe
from kb.retriever import Retriever
from kb.spelling import Speller
from kb.text import clean_line
from kb.types import Context, Explanation, FollowUp, Match, QAPair, Reply, Response, Retrieved, RunnerUp, Snapshot
from models.matcher import Matcher

# Where the best match is certain, others are as certain only if they are it.
_LEAST_DOUBT = 1e-6


@dataclass(frozen=True, kw_only=True, slots=True)
class SelectionConfig:
    """How many answers are shown, and which."""

    responses: int = 2
    """Answers of one reply, at most; a second one only where it is nearly as relevant as the first."""
    nearly: float = 0.7
    """Share of the first one's odds, relevance / (1 - relevance), that a further answer must have."""
    diversity: float = 0.3
    duplicate_similarity: float = 0.9
    """Cosine of two questions above which their answers say the same."""
    runners_up: int = 5
    """Candidates that an explanation names."""


class ChatBot:
    """Answers from one snapshot; safe to share between threads."""

    def __init__(
        self,
        *,
        retriever: Retriever,
        matcher: Matcher,
        policy: Policy,
        follow_ups: FollowUps,
        speller: Speller,
        selection: SelectionConfig,
        snapshot: Snapshot,
        rules: Rules | None = None,
    ) -> None:
        """Take the parts; `bot.build` puts them together."""
        self.snapshot = snapshot
        self.retriever = retriever
        self._matcher = matcher
        self._policy = policy
        self._follow_ups = follow_ups
        self._speller = speller
        self._selection = selection
        self._rules = rules or Rules(RuleSet())
        self._row = {pair.pair_id: row for row, pair in enumerate(retriever.pairs)}
        self._conduct = Conduct(policy.config, self._rules, self._is_nearly)

    @property
    def pairs(self) -> list[QAPair]:
        """The pairs that may be shown."""
        return [pair for pair in self.retriever.pairs if pair.pair_id not in self._rules.hidden]

    def answer(self, question: str, context: Context | None = None) -> Reply:
        """Return the reply to a customer's message.

        Raises:
            MessageError: there is nothing to read in the message.
        """
        context = context or Context()
        understood = self._understand(question)
        retrieved = self._rules.allowed(self.retriever.retrieve(understood))
        matches = self._match(retrieved)
        decision = self._split(understood, self._policy.decide(matches), matches)
        asked = Asked(question=question, understood=understood, matches=matches, context=context)
        decision = self._conduct.revise(decision, asked, lambda pair_id: self._of_pair(pair_id, matches, retrieved))
        selected = self._select(decision, matches, retrieved)
        follow_ups = self._suggest(decision, selected, matches, context)
        return self._reply(understood, decision, retrieved, matches, selected, follow_ups, context)

    def rank(self, question: str) -> list[Match]:
        """Return the matches of a message, best first: the first half of `answer`, for evaluation."""
        understood = self._understand(question)
        return self._match(self._rules.allowed(self.retriever.retrieve(understood)))

    def _understand(self, question: str) -> str:
        cleaned = clean_line(question)
        if not cleaned:
            raise MessageError(describe(expected="a question", got="nothing to read", remedy="write one"))
        return self._speller.correct(cleaned)

    def _match(self, retrieved: Retrieved) -> list[Match]:
        relevance = self._matcher.relevance(retrieved)
        matches = [
            Match(candidate=candidate, relevance=float(value))
            for candidate, value in zip(retrieved.candidates, relevance, strict=True)
        ]
        return self._by_rules(sorted(matches, key=lambda match: -match.relevance), retrieved)

    def _by_rules(self, matches: list[Match], retrieved: Retrieved) -> list[Match]:
        """Return the matches with what the rules put first; the same where none of them does."""
        matches = self._rules.preferred(matches)
        rule = self._rules.instead(matches[0].pair.pair_id) if matches else None
        if rule is None:
            return matches
        first = replace(self._of_pair(rule.answer, matches, retrieved), relevance=matches[0].relevance, rule=rule.name)
        return [first, *(each for each in matches[1:] if each.pair.pair_id != rule.answer)]

    def _of_pair(self, pair_id: str, matches: Sequence[Match], retrieved: Retrieved) -> Match:
        """Return the match of a pair, though it be so far away that it was not retrieved: it is then irrelevant."""
        found = next((match for match in matches if match.pair.pair_id == pair_id), None)
        if found is not None:
            return found
        evidence = self.retriever.evidence(retrieved.question, retrieved.question_vector)
        return Match(candidate=self.retriever.candidate(self._row[pair_id], evidence), relevance=0.0)

    def _split(self, understood: str, decision: Decision, matches: Sequence[Match]) -> Decision:
        """Return the decision on all questions of a message; the same where it is one question."""
        texts = split(understood)
        if not texts or not matches:
            return decision
        config = self._policy.config
        looked_at = texts[: config.most_parts]
        parts = []
        for text, vector in zip(looked_at, self.retriever.encoder.encode(looked_at), strict=True):
            found = self._match(self._rules.allowed(self.retriever.retrieve_known(text, vector)))
            decided = self._policy.decide(found)
            is_answered = decided.outcome == "answered" and decided.confidence >= config.part_confidence
            parts.append(Part(text=text, matches=tuple(found), is_answered=is_answered))
        return together(decision, parts, matches, texts[config.most_parts :], config.messages)

    def _select(self, decision: Decision, matches: Sequence[Match], retrieved: Retrieved) -> list[Match]:
        """Return what is shown: the best match, and others that are nearly as relevant and say something else."""
        if decision.shown is not None:
            return list(decision.shown)
        if decision.outcome != "answered":
            return []
        needed = max(decision.threshold, self._nearly(matches[0].relevance))
        eligible = [match for match in matches if match.relevance >= needed]
        row = {candidate.pair.pair_id: row for row, candidate in enumerate(retrieved.candidates)}
        vectors = retrieved.vectors[[row[match.pair.pair_id] for match in eligible]]
        positions = select(
            vectors,
            np.array([match.relevance for match in eligible], dtype=np.float32),
            self._selection.responses,
            self._selection.diversity,
            duplicate_similarity=self._selection.duplicate_similarity,
        )
        return [eligible[position] for position in positions]

    def _nearly(self, relevance: float) -> float:
        """Return the relevance from which a match is nearly as relevant as one of this relevance."""
        odds = self._selection.nearly * relevance / max(1 - relevance, _LEAST_DOUBT)
        return odds / (1 + odds)

    def _is_nearly(self, match: Match, best: Match) -> bool:
        return match.relevance >= self._nearly(best.relevance)

    def _suggest(
        self, decision: Decision, selected: Sequence[Match], matches: Sequence[Match], context: Context
    ) -> tuple[FollowUp, ...]:
        if decision.outcome == "answered" and not selected:
            # Who thanks or says goodbye has no question that others would be near to.
            return ()
        shown = {*self._rules.hidden, *(match.pair.pair_id for match in selected)}
        for turn in context.history:
            shown.update(response["pair_id"] for response in turn.reply.get("responses", ()))
        if selected:
            return self._follow_ups.after(selected[0].pair.pair_id, shown)
        return self._follow_ups.instead(matches, shown)

    def _reply(
        self,
        understood: str,
        decision: Decision,
        retrieved: Retrieved,
        matches: Sequence[Match],
        selected: Sequence[Match],
        follow_ups: tuple[FollowUp, ...],
        context: Context,
    ) -> Reply:
        parts = decision.parts or ("",) * len(selected)
        rules = (*retrieved.rules, *decision.rules, *(match.rule for match in selected if match.rule))
        return Reply(
            turn_id=context.turn_id,
            outcome=decision.outcome,
            message=decision.message,
            responses=tuple(
                _response(match, rank, part)
                for rank, (match, part) in enumerate(zip(selected, parts, strict=True), start=1)
            ),
            follow_ups=follow_ups,
            confidence=decision.confidence,
            explanation=Explanation(
                understood=understood,
                reason=decision.reason,
                threshold=decision.threshold,
                features=_features(matches),
                runners_up=self._runners_up(decision, matches, selected),
                rules=tuple(dict.fromkeys(rules)),
                hand_over=decision.hand_over,
            ),
            snapshot=self.snapshot,
            offers_person=decision.offers_person,
        )

    def _runners_up(
        self, decision: Decision, matches: Sequence[Match], selected: Sequence[Match]
    ) -> tuple[RunnerUp, ...]:
        shown = {match.pair.pair_id for match in selected}
        others = [match for match in matches if match.pair.pair_id not in shown]
        return tuple(
            RunnerUp(
                pair_id=match.pair.pair_id,
                question=match.pair.question,
                similarity=match.similarity,
                relevance=match.relevance,
                reason="below the threshold" if match.relevance < decision.threshold else "less relevant",
            )
            for match in others[: self._selection.runners_up]
        )


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
