"""A knowledge base as it is trained on: its pairs, and which questions are learned from and which held out."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from bot.asking import Asked
from kb.entries import plain_text
from kb.retriever import Retriever
from kb.spelling import Speller
from kb.types import Encoder, QAPair
from models.training.data import RIGHT, LabeledPair
from models.training.encoder import ContrastiveData
from models.training.grouping import normalised


@dataclass(frozen=True, kw_only=True)
class Corpus:
    """The pairs that are served, and labelled questions on both sides of the split."""

    pairs: Sequence[QAPair]
    train: Sequence[LabeledPair]
    valid: Sequence[LabeledPair]
    unlabelled: Sequence[str] = ()
    """Questions that nobody has labelled, to be learnt from where they are answered surely."""

    def known(self) -> list[QAPair]:
        """Return the pairs without what is held out: what validation asks must not be among their phrasings."""
        held_out = {(row.pair_id, row.question) for row in self.valid}
        return [
            replace(pair, phrasings=tuple(each for each in pair.phrasings if (pair.pair_id, each) not in held_out))
            for pair in self.pairs
        ]


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """A question, the rows of the pairs that answer it, those that are known not to, and what it weighs."""

    text: str
    rows: frozenset[int]
    wrong: frozenset[int] = frozenset()
    weight: float = 1.0


def questions_of(labeled: Sequence[LabeledPair], pairs: Sequence[QAPair]) -> list[Question]:
    """Return each question once, with all that is labelled of it."""
    row_of = {pair.pair_id: row for row, pair in enumerate(pairs)}
    found: dict[str, Question] = {}
    for each in labeled:
        if each.pair_id not in row_of:
            continue
        key = normalised(each.question)
        held = found.get(key) or Question(text=each.question, rows=frozenset(), weight=0.0)
        row = frozenset({row_of[each.pair_id]})
        is_right = each.label >= RIGHT
        found[key] = replace(
            held,
            rows=held.rows | row if is_right else held.rows,
            wrong=held.wrong if is_right else held.wrong | row,
            weight=max(held.weight, each.weight),
        )
    return [each for each in found.values() if each.rows and each.weight > 0]


def contrastive_data(corpora: Sequence[Corpus], off_topic: Sequence[str] = ()) -> ContrastiveData:
    """Return what the encoder learns from, rows counted on from corpus to corpus; `off_topic` no pair answers."""
    questions: list[Question] = []
    answers: list[list[str]] = []
    for corpus in corpora:
        start = len(answers)
        asked = questions_of(corpus.train, corpus.pairs)
        known = {normalised(each.text) for each in asked}
        for each in asked:
            rows = frozenset(start + row for row in each.rows)
            questions.append(replace(each, rows=rows))
        answers.extend(_answers(pair, known) for pair in corpus.pairs)
    return ContrastiveData(
        questions=[each.text for each in questions],
        rows=[each.rows for each in questions],
        weights=[each.weight for each in questions],
        answers=answers,
        off_topic=off_topic,
    )


def asked_of(
    questions: Sequence[Question],
    encoder: Encoder,
    own: dict[tuple[int, str], int],
    speller: Speller | None = None,
) -> list[Asked]:
    """Return questions ready to be asked, with their own entries hidden; `own` has the entry of each row and text.

    Texts that differ in case or marks alone are the same question. With a speller they are asked as it corrects them.
    """
    texts = [speller.correct(each.text) if speller else each.text for each in questions]
    vectors = encoder.encode(texts)
    entries: dict[tuple[int, str], list[int]] = defaultdict(list)
    for (row, text), entry in own.items():
        entries[row, normalised(text)].append(entry)
    return [
        Asked(
            question=text,
            vector=vector,
            rows=each.rows,
            hidden=tuple(sorted(at for row in each.rows for at in entries.get((row, normalised(each.text)), ()))),
        )
        for each, text, vector in zip(questions, texts, vectors, strict=True)
    ]


def own_entries(retriever: Retriever) -> dict[tuple[int, str], int]:
    """Return the entry of each question and phrasing, by row and text."""
    return {(entry.row, entry.text): at for at, entry in enumerate(retriever.entries) if entry.role != "answer"}


def sampled(questions: Sequence[Question], most: int, seed: int) -> list[Question]:
    """Return at most so many of the questions, in their order."""
    if len(questions) <= most:
        return list(questions)
    chosen = np.sort(np.random.default_rng(seed).permutation(len(questions))[:most])
    return [questions[int(at)] for at in chosen]


def _answers(pair: QAPair, known: set[str]) -> list[str]:
    """Return the texts of a pair that its questions are drawn towards: its answer, and its title where it is one."""
    text = plain_text(pair.answer)
    if not text:
        return []
    whole = f"{pair.question}: {text}"
    # A title that nobody asked is as much of the answer as of the question; it is drawn one time in three.
    return [whole] if normalised(pair.question) in known else [whole, whole, pair.question]
