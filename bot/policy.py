"""Matches → decision: answer or abstain, and why."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from bot.messages import Messages
from kb.types import Match, Outcome


@dataclass(frozen=True, kw_only=True, slots=True)
class PolicyConfig:
    """What the decision depends on, and what the bot says when it doesn't answer."""

    threshold: float = 0.0
    """Confidence from which the bot answers; 0 takes the one that was chosen when the index was built."""
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

    `shown` are the answers where they are not left to the selection, each to its part of the message where there are
    `parts`. `hand_over` is the reason for which the conversation goes to a person, `rules` those that took part.
    """

    outcome: Outcome
    confidence: float
    threshold: float
    message: str
    reason: str
    shown: tuple[Match, ...] | None = None
    parts: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    hand_over: str = ""
    offers_person: bool = False


class Policy:
    """Decides by the calibrated confidence of the best match."""

    def __init__(self, config: PolicyConfig, calibrated_threshold: float) -> None:
        """Take the configuration, and the threshold that holds where it names none."""
        self.config = config
        self.threshold = config.threshold or calibrated_threshold

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

    def _abstain(self, confidence: float, message: str, reason: str) -> Decision:
        return Decision(
            outcome="abstained", confidence=confidence, threshold=self.threshold, message=message, reason=reason
        )


def _percent(probability: float) -> str:
    # With a no-break space, as the page writes it.
    return f"{probability * 100:.0f}\u00a0%"
