"""Lexical retrieval: BM25 over what customers ask, and over whole pairs, by bm25s (Lù 2024, arXiv 2407.03618)."""

import logging
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Self

import bm25s
import numpy as np
import Stemmer

from kb.entries import Entry, document_of
from kb.errors import IndexDamagedError, describe
from kb.types import FloatArray, QAPair

STEMMERS = {
    "en": "english",
    "de": "german",
    "fr": "french",
    "es": "spanish",
    "it": "italian",
    "nl": "dutch",
    "pt": "portuguese",
}
_UNSPACED = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
_WORD = re.compile(rf"[{_UNSPACED}]+|[^\W_{_UNSPACED}]+", re.UNICODE)
_QUESTIONS, _DOCUMENTS = "questions", "documents"

# It tells every index that it builds, to whoever has set up logging.
logging.getLogger("bm25s").setLevel(logging.WARNING)


class Analyser:
    """Text → terms: lower case, stemmed words; scripts without spaces in pairs of characters."""

    def __init__(self, locale: str = "en") -> None:
        """Take the locale of the texts; one without a stemmer keeps its words as they are."""
        name = STEMMERS.get(locale.split("-")[0].lower())
        self._stemmer = Stemmer.Stemmer(name) if name else None

    def terms(self, text: str) -> list[str]:
        """Return the terms of a text, in order."""
        found: list[str] = []
        for word in _WORD.findall(text.lower()):
            if "\u3040" <= word[0] <= "\u9fff":
                found.extend(word[at : at + 2] for at in range(max(1, len(word) - 1)))
            else:
                found.append(word)
        return list(self._stemmer.stemWords(found)) if self._stemmer else found


class LexicalIndex:
    """BM25 of every question and phrasing, and of every pair's question and answer together."""

    def __init__(self, analyser: Analyser, questions: bm25s.BM25, documents: bm25s.BM25) -> None:
        """Take both indexes; `build` and `load` make them."""
        self._analyser = analyser
        self._questions = questions
        self._documents = documents

    @classmethod
    def build(cls, pairs: Sequence[QAPair], entries: Iterable[Entry], locale: str = "en") -> Self:
        """Index the question and phrasing entries, in their order, and the pairs, in theirs."""
        analyser = Analyser(locale)
        # Every term once in memory: a large knowledge base has millions of them, of which few are different.
        same: dict[str, str] = {}

        def terms(text: str) -> list[str]:
            return [same.setdefault(term, term) for term in analyser.terms(text)]

        asked = [terms(entry.text) for entry in entries if entry.role != "answer"]
        documents = [terms(document_of(pair)) for pair in pairs]
        return cls(analyser, _index(asked), _index(documents))

    def bm25(self, question: str) -> tuple[FloatArray, FloatArray]:
        """Return BM25 of the question with every question or phrasing (m,) and every pair (n,); 0 without a hit."""
        terms = self._analyser.terms(question)
        return _bm25(self._questions, terms), _bm25(self._documents, terms)

    def unknown(self, text: str) -> list[str]:
        """Return the terms of a text that no pair has, in its question or its answer."""
        known = self._documents.vocab_dict
        return [term for term in self._analyser.terms(text) if term not in known]

    def save(self, folder: Path) -> None:
        """Write both indexes into a folder."""
        self._questions.save(str(folder / _QUESTIONS), show_progress=False)
        self._documents.save(str(folder / _DOCUMENTS), show_progress=False)

    @classmethod
    def load(cls, folder: Path, locale: str = "en") -> Self:
        """Return what `save` wrote.

        Raises:
            IndexDamagedError: a file is missing or can't be read.
        """
        try:
            found = [bm25s.BM25.load(str(folder / name), load_corpus=False) for name in (_QUESTIONS, _DOCUMENTS)]
        except (OSError, ValueError, KeyError, EOFError) as error:
            raise IndexDamagedError(
                describe(expected=f"a lexical index in {folder}", got=str(error), remedy="run `frontdesk index`")
            ) from error
        return cls(Analyser(locale), *found)


def _index(texts: Sequence[Sequence[str]]) -> bm25s.BM25:
    index = bm25s.BM25(k1=1.5, b=0.75)
    # bm25s can't index nothing at all: a term that no question has stands in, and one text where there is none.
    index.index([list(each) or [""] for each in texts] or [[""]], show_progress=False)
    return index


def _bm25(index: bm25s.BM25, terms: Sequence[str]) -> FloatArray:
    known = [term for term in terms if term in index.vocab_dict and term]
    if not known:
        return np.zeros(index.scores["num_docs"], dtype=np.float32)
    return np.asarray(index.get_scores(known), dtype=np.float32)
