"""Business rules from a file: what is always, never or rather answered, what goes to a person, and when one is there.

`bot/rules_file.py` reads them.
"""

import unicodedata
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TypeVar

from bot.hours import Hours, HoursRule
from kb.errors import ConfigError, describe
from kb.text import normalised
from kb.types import Match, QAPair, Retrieved


@dataclass(frozen=True, kw_only=True, slots=True)
class Always:
    """A message that contains one of the texts, or whose best match is a pair, gets the given answer."""

    name: str = ""
    contains: tuple[str, ...] = ()
    """Words or phrases: whole words; case, accents and punctuation make no difference."""
    matches: str = ""
    """Id of the pair that the message must match best."""
    answer: str = ""
    """Id of the pair that is the answer."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Never:
    """Pairs that are never shown: not as an answer, nor as a suggestion, nor among those that lost."""

    name: str = ""
    pairs: tuple[str, ...] = ()
    topics: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Prefer:
    """One pair instead of another where both are about as relevant."""

    name: str = ""
    pair: str = ""
    over: str = ""
    within: float = 0.2
    """By how much the preferred pair may be less relevant."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PassOn:
    """A message that contains one of the texts goes to a person, for this reason."""

    name: str = ""
    contains: tuple[str, ...] = ()
    reason: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class RuleSet:
    """What a file says, in its order; the first rule that fits counts."""

    always: tuple[Always, ...] = ()
    never: tuple[Never, ...] = ()
    prefer: tuple[Prefer, ...] = ()
    hand_over: tuple[PassOn, ...] = ()
    hours: HoursRule | None = None


Worded = TypeVar("Worded", Always, PassOn)
"""A rule that goes by the words of a message."""


class Rules:
    """The rules of a file, for one knowledge base; without any, nothing changes."""

    def __init__(self, rules: RuleSet, pairs: Sequence[QAPair] = ()) -> None:
        """Take the rules, and the pairs that they are about.

        Raises:
            ConfigError: a rule names a pair or topic that doesn't exist, shows what another one hides, or the hours are
                wrong.
        """
        self.hours = None if rules.hours is None else Hours(rules.hours)
        self.rules = rules
        self._hidden_by = _hidden(rules.never, pairs)
        known = {pair.pair_id for pair in pairs}
        shown = [(rule.name, rule.answer, rule.matches) for rule in rules.always]
        for name, pair_id, other in (*shown, *((rule.name, rule.pair, rule.over) for rule in rules.prefer)):
            for each in filter(None, (pair_id, other)):
                _require(each in known, name, "the id of a pair in the knowledge base", each)
            _require(pair_id not in self._hidden_by, name, "a pair that may be shown", pair_id)

    @property
    def hidden(self) -> Collection[str]:
        """Ids of the pairs that are never shown."""
        return self._hidden_by.keys()

    def allowed(self, retrieved: Retrieved) -> Retrieved:
        """Return what was found without what is never shown; the same object where nothing is."""
        kept = [row for row, each in enumerate(retrieved.candidates) if each.pair.pair_id not in self._hidden_by]
        if len(kept) == len(retrieved.candidates):
            return retrieved
        before = retrieved.candidates[: kept[0] if kept else None]
        return replace(
            retrieved,
            candidates=tuple(retrieved.candidates[row] for row in kept),
            vectors=retrieved.vectors[kept],
            rules=_named(self._hidden_by[each.pair.pair_id] for each in before),
        )

    def preferred(self, matches: Sequence[Match]) -> list[Match]:
        """Return the matches, best first, with the preferred pair instead of the other where the best is the other."""
        for rule in self.rules.prefer if matches else ():
            if matches[0].pair.pair_id != rule.over:
                continue
            for match in matches:
                if match.pair.pair_id == rule.pair and match.relevance >= matches[0].relevance - rule.within:
                    others = [each for each in matches[1:] if each is not match]
                    return [replace(match, rule=rule.name), *others]
        return list(matches)

    def instead(self, pair_id: str) -> Always | None:
        """Return the rule that answers a message whose best match is this pair."""
        return next((rule for rule in self.rules.always if rule.matches and rule.matches == pair_id), None)

    def always(self, *texts: str) -> Always | None:
        """Return the rule that answers a message by its words; `texts` are forms of the message."""
        return _first(self.rules.always, texts)

    def hand_over(self, *texts: str) -> PassOn | None:
        """Return the rule that passes a message on by its words; `texts` are forms of the message."""
        return _first(self.rules.hand_over, texts)


def folded(text: str) -> str:
    """Return the text without case, accents and punctuation."""
    apart = unicodedata.normalize("NFKD", normalised(text))
    return " ".join("".join(each for each in apart if not unicodedata.combining(each)).split())


def _first(rules: Sequence[Worded], texts: tuple[str, ...]) -> Worded | None:
    """Return the first rule one of whose phrases is in one of the texts."""
    asked = _padded(texts)
    for rule in rules:
        if any(phrase in text for phrase in _padded(rule.contains) for text in asked):
            return rule
    return None


@lru_cache(maxsize=1024)
def _padded(texts: tuple[str, ...]) -> tuple[str, ...]:
    """Return the texts as words with a space on both sides, so that one contains the other as whole words."""
    return tuple(f" {folded(text)} " for text in texts)


def _hidden(rules: Sequence[Never], pairs: Sequence[QAPair]) -> dict[str, str]:
    """Return the rule that hides each hidden pair."""
    by_topic: dict[str, list[str]] = {}
    for pair in pairs:
        by_topic.setdefault(pair.topic, []).append(pair.pair_id)
    known = {pair.pair_id for pair in pairs}
    hidden: dict[str, str] = {}
    for rule in rules:
        for pair_id in rule.pairs:
            _require(pair_id in known, rule.name, "the id of a pair in the knowledge base", pair_id)
        for topic in rule.topics:
            _require(topic in by_topic, rule.name, "a topic of the knowledge base", topic)
        for pair_id in (*rule.pairs, *(each for topic in rule.topics for each in by_topic[topic])):
            hidden.setdefault(pair_id, rule.name)
    return hidden


def _require(holds: bool, name: str, expected: str, got: str) -> None:
    if not holds:
        raise ConfigError(
            describe(expected=expected, got=f"{got!r} in the rule {name!r}", remedy="mend the rules file")
        )


def _named(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))
