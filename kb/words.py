"""What words follow each other in a knowledge base, with English behind it: how likely a text is.

A bigram model with Witten-Bell smoothing (Witten & Bell 1991): the more different words have followed a word, the more
counts how frequent a word is at all, and in the same way English counts behind the knowledge base.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import lru_cache
from importlib.resources import files

from kb.letters import unaccented

WORD = re.compile(r"[^\W\d_]+(?:['\u2019][^\W\d_]+)*", re.UNICODE)
START, END = "<s>", "</s>"

_ENGLISH = "frequency_dictionary_en_82_765.txt"
_MOST_WORDS = 20_000
# So many pairs of words say how customers write; more would take memory for little.
_MOST_BIGRAMS = 1_000_000
# A word of the knowledge base that no dictionary knows is a name or a slip of its own; a slip is seldom repeated.
_REPEATED = 3
# Of a word that is known by its plural or contraction alone.
_UNSEEN = 1e-7
# What customers type, and the list of English words doesn't have.
_CHAT = frozenset(
    {"ok", "okay", "thx", "thanx", "pls", "plz", "idk", "lol", "omg", "btw", "asap", "fyi", "faq", "gonna", "wanna"}
    | {"gotta", "ty", "np", "yep", "yup", "nope", "hmm", "um", "ur"}
)
_ENDS = 1e-2
# Of any word; those of verbs with "not" are in the list of English words.
_CONTRACTED = frozenset({"s", "ll", "re", "ve", "d"})
_CACHED = 1 << 16


class Words:
    """The words of one knowledge base and of English; safe to share between threads."""

    def __init__(self, texts: Iterable[str]) -> None:
        """Count the words of all texts of a knowledge base."""
        counts: Counter[str] = Counter()
        self._accented: set[str] = set()
        self._bigrams: Counter[tuple[str, str]] = Counter()
        for text in texts:
            words = words_of(text)
            counts.update(words)
            if not text.isascii():
                self._accented.update(word.lower() for word in WORD.findall(text) if not word.isascii())
            if len(self._bigrams) < _MOST_BIGRAMS:
                self._bigrams.update(zip((START, *words), (*words, END), strict=True))
        self._english, self._english_total = _english_counts()
        self.own: Mapping[str, int] = {
            word: count
            for word, count in counts.most_common(_MOST_WORDS)
            if word in self._english or count >= _REPEATED
        }
        self._total = sum(self.own.values())
        self._followed: Counter[str] = Counter()
        self._followers: Counter[str] = Counter()
        for (before, _), count in self._bigrams.items():
            self._followed[before] += count
            self._followers[before] += 1
        # Of pairs of words the same ones come again and again.
        self.cost = lru_cache(_CACHED)(self._cost)
        self.knows = lru_cache(_CACHED)(self._knows)

    def is_english(self, word: str) -> bool:
        """Whether the list of English words has it."""
        return word in self._english

    def as_written(self, word: str) -> str:
        """Return a word without accents, unless the knowledge base writes it with them."""
        return word if word.isascii() or word.lower() in self._accented else unaccented(word)

    def frequency(self, word: str) -> float:
        """Return the share of a word in all words, above 0."""
        own = self._total / max(self._total + len(self.own), 1)
        share = own * self.own.get(word, 0) / max(self._total, 1)
        return share + (1 - own) * self._english.get(word, 0) / self._english_total + _UNSEEN

    def _cost(self, before: str, word: str) -> float:
        """Return what it costs that one word follows another: the negative logarithm of its probability."""
        alone = _ENDS if word == END else self.frequency(word)
        followed = self._followed.get(before, 0)
        if not followed:
            return -math.log(alone)
        followers = self._followers[before]
        together = self._bigrams.get((before, word), 0)
        return -math.log((together + followers * alone) / (followed + followers))

    def _knows(self, word: str) -> bool:
        """Whether a word in lower case is one: of the knowledge base, of English, a contraction or a plural."""
        if word in self.own or word in self._english or word in _CHAT:
            return True
        head, apostrophe, tail = word.rpartition("'")
        if apostrophe:
            return tail in _CONTRACTED and self._knows(head)
        return word.endswith("s") and word[:-1] in self.own


def words_of(text: str) -> list[str]:
    """Return the words of a text, as the model knows them."""
    return [plain(word) for word in WORD.findall(text)]


def plain(word: str) -> str:
    """Return a word in lower case, with plain apostrophes and without accents."""
    return unaccented(word.lower().replace("\u2019", "'"))


@lru_cache(maxsize=1)
def _english_counts() -> tuple[Mapping[str, int], int]:
    lines = (files("symspellpy") / _ENGLISH).read_text(encoding="utf-8-sig").splitlines()
    counts = {word: int(count) for word, count in (line.split(" ") for line in lines)}
    return counts, sum(counts.values())
