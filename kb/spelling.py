"""Slips of the keyboard: words that neither the language nor the knowledge base knows, taken for near words it knows.

By SymSpell (Garbe 2012), whose package also brings the list of English words. Only towards words of the knowledge base:
a customer of a tent shop who writes 'tnet' means 'tent'.
"""

import re
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache
from importlib.resources import files

import Stemmer
from symspellpy import SymSpell, Verbosity

_WORD = re.compile(r"[^\W\d_]+(?:['\u2019][^\W\d_]+)?", re.UNICODE)
_ENGLISH = "frequency_dictionary_en_82_765.txt"
_SHORTEST = 4
_LONG = 7
_MOST_WORDS = 20_000
# A word of the knowledge base that no dictionary knows is a name or a slip of its own; a slip is seldom repeated.
_REPEATED = 3


class Speller:
    """Corrects questions towards the words of one knowledge base; safe to share between threads."""

    def __init__(self, texts: Iterable[str], locale: str = "en") -> None:
        """Take all texts of the knowledge base; for other languages than English nothing is corrected."""
        self._active = locale.split("-")[0].lower() == "en"
        self._words = SymSpell(max_dictionary_edit_distance=2, prefix_length=7)
        self._stemmer = Stemmer.Stemmer("english")
        self._stems: frozenset[str] = frozenset()
        if self._active:
            self._learn(texts)

    def correct(self, question: str) -> str:
        """Return the question with its slips mended; the same text where there are none."""
        if not self._active:
            return question
        return _WORD.sub(lambda found: self._mended(found[0]), question)

    def _learn(self, texts: Iterable[str]) -> None:
        counts = Counter(word.lower() for text in texts for word in _WORD.findall(text))
        english = _english_words()
        for word, count in counts.most_common(_MOST_WORDS):
            if word in english or count >= _REPEATED:
                self._words.create_dictionary_entry(word, count)
        self._stems = frozenset(self._stemmer.stemWords([*self._words.words])) | _english_stems()

    def _mended(self, word: str) -> str:
        lower = word.lower()
        if len(lower) < _SHORTEST or "'" in lower or "\u2019" in lower or self._stemmer.stemWord(lower) in self._stems:
            return word
        distance = 2 if len(lower) >= _LONG else 1
        found = self._words.lookup(lower, Verbosity.CLOSEST, max_edit_distance=distance)
        if not found:
            return word
        # Of the nearest ones, people get the first letter right most often; then the more frequent word.
        best = min(found, key=lambda each: (each.distance, each.term[0] != lower[0], -each.count, each.term))
        return str(best.term)


@lru_cache(maxsize=1)
def _english_words() -> frozenset[str]:
    lines = (files("symspellpy") / _ENGLISH).read_text(encoding="utf-8-sig").splitlines()
    return frozenset(line.split(" ", 1)[0] for line in lines)


@lru_cache(maxsize=1)
def _english_stems() -> frozenset[str]:
    return frozenset(Stemmer.Stemmer("english").stemWords(list(_english_words())))
