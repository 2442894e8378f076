"""The matcher's training with sentence-transformers' `CrossEncoderTrainer`, as it is: the peer of our loop."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from sentence_transformers.base.sampler import DefaultBatchSampler
from sentence_transformers.cross_encoder import CrossEncoder, CrossEncoderTrainer, CrossEncoderTrainingArguments
from sentence_transformers.cross_encoder.losses import BinaryCrossEntropyLoss
from torch.utils.data import SequentialSampler
from transformers import TrainerCallback
from transformers.trainer_callback import PrinterCallback

from models.training.matcher import Group

Ends = list[tuple[float, float]]
"""When each step ended: seconds of the clock, and seconds of the processor that all threads have spent."""
Train = Callable[[], tuple[Ends, list[float]]]
"""Trains, and gives the ends of the steps and their losses."""


class StepEnds(TrainerCallback):
    """Notes when steps end."""

    def __init__(self) -> None:
        self.ends: Ends = []

    def on_step_end(self, *arguments: Any, **named: Any) -> None:
        self.ends.append(now())


def now() -> tuple[float, float]:
    """Return seconds of the clock and of the processor; on a GPU what was asked of it is waited for."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter(), time.process_time()


def load_peer(weights: Path, max_length: int) -> CrossEncoder:
    """Return the classifier of a folder, on the GPU where there is one."""
    return CrossEncoder(str(weights), max_length=max_length, local_files_only=True)


def peer_training(
    model: CrossEncoder,
    batches: Sequence[Sequence[Group]],
    learning_rate: float,
    precision: str,
    folder: Path,
    *,
    is_logged: bool,
) -> Train:
    """Return what trains on these batches, in this order; losses are there only where they are logged."""
    rows = [
        (group.question, text, label)
        for batch in batches
        for group in batch
        for text, label in zip(group.candidates, group.labels, strict=True)
    ]
    columns = zip(("question", "text", "label"), zip(*rows, strict=True), strict=True)
    arguments = CrossEncoderTrainingArguments(
        output_dir=str(folder),
        per_device_train_batch_size=len(rows) // len(batches),
        num_train_epochs=1,
        learning_rate=learning_rate,
        lr_scheduler_type="constant",
        weight_decay=0.01,
        max_grad_norm=1.0,
        bf16=precision == "bf16",
        use_cpu=not torch.cuda.is_available(),
        batch_sampler=in_order,
        logging_strategy="steps" if is_logged else "no",
        logging_steps=1,
        eval_strategy="no",
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
    )
    noted = StepEnds()
    trainer = CrossEncoderTrainer(
        model=model,
        args=arguments,
        train_dataset=Dataset.from_dict({name: list(values) for name, values in columns}),
        loss=BinaryCrossEntropyLoss(model),
        callbacks=[noted],
    )
    trainer.remove_callback(PrinterCallback)

    def train() -> tuple[Ends, list[float]]:
        trainer.train()
        return noted.ends, [float(each["loss"]) for each in trainer.state.log_history if "loss" in each]

    return train


def in_order(data: Dataset, batch_size: int, drop_last: bool, **_: Any) -> DefaultBatchSampler:
    """Return the batches as the data has them."""
    return DefaultBatchSampler(SequentialSampler(data), batch_size=batch_size, drop_last=drop_last)
