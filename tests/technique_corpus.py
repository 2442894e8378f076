"""A knowledge base of six pairs in two topics that a tiny model can learn, and tasks over it."""

from kb.types import QAPair
from models.training.data import LabeledPair, labeled_pairs

TOPICS = ("delivery", "returns")
_WORDS = ("parcel", "refund", "invoice", "voucher", "zip", "jacket")
_FORMS = (
    "where is my {}",
    "my {} please",
    "question on a {}",
    "{} again",
    "help with the {}",
    "about {} today",
    "tell me of {}",
    "the {} is wrong",
)


def pairs():
    return [
        QAPair(
            pair_id=word,
            question=f"what about the {word}?",
            answer=f"We look after your {word} within a day.",
            topic=TOPICS[at % 2],
            phrasings=tuple(form.format(word) for form in _FORMS[:5]),
        )
        for at, word in enumerate(_WORDS)
    ]


def held_out():
    """Questions that are not phrasings, with the pair that answers each."""
    return [LabeledPair(question=form.format(word), pair_id=word) for word in _WORDS for form in _FORMS[5:]]


def unlabelled():
    return [f"hello, {form.format(word)} now" for word in _WORDS for form in _FORMS[5:]]


def labeled():
    return labeled_pairs(pairs())
