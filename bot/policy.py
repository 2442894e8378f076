"""Matches → decision: answer, ask back or abstain, and why."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from bot.messages import Messages
from kb.errors import ConfigError, describe
from kb.types import Match, Outcome
from models.calibrate import Calibration
from models.dial import Dial, turned_to


@dataclass(frozen=True, kw_only=True, slots=True)
class PolicyConfig:
    """What the decision depends on, and what the bot says when it doesn't answer."""

    threshold: float = 0.0
    """Confidence from which the bot answers; 0 takes the one that was chosen when the index was built."""
    target_accuracy: float = 0.0
    """Share of the answers that must be right, at least: raises the threshold as far as needed; 0 promises nothing."""
    clarify_message: str = "I'm not sure which of these you mean:"
    declined_message: str = "Then I don't have the answer. Try other words, or talk to a person."
    abstain_message: str = (
        "I don't have an answer to that, and I'd rather not guess. "
        "Try other words, look at what others ask, or talk to a person."
    )
    empty_message: str = "I don't know anything yet. Please talk to a person."
    messages: Messages = field(default_factory=Messages)
    rules: str = ""
    """Path of the file of business rules, from the data folder on; empty: its `rules.toml`, where there is one."""
    failures: int = 2
    """Abstentions in a row after which a person takes over; 0: never by itself."""
    sure: float = 0.8
    """Confidence from which the knowledge base goes before small talk and before a plain wish for a person."""
    most_parts: int = 3
    """Questions of one message that are answered, at most; the others are named."""
    part_confidence: float = 0.5
    """Confidence, beside the threshold, from which a part of a message counts as answered."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    """What to do with a question; `confidence` is the probability that the best match is right.

    Where the bot asks back, `options` are positions in the matches.
    `shown` are the answers where they are not left to the selection, each to its part of the message where there are
    `parts`. `hand_over` is the reason for which the conversation goes to a person, `rules` those that took part.
    """

    outcome: Outcome
    confidence: float
    threshold: float
    message: str
    reason: str
    options: tuple[int, ...] = ()
    shown: tuple[Match, ...] | None = None
    parts: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    hand_over: str = ""
    offers_person: bool = False


class Policy:
    """Decides by the calibrated confidence of the best match."""

    def __init__(self, config: PolicyConfig, calibrated_threshold: float, promised_threshold: float = 0.0) -> None:
        """Take the configuration, the threshold that holds where it names none, and the least that a promise allows."""
        self.config = config
        self.threshold = max(config.threshold or calibrated_threshold, promised_threshold)

    def decide(self, matches: Sequence[Match]) -> Decision:
        """Return the decision on matches, best first."""
        if not matches:
            return self._abstain(0.0, self.config.empty_message, "The knowledge base is empty.")
        confidence = matches[0].relevance
        if confidence < self.threshold:
            needed = f"{_percent(self.threshold)} is needed"
            reason = f"The nearest answer is {_percent(confidence)} likely to be right; {needed}."
            return self._abstain(confidence, self.config.abstain_message, reason)
        return Decision(
            outcome="answered",
            confidence=confidence,
            threshold=self.threshold,
            message="",
            reason=f"This answer is {_percent(confidence)} likely to be right; {_percent(self.threshold)} is needed.",
        )

    def ask_back(self, decision: Decision, options: Sequence[int]) -> Decision:
        """Return the decision to ask which of these matches is meant."""
        reason = f"{len(options)} answers are about as likely to be meant."
        return replace(
            decision,
            outcome="clarifying",
            message=self.config.clarify_message,
            reason=reason,
            options=tuple(options),
        )

    def choose(self, match: Match) -> Decision:
        """Return the decision to give what the customer chose."""
        return Decision(
            outcome="answered",
            confidence=match.relevance,
            threshold=self.threshold,
            message="",
            reason="You chose this answer.",
        )

    def decline(self, matches: Sequence[Match]) -> Decision:
        """Return the decision for a customer who meant none of the options."""
        confidence = matches[0].relevance if matches else 0.0
        return self._abstain(confidence, self.config.declined_message, "You meant none of what I offered.")

    def _abstain(self, confidence: float, message: str, reason: str) -> Decision:
        return Decision(
            outcome="abstained", confidence=confidence, threshold=self.threshold, message=message, reason=reason
        )


def promised_threshold(config: PolicyConfig, calibration: Calibration) -> float:
    """Return the threshold that keeps the configured promise, by the questions that the calibration was fitted on.

    Raises:
        ConfigError: they don't support it.
    """
    if not config.target_accuracy:
        return 0.0
    dial = dial_of(calibration, config.target_accuracy)
    if not dial.supported:
        raise ConfigError(
            describe(
                expected=f"a target_accuracy that {dial.questions} calibration questions support",
                got=f"{config.target_accuracy:g}",
                remedy="promise less (`frontdesk dial` shows what can be), or add phrasings and train",
            )
        )
    return dial.threshold


def dial_of(calibration: Calibration, target: float) -> Dial:
    """Return what a promise needs and costs, by the questions that the calibration was fitted on.

    Raises:
        InputError: the target is no share between 0 and 1.
    """
    confidence = np.array([confidence for confidence, _ in calibration.sample], dtype=np.float32)
    is_right = np.array([is_right for _, is_right in calibration.sample], dtype=bool)
    return turned_to(target, confidence, is_right)


def _percent(probability: float) -> str:
    # With a no-break space, as the page writes it.
    return f"{probability * 100:.0f}\u00a0%"
