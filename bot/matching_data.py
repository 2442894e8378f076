"""What the matcher learns from: for every training question, what retrieval finds for it while it must not know it."""

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from bot.asking import Asked, Judges, Read
from bot.corpus import Corpus, Question, asked_of, own_entries, questions_of
from kb.errors import TrainingDataError, describe
from models.matcher import MatchSettings
from models.training.config import TrainingConfig
from models.training.data import class_weights
from models.training.matcher import Group

_MOST_BALANCE = 1 - 1e-6

Told = Callable[[int, int], None]


def topics_of(corpora: Sequence[Corpus], training: TrainingConfig) -> dict[str, int]:
    """Return the class of each topic, for a matcher that learns to tell them; none where it doesn't.

    The head has the relevance first and a logit for each topic after it. A further task, such as whether a customer
    would click, would have its logit after those, and its labels beside `Group.topics`.

    Raises:
        TrainingDataError: all pairs are of one topic.
    """
    if not training.matching.topic_weight:
        return {}
    topics = sorted({pair.topic for corpus in corpora for pair in corpus.pairs})
    if len(topics) < 2:
        raise TrainingDataError(
            describe(
                expected="pairs of two topics or more, since topic_weight is above 0",
                got=f"one, {topics[0] or 'unnamed'}" if topics else "none",
                remedy="give pairs their topics, or set matching.topic_weight to 0",
            )
        )
    return {topic: at for at, topic in enumerate(topics)}


def matching_groups(
    corpus: Corpus, judges: Judges, training: TrainingConfig, topics: dict[str, int], told: Told
) -> list[Group]:
    """Return the training groups of a corpus: the right candidate first, then those that retrieval ranks highest."""
    questions = questions_of(corpus.train, corpus.pairs)
    weights = _weights(questions, len(corpus.pairs), training.matching.balance)
    groups = []
    for done, (question, asked) in enumerate(
        zip(questions, asked_of(questions, judges.retriever.encoder, own_entries(judges.retriever)), strict=True)
    ):
        rows, texts = _candidates(question, asked, judges, training.reading, training.matching.candidates)
        if len(rows) > 1:
            groups.append(
                Group(
                    question=question.text,
                    candidates=texts,
                    labels=[1.0, *(0.0 for _ in rows[1:])],
                    weight=question.weight * float(np.mean(weights[sorted(question.rows)])),
                    topics=[topics[corpus.pairs[row].topic] for row in rows] if topics else (),
                )
            )
        told(done + 1, len(questions))
    return groups


def _candidates(
    question: Question, asked: Asked, judges: Judges, reading: MatchSettings, count: int
) -> tuple[list[int], list[str]]:
    """Return rows and texts: a right one, and at most so many less one that are wrong."""
    read: Read = judges.read(asked, reading, 2 * count)
    found = dict(zip(read.rows.tolist(), read.texts, strict=True))
    right = [row for row in found if row in question.rows] or sorted(question.rows)
    rows = [right[0], *[row for row in found if row not in question.rows][: count - 1]]
    return rows, [found.get(rows[0]) or judges.text_of(asked, rows[0], reading), *(found[row] for row in rows[1:])]


def _weights(questions: Sequence[Question], pairs: int, balance: float) -> NDArray[np.float64]:
    """Return the weight of each pair (n,), by how many questions it has."""
    if not balance:
        return np.ones(pairs)
    counts = Counter(row for question in questions for row in question.rows)
    # At 1 the effective number has no limit; just below, a pair weighs one over its questions.
    return class_weights([counts[row] for row in range(pairs)], min(balance, _MOST_BALANCE))
