"""What two processes under torchrun train, and one alone too: the same global batches without dropout."""

import sys
from pathlib import Path

import torch
from fakes_training import (
    DATA,
    NO_DROPOUT,
    contrastive_task,
    matching_task,
    nearest_is_right,
    settings,
    tiny_encoder,
    tiny_matcher,
    weights,
)
from safetensors.torch import save_file
from tiny_model import PAD, tiny_tokenizer
from transformers import BertModel

from models.training.config import WarmUpConfig
from models.training.loop import fit
from models.training.processes import Share, joined
from models.training.warm_up import WarmUpTask

STEPS = 4


def _warm_up():
    body: BertModel = tiny_encoder(**NO_DROPOUT).body
    return WarmUpTask(body, tiny_tokenizer(), DATA.questions, WarmUpConfig(texts=5, max_length=24), pad_id=PAD)


TRAININGS = {
    "contrastive": lambda: (contrastive_task(tiny_encoder(**NO_DROPOUT), validate=nearest_is_right, anchors=5), {}),
    "contrastive, cached, with an attack": lambda: (
        contrastive_task(tiny_encoder(**NO_DROPOUT), anchors=5, is_cached=True),
        {"attack": "pgd", "average": 0.9, "tokens_per_pass": 60},
    ),
    # Three groups are shared unequally.
    "matching": lambda: (matching_task(tiny_matcher(**NO_DROPOUT), groups=3, r_drop=1.0), {}),
    "matching, a group for one process alone": lambda: (matching_task(tiny_matcher(**NO_DROPOUT), groups=1), {}),
    "warm-up": lambda: (_warm_up(), {}),
}


def run(name: str, share: Share, seed: int = 0):
    """Return the losses, the validations and the weights of a training."""
    torch.set_num_threads(1)
    task, config = TRAININGS[name]()
    if not share.is_first:
        # Whatever a process begins with, the first one's weights are trained.
        with torch.no_grad():
            for each in task.module.parameters():
                each.add_(0.1)
    curve = fit(task, settings(steps=STEPS, learning_rate=1e-3, **config), share=share)
    return [loss for _, loss in curve.losses], [metric for _, metric in curve.metrics], weights(task.module)


def main(folder: Path) -> None:
    with joined() as share:
        for number, name in enumerate(TRAININGS):
            losses, metrics, final = run(name, share)
            final |= {"losses": torch.tensor(losses), "metrics": torch.tensor(metrics)}
            save_file(final, folder / f"{number}.{share.rank}.safetensors")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
