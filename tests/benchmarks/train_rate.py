"""Train the matcher with our loop and with sentence-transformers in turn; print pairs a second and their ratio.

    python tests/benchmarks/train_rate.py [--rounds 3] [--steps 8] [--threads N] [--only NAME ...] [--json]

Both train the same weights on the same pairs in the same batches with the same optimiser, learning rate, clipping,
precision, maximal length and number of threads: the bundled MiniLM as a classifier with one logit and binary
cross-entropy; nothing is validated or logged. The peer is `CrossEncoderTrainer` as it is. That it is the same training
is shown first, without dropout, by the losses of both, side by side. The pairs are what retrieval finds for the
questions of the demo shop, and of feedbackqa where it is in the folder that FRONTDESK_DATA names, else in
../shared/data; a candidate is read as its question and answer, and as our matcher reads it. The time of the processor
tells both apart on a machine that does other work as well. On a GPU, BERT-base with random weights at 128 tokens is
trained as well. Ends with status 1 where the losses differ, or the lowest ratio is below the bar.
"""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import torch
from figures import machine, machine_line, note, table
from limits import forward_flop, gemm_peak
from peer_training import Ends, Train, load_peer, now, peer_training
from torch import nn
from training_pairs import demo_groups, feedbackqa_groups, long_groups

from models.folder import open_model
from models.training.bases import load_matcher_module, save_matcher
from models.training.config import MatchingConfig, OptimiserConfig
from models.training.loop import fit
from models.training.matcher import Group, MatchingTask
from models.training.passes import hardware

OURS, PEER = "frontdesk", "CrossEncoderTrainer"
BARS = {"cpu": 1.3, "cuda": 1.5}
RATE = 2e-5
MATCHING = MatchingConfig(loss="bce", groups=8, candidates=8, max_length=128)
BERT_BASE, LAYERS, WIDTH, INNER, TOKENS = "BERT-base, 128 tokens", 12, 768, 3072, 128
SAME = {"fp32": 5e-3, "bf16": 5e-2}
"""Difference of a loss, after some steps, that rounding alone explains."""


def main() -> int:
    """Prepare both, let them take turns, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3, help="in which each of the two trains anew")
    parser.add_argument("--steps", type=int, default=8, help="of a round; the first one isn't counted")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--precision", action="append", choices=("fp32", "bf16"), help="by default what is quick here")
    parser.add_argument("--only", action="append", metavar="NAME", help="demo or feedbackqa")
    parser.add_argument("--var", type=Path, default=None, help="keep the exported encoder here")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of tables")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    found = machine("torch", "transformers", "sentence-transformers", "tokenizers")
    precisions = options.precision or ["fp32", *(["bf16"] if hardware("auto").is_bf16 else [])]
    with tempfile.TemporaryDirectory() as scratch:
        sets = training_sets(options.var or Path(scratch), options.only)
        weights = {name: start(Path(scratch) / f"start-{at}", name == BERT_BASE) for at, name in enumerate(sets)}
        rows = [
            compare(name, groups, weights[name], precision, options.rounds, options.steps, Path(scratch))
            for name, groups in sets.items()
            for precision in precisions
        ]
    report = {"machine": found, "threads": options.threads, "rounds": options.rounds, "steps": options.steps}
    report["gpu"] = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    report["results"] = rows
    print(json.dumps(report, indent=2) if options.json else _as_text(report))
    bar = BARS[hardware("fp32").device.type]
    return 0 if all(row["same"] and row["ratio"] >= bar for row in rows) else 1


def training_sets(scratch: Path, only: Sequence[str] | None) -> dict[str, list[Group]]:
    """Return the groups of each set of pairs that is there."""
    sets: dict[str, list[Group]] = {}
    if not only or "demo" in only:
        sets |= demo_groups(scratch, MATCHING.candidates)
    if not only or "feedbackqa" in only:
        groups = feedbackqa_groups(scratch, MATCHING.candidates)
        if groups:
            sets |= groups
        else:
            note("feedbackqa: left out, there is no such folder")
    if torch.cuda.is_available():
        sets[BERT_BASE] = long_groups(MATCHING.candidates, TOKENS)
    return sets


def start(folder: Path, is_base: bool) -> Path:
    """Return a folder with the classifier that both begin with; for BERT-base its weights are random."""
    base = open_model()
    torch.manual_seed(0)
    module, _, _ = load_matcher_module(base)
    if is_base:
        from transformers import BertConfig, BertForSequenceClassification

        sizes = {"num_hidden_layers": LAYERS, "hidden_size": WIDTH, "intermediate_size": INNER}
        config = BertConfig(vocab_size=module.config.vocab_size, num_attention_heads=12, num_labels=1, **sizes)
        module = BertForSequenceClassification(config)
    save_matcher(module, base, folder, MATCHING.max_length)
    return folder


def compare(
    name: str, groups: Sequence[Group], weights: Path, precision: str, rounds: int, steps: int, scratch: Path
) -> dict[str, Any]:
    """Return both rates on one set, their ratio, and both loss curves without dropout."""
    note(f"{name}, {precision}: losses without dropout")
    both: dict[str, Callable[[bool], Train]] = {
        OURS: lambda plain: ours(groups, weights, precision, steps, without_dropout=plain),
        PEER: lambda plain: peer(groups, weights, precision, steps, scratch, without_dropout=plain),
    }
    losses = {system: make(True)()[1] for system, make in both.items()}
    size = MATCHING.groups * MATCHING.candidates
    rates: dict[str, list[float]] = {system: [] for system in both}
    spent: dict[str, list[float]] = {system: [] for system in both}
    for number in range(rounds):
        note(f"{name}, {precision}: round {number + 1} of {rounds}")
        for system, make in both.items():
            ends, _ = make(False)()
            wall_s, processor_s = (last - first for first, last in zip(ends[0], ends[-1], strict=True))
            rates[system].append(size * (len(ends) - 1) / wall_s)
            spent[system].append(1000 * processor_s / (size * (len(ends) - 1)))
    difference = max(abs(a - b) for a, b in zip(losses[OURS], losses[PEER], strict=True))
    result = {
        "set": name,
        "precision": precision,
        "pairs_per_s": {system: round(median(each), 1) for system, each in rates.items()},
        "by_round": {system: [round(rate, 1) for rate in each] for system, each in rates.items()},
        "ratio": round(median(rates[OURS]) / median(rates[PEER]), 2),
        "processor_ms_per_pair": {system: round(median(each), 2) for system, each in spent.items()},
        "processor_ratio": round(median(spent[PEER]) / median(spent[OURS]), 2),
        "losses": losses,
        "largest_difference": difference,
        "same": difference <= SAME[precision],
    }
    if name == BERT_BASE:
        result["share_of_peak"] = shares_of_peak(rates, precision)
    return result


def shares_of_peak(rates: Mapping[str, Sequence[float]], precision: str) -> dict[str, float]:
    """Return the share of the measured peak of matrix products that BERT-base's training reaches."""
    peak = gemm_peak(torch.bfloat16 if precision == "bf16" else torch.float32)
    pair = {
        system: 3 * forward_flop(LAYERS, WIDTH, INNER, TOKENS, first_token_alone=system == OURS) for system in rates
    }
    return {system: round(median(each) * pair[system] / peak, 3) for system, each in rates.items()}


def task_of(groups: Sequence[Group], weights: Path) -> MatchingTask:
    """Return what our loop trains on: the peer takes its batches, too."""
    module, tokenizer, pad_id = load_matcher_module(open_model(str(weights)))
    return MatchingTask(module, tokenizer, groups, MATCHING, pad_id=pad_id)


def ours(groups: Sequence[Group], weights: Path, precision: str, steps: int, *, without_dropout: bool) -> Train:
    """Return what trains with our loop, and gives the end of each step and its loss."""
    task = task_of(groups, weights)
    if without_dropout:
        drop_nothing(task.module)
    config = OptimiserConfig(
        steps=steps, learning_rate=RATE, warm_up=0, decay="none", precision=precision, keep="last", validate_every=0
    )

    def train() -> tuple[Ends, list[float]]:
        ends: Ends = []
        curve = fit(task, config, told=lambda done, total, said: ends.append(now()))
        return ends, [loss for _, loss in curve.losses]

    return train


def peer(
    groups: Sequence[Group], weights: Path, precision: str, steps: int, scratch: Path, *, without_dropout: bool
) -> Train:
    """Return what trains the same with sentence-transformers."""
    order = task_of(groups, weights)
    batches = [order.batch(step) for step in range(steps)]
    model = load_peer(weights, MATCHING.max_length)
    if without_dropout:
        drop_nothing(model)
    return peer_training(model, batches, RATE, precision, scratch / "peer", is_logged=without_dropout)


def drop_nothing(module: nn.Module) -> None:
    """Set all dropout to 0: what is left depends on weights and data alone."""
    for each in module.modules():
        if isinstance(each, nn.Dropout):
            each.p = 0.0


def _as_text(report: Mapping[str, Any]) -> str:
    rows = [("pairs", "precision", f"{OURS}, pairs/s", f"{PEER}, pairs/s", "times as fast", "by processor time",
             "slowest to fastest round")]  # fmt: skip
    curves = []
    for each in report["results"]:
        rates, by_round = each["pairs_per_s"], each["by_round"]
        spread = "; ".join(f"{min(found):.0f} to {max(found):.0f}" for found in by_round.values())
        rows.append(
            (each["set"], each["precision"], *(f"{rates[system]:.1f}" for system in (OURS, PEER)),
             f"{each['ratio']:.2f}", f"{each['processor_ratio']:.2f}", spread)
        )  # fmt: skip
        for system in (OURS, PEER):
            steps = " ".join(f"{loss:.4f}" for loss in each["losses"][system])
            curves.append(f"{each['set']}, {each['precision']}, {system}: {steps}")
        if "share_of_peak" in each:
            share = ", ".join(f"{system} {value:.1%}" for system, value in each["share_of_peak"].items())
            curves.append(f"{each['set']}, {each['precision']}, share of the measured peak: {share}")
    on_gpu = report["gpu"] or f"{BERT_BASE} on a GPU: not measured: no GPU"
    batch = MATCHING.groups * MATCHING.candidates
    return "\n".join(
        (
            table(rows, left=2),
            "",
            "Losses of each step, without dropout:",
            *curves,
            "",
            f"{batch} pairs a batch, {report['steps']} steps a round, median of {report['rounds']} rounds, "
            f"{report['threads']} threads, at most {MATCHING.max_length} tokens. {on_gpu}.",
            machine_line(report["machine"]),
        )
    )


if __name__ == "__main__":
    sys.exit(main())
