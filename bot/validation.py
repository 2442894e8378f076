"""What a training holds out, asked of what was trained: to validate on the way, to calibrate and measure at the end."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from bot.asking import Asked, Judges, Read
from bot.calibration import calibrate, known_to_training, off_topic_of, own_phrasings, parts_of_bank
from bot.config import Config
from bot.corpus import Corpus, Question, asked_of, own_entries, questions_of, sampled
from bot.indexing import judges_of, speller_of
from bot.measuring import chosen_settings, measured
from bot.serving import Models
from kb.entries import entries_of
from kb.index import build_index
from kb.lexical import LexicalIndex
from kb.retriever import Retriever, main_locale
from kb.types import Encoder, FloatArray, QAPair
from kb.vectors import VectorCache
from models.calibrate import Calibration
from models.training.config import TrainingConfig
from models.training.matcher import Judge

Told = Callable[[str, int, int], None]


class Validation:
    """The held-out questions of every corpus, and the knowledge bases without them."""

    def __init__(
        self,
        corpora: Sequence[Corpus],
        training: TrainingConfig,
        config: Config,
        *,
        vectors_of: Callable[[Encoder], Path],
        told: Told,
    ) -> None:
        """Take the corpora, and how they are retrieved from, probed and calibrated.

        Args:
            corpora: see `Corpus`.
            training: says how many questions are asked, and what the matcher reads.
            config: of everything else.
            vectors_of: the folder that keeps the vectors of an encoder.
            told: told of stages that take a while.
        """
        self._corpora, self._training, self._config = corpora, training, config
        self._vectors_of, self._told = vectors_of, told
        self.questions = [
            sampled(questions_of(corpus.valid, corpus.pairs), training.validation_questions, training.split.seed)
            for corpus in corpora
        ]
        self.bank = parts_of_bank()

    @property
    def is_possible(self) -> bool:
        """Whether anything was held out."""
        return any(self.questions)

    def of_encoder(self, encode: Callable[[Sequence[str]], FloatArray], dimension: int) -> float:
        """Return the mean over corpora of P@1 of retrieval with an encoder that is still being trained."""
        encoder = _Encoding(encode, dimension)
        values = []
        for corpus, valid in zip(self._corpora, self.questions, strict=True):
            if valid:
                retriever = self._retriever(corpus.known(), encoder)
                judges = Judges(retriever=retriever)
                asked = asked_of(valid, encoder, {})
                found = [judges.judged(each.question, each.vector) for each in asked]
                values.append(np.mean([int(each.rows[0]) in ask.rows for each, ask in zip(found, asked, strict=True)]))
        return float(np.mean(values))

    def of_matcher(self, judge: Judge, judged: Sequence[Judges]) -> float:
        """Return P@1 with a matcher, used as is best, over the judges of all corpora."""
        return chosen_settings(self.reads(judged), judge, self._training.reading).precision

    def reads(self, judged: Sequence[Judges]) -> list[tuple[Asked, Read]]:
        """Return what the matcher may read for every validation question, with the rows that are right."""
        found: list[tuple[Asked, Read]] = []
        for judges, valid in zip(judged, self.questions, strict=True):
            asked = asked_of(valid, judges.retriever.encoder, {})
            found.extend(
                (each, judges.read(each, self._training.reading, self._training.reading.most)) for each in asked
            )
        return found

    def calibrated(
        self, models: Models, floors: Sequence[Calibration] = ()
    ) -> tuple[list[Calibration], dict[str, float]]:
        """Return the calibration for each corpus, and the mean of what was measured over all.

        What was trained must not answer more of what is out of scope than `floors`, of what was before.
        """
        calibrations, metrics = [], []
        for at, (corpus, valid) in enumerate(zip(self._corpora, self.questions, strict=True)):
            floor = floors[at] if floors else None
            calibration, found = self.assess(*self.asked(corpus, models, valid), floor)
            calibrations.append(calibration)
            metrics.append(found)
        return calibrations, _means(metrics)

    def asked(self, corpus: Corpus, models: Models, valid: Sequence[Question]) -> tuple[Judges, list[Asked]]:
        """Return what judges as it will serve, with all texts, and the held-out questions, each without itself."""
        retriever, bank = self._retriever(corpus.pairs, models.encoder), known_to_training()
        off_topic = off_topic_of(retriever, bank, self._encoded(models.encoder, bank))
        judges = replace(judges_of(retriever, models, self._config.probe), off_topic=off_topic)
        speller = speller_of(judges.retriever)
        return judges, asked_of(valid, models.encoder, own_entries(judges.retriever), speller)

    def assess(
        self, judges: Judges, asked: Sequence[Asked], floor: Calibration | None = None
    ) -> tuple[Calibration, dict[str, float]]:
        """Return the calibration of what judges, and what was measured: each on a part of the bank of its own."""
        settings = self._config.calibration
        if len(asked) >= settings.fewest:
            questions = asked
        else:
            # Too few were held out: those that were trained on, without themselves.
            questions = own_phrasings(judges, speller_of(judges.retriever), settings)
        self._told("Calibrating", 0, 1)
        calibration = calibrate(judges, questions, settings, bank=self.bank[1], floor=floor)
        self._told("Calibrating", 1, 1)
        return calibration, measured(judges, asked, self.bank[2], calibration) if asked else {}

    def judges(self, corpus: Corpus, models: Models) -> Judges:
        """Return what judges for a corpus without what is held out."""
        return judges_of(self._retriever(corpus.known(), models.encoder), models, self._config.probe)

    def _retriever(self, pairs: Sequence[QAPair], encoder: Encoder) -> Retriever:
        entries = list(entries_of(pairs, self._config.retrieval.passage_words))
        index = build_index(self._encoded(encoder, [entry.encoded for entry in entries]))
        lexical = LexicalIndex.build(pairs, entries, main_locale(pairs))
        return Retriever(
            pairs=pairs, entries=entries, index=index, lexical=lexical, encoder=encoder, config=self._config.retrieval
        )

    def _encoded(self, encoder: Encoder, texts: Sequence[str]) -> FloatArray:
        """Return vectors, of an encoder that is ready from a cache: the same texts are asked of it more than once."""
        if isinstance(encoder, _Encoding):
            return encoder.encode(texts)
        return VectorCache(self._vectors_of(encoder), encoder).encode(texts)[0]


class _Encoding:
    """An encoder that is being trained, as the protocol wants it."""

    encoder_id = "in training"

    def __init__(self, encode: Callable[[Sequence[str]], FloatArray], dimension: int) -> None:
        self.encode = encode
        self.dimension = dimension


def _means(metrics: Sequence[dict[str, float]]) -> dict[str, float]:
    names = [name for name in metrics[0] if all(name in each for each in metrics)] if metrics else []
    return {name: float(np.mean([each[name] for each in metrics])) for name in names}
