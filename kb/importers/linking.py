"""Which known pair says what an answer from a conversation says: by its words, deterministically.

People answer in their own words, but name the same things and the same figures. So an answer belongs to a pair if the
pair's question and answer contain nearly all of its words, rare words and figures counting most (idf, Spärck Jones
1972), and no other pair comes close. The words of the question help. Nothing is compared all against all: an inverted
index leads from each word to the pairs that have it.
"""

import math
import re
from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from bm25s import stopwords
from numpy.typing import NDArray

from kb.entries import document_of, plain_text
from kb.lexical import Analyser
from kb.text import normalised
from kb.types import QAPair

Verdict = Literal["same", "near", "new"]
"""The answer of a known pair; perhaps that of one; or clearly none of them."""

# Weight of a figure, as a multiple of that of a word as rare: another price is another answer.
NUMBER_WEIGHT = 2.0
# What the question adds to the evidence, at most; the answer adds at most 1.
QUESTION_SHARE = 0.25
# Rare words that a question must share with a pair to add all of it: 'do they run out?' fits too many pairs.
FULL_QUESTION_WORDS = 2
# Content words and figures that the answer must share with its pair; shorter answers fit anywhere.
MIN_SHARED_WORDS = 5
# Share of the answer's weight that its pair must contain, whatever the question says: 0..1.
MIN_CONTAINMENT = 0.55
# Evidence from which an answer is that of the pair, and its distance to the second best pair: 0..1 + QUESTION_SHARE.
MIN_EVIDENCE = 0.8
MIN_MARGIN = 0.1
# Share of the answer's weight below which a pair says something else: 0..1.
MAX_NEW_CONTAINMENT = 0.35
# Content words and figures that an answer needs to say something of its own: 'yes, it is' is no new answer.
MIN_NEW_WORDS = 3
# Content words that a question needs to be asked by others in the same words: 'which is?' has none.
MIN_PHRASING_WORDS = 2

_NUMBER = re.compile(r"\d+(?:[.,:]\d+)*")
_THOUSANDS = re.compile(r"[.,](?=\d{3}(?!\d))")
_STOPWORDS = {
    "en": stopwords.STOPWORDS_EN_PLUS,
    "de": stopwords.STOPWORDS_GERMAN,
    "fr": stopwords.STOPWORDS_FRENCH,
    "es": stopwords.STOPWORDS_SPANISH,
    "it": stopwords.STOPWORDS_ITALIAN,
    "nl": stopwords.STOPWORDS_DUTCH,
    "pt": stopwords.STOPWORDS_PORTUGUESE,
}


_Places = NDArray[np.intc]


@dataclass(frozen=True, kw_only=True, slots=True)
class Link:
    """What an answer is among the known ones.

    `pair_id` is the pair that says the same, or is nearest; empty where it has no id yet, or nothing is near.
    `telling` says whether the question says enough by itself to be a phrasing.
    """

    verdict: Verdict
    pair_id: str
    telling: bool


class AnswerLinker:
    """Links answers to known pairs; a word is as rare as it is among them."""

    def __init__(self, pairs: Iterable[QAPair]) -> None:
        """Take the known pairs, in the order of their ids: of two that are equal the first one counts."""
        self._reader = _Reader()
        self._pair_ids: list[str] = []
        self._by_answer: dict[tuple[str, str], str] = {}
        # Pairs by the words of their question and answer, and by those of all of their texts.
        self._said = _Postings()
        self._known = _Postings()
        for pair in pairs:
            self.add(pair)
            self._by_answer.setdefault(_answer_key(pair), pair.pair_id)

    def add(self, pair: QAPair) -> None:
        """Take in one more pair, which may have no id yet."""
        place = len(self._pair_ids)
        self._pair_ids.append(pair.pair_id)
        said = self._reader.terms(document_of(pair), pair.locale)
        asked = self._reader.terms("\n".join(pair.phrasings), pair.locale)
        self._said.add(place, said)
        self._known.add(place, said | asked)

    def link(self, pair: QAPair) -> Link:
        """Return what the answer of a pair without an id, given to its question, is among the known ones."""
        question = self._reader.terms(pair.question, pair.locale)
        same = self._by_answer.get(_answer_key(pair))
        if same is not None:
            return Link(verdict="same", pair_id=same, telling=True)
        answer = self._reader.terms(plain_text(pair.answer), pair.locale)
        if len(answer) < MIN_NEW_WORDS:
            return Link(verdict="near", pair_id="", telling=False)
        weights = self._weights(answer)
        words = {term: weight for term, weight in weights.items() if not _is_number(term)}
        places = np.union1d(
            self._said.candidates(weights, MAX_NEW_CONTAINMENT), self._said.candidates(words, MAX_NEW_CONTAINMENT)
        )
        containment = self._containment(weights, places)
        # Figures aside: the same words with another price are no new answer, but one to look at.
        if max(containment.max(initial=0), self._containment(words, places).max(initial=0)) < MAX_NEW_CONTAINMENT:
            return Link(verdict="new", pair_id="", telling=False)
        evidence = containment + QUESTION_SHARE * self._asked(question, places)
        best = int(np.argmax(evidence))
        margin = evidence[best] - np.delete(evidence, best).max(initial=0)
        certain = (
            containment[best] >= MIN_CONTAINMENT
            and evidence[best] >= MIN_EVIDENCE
            and margin >= MIN_MARGIN
            and self._said.sums(dict.fromkeys(answer, 1.0), places[[best]])[0] >= MIN_SHARED_WORDS
        )
        if certain:
            pair_id = self._pair_ids[places[best]]
            return Link(verdict="same", pair_id=pair_id, telling=len(question) >= MIN_PHRASING_WORDS)
        return Link(verdict="near", pair_id=self._pair_ids[places[best]], telling=False)

    def _containment(self, weights: Mapping[str, float], places: _Places) -> NDArray[np.float64]:
        """Return which share of the weights these pairs have in question and answer: (n,) in 0..1, 0 of nothing."""
        return self._said.sums(weights, places) / (sum(weights.values()) or 1.0)

    def _asked(self, question: frozenset[str], places: _Places) -> NDArray[np.float64]:
        """Return which share of the question's weight these pairs have, in any of their texts: (n,) in 0..1."""
        weights = self._weights(question)
        full = max(sum(weights.values()), FULL_QUESTION_WORDS * self._rarity(0))
        return self._known.sums(weights, places) / full

    def _weights(self, terms: frozenset[str]) -> dict[str, float]:
        # In one order always, so that the same sum is the same number to the last bit.
        return {
            term: self._rarity(self._said.frequency(term)) * (NUMBER_WEIGHT if _is_number(term) else 1.0)
            for term in sorted(terms)
        }

    def _rarity(self, frequency: int) -> float:
        """Return the idf of a term that this many pairs have, as BM25 counts it (Robertson and Zaragoza 2009)."""
        return math.log(1 + (len(self._pair_ids) - frequency + 0.5) / (frequency + 0.5))


class _Postings:
    """The places of the pairs that have a term, by term."""

    def __init__(self) -> None:
        self._places: dict[str, array[int]] = {}

    def add(self, place: int, terms: frozenset[str]) -> None:
        for term in terms:
            self._places.setdefault(term, array("i")).append(place)

    def frequency(self, term: str) -> int:
        return len(self._places.get(term, ()))

    def candidates(self, weights: Mapping[str, float], share: float) -> _Places:
        """Return every place that can have this share of the weights, sorted.

        It must have one of the rarer terms, if the others together weigh less than the share (as in WAND, Broder et al.
        2003). So the long lists of common terms are never walked.
        """
        rest, least = sum(weights.values()), share * sum(weights.values())
        found = [np.empty(0, dtype=np.intc)]
        for term in sorted(weights, key=lambda term: (self.frequency(term), term)):
            if rest < least:
                break
            found.append(np.array(self._places.get(term, ()), dtype=np.intc))
            rest -= weights[term]
        return np.unique(np.concatenate(found))

    def sums(self, weights: Mapping[str, float], places: _Places) -> NDArray[np.float64]:
        """Return for each of these places the weights of the terms that it has: (n,)."""
        sums = np.zeros(len(places))
        for term, weight in weights.items():
            if term in self._places:
                having = np.frombuffer(self._places[term], dtype=np.intc)
                at = np.searchsorted(having, places)
                sums += weight * (having[np.minimum(at, len(having) - 1)] == places)
        return sums


class _Reader:
    """Text → content words and figures, marked with their language: texts of two languages share none."""

    def __init__(self) -> None:
        self._by_language: dict[str, tuple[Analyser, frozenset[str]]] = {}

    def terms(self, text: str, locale: str) -> frozenset[str]:
        language = locale.split("-")[0].lower()
        analyser, stops = self._by_language.get(language) or self._open(language)
        numbers = (_THOUSANDS.sub("", number).replace(",", ".") for number in _NUMBER.findall(text))
        words = (word for word in analyser.terms(_NUMBER.sub(" ", text)) if len(word) > 1 and word not in stops)
        return frozenset((*(f"{language} {word}" for word in words), *(f"{language} #{number}" for number in numbers)))

    def _open(self, language: str) -> tuple[Analyser, frozenset[str]]:
        analyser = Analyser(language)
        stops = frozenset(analyser.terms(" ".join(_STOPWORDS.get(language, ()))))
        self._by_language[language] = (analyser, stops)
        return analyser, stops


def _is_number(term: str) -> bool:
    return "#" in term


def _answer_key(pair: QAPair) -> tuple[str, str]:
    return normalised(pair.answer), pair.locale
