"""Start here: ChatBot.answer(question, context) → Reply: understand, retrieve, match, decide, select, suggest.

It does no I/O and keeps nothing between calls: whoever calls it mints the turn id and records the turn, so that a
replay of a logged turn is the same call.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from bot.attribution import Attribution, words_that_mattered
from bot.clarifying import NearTies, chosen_match, is_declined
from bot.conduct import Asked, Conduct
from bot.context import ContextReader, Reading, Understood
from bot.experiment import MIXED, ExperimentConfig, assigned, drafted, noted
from bot.follow_ups import Asked as WhatWasAsked
from bot.follow_ups import FollowUps
from bot.person import wish_for_person
from bot.policy import Decision, Policy
from bot.replies import Considered, option_of, reply_of
from bot.rules import Rules, RuleSet
from bot.selection import Selection, Shown
from bot.small_talk import small_talk
from bot.splitting import Part, split, together
from kb.errors import MessageError, describe
from kb.retriever import Retriever
from kb.spelling import Speller
from kb.text import clean_line
from kb.types import Context, FloatArray, FollowUp, Match, QAPair, Reply, Retrieved, Snapshot, Turn
from models.matcher import Matcher

_OFFERED = ("responses", "follow_ups")


class ChatBot:
    """Answers from one snapshot; safe to share between threads."""

    def __init__(
        self,
        *,
        retriever: Retriever,
        matcher: Matcher,
        policy: Policy,
        near_ties: NearTies,
        follow_ups: FollowUps,
        context: ContextReader,
        speller: Speller,
        selection: Selection,
        snapshot: Snapshot,
        rules: Rules | None = None,
        experiment: ExperimentConfig | None = None,
        other: "ChatBot | None" = None,
    ) -> None:
        """Take the parts; `bot.build` puts them together. `other` is the bot of arm B, where an experiment runs."""
        self.snapshot = snapshot
        self.retriever = retriever
        self._matcher = matcher
        self._policy = policy
        self._near_ties = near_ties
        self._follow_ups = follow_ups
        self._context = context
        self._speller = speller
        self._selection = selection
        self._rules = rules or Rules(RuleSet())
        self._experiment = experiment
        self._other = other
        self._row = {pair.pair_id: row for row, pair in enumerate(retriever.pairs)}
        self._conduct = Conduct(policy.config, self._rules, self._is_nearly)
        follow_ups.only_answered(self._answered_by)

    @property
    def pairs(self) -> list[QAPair]:
        """The pairs that may be shown."""
        return [pair for pair in self.retriever.pairs if pair.pair_id not in self._rules.hidden]

    def row_of(self, pair_id: str) -> int:
        """Return the row of a pair in the retriever."""
        return self._row[pair_id]

    def answer(self, question: str, context: Context | None = None) -> Reply:
        """Return the reply to a customer's message.

        Raises:
            MessageError: there is nothing to read in the message.
        """
        context = context or Context()
        if self._experiment is None or self._other is None:
            return self._reply(self._consider(question, context), context)
        arm = assigned(self._experiment, context.conversation_id)
        considered = (self._other if arm.arm == "B" else self)._consider(question, context)
        if arm.arm == MIXED and considered.decision.outcome != "clarifying":
            theirs = self._other._suggest(considered.decision, considered.shown.matches, considered.matches, context)
            follow_ups, arm = drafted(arm, considered.follow_ups, theirs, context.turn_id)
            considered = replace(considered, follow_ups=follow_ups)
        return noted(self._reply(considered, context), arm)

    def _reply(self, considered: Considered, context: Context) -> Reply:
        return reply_of(considered, context, self.snapshot, self._selection.config.runners_up)

    def _consider(self, question: str, context: Context) -> Considered:
        """Return all that a reply is made of: the six steps."""
        reading, retrieved = self._retrieve(self._understand(question, context))
        matches = self._match(retrieved)
        named = matches[0] if reading.is_chosen and matches else None
        chosen = named or chosen_match((question, reading.question), matches, context)
        asked = Asked(question=question, understood=reading.question, matches=matches, context=context, chosen=chosen)
        decision = self._decide(asked, matches, retrieved, is_alone=not reading.context)
        shown = self._select(decision, matches, retrieved)
        return Considered(
            reading=reading,
            retrieved=retrieved,
            matches=matches,
            decision=decision,
            shown=shown,
            follow_ups=self._suggest(decision, shown.matches, matches, context),
        )

    def rank(self, question: str) -> list[Match]:
        """Return the matches of a message, best first: the first half of `answer`, for evaluation."""
        _, retrieved = self._retrieve(self._understand(question, Context()))
        return self._match(retrieved)

    def rank_all(self, questions: Sequence[str]) -> list[list[Match]]:
        """Return the matches of many messages, as `rank` does for each, encoded together."""
        if not self.retriever.pairs:
            return [[] for _ in questions]
        return self._matched([self._cleaned(question) for question in questions])

    def attribute(self, understood: str, pair_id: str) -> Attribution:
        """Return what each word of a question did for a pair; the question as `Explanation.understood` has it."""
        words = words_that_mattered(understood, partial(self._relevance_of, pair_id)) if pair_id in self._row else ()
        return Attribution(pair_id=pair_id, words=words, snapshot=self.snapshot)

    def _relevance_of(self, pair_id: str, texts: Sequence[str]) -> FloatArray:
        """Return the relevance of a pair to each text (n,), all encoded in one batch."""
        # A pair that is not even among the candidates is no more relevant than the last of them.
        values = [
            next((match.relevance for match in matches if match.pair.pair_id == pair_id), matches[-1].relevance)
            for matches in self._matched(texts)
        ]
        return np.array(values, dtype=np.float32)

    def _understand(self, question: str, context: Context) -> Understood:
        # Who thanks, or asks for a person, doesn't lean on what came before.
        history = context.history
        if history and (small_talk(question) is not None or wish_for_person(question) == "plain"):
            history = ()
        return self._context.read(self._cleaned(question), history)

    def _cleaned(self, question: str) -> str:
        cleaned = clean_line(question)
        if not cleaned:
            raise MessageError(describe(expected="a question", got="nothing to read", remedy="write one"))
        return self._speller.correct(cleaned)

    def _retrieve(self, understood: Understood) -> tuple[Reading, Retrieved]:
        reading, retrieved = self._context.retrieve(understood)
        return reading, self._rules.allowed(retrieved)

    def _matched(self, texts: Sequence[str]) -> list[list[Match]]:
        """Return the matches of texts, each alone, encoded in one batch."""
        vectors = self.retriever.encoder.encode(texts)
        return [
            self._match(self._rules.allowed(self.retriever.retrieve_known(text, vector)))
            for text, vector in zip(texts, vectors, strict=True)
        ]

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

    def _decide(self, asked: Asked, matches: list[Match], retrieved: Retrieved, *, is_alone: bool) -> Decision:
        """Return what to do; a match that the customer chose comes first in the matches from then on.

        A message that is read with an earlier one, not alone, is one question with it.
        """
        if asked.chosen is not None:
            matches.remove(asked.chosen)
            matches.insert(0, asked.chosen)
            decision = self._policy.choose(asked.chosen)
        elif is_declined(asked.question, asked.context):
            return self._policy.decline(matches)
        else:
            decision = self._policy.decide(matches)
            if is_alone:
                decision = self._split(asked.understood, decision, matches)
            decision = self._clarified(decision, matches, retrieved)
        return self._conduct.revise(decision, asked, lambda pair_id: self._of_pair(pair_id, matches, retrieved))

    def _split(self, understood: str, decision: Decision, matches: Sequence[Match]) -> Decision:
        """Return the decision on all questions of a message; the same where it is one question."""
        texts = split(understood)
        if not texts or not matches:
            return decision
        config = self._policy.config
        looked_at = texts[: config.most_parts]
        parts = []
        for text, found in zip(looked_at, self._matched(looked_at), strict=True):
            decided = self._policy.decide(found)
            is_answered = decided.outcome == "answered" and decided.confidence >= config.part_confidence
            parts.append(Part(text=text, matches=tuple(found), is_answered=is_answered))
        return together(decision, parts, matches, texts[config.most_parts :], config.messages)

    def _clarified(self, decision: Decision, matches: Sequence[Match], retrieved: Retrieved) -> Decision:
        """Return the decision to ask which of near ties is meant; the same where the best one is clear."""
        if decision.outcome != "answered" or decision.parts or any(match.rule for match in matches[:1]):
            return decision
        relevance = np.array([match.relevance for match in matches], dtype=np.float32)
        options = self._near_ties.among(relevance, self._vectors(matches, retrieved))
        return self._policy.ask_back(decision, options) if options else decision

    def _vectors(self, matches: Sequence[Match], retrieved: Retrieved) -> FloatArray:
        """Return the vectors of the matches' questions (n, d)."""
        row = {candidate.pair.pair_id: row for row, candidate in enumerate(retrieved.candidates)}
        vectors: FloatArray = retrieved.vectors[[row[match.pair.pair_id] for match in matches]]
        return vectors

    def _select(self, decision: Decision, matches: Sequence[Match], retrieved: Retrieved) -> Shown:
        if decision.shown is not None:
            return Shown(matches=tuple(decision.shown))
        if decision.outcome != "answered":
            return Shown()
        return self._selection.shown(matches, self._vectors(matches, retrieved), decision.threshold)

    def _is_nearly(self, match: Match, best: Match) -> bool:
        return match.relevance >= self._selection.nearly(best.relevance)

    def _suggest(
        self, decision: Decision, selected: Sequence[Match], matches: Sequence[Match], context: Context
    ) -> tuple[FollowUp, ...]:
        if decision.outcome == "clarifying":
            return tuple(option_of(matches[at], rank) for rank, at in enumerate(decision.options, start=1))
        if decision.outcome == "answered" and not selected:
            # Who thanks or says goodbye has no question that others would be near to.
            return ()
        asked = self._asked(selected, context)
        return self._follow_ups.after(asked) if selected else self._follow_ups.instead(matches, asked)

    def _asked(self, selected: Sequence[Match], context: Context) -> WhatWasAsked:
        """Return the conversation as suggestions need it: nothing that was answered or offered comes again."""
        answered = [pair_id for turn in context.history for pair_id in _shown_by(turn, "responses")[:1]]
        shown = [pair_id for turn in context.history for part in _OFFERED for pair_id in _shown_by(turn, part)]
        now = [match.pair.pair_id for match in selected]
        return WhatWasAsked(
            answered=tuple(each for each in (*answered, *now[:1]) if each in self._row),
            without=frozenset({*self._rules.hidden, *shown, *now}),
            earlier=tuple(each for each in context.earlier if each in self._row),
            turn_id=context.turn_id,
        )

    def _answered_by(self, question: str, vector: FloatArray) -> str:
        """Return the pair that answers a question at once, typed by itself; empty where none does."""
        text = self._cleaned(question)
        if text != clean_line(question):
            vector = self.retriever.encoder.encode([text])[0]
        retrieved = self._rules.allowed(self.retriever.retrieve_known(text, vector))
        matches = self._match(retrieved)
        asked = Asked(question=question, understood=text, matches=matches, context=Context(), chosen=None)
        decision = self._decide(asked, matches, retrieved, is_alone=True)
        shown = self._select(decision, matches, retrieved).matches
        return shown[0].pair.pair_id if decision.outcome == "answered" and shown else ""


def _shown_by(turn: Turn, part: str) -> list[str]:
    """Return the pairs that a turn showed as its responses or follow-ups."""
    return [each["pair_id"] for each in turn.reply.get(part, ())]
