"""`frontdesk evaluate next`: what customers ask next, on whole conversations."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from bot.build import open_encoder
from bot.cli.common import DEFAULT_VAR, AsJson, ConfigFile, Var, config_of, say, show, stages
from bot.indexing import VECTORS
from bot.next_runs import next_report
from kb.types import FloatArray
from kb.vectors import VectorCache
from models.next_question import NextQuestionConfig

_WAYS = ("popularity", "first_order_transitions", "model")


def next_(
    folders: Annotated[
        list[Path], typer.Option("--dir", help="Folder with train, dev and test.csv of turns. May be repeated.")
    ],
    split: Annotated[str, typer.Option("--split", help="Which conversations are told: dev or test.")] = "test",
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the folds that weights are fitted by.")] = 0,
    var: Var = DEFAULT_VAR,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Tell the next intent of conversations, and compare with popularity and first-order transitions."""
    settings = config_of(var, config)
    cache = VectorCache(var / VECTORS / "evaluate", open_encoder(var, settings))
    with stages() as told:

        def encode(texts: Sequence[str]) -> FloatArray:
            return cache.encode(texts, lambda done, total: told("Encoding", done, total))[0]

        reports = {each.name: next_report(each, split, encode, NextQuestionConfig(seed=seed)) for each in folders}
    if as_json:
        show(reports)
        return
    for name, report in reports.items():
        _tell(name, report)


def _tell(name: str, report: dict[str, Any]) -> None:
    say(f"{name}: {report['turns']} turns of {report['conversations']} conversations, {report['intents']} intents")
    say(f"{'':26}{'hit@1':>9}{'hit@3':>9}{'MRR':>9}")
    for way in _WAYS:
        figures = report[way]
        say(f"{way.replace('_', ' '):26}{figures['hit_at_1']:>9.4f}{figures['hit_at_3']:>9.4f}{figures['mrr']:>9.4f}")
    for other, gain in report["gain_over"].items():
        low, high = gain["interval"]
        say(
            f"hit@3 beside {other.replace('_', ' ')}: {gain['relative']:+.1%} "
            f"({gain['difference']:+.4f}, 95 %: {low:+.4f} to {high:+.4f})"
        )
