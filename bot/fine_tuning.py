"""Corpora → encoder, matcher and calibration in a draft of a checkpoint: the stages of a training, in order.

Each stage leaves its result in the run's folder; a run that was killed goes on with the stage it was in.
"""

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from bot.asking import Judges
from bot.config import Config
from bot.corpus import Corpus, Question, contrastive_data
from bot.matching_data import matching_groups, topics_of
from bot.measuring import chosen_settings
from bot.self_training import pseudo_labeled
from bot.serving import Models
from bot.validation import Validation
from kb.errors import TrainingError, describe
from kb.types import Encoder, FloatArray
from models.checkpoints import ENCODER, MATCHER, RUNTIME
from models.cross_encoder import load_cross_encoder
from models.encoder import load_encoder
from models.export import ABOUT as ENCODER_ABOUT
from models.folder import open_model
from models.matcher_export import export_matcher
from models.matcher_graph import ABOUT
from models.training.adapt import adapted
from models.training.augment import Augmenter, read_synonyms
from models.training.bases import load_encoder_module, load_matcher_module, save_encoder, save_matcher
from models.training.config import TrainingConfig
from models.training.data import LabeledPair
from models.training.distil import EncoderDistillation, load_teacher, require_teacher, shallower, taught
from models.training.encoder import ContrastiveTask
from models.training.labeled_files import read_labeled, write_labeled
from models.training.loop import Curve, fit
from models.training.matcher import Group, MatchingTask
from models.training.processes import Share, wait_for_all
from models.training.warm_up import WarmUpTask
from models.training.writers import Writers

Progress = Callable[[str, int, int, str], None]
"""Told the stage, what is done of it, all that is to do, and a note."""

AGAIN, DISTILLED = "encoder_again", "encoder_distilled"
"""Stages that are there on demand: the encoder trained anew with pseudo-labels, and the matcher distilled into it."""
TUNED_VECTORS = "vectors"
"""Folder of a run with the vectors of the encoder that it trained."""

_CURVE = "curve.json"
_EXPORT_SAMPLES = 100
_UNMEASURED = 0.05
"""Weight of a matcher where nothing was held out to choose it on."""


@dataclass(frozen=True, kw_only=True)
class FineTuned:
    """What a training gave: folders of the models in the run's folder, how they are used, and what was measured."""

    encoder: Path
    matcher: Path | None
    runtime: Path
    models: Models
    """Ready to serve, with settings and calibration."""
    metrics: dict[str, dict[str, float]]
    curves: dict[str, Curve]


class FineTuning:
    """One training of corpora that share encoder and matcher."""

    def __init__(
        self,
        corpora: Sequence[Corpus],
        training: TrainingConfig,
        config: Config,
        folder: Path,
        *,
        encoders: Path,
        vectors: Path,
        share: Share | None = None,
        progress: Progress | None = None,
        writers: Writers | None = None,
    ) -> None:
        """Take what is trained on, and how.

        Args:
            corpora: each a knowledge base with its questions.
            training: see `TrainingConfig`.
            config: how the knowledge base is retrieved from, probed and calibrated.
            folder: of this run; what a killed one has left there is gone on with.
            encoders: where graphs of base models are kept.
            vectors: where vectors of base models are kept.
            share: our part, where several processes train.
            progress: told of every step.
            writers: take scalars.
        """
        self.corpora, self.training, self.config, self.folder = corpora, training, config, folder
        self.encoders, self.vectors = encoders, vectors
        self.share, self.progress, self.writers = share or Share(), progress, writers
        self.base = open_model(training.encoder_base or config.encoder.model)
        require_teacher(training)
        synonyms = read_synonyms(Path(training.augment_synonyms)) if training.augment_synonyms else None
        is_augmented = training.contrastive.augment or training.contrastive.splice
        self._augmenter = Augmenter(training.augment, synonyms=synonyms) if is_augmented else None
        self._topics = topics_of(corpora, training)
        self._validation = Validation(corpora, training, config, vectors_of=self._vectors_of, told=self._tell)

    def run(self) -> FineTuned:
        """Train encoder and matcher, choose how they are used, calibrate, and measure before and after.

        Raises:
            TrainingError: the loss is not finite, or memory or disk is full.
            ModelError: a base model is missing, refused, or of the wrong kind.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        floors, before = self._validation.calibrated(self._base_models())
        metrics = {"before": before}
        curves: dict[str, Curve] = {}
        encoder = self._trained_encoder(curves, metrics)
        matcher, models = None, self._loaded(encoder)
        # Whoever stopped a stage wants what there is.
        if (self.training.matcher.steps or self.training.distil.optimiser.steps) and not _is_stopped(curves):
            judged = [self._validation.judges(corpus, models) for corpus in self.corpora]
            if self.training.matcher.steps:
                matcher, curves[MATCHER] = self._stage(
                    MATCHER, lambda target: self._train_matcher(judged, encoder, target)
                )
            if self.training.distil.optimiser.steps and not _is_stopped(curves):
                encoder, curves[DISTILLED] = self._distil(judged, encoder, matcher)
                models = self._loaded(encoder)
                judged = [self._validation.judges(corpus, models) for corpus in self.corpora]
            if matcher is not None:
                models = self._with_matcher(models, matcher, judged)
        calibrations, metrics["after"] = self._validation.calibrated(models, floors)
        return FineTuned(
            encoder=encoder,
            matcher=matcher,
            runtime=self._runtime(),
            models=replace(models, calibration=calibrations[0]),
            metrics=metrics,
            curves=curves,
        )

    def _stage(self, name: str, train: Callable[[Path], Curve]) -> tuple[Path, Curve]:
        """Return the folder that a stage left, made now where it isn't there, and its curve."""
        target, curve_file = self.folder / name, self.folder / f"{name}.{_CURVE}"
        if not target.is_dir():
            part = self.folder / f"{name}.part"
            if self.share.is_first:
                shutil.rmtree(part, ignore_errors=True)
            curve = train(part)
            if self.share.is_first:
                curve_file.write_text(json.dumps(asdict(curve)), encoding="utf-8")
                part.rename(target)
                shutil.rmtree(self.folder / f"{name}.state", ignore_errors=True)
            wait_for_all(self.share)
        return target, Curve(**json.loads(curve_file.read_text(encoding="utf-8")))

    def _trained_encoder(self, curves: dict[str, Curve], metrics: dict[str, dict[str, float]]) -> Path:
        """Return the folder of the encoder, trained anew where unlabelled questions give something to learn."""
        encoder, curves[ENCODER] = self._stage(
            ENCODER, lambda target: self._train_encoder(self.corpora, ENCODER, target)
        )
        if not any(corpus.unlabelled for corpus in self.corpora) or _is_stopped(curves):
            return encoder
        extended, metrics["self_training"] = self._with_pseudo_labels(self._loaded(encoder))
        if metrics["self_training"]["taken"]:
            encoder, curves[AGAIN] = self._stage(AGAIN, lambda target: self._train_encoder(extended, AGAIN, target))
        return encoder

    def _loaded(self, encoder: Path) -> Models:
        """Return a trained encoder ready to serve; its graph is the only one of an encoder in the run's folder."""
        if self.share.is_first:
            for other in self._runtime().glob("*/" + ENCODER_ABOUT):
                if other.parent.name != open_model(str(encoder)).encoder_id:
                    shutil.rmtree(other.parent)
        found = load_encoder(str(encoder), cache=self._runtime(), runtime=self.config.encoder.runtime)
        wait_for_all(self.share)
        return Models(encoder=found)

    def _train_encoder(self, corpora: Sequence[Corpus], name: str, target: Path) -> Curve:
        module, tokenizer, pad_id = load_encoder_module(self.base)
        training = self.training
        data = contrastive_data(corpora, self._validation.bank[0])
        if training.warm_up.optimiser.steps:
            texts = [*data.questions, *(text for texts in data.answers for text in texts[:1])]
            warm_up = WarmUpTask(module.body, tokenizer, texts, training.warm_up, pad_id=pad_id, seed=training.seed)
            self._fit("Warming up", warm_up, training.warm_up.optimiser, "warm_up")
        if not training.encoder.steps:
            save_encoder(module, self.base, target)
            return Curve()
        module.body, plain = adapted(module.body, training.adapt, seed=training.seed)
        task = ContrastiveTask(
            module,
            tokenizer,
            data,
            training.contrastive,
            pad_id=pad_id,
            prompt=self.base.prompt,
            seed=training.seed,
            validate=self._validate_encoder
            if self._validation.is_possible and training.encoder.validate_every
            else None,
            augmenter=self._augmenter,
        )
        curve = self._fit("Training encoder", task, training.encoder, name)
        if self.share.is_first:
            module.body = plain(module.body)
            save_encoder(module, self.base, target)
        return curve

    def _with_pseudo_labels(self, models: Models) -> tuple[list[Corpus], dict[str, float]]:
        """Return the corpora with what is learnt from their unlabelled questions, and how many there are of each."""
        extended, taken = [], 0
        for at, (corpus, valid) in enumerate(zip(self.corpora, self._validation.questions, strict=True)):
            file = self.folder / f"pseudo.{at}.jsonl"
            if corpus.unlabelled and self.share.is_first and not file.is_file():
                write_labeled(file, self._pseudo_labeled(corpus, valid, models))
            wait_for_all(self.share)
            rows = read_labeled(file) if corpus.unlabelled else []
            taken += len(rows)
            extended.append(replace(corpus, train=[*corpus.train, *rows]))
        questions = sum(len(corpus.unlabelled) for corpus in self.corpora)
        return extended, {"questions": float(questions), "taken": float(taken)}

    def _pseudo_labeled(self, corpus: Corpus, valid: Sequence[Question], models: Models) -> list[LabeledPair]:
        judges, asked = self._validation.asked(corpus, models, valid)
        calibration, _ = self._validation.assess(judges, asked)
        return pseudo_labeled(
            corpus,
            judges,
            calibration,
            asked,
            self._validation.bank[2],
            self.training.self_training,
            self.training.split,
        )

    def _distil(self, judged: Sequence[Judges], encoder: Path, matcher: Path | None) -> tuple[Path, Curve]:
        """Return the folder of the encoder after it learnt from the matcher, or from the teacher, and the curve."""

        def train(target: Path) -> Curve:
            training = self.training
            groups = taught(self._groups(judged), load_teacher(str(matcher or training.teacher)))
            base = open_model(str(encoder))
            module, tokenizer, pad_id = load_encoder_module(base)
            task = EncoderDistillation(
                module,
                tokenizer,
                groups,
                training.distil,
                pad_id=pad_id,
                prompt=base.prompt,
                seed=training.seed,
                validate=self._validate_encoder if self._validation.is_possible else None,
            )
            curve = self._fit("Distilling into encoder", task, training.distil.optimiser, DISTILLED)
            if self.share.is_first:
                save_encoder(module, base, target)
            return curve

        return self._stage(DISTILLED, train)

    def _train_matcher(self, judged: Sequence[Judges], encoder: Path, target: Path) -> Curve:
        training = self.training
        base = open_model(training.matcher_base) if training.matcher_base else open_model(str(encoder))
        module, tokenizer, pad_id = load_matcher_module(base, 1 + len(self._topics), seed=training.seed)
        if training.keep_layers:
            module = shallower(module, training.keep_layers)
        module, plain = adapted(module, training.adapt, seed=training.seed)
        groups = self._groups(judged)
        if training.teacher and training.matching.distil_weight:
            groups = taught(groups, load_teacher(training.teacher))
        task = MatchingTask(
            module,
            tokenizer,
            groups,
            training.matching,
            pad_id=pad_id,
            seed=training.seed,
            validate=(lambda judge: self._validation.of_matcher(judge, judged))
            if self._validation.is_possible
            else None,
        )
        curve = self._fit("Training matcher", task, training.matcher, MATCHER)
        if self.share.is_first:
            save_matcher(plain(module), base, target, training.matching.max_length)
        return curve

    def _fit(self, title: str, task: Any, config: Any, name: str) -> Curve:
        state = self.folder / f"{name}.state"
        curve = fit(
            task,
            config,
            share=self.share,
            folder=state,
            told=(lambda done, total, note: self._tell(title, done, total, note)) if self.progress else None,
            writer=self.writers.of(name) if self.writers else None,
        )
        if curve.stopped == "interrupted" and not curve.metrics and config.keep == "best":
            raise TrainingError(
                describe(expected="a validation before Ctrl-C", got="none", remedy="run it again to go on")
            )
        return curve

    def _tell(self, stage: str, done: int, total: int, note: str = "") -> None:
        if self.progress is not None and self.share.is_first:
            self.progress(stage, done, total, note)

    def _groups(self, judged: Sequence[Judges]) -> list[Group]:
        """Return the matcher's training groups over all corpora."""
        return [
            group
            for corpus, judges in zip(self.corpora, judged, strict=True)
            for group in matching_groups(
                corpus,
                judges,
                self.training,
                self._topics,
                lambda done, total: self._tell("Mining negatives", done, total),
            )
        ]

    def _with_matcher(self, models: Models, matcher: Path, judged: Sequence[Judges]) -> Models:
        """Return the models with the matcher, used as is best on the validation questions."""
        folder = open_model(str(matcher))
        reads = self._validation.reads(judged)
        target = self._runtime() / folder.encoder_id
        is_exported = self.config.encoder.runtime != "torch" and not (target / ABOUT).exists()
        if self.share.is_first and is_exported:
            samples = [(asked.question, read.texts) for asked, read in reads if read.texts][:_EXPORT_SAMPLES]
            export_matcher(folder, target, self.training.matching.max_length, samples)
        wait_for_all(self.share)
        cross_encoder: Any = load_cross_encoder(
            str(matcher), cache=self._runtime(), runtime=self.config.encoder.runtime
        )
        if reads:
            settings = chosen_settings(reads, cross_encoder.judge, self.training.reading).settings
        else:
            settings = replace(self.training.reading, weight=_UNMEASURED)
        return replace(models, cross_encoder=cross_encoder, settings=settings)

    def _validate_encoder(self, encode: Callable[[Sequence[str]], FloatArray]) -> float:
        return self._validation.of_encoder(encode, int(self.base.config["hidden_size"]))

    def _vectors_of(self, encoder: Encoder) -> Path:
        """Return the folder that keeps an encoder's vectors: those of what is trained go with the run."""
        return self.vectors if encoder.encoder_id == self.base.encoder_id else self.folder / TUNED_VECTORS

    def _base_models(self) -> Models:
        encoder = load_encoder(self.training.encoder_base or self.config.encoder.model, cache=self.encoders,
                               runtime=self.config.encoder.runtime)  # fmt: skip
        return Models(encoder=encoder)

    def _runtime(self) -> Path:
        return self.folder / RUNTIME


def _is_stopped(curves: Mapping[str, Curve]) -> bool:
    return any(curve.stopped == "interrupted" for curve in curves.values())
