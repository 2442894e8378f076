"""What a training depends on, whole, and the presets; saved with the checkpoint it made. It needs no torch."""

from dataclasses import dataclass, field, replace
from typing import Literal

from models.matcher import MatchSettings
from models.training.augment import AugmentConfig
from models.training.data import NeedsConfig, SplitConfig

Preset = Literal["quick", "balanced", "best"]
Precision = Literal["auto", "fp32", "bf16"]
MatcherLoss = Literal["bce", "mse", "listwise", "margin"]
Adaptation = Literal["full", "frozen", "lora", "ia3", "adapters", "prefix"]
DistilLoss = Literal["kl", "margin_mse"]


@dataclass(frozen=True, kw_only=True, slots=True)
class AdaptConfig:
    """What of a model is trained."""

    method: Adaptation = "full"
    frozen_layers: int = 0
    """Layers from below that stay as they are, for `frozen`; the embeddings always do."""
    rank: int = 16
    """Of the matrices that `lora` adds (Hu et al. 2022)."""
    adapter_size: int = 32
    """Width of the bottlenecks of `adapters` (Houlsby et al. 2019)."""
    prefix_length: int = 16
    """Keys and values that `prefix` puts before the text in every layer (Li & Liang 2021)."""
    alpha: int = 32
    """Scale of what `lora` adds, over its rank."""
    dropout: float = 0.1
    checkpoint_activations: bool = False
    """Compute activations again in the backward pass instead of keeping them: a third more time, much less memory."""


@dataclass(frozen=True, kw_only=True, slots=True)
class OptimiserConfig:
    """How a model is trained, whichever it is."""

    steps: int = 200
    """The most that are taken; with 0 there is no training."""
    epochs: float = 0.0
    """How often everything is seen, as far as `least_steps` and `steps` let it; 0 takes `steps`."""
    least_steps: int = 100
    """The least that are planned by `epochs` or `seconds`: a slow machine takes longer, and learns no less."""
    seconds: float = 0.0
    """Time for which steps are planned, by the pace of the first ones; 0 takes `steps`, which else is the most."""
    learning_rate: float = 5e-5
    warm_up: float = 0.1
    """Share of the steps in which the learning rate rises from 0."""
    decay: Literal["linear", "cosine", "none"] = "linear"
    weight_decay: float = 0.01
    """Of matrices; biases and norms have none."""
    layer_decay: float = 1.0
    """Factor of the learning rate from each layer to the one below it."""
    clip: float = 1.0
    """Norm to which the gradient is cut; 0 leaves it."""
    average: float = 0.0
    """Decay of an exponential moving average of the weights, which then are what is kept; 0 does without."""
    precision: Precision = "auto"
    """`fp32`, `bf16` (matrix products in bfloat16), or `auto`: what this processor is quicker with."""
    tokens_per_pass: int = 0
    """A batch is computed in passes of so many tokens; 0: by the device. It changes memory and time, not the result."""
    attack: Literal["none", "fgm", "pgd"] = "none"
    """Adversarial training on the word embeddings: one step (Miyato et al. 2017) or several (Madry et al. 2018)."""
    attack_size: float = 0.3
    """Norm of the disturbance, as a share of the embeddings' mean norm."""
    attack_steps: int = 3
    """Of pgd."""
    validate_every: int = 50
    """Steps; 0 validates at the end alone."""
    patience: int = 0
    """Validations without a gain after which it stops early; 0 goes on to the end."""
    keep: Literal["best", "last"] = "best"
    """Which weights are kept at the end."""
    save_every: int = 50
    """Steps after which the state is saved, to go on from after a kill."""
    seed: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class WarmUpConfig:
    """What the warm-up depends on; with 0 steps there is none."""

    optimiser: OptimiserConfig = field(default_factory=lambda: OptimiserConfig(steps=0))
    texts: int = 64
    """Of a batch."""
    hidden: float = 0.15
    """Share of the tokens that is hidden."""
    max_length: int = 128


@dataclass(frozen=True, kw_only=True, slots=True)
class ContrastiveConfig:
    """What the contrastive task depends on."""

    anchors: int = 24
    """Questions of a batch that bring others along."""
    phrasings: int = 1
    """Other questions of its pair that an anchor brings."""
    answers: int = 1
    """Texts of its pair's answer that an anchor brings, where there are any."""
    answer_share: float = 0.25
    """Share of the anchors that bring answers, among those that have other questions to be drawn towards."""
    negatives: int = 0
    """Texts of the answers of near and wrong pairs that an anchor brings."""
    near_share: float = 0.8
    """Share of the anchors that are of pairs near to the others of their batch."""
    scales_near: bool = True
    """Less of `near_share`, the fewer pairs there are: none where an anchor meets one of the nearest by chance."""
    off_topic: int = 4
    """Questions that are out of scope, as negatives of all (outlier exposure, Hendrycks et al. 2019)."""
    refresh_every: int = 200
    """Steps after which it is found anew which pairs are near, with the encoder as it then is."""
    temperature: float = 0.07
    smoothing: float = 0.0
    """Share of the target that is spread over the whole batch."""
    tail: float = 0.5
    """A pair is drawn in proportion to its number of questions to this power: 1 as they come, 0 all alike."""
    augment: float = 0.0
    """Share of the questions that are augmented."""
    splice: float = 0.0
    """Share of the questions that end as another question of their pair does."""
    max_length: int = 160
    """Tokens that are read of a text in training."""
    is_cached: bool = False
    """Compute a batch in two rounds that need the memory of one pass (Gao et al. 2021, GradCache)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MatchingConfig:
    """What the matcher's task depends on."""

    loss: MatcherLoss = "listwise"
    groups: int = 8
    """Questions of a batch."""
    candidates: int = 6
    """Of a group, the right ones among them."""
    smoothing: float = 0.0
    margin: float = 1.0
    r_drop: float = 0.0
    """Weight of the divergence between two passes with different dropout (Wu et al. 2021); 0 makes one pass."""
    topic_weight: float = 0.0
    """Weight of telling the topic of the candidate's pair from the question and candidate (multi-task)."""
    balance: float = 0.0
    """β of the effective number of samples by which questions of rare pairs weigh more (Cui et al. 2019); 0: alike."""
    distil_weight: float = 0.0
    """Weight of the teacher's logits, where there are any, beside the labels."""
    distil_temperature: float = 2.0
    max_length: int = 160
    """Tokens of question and candidate together."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DistilConfig:
    """How the matcher is distilled into the encoder; with 0 steps it is not."""

    optimiser: OptimiserConfig = field(default_factory=lambda: OptimiserConfig(steps=0, learning_rate=1e-5))
    loss: DistilLoss = "kl"
    """`kl`: of the softmax over candidates (Hinton et al. 2015); `margin_mse`: of margins (Hofstätter et al. 2020)."""
    questions: int = 16
    """Of a batch."""
    temperature: float = 0.05
    """By which cosines are divided to be logits."""
    softness: float = 1.0
    """Temperature of both softmaxes of `kl`."""
    max_length: int = 160


@dataclass(frozen=True, kw_only=True, slots=True)
class SelfTrainingConfig:
    """Which unlabelled questions are learnt from as what they were answered with."""

    precision: float = 0.95
    """Share of validation questions that must be answered rightly from the confidence on that is asked for."""
    fewest: int = 20
    """Validation questions that must reach that confidence; with fewer nothing is learnt from."""
    most_per_pair: int = 5
    """Questions that one pair may get, the surest first."""
    weight: float = 0.5
    """Of such a question beside a labelled one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingConfig:
    """Base models, data, and both stages; a stage of 0 steps is left out."""

    encoder_base: str = ""
    """A local folder or a name on the hub; empty: the encoder that is configured for serving."""
    matcher_base: str = ""
    """The same for the matcher; empty: the encoder as it was just trained."""
    teacher: str = ""
    """A matcher whose logits are distilled into this one (`matching.distil_weight`), or into the encoder."""
    keep_layers: int = 0
    """Layers of its base that the matcher keeps, evenly spread; 0 keeps all."""
    augment_synonyms: str = ""
    """File of synonyms for the augmentation: one group a line, commas between."""
    split: SplitConfig = field(default_factory=SplitConfig)
    needs: NeedsConfig = field(default_factory=NeedsConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    adapt: AdaptConfig = field(default_factory=AdaptConfig)
    warm_up: WarmUpConfig = field(default_factory=WarmUpConfig)
    encoder: OptimiserConfig = field(default_factory=lambda: OptimiserConfig(steps=200))
    contrastive: ContrastiveConfig = field(default_factory=ContrastiveConfig)
    matcher: OptimiserConfig = field(default_factory=lambda: OptimiserConfig(steps=0))
    matching: MatchingConfig = field(default_factory=MatchingConfig)
    distil: DistilConfig = field(default_factory=DistilConfig)
    self_training: SelfTrainingConfig = field(default_factory=SelfTrainingConfig)
    """Only where there are unlabelled questions."""
    reading: MatchSettings = field(default_factory=MatchSettings)
    """What the matcher reads of a candidate; weight and margin are chosen on validation questions."""
    validation_questions: int = 400
    """Validation questions that are asked while training goes on, at most."""
    seed: int = 0

    def seeded(self, seed: int) -> "TrainingConfig":
        """Return the same with another seed of all that is drawn; what is held out for validation stays the same."""
        return replace(
            self,
            seed=seed,
            warm_up=replace(self.warm_up, optimiser=replace(self.warm_up.optimiser, seed=seed)),
            encoder=replace(self.encoder, seed=seed),
            matcher=replace(self.matcher, seed=seed),
            distil=replace(self.distil, optimiser=replace(self.distil.optimiser, seed=seed)),
        )


def preset(name: Preset) -> TrainingConfig:
    """Return a preset: `quick`, three minutes on two cores; `balanced`, with more time; `best`, for a GPU.

    A stage with `seconds` plans as many steps as this machine makes in that time, up to `steps`.
    """
    if name == "quick":
        return TrainingConfig(
            encoder=OptimiserConfig(steps=150, least_steps=60, seconds=65, validate_every=0, keep="last"),
            matcher=OptimiserConfig(steps=0),
        )
    if name == "balanced":
        return TrainingConfig(
            encoder=OptimiserConfig(steps=600, epochs=3, least_steps=120, validate_every=0, keep="last"),
            matcher=OptimiserConfig(steps=400, epochs=2, least_steps=100, validate_every=0, keep="last"),
        )
    return TrainingConfig(
        encoder=OptimiserConfig(steps=600, validate_every=100, patience=4, average=0.99),
        contrastive=ContrastiveConfig(anchors=128, answers=1, is_cached=True),
        matcher=OptimiserConfig(steps=2_000, validate_every=200, patience=4, average=0.999),
        matching=MatchingConfig(groups=32, candidates=8),
    )
