"""Decision → decision: what stands around an answer. Rules, persons, small talk, and no answer or refusal over again.

What the policy decided on the matches of a question stays as it is wherever none of this applies.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile

from bot.person import wish_for_person
from bot.policy import Decision, PolicyConfig
from bot.rules import Rules
from bot.small_talk import Kind, small_talk
from kb.text import normalised
from kb.types import Context, Match, Turn

ASKED, NO_ANSWER = "asked", "no_answer"
"""Reasons of a hand-over: the customer asked for a person; the bot had no answer several times in a row."""

_KINDS: dict[Kind, str] = {
    "greeting": "a greeting",
    "thanks": "thanks",
    "goodbye": "a goodbye",
    "robot": "a question about the bot itself",
    "apology": "an apology",
    "laughter": "laughter",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """A message with what is known of it: as typed, as understood, and its matches, best first.

    `chosen` is the one of those that were offered which the customer named, by a click or in words.
    """

    question: str
    understood: str
    matches: Sequence[Match]
    context: Context
    chosen: Match | None = None


class Conduct:
    """Decides what the matches alone don't; safe to share between threads."""

    def __init__(self, config: PolicyConfig, rules: Rules, is_nearly: Callable[[Match, Match], bool]) -> None:
        """Take the policy's configuration, the rules, and whether a match is nearly as relevant as the best one."""
        self._config = config
        self._messages = config.messages
        self._rules = rules
        self._is_nearly = is_nearly

    def revise(self, decision: Decision, asked: Asked, of_pair: Callable[[str], Match]) -> Decision:
        """Return the decision to go by.

        Args:
            decision: of the policy on the matches.
            asked: the message.
            of_pair: gives the match of a pair that may not be among the matches.
        """
        return (
            self._passed_on_by_rule(decision, asked)
            or self._answered_by_rule(decision, asked, of_pair)
            or self._person(decision, asked)
            or self._small_talk(decision, asked)
            or self._not_again(decision, asked)
        )

    def _passed_on_by_rule(self, decision: Decision, asked: Asked) -> Decision | None:
        rule = self._rules.hand_over(asked.question, asked.understood)
        if rule is None:
            return None
        why = f"The rule {rule.name!r} passes this on to a person: {rule.reason}."
        return replace(self._handed_over(decision, asked, rule.reason, why), rules=(rule.name,))

    def _answered_by_rule(self, decision: Decision, asked: Asked, of_pair: Callable[[str], Match]) -> Decision | None:
        rule = self._rules.always(asked.question, asked.understood)
        if rule is None:
            return None
        # The organisation itself says that this is the answer.
        return replace(
            decision,
            outcome="answered",
            confidence=1.0,
            message="",
            reason=f"The rule {rule.name!r} gives this answer.",
            shown=(replace(of_pair(rule.answer), rule=rule.name),),
            parts=(),
            options=(),
        )

    def _person(self, decision: Decision, asked: Asked) -> Decision | None:
        wish = wish_for_person(asked.question)
        if wish == "none":
            return None
        offered_before = any(turn.reply.get("offers_person") for turn in asked.context.history[-1:])
        is_known = decision.outcome == "answered" and decision.confidence >= self._config.sure and not offered_before
        if is_known if wish == "plain" else decision.outcome in ("answered", "clarifying"):
            return replace(decision, message=_both(decision.message, self._messages.offer), offers_person=True)
        return self._handed_over(decision, asked, ASKED, "The customer asked for a person.")

    def _small_talk(self, decision: Decision, asked: Asked) -> Decision | None:
        kind = small_talk(asked.question)
        if kind is None or self._knows(decision, asked.matches):
            return None
        return replace(
            decision,
            outcome="answered",
            message=getattr(self._messages, kind),
            reason=f"This is {_KINDS[kind]}, and no question.",
            shown=(),
            parts=(),
            options=(),
        )

    def _knows(self, decision: Decision, matches: Sequence[Match]) -> bool:
        """Whether the knowledge base answers small talk itself: surely, or by a text that is small talk too."""
        if decision.outcome != "answered":
            return False
        return decision.confidence >= self._config.sure or small_talk(matches[0].candidate.phrasing) is not None

    def _not_again(self, decision: Decision, asked: Asked) -> Decision:
        said = [turn for turn in asked.context.history if not _is_small_talk(turn)]
        answered = [turn for turn in said if turn.reply.get("message") != self._messages.see_above]
        if decision.outcome == "answered" and answered and answered[-1].outcome == "answered":
            decision = self._another_answer(decision, asked, answered[-1])
        if decision.outcome != "abstained":
            return decision
        refusals = len(list(takewhile(lambda turn: turn.outcome == "abstained", reversed(said))))
        return self._refused_again(decision, asked, refusals) if refusals else decision

    def _another_answer(self, decision: Decision, asked: Asked, last: Turn) -> Decision:
        """Return the decision that doesn't repeat the answer just given, unless the customer asks for just that."""
        given = {response["pair_id"] for response in last.reply.get("responses", ())}
        shown = decision.shown if decision.shown is not None else asked.matches[:1]
        if not {match.pair.pair_id for match in shown} <= given:
            return decision
        if asked.chosen or asked.context.clicked or normalised(asked.question) == normalised(last.question):
            return replace(decision, message=_both(self._messages.same_answer, decision.message), offers_person=True)
        others = [match for match in asked.matches if match.pair.pair_id not in given]
        best = asked.matches[0]
        if others and others[0].relevance >= decision.threshold and self._is_nearly(others[0], best):
            return replace(
                decision,
                confidence=others[0].relevance,
                reason="The nearest answer was given just before; this is the next one, and nearly as likely.",
                shown=(others[0],),
                parts=(),
                options=(),
            )
        return replace(
            decision,
            outcome="abstained",
            message=self._messages.see_above,
            reason="The nearest answer was given just before, and no other one is nearly as likely.",
            shown=(),
            parts=(),
            options=(),
            offers_person=True,
        )

    def _refused_again(self, decision: Decision, asked: Asked, refusals: int) -> Decision:
        """Return the decision after so many abstentions in a row: a person, or at least other words."""
        had_person = any(turn.outcome == "handed_over" for turn in asked.context.history)
        if 0 < self._config.failures <= refusals + 1 and not had_person:
            why = f"There was no answer {refusals + 1} times in a row."
            return self._handed_over(decision, asked, NO_ANSWER, why)
        others = (self._messages.abstain_again, self._messages.abstain_often)
        return replace(decision, message=others[(refusals - 1) % 2], offers_person=True)

    def _handed_over(self, decision: Decision, asked: Asked, reason: str, why: str) -> Decision:
        before = [turn.reply.get("explanation", {}).get("hand_over") for turn in asked.context.history]
        # One person is enough, but for what the organisation itself sets apart.
        is_new = reason not in before and (reason not in (ASKED, NO_ANSWER) or not any(before))
        message = self._messages.hand_over if is_new else self._messages.passed_on
        when = ""
        if self._rules.hours is not None and asked.context.asked_at is not None:
            when = self._rules.hours.when(asked.context.asked_at)
        return replace(
            decision,
            outcome="handed_over",
            message=_both(message, self._messages.closed.replace("{when}", when) if when else ""),
            reason=why,
            shown=(),
            parts=(),
            options=(),
            hand_over=reason if is_new else "",
            offers_person=True,
        )


def _is_small_talk(turn: Turn) -> bool:
    return turn.outcome == "answered" and not turn.reply.get("responses")


def _both(*texts: str) -> str:
    return " ".join(text for text in texts if text)
