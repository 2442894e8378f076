"""Groups of questions that say nearly the same, so that a split can keep each group on one side.

Two questions are near where the Jaccard similarity of their words, or the Dice similarity of their character trigrams,
reaches a limit; a group is what such steps connect. Both are one exact set-similarity join over an inverted index: with
each set's rarest features first, near sets share one of their first few features (prefix filter: Chaudhuri et al. 2006,
Bayardo et al. 2007), and a 256-bit parity bitmap of each set bounds the symmetric difference from below, so that few
candidates are compared feature by feature (bitmap filter: Sandes et al. 2020).
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]

UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u2fdf\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
"""Scripts without spaces between words, as a class of a regular expression: Thai, Lao, Burmese, Khmer, kana, Han."""

_WORD = re.compile(f"[{UNSPACED}\U00020000-\U0003ffff]|[^\\s{UNSPACED}\U00020000-\U0003ffff]+")
_APOSTROPHES = frozenset("'’ʼ")
# 5 % is not 5, C# is not C, a@b is not a b.
_MEANT = frozenset("%‰#&@")
_WORDS_OF_BITMAP = 4
# Candidates that are looked at at once: about 100 MB.
_CHUNK = 1_000_000
# Against 4/5 that is not 0.8 in floating point.
_ROUNDING = 1e-9


class _Folding(dict[int, str]):
    """For `str.translate`: punctuation becomes a space, apostrophes and invisible characters nothing."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        category = unicodedata.category(character)
        if character in _APOSTROPHES or category == "Cf":
            kept = ""
        elif category[0] in "PZC" and character not in _MEANT:
            kept = " "
        else:
            kept = character
        self[code] = kept
        return kept


_FOLDING = _Folding()


def normalised(text: str) -> str:
    """Return the form in which two questions are the same: NFKC, case, punctuation and white space folded.

    A text of nothing but punctuation keeps it.
    """
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return " ".join(folded.translate(_FOLDING).split()) or " ".join(folded.split())


def question_groups(
    questions: Sequence[str], *, token_similarity: float = 0.8, trigram_similarity: float = 0.85
) -> list[str]:
    """Return the name of each question's group: the smallest normalised text in it, whatever the order.

    Args:
        questions: any texts (n); in scripts without spaces each character is a word.
        token_similarity: Jaccard similarity of words from which two questions are one group; above 1 only equal ones.
        trigram_similarity: Dice similarity of character trigrams from which they are; above 1 only equal ones.
    """
    texts = [normalised(question) for question in questions]
    names = sorted(set(texts))
    labels = np.arange(len(names), dtype=np.int64)
    labels = _joined([frozenset(_WORD.findall(name)) for name in names], token_similarity, labels)
    # Dice d of two sets is Jaccard d / (2 - d).
    jaccard = trigram_similarity / (2.0 - trigram_similarity) if trigram_similarity <= 1 else trigram_similarity
    labels = _joined([_trigrams(name) for name in names], jaccard, labels)
    _, first, members = np.unique(labels, return_index=True, return_inverse=True)
    name_of = {name: names[first[group]] for name, group in zip(names, members.tolist(), strict=True)}
    return [name_of[text] for text in texts]


def _trigrams(text: str) -> frozenset[str]:
    padded = f" {text} "
    return frozenset(padded[at : at + 3] for at in range(max(1, len(padded) - 2)))


@dataclass(frozen=True, kw_only=True, slots=True)
class _Sets:
    """Sets by size, smallest first: `rows` and `features` are parallel, each row's rarest feature first."""

    sets: list[frozenset[str]]
    sizes: IntArray
    rows: IntArray
    features: IntArray
    bitmaps: NDArray[np.uint64]


def _joined(sets: Sequence[frozenset[str]], threshold: float, labels: IntArray) -> IntArray:
    """Return the labels (n,) with those of sets of a Jaccard similarity from the threshold on made one."""
    order = np.argsort([len(each) for each in sets], kind="stable")
    ordered = _ordered([sets[at] for at in order])
    joined = labels[order]
    for left, right in _candidates(ordered, threshold):
        joined = _connected(ordered, left, right, threshold, joined)
    result = np.empty_like(labels)
    result[order] = joined
    return result


def _ordered(sets: list[frozenset[str]]) -> _Sets:
    sizes = np.array([len(each) for each in sets], dtype=np.int64)
    numbers: dict[str, int] = {}
    flat = np.array([numbers.setdefault(each, len(numbers)) for one in sets for each in one], dtype=np.int64)
    rows = np.repeat(np.arange(len(sets)), sizes)
    frequency = np.bincount(flat, minlength=len(numbers))
    rank = np.empty(len(numbers), dtype=np.int64)
    rank[np.argsort(frequency, kind="stable")] = np.arange(len(numbers))
    features = np.sort(rows * len(numbers) + rank[flat]) % max(1, len(numbers))
    # Neighbouring numbers fall far apart (Knuth's multiplicative hashing).
    bit = (features.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(56)
    bitmaps = np.zeros((len(sets), _WORDS_OF_BITMAP), dtype=np.uint64)
    np.bitwise_xor.at(bitmaps, (rows, (bit >> np.uint64(6)).astype(np.int64)), np.uint64(1) << (bit & np.uint64(63)))
    return _Sets(sets=sets, sizes=sizes, rows=rows, features=features, bitmaps=bitmaps)


def _candidates(ordered: _Sets, threshold: float) -> Iterator[tuple[IntArray, IntArray]]:
    """Yield rows and candidates for them, in chunks; a candidate comes once for each feature of both prefixes.

    A row meets smaller ones, and earlier ones of its size, that are large enough to be near.
    """
    count = len(ordered.sets)
    starts = np.cumsum(ordered.sizes) - ordered.sizes
    place = np.arange(len(ordered.rows)) - starts[ordered.rows]
    probing = place < _prefix(ordered.sizes, threshold)[ordered.rows]
    # What is indexed is met by sets of its size at least, and so shares 2t / (1 + t) of itself.
    indexed = place < _prefix(ordered.sizes, 2 * threshold / (1 + threshold))[ordered.rows]
    keys = np.sort(ordered.features[indexed] * count + ordered.rows[indexed])
    index_rows = keys % max(1, count)
    rows = ordered.rows[probing]
    smallest = np.searchsorted(ordered.sizes, np.ceil(threshold * ordered.sizes - _ROUNDING))
    base = ordered.features[probing] * count
    low = np.searchsorted(keys, base + smallest[rows])
    counts = np.maximum(np.searchsorted(keys, base + rows) - low, 0)
    ends = np.cumsum(counts)
    begin = 0
    while begin < len(rows):
        done = ends[begin] - counts[begin]
        end = max(begin + 1, int(np.searchsorted(ends, done + _CHUNK, side="right")))
        some = counts[begin:end]
        within = np.arange(some.sum()) - np.repeat(np.cumsum(some) - some, some)
        yield np.repeat(rows[begin:end], some), index_rows[np.repeat(low[begin:end], some) + within]
        begin = end


def _prefix(sizes: IntArray, share: float) -> IntArray:
    """Return how many of the rarest features hold a shared one, where `share` of a set at least is shared."""
    return sizes + 1 - np.asarray(np.ceil(share * sizes - _ROUNDING), dtype=np.int64)


def _connected(ordered: _Sets, left: IntArray, right: IntArray, threshold: float, labels: IntArray) -> IntArray:
    """Return the labels with those of near candidates made one; candidates of one label already are passed over."""
    apart = labels[left] != labels[right]
    left, right = left[apart], right[apart]
    total = ordered.sizes[left] + ordered.sizes[right]
    shared = np.ceil(threshold / (1 + threshold) * total - _ROUNDING).astype(np.int64)
    differing = np.bitwise_count(ordered.bitmaps[left] ^ ordered.bitmaps[right]).sum(axis=1, dtype=np.int64)
    possible = differing <= total - 2 * shared
    left, right, shared = left[possible], right[possible], shared[possible]
    # One of each label first: in a crowd of near texts that spares most comparisons.
    _, first = np.unique(left * len(labels) + labels[right], return_index=True)
    labels = _compared(ordered.sets, left[first], right[first], shared[first], labels)
    apart = labels[left] != labels[right]
    apart[first] = False
    return _compared(ordered.sets, left[apart], right[apart], shared[apart], labels)


def _compared(
    sets: list[frozenset[str]], left: IntArray, right: IntArray, least: IntArray, labels: IntArray
) -> IntArray:
    """Return the labels with those of candidates made one that share as many features as they must at least."""
    candidates = zip(left.tolist(), right.tolist(), least.tolist(), strict=True)
    near = np.array([len(sets[one] & sets[other]) >= shared for one, other, shared in candidates], dtype=bool)
    return _merged(labels, left[near], right[near])


def _merged(labels: IntArray, left: IntArray, right: IntArray) -> IntArray:
    if not len(left):
        return labels
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    ones = np.ones(len(left), dtype=np.int8)
    graph = coo_array((ones, (labels[left], labels[right])), shape=(len(labels), len(labels)))
    _, component = connected_components(graph, directed=False)
    merged: IntArray = component[labels].astype(np.int64)
    return merged
