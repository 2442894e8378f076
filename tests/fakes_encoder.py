"""An encoder without a model: words are hashed into a unit vector, so that texts that share words are near.

And a retriever over it, with the parts of which it is made.
"""

import re
import zlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from kb.entries import entries_of
from kb.index import FaissIndex, build_index
from kb.lexical import LexicalIndex
from kb.retriever import RetrievalConfig, Retriever, main_locale
from kb.types import FloatArray, QAPair

_WORD = re.compile(r"\w+")


class FakeEncoder:
    """A bag of hashed words as a unit vector (d,); remembers the batches it encoded."""

    def __init__(self, encoder_id: str = "fake", dimension: int = 64) -> None:
        self.encoder_id = encoder_id
        self.dimension = dimension
        self.batches: list[list[str]] = []

    @property
    def encoded(self) -> list[str]:
        """All texts that were encoded, in order."""
        return [text for batch in self.batches for text in batch]

    def encode(self, texts: Sequence[str]) -> FloatArray:
        self.batches.append(list(texts))
        vectors = np.zeros((len(texts), self.dimension), dtype=np.float32)
        for vector, text in zip(vectors, texts, strict=True):
            # The empty word keeps a text without words from being a null vector.
            for word in _WORD.findall(text.lower()) or [""]:
                sign_and_place = zlib.crc32(word.encode("utf-8", "surrogatepass"))
                vector[sign_and_place % self.dimension] += 1.0 if sign_and_place & 1 << 31 else -1.0
            if not vector.any():
                vector[0] = 1.0
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True) if len(texts) else vectors


class Parts(NamedTuple):
    """A retriever and its indexes."""

    retriever: Retriever
    index: FaissIndex
    lexical: LexicalIndex


def assemble(pairs: Sequence[QAPair], encoder: FakeEncoder | None = None, **config: Any) -> Parts:
    """A retriever over these pairs; `config` are fields of RetrievalConfig."""
    encoder, settings = encoder or FakeEncoder(), RetrievalConfig(**config)
    entries = list(entries_of(pairs, settings.passage_words))
    index = build_index(encoder.encode([entry.encoded for entry in entries]))
    lexical = LexicalIndex.build(pairs, entries, main_locale(pairs))
    retriever = Retriever(pairs=pairs, entries=entries, index=index, lexical=lexical, encoder=encoder, config=settings)
    encoder.batches.clear()
    return Parts(retriever, index, lexical)
