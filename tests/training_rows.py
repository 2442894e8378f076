"""Rows that tests of the training data are made of."""

import random

from hypothesis import strategies as st

from kb.types import QAPair
from models.training.data import (
    LabeledPair,
    SplitConfig,
)

CONFIG = SplitConfig()
WORDS = [
    "can",
    "i",
    "return",
    "a",
    "tent",
    "stove",
    "my",
    "order",
    "late",
    "refund",
    "when",
    "cancel",
    "退",
    "货",
    "款",
]
TEXT = st.lists(st.sampled_from(WORDS), min_size=1, max_size=9).map(" ".join)
ROW = st.builds(
    LabeledPair,
    question=st.text(st.characters(), min_size=1).filter(str.strip),
    pair_id=st.text(st.characters(), min_size=1).filter(str.strip),
    label=st.floats(0, 1),
    weight=st.floats(0, 1e300),
    origin=st.sampled_from(["pair", "phrasing", "history", "operator", "click"]),
)
SPLITTABLE = st.lists(
    st.builds(
        LabeledPair,
        question=TEXT,
        pair_id=st.sampled_from("abc"),
        label=st.sampled_from([0.0, 1.0]),
        origin=st.sampled_from(["pair", "phrasing", "operator"]),
    ),
    max_size=30,
)


def pair(pair_id, *texts, topic="", answer="An answer."):
    return QAPair(pair_id=pair_id, question=texts[0], answer=answer, topic=topic, phrasings=texts[1:])


def row(question, pair_id="p", label=1.0, **fields):
    return LabeledPair(question=question, pair_id=pair_id, label=label, **fields)


def many(pairs=20, texts=20, seed=0):
    """Pairs whose texts are random words, and so are near to none but by chance."""
    rng = random.Random(seed)
    words = ["".join(rng.choices("abcdefghijklmnop", k=6)) for _ in range(2000)]
    return [pair(f"p{at}", *(" ".join(rng.sample(words, 7)) for _ in range(texts))) for at in range(pairs)]


def trigrams(text):
    padded = f" {text} "
    return {padded[at : at + 3] for at in range(len(padded) - 2)}


def near(one, other):
    """The definition, text by text; in these texts words have spaces between them."""
    words, others = set(one.split()), set(other.split())
    left, right = trigrams(one), trigrams(other)
    jaccard = len(words & others) / len(words | others)
    dice = 2 * len(left & right) / (len(left) + len(right))
    return jaccard >= 0.8 - 1e-9 or dice >= 0.85 - 1e-9


ENOUGH = [row(f"question number {at}", "ab"[at % 2], label=float(at % 3 > 0)) for at in range(30)]
