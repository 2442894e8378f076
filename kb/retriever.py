"""question → Retrieved: dense and lexical retrieval over a pair's questions, phrasings and answer, fused.

    evidence = fold(cosines of its entries) + lexical_weight · (BM25 of its questions + BM25 of the whole) / 2

with both BM25 relative to the best pair. Every constant is in `RetrievalConfig`; docs/log.md says how it was chosen.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from kb.entries import Entry
from kb.errors import IndexStaleError, describe
from kb.fusion import best_of, fold, relative
from kb.index import VectorIndex
from kb.lexical import LexicalIndex
from kb.types import Candidate, Encoder, FloatArray, QAPair, Retrieved

IdArray = NDArray[np.int64]

_READ = 3
"""Phrasings and passages of a pair that go on to the matcher, at most."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RetrievalConfig:
    """What retrieval depends on."""

    top_k: int = 20
    """Pairs that go on to the matcher."""
    dense_hits: int = 2048
    """Entries that dense retrieval looks at; with no more than these in the index, it looks at all."""
    lexical_hits: int = 32
    """Pairs that lexical retrieval adds where dense retrieval has not met them."""
    passage_words: int = 50
    """Length of an indexed passage of an answer."""
    temperature: float = 0.05
    """Of the soft maximum over a pair's entries."""
    size_discount: float = 0.5
    """How much a pair's number of entries is held against it: 0 not at all, 1 in full."""
    lexical_weight: float = 0.2
    """Of the relative BM25 beside the folded cosine."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Evidence:
    """What speaks for each pair: `fused` (n,) and `lexical` (n,) in 0..1; `similarities` (e,) of the entries.

    -inf stands for what was hidden or not looked at.
    """

    fused: FloatArray
    lexical: FloatArray
    similarities: FloatArray


class Retriever:
    """Retrieves from one published state of the knowledge base; safe to share between threads."""

    def __init__(
        self,
        *,
        pairs: Sequence[QAPair],
        entries: Sequence[Entry],
        index: VectorIndex,
        lexical: LexicalIndex,
        encoder: Encoder,
        config: RetrievalConfig,
    ) -> None:
        """Take pairs, their entries, and the indexes made of them: vector ids are positions of entries.

        Raises:
            IndexStaleError: the vectors are of another dimension or number than encoder and entries say.
        """
        if len(index) != len(entries) or index.dimension != encoder.dimension:
            raise IndexStaleError(
                describe(
                    expected=f"{len(entries)} vectors of {encoder.dimension} dimensions",
                    got=f"{len(index)} of {index.dimension}",
                    remedy="run `frontdesk index`",
                )
            )
        self.pairs, self.entries, self.config, self.encoder = tuple(pairs), tuple(entries), config, encoder
        self._index, self._lexical = index, lexical
        self._rows = np.array([entry.row for entry in entries], dtype=np.int64)
        self._is_answer = np.array([entry.role == "answer" for entry in entries], dtype=bool)
        self._is_passage = self._is_answer & ~np.array([entry.is_whole for entry in entries], dtype=bool)
        self._is_phrasing = np.array([entry.role == "phrasing" for entry in entries], dtype=bool)
        self._asked = np.flatnonzero(~self._is_answer)
        self._has_answers = bool(self._is_answer.any())
        self._question_ids = np.flatnonzero([entry.role == "question" for entry in entries])
        self._starts = np.searchsorted(self._rows, np.arange(len(self.pairs) + 1))

    def retrieve(self, question: str) -> Retrieved:
        """Return up to `top_k` pairs for a question, best first; none where the knowledge base is empty."""
        vector = self.encoder.encode([question])[0]
        if not self.pairs:
            empty = np.empty((0, len(vector)), dtype=np.float32)
            return Retrieved(question=question, candidates=(), question_vector=vector, vectors=empty)
        return self.retrieve_known(question, vector)

    def retrieve_known(
        self,
        question: str,
        vector: FloatArray,
        hidden: Sequence[int] = (),
        top_k: int | None = None,
        *,
        added: FloatArray | None = None,
    ) -> Retrieved:
        """Return up to `top_k` pairs, by default the configured number, for a question whose vector (d,) is known.

        `hidden` entries count for nothing, as in `evidence`: what training asks of a knowledge base that holds the very
        question. `added` (n,) is what else speaks for each pair: it counts as evidence, and -inf leaves a pair out.
        """
        evidence = self.evidence(question, vector, hidden)
        if added is not None:
            evidence = replace(evidence, fused=evidence.fused + added)
        order = np.argsort(-evidence.fused, kind="stable")[: top_k or self.config.top_k]
        rows = order[np.isfinite(evidence.fused[order])]
        candidates = tuple(self.candidate(int(row), evidence) for row in rows)
        vectors = self._index.reconstruct(self._question_ids[rows])
        return Retrieved(question=question, candidates=candidates, question_vector=vector, vectors=vectors)

    def evidence(self, question: str, vector: FloatArray, hidden: Sequence[int] = ()) -> Evidence:
        """Return what speaks for each pair.

        Args:
            question: for lexical retrieval.
            vector: of the question (d,).
            hidden: entries that are to count for nothing, to ask what the others know.
        """
        count = len(self.pairs)
        without = np.unique(np.asarray(hidden, dtype=np.int64))
        lexical = self._lexical_share(question, without)
        similarities = self._similarities(vector, lexical)
        similarities[without] = -np.inf
        folded = fold(
            similarities,
            self._rows,
            count,
            temperature=self.config.temperature,
            size_discount=self.config.size_discount,
        )
        if len(without):
            folded += self._smaller_by(without)
        fused = folded + np.float32(self.config.lexical_weight) * lexical
        return Evidence(fused=fused, lexical=lexical, similarities=similarities)

    def unknown_terms(self, text: str) -> list[str]:
        """Return the terms of a text that no pair has, in question or answer; none where pairs have no answers."""
        return self._lexical.unknown(text) if self._has_answers else []

    def entries_of_pair(self, row: int) -> range:
        """Return the positions of a pair's entries."""
        return range(int(self._starts[row]), int(self._starts[row + 1]))

    def neighbours(self, vector: FloatArray, top_k: int) -> list[tuple[int, float]]:
        """Return rows and cosines of the pairs whose entries are nearest to a vector (d,), nearest first."""
        cosines, ids = self._index.search(vector[None, :], min(self.config.dense_hits, 16 * top_k))
        found: dict[int, float] = {}
        for cosine, entry in zip(cosines[0], ids[0], strict=True):
            found.setdefault(int(self._rows[entry]), float(cosine))
            if len(found) == top_k:
                break
        return list(found.items())

    def entry_vectors(self, positions: IdArray) -> FloatArray:
        """Return the vectors (m, d) of entries."""
        return self._index.reconstruct(np.asarray(positions, dtype=np.int64))

    def question_vectors(self, rows: Sequence[int]) -> FloatArray:
        """Return the vectors (n, d) of the questions of pairs."""
        return self._index.reconstruct(self._question_ids[np.asarray(rows, dtype=np.int64)])

    def _lexical_share(self, question: str, without: IdArray) -> FloatArray:
        """Return BM25 of each pair as a share of the best one (n,)."""
        count = len(self.pairs)
        asked, documents = self._lexical.bm25(question)
        if len(without):
            asked, documents = asked.copy(), documents.copy()
            asked[np.isin(self._asked, without)] = 0.0
            hidden = np.bincount(self._rows[without], minlength=count)
            documents[hidden == np.diff(self._starts)] = 0.0
        questions = relative(best_of(asked, self._rows[self._asked], count, empty=0.0))
        return np.asarray((questions + relative(documents)) / 2, dtype=np.float32) if self._has_answers else questions

    def _smaller_by(self, without: IdArray) -> FloatArray:
        """Return what the size discount took from each pair (n,) for entries that are not to count."""
        size = np.maximum(np.diff(self._starts), 1)
        left = np.maximum(size - np.bincount(self._rows[without], minlength=len(self.pairs)), 1)
        weight = self.config.temperature * self.config.size_discount
        return np.asarray(weight * np.log(size / left), dtype=np.float32)

    def _similarities(self, vector: FloatArray, lexical: FloatArray) -> FloatArray:
        """Return cosines (e,) of the nearest entries, and of all entries of the pairs that share the rarest words."""
        found = np.full(len(self.entries), -np.inf, dtype=np.float32)
        cosines, ids = self._index.search(vector[None, :], self.config.dense_hits)
        found[ids[0]] = cosines[0]
        if len(self.entries) <= self.config.dense_hits:
            return found
        best = np.argsort(-lexical, kind="stable")[: self.config.lexical_hits]
        near = [np.fromiter(self.entries_of_pair(int(row)), dtype=np.int64) for row in best if lexical[row] > 0]
        missed = np.concatenate(near) if near else np.empty(0, dtype=np.int64)
        missed = missed[np.isneginf(found[missed])]
        if len(missed):
            found[missed] = self._index.reconstruct(missed) @ vector
        return found

    def candidate(self, row: int, evidence: Evidence) -> Candidate:
        """Return what is known of a pair as an answer to the question that the evidence is of."""
        span = slice(int(self._starts[row]), int(self._starts[row + 1]))
        similarities, is_answer = evidence.similarities[span], self._is_answer[span]
        order = span.start + np.argsort(-similarities, kind="stable")
        best = self.entries[order[0]]
        seen = order[np.isfinite(evidence.similarities[order])]
        return Candidate(
            pair=self.pairs[row],
            phrasing=best.text,
            role=best.role,
            similarity=_highest(similarities),
            answer_similarity=_highest(similarities[is_answer]),
            lexical=float(evidence.lexical[row]),
            evidence=float(evidence.fused[row]),
            phrasings=self._texts(seen[self._is_phrasing[seen]][:_READ]),
            passages=self._texts(seen[self._is_passage[seen]][:_READ]),
        )

    def _texts(self, positions: IdArray) -> tuple[str, ...]:
        return tuple(self.entries[at].text for at in positions)


def _highest(similarities: FloatArray) -> float:
    """Return the highest cosine; 0 where there is none."""
    highest = float(similarities.max(initial=-np.inf))
    return highest if np.isfinite(highest) else 0.0


def main_locale(pairs: Sequence[QAPair]) -> str:
    """Return the locale of most pairs; English where there is none."""
    counts = Counter(pair.locale for pair in pairs if pair.locale)
    return counts.most_common(1)[0][0] if counts else "en"
