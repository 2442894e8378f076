"""A BERT with a classification head that tells from two texts whether a suggestion attracts: one feature of clicks.

It learns by cross-entropy on (question that was answered, question that is suggested) → attraction, with the position
taken out before: where a suggestion was not clicked, its label is the probability that it attracted all the same, as a
click model without the texts has it (Wang et al. 2018). Impressions of one pair of texts are one example, weighted.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from kb.types import FloatArray
from models.clicks import ClickModel, Shown, Texts
from models.folder import ModelFolder
from models.training.bases import load_matcher_module
from models.training.config import MatchingConfig, OptimiserConfig
from models.training.loop import fit
from models.training.matcher import Group, MatchingTask, judge


def train_click_texts(
    base: ModelFolder,
    shown: Sequence[Shown],
    questions: Mapping[str, str],
    without: ClickModel,
    optimiser: OptimiserConfig,
    matching: MatchingConfig | None = None,
) -> Texts:
    """Return a text model for `fit_clicks`; its body begins with the weights of `base`, an encoder's or a matcher's.

    Args:
        base: a BERT-like model.
        shown: impressions to learn from.
        questions: of all pairs that are shown, by id; one that is gone has no text, and teaches nothing.
        without: a click model without texts, of the same impressions.
        optimiser: how it is trained.
        matching: how texts are cut, and how many there are in a batch.

    Raises:
        ModelError: the base can't be loaded, or is none of BERT's family.
        TrainingError: the loss is not finite, or memory runs out.
    """
    settings = replace(matching or MatchingConfig(), loss="bce", candidates=1)
    module, tokenizer, pad_id = load_matcher_module(base, 1, seed=optimiser.seed)
    groups = examples(shown, questions, without)
    task = MatchingTask(module, tokenizer, groups, settings, pad_id=pad_id, seed=optimiser.seed)
    fit(task, optimiser)

    def texts(pairs: Sequence[tuple[str, str]]) -> FloatArray:
        known = [(questions.get(after, ""), questions.get(pair_id, "")) for after, pair_id in pairs]
        return judge(module, tokenizer, known, settings.max_length, pad_id)

    return texts


def examples(shown: Sequence[Shown], questions: Mapping[str, str], without: ClickModel) -> list[Group]:
    """Return the pairs of texts that were shown, each with its mean probability of attracting and its weight."""
    known = [each for each in shown if each.after in questions and each.pair_id in questions]
    if not known:
        return []
    attracts = without.attraction([each.after for each in known], [each.pair_id for each in known])
    rank = np.minimum([each.rank for each in known], len(without.examination)) - 1
    looks = without.examination[rank]
    label = np.where([each.clicked for each in known], 1.0, (1 - looks) * attracts / (1 - looks * attracts))
    found: dict[tuple[str, str], list[float]] = defaultdict(list)
    for each, value in zip(known, label, strict=True):
        found[each.after, each.pair_id].append(float(value))
    return [
        Group(
            question=questions[after],
            candidates=[questions[pair_id]],
            labels=[float(np.mean(values))],
            weight=float(len(values)),
        )
        for (after, pair_id), values in found.items()
    ]
