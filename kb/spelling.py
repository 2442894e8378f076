"""Slips of the keyboard: a question with words that nobody knows is read as the likeliest question that was meant.

A noisy channel (Kernighan, Church & Gale 1990): of all ways to read the question, token by token, also with spaces
lost, added or moved, the one is taken whose words are the likeliest (`kb/words.py`) and whose edits are the fewest. It
is found by dynamic programming (Viterbi 1967); near words come from SymSpell (Garbe 2012).

What an edit costs depends on the question: one unknown word among ten is a name, four are a customer in haste. A
question without unknown words is not looked at. docs/log.md says how the constants were chosen.
"""

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from symspellpy import SymSpell, Verbosity

from kb.letters import latin
from kb.words import END, START, WORD, Words, plain

# Order numbers, addresses and links: one with a slip is another one.
_HARD = re.compile(r"\d|@|://|\w\w\.\w\w")
_CHUNK = re.compile(r"\S+")
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_CALM, _HASTY = 0.05, 0.17
"""Shares of unknown words, up to which a customer writes with care, and from which on in haste."""
_PRIOR_WORDS = 6
"""Words that count as known before the first one is read: one unknown word alone tells little."""
_EDITS_FROM = (1, 4, 9)
"""Letters of an unknown word that may have an edit, two, and three."""
_FIRST_LETTER = 0.25
"""Edits more, where the first letter is another: people get it right most often."""
_PLAIN = 7
"""Letters of a word that may have more than one edit where no word of the question is known."""
_LONGEST = 40
"""Letters of a token that is not kept as it is."""
_NEAR, _SPLITS, _WAYS = 8, 3, 4
"""Near words and splits of a token, and ways to a place, that are followed."""
_RANKED = 5.0
"""Cost of an edit where it is chosen what is followed, whatever the question."""
_CACHED = 1 << 14


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """A way to read one token, or two together."""

    words: tuple[str, ...]
    edits: float = 0
    doubts: int = 0
    """1 where what was typed is known, and means something else by this reading."""
    strange: int = 0
    """Letters of a word that is kept although nobody knows it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Channel:
    """What readings cost beside their words, in nats: the negative logarithm of how likely it is typed so."""

    edit: float
    doubt: float
    strange_word: float
    strange_letter: float
    has_context: bool = True
    """Whether any word of the question is known: else nothing says what it is about, maybe other things."""

    def cost(self, reading: Reading) -> float:
        """Return the cost of a reading."""
        strange = self.strange_word + self.strange_letter * reading.strange if reading.strange else 0.0
        return self.edit * reading.edits + self.doubt * reading.doubts + strange


def channel_of(unknown: int, words: int) -> Channel:
    """Return the channel of a question: the more of its words are unknown, the likelier is a slip, and not a name."""
    share = unknown / (words + _PRIOR_WORDS)
    haste = min(max((share - _CALM) / (_HASTY - _CALM), 0.0), 1.0)
    return Channel(
        has_context=unknown < words,
        edit=7.0 - 2.0 * haste,
        doubt=6.0 - 4.5 * haste,
        strange_word=2.0 + 2.6 * haste,
        strange_letter=2.2 + 1.8 * haste,
    )


class Speller:
    """Corrects questions towards the words of one knowledge base, and of English; safe to share between threads."""

    def __init__(self, texts: Iterable[str], locale: str = "en") -> None:
        """Take all texts of the knowledge base; for other languages than English, letters alone are corrected."""
        self._active = locale.split("-")[0].lower() == "en"
        self._words = Words(texts if self._active else ())
        self._near = SymSpell(max_dictionary_edit_distance=len(_EDITS_FROM), prefix_length=7)
        for word, count in self._words.own.items():
            self._near.create_dictionary_entry(word, count)
        # The same slips, and words beside them, come again and again.
        self._readings = lru_cache(_CACHED)(self._readings_of)

    def correct(self, question: str) -> str:
        """Return the question with its slips mended; the same text where there are none."""
        question = latin(question)
        if not self._active:
            return question
        if not question.isascii():
            question = WORD.sub(lambda found: self._words.as_written(found[0]), question)
        soft = [chunk.span() for chunk in _CHUNK.finditer(question) if not _HARD.search(chunk[0])]
        found = [each for span in soft for each in WORD.finditer(question, *span)]
        tokens = [plain(each[0]) for each in found]
        unknown = sum(not self._words.knows(token) for token in tokens)
        if not unknown:
            return question
        spaced = [question[one.end() : other.start()].isspace() for one, other in pairwise(found)]
        corrected, at = [], 0
        for begin, end, words in self._likeliest(tokens, spaced, channel_of(unknown, len(tokens))):
            first, last = found[begin].start(), found[end - 1].end()
            corrected.append(question[at:first])
            corrected.append(_in_case_of(question[first:last], words, is_same=list(words) == tokens[begin:end]))
            at = last
        return "".join([*corrected, question[at:]])

    def _likeliest(
        self, tokens: Sequence[str], spaced: Sequence[bool], channel: Channel
    ) -> list[tuple[int, int, tuple[str, ...]]]:
        """Return the cheapest way through the tokens: (begin, end, words) of each reading.

        Args:
            tokens: of the question (n,).
            spaced: whether nothing but space lies between a token and the next one (n - 1,).
            channel: of the question.
        """
        # By place and last word: the cost so far, where that way came from, and what was read on it.
        ways: list[dict[str, tuple[float, int, str, tuple[str, ...]]]] = [{} for _ in range(len(tokens) + 1)]
        ways[0][START] = (0.0, 0, "", ())
        for begin in range(len(tokens)):
            cheapest = sorted(ways[begin].items(), key=lambda way: way[1][0])[:_WAYS]
            for end, reading in self._from(begin, tokens, spaced):
                if not channel.has_context and not _is_plain(reading, tokens[begin]):
                    continue
                typed = channel.cost(reading)
                for before, (cost, *_) in cheapest:
                    total = cost + typed + self._cost(before, reading)
                    last = reading.words[-1]
                    if last not in ways[end] or total < ways[end][last][0]:
                        ways[end][last] = (total, begin, before, reading.words)
        last = min(ways[-1], key=lambda word: ways[-1][word][0] + self._words.cost(word, END))
        end, path = len(tokens), []
        while end:
            _, begin, before, words = ways[end][last]
            path.append((begin, end, words))
            end, last = begin, before
        return path[::-1]

    def _cost(self, before: str, reading: Reading) -> float:
        """Return what the words of a reading cost after another word; one that nobody knows has paid by its letters."""
        if reading.strange:
            return 0.0
        return sum(map(self._words.cost, (before, *reading.words), reading.words))

    def _from(self, begin: int, tokens: Sequence[str], spaced: Sequence[bool]) -> Iterator[tuple[int, Reading]]:
        """Yield readings that begin with a token, and where they end."""
        for reading in self._readings(tokens[begin]):
            yield begin + 1, reading
        if begin < len(spaced) and spaced[begin]:
            for reading in self._of_two(tokens[begin], tokens[begin + 1]):
                yield begin + 2, reading

    def _readings_of(self, token: str) -> tuple[Reading, ...]:
        """Return how one token may be read: as it is, as a near word, or as several words."""
        is_known = self._words.knows(token)
        as_it_is = Reading(words=(token,), strange=0 if is_known else len(token))
        if len(token) > _LONGEST:
            return (as_it_is,)
        near = [
            Reading(words=(word,), edits=edits + _FIRST_LETTER * (word[0] != token[0]), doubts=int(is_known))
            for word, edits in self._near_words(token, is_known).items()
        ]
        splits = [] if is_known else list(self._splits(token))
        return (as_it_is, *sorted(near, key=self._rank)[:_NEAR], *sorted(splits, key=self._rank)[:_SPLITS])

    def _near_words(self, token: str, is_known: bool) -> dict[str, int]:
        """Return near words of the knowledge base, else of English, and their distances."""
        most = 1 if is_known else sum(len(token) >= letters for letters in _EDITS_FROM)
        found = self._near.lookup(token, Verbosity.ALL, most)
        near = {each.term: each.distance for each in found if each.term != token}
        if not is_known and self._is_long(token) and 1 not in near.values():
            near |= {word: 1 for word in _one_edit(token) if self._words.is_english(word)}
        return near

    def _rank(self, reading: Reading) -> float:
        return _RANKED * reading.edits - sum(math.log(self._words.frequency(word)) for word in reading.words)

    def _splits(self, token: str) -> Iterator[Reading]:
        """Yield several words: a space is missing, or a letter stands in its place, and words may have slips."""
        for at in range(1, len(token)):
            right = token[at:]
            for left in {token[:at], token[: at - 1]} - {""}:
                if self._stands(left):
                    yield from self._after(left, right)
                elif self._stands(right):
                    yield from (Reading(words=(word, right), edits=2) for word in self._nearest(left))

    def _after(self, left: str, right: str) -> Iterator[Reading]:
        """Yield how the rest of a token may be read after its first word."""
        if self._stands(right):
            yield Reading(words=(left, right), edits=1)
        elif self._is_long(right):
            for rest in self._readings(right):
                if not rest.strange:
                    yield Reading(words=(left, *rest.words), edits=1 + rest.edits)

    def _of_two(self, one: str, other: str) -> Iterator[Reading]:
        """Yield how two tokens may be read together: as one word, or with a letter on the other side of the space."""
        are_known = self._words.knows(one) and self._words.knows(other)
        whole = one + other
        if whole in self._words.own:
            yield Reading(words=(whole,), edits=1, doubts=int(are_known))
        elif not are_known:
            yield from (Reading(words=(word,), edits=2) for word in self._nearest(whole))
        for left, right in ((one[:-1], one[-1] + other), (one + other[0], other[1:])):
            if self._stands(left) and self._stands(right):
                yield Reading(words=(left, right), edits=1, doubts=int(are_known))

    def _nearest(self, token: str) -> list[str]:
        """Return the most frequent word of the knowledge base that is one edit away; none for a short token."""
        return [each.term for each in self._near.lookup(token, Verbosity.TOP, 1)] if self._is_long(token) else []

    def _stands(self, word: str) -> bool:
        """Whether a part of a token is a word of the knowledge base; of single letters, English has two."""
        return word in self._words.own and (len(word) > 1 or word in "ai")

    @staticmethod
    def _is_long(token: str) -> bool:
        return len(token) >= _EDITS_FROM[1]


def _is_plain(reading: Reading, token: str) -> bool:
    """Say whether a reading is likely whatever the question is about: a slip in a word, or a space that is missing."""
    is_one_word = len(reading.words) == 1 and len(token) >= _PLAIN
    return is_one_word or reading.edits <= 1 + _FIRST_LETTER


def _in_case_of(typed: str, words: Sequence[str], *, is_same: bool) -> str:
    """Return what is read instead of what was typed, in capitals where that was; the same stays as it was typed."""
    if is_same:
        return typed
    read = " ".join(words)
    return read.upper() if len(typed) > 1 and typed.isupper() else read


def _one_edit(word: str) -> Iterator[str]:
    """Yield what has one letter more, less, or another one, or two letters swapped."""
    for at in range(len(word) + 1):
        left, right = word[:at], word[at:]
        yield from (left + letter + right for letter in _LETTERS)
        if right:
            yield left + right[1:]
            yield from (left + letter + right[1:] for letter in _LETTERS)
        if len(right) > 1:
            yield left + right[1] + right[0] + right[2:]
