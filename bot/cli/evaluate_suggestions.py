"""`frontdesk evaluate suggestions`: five questions for each request, by every strategy of selection."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from bot.build import open_encoder
from bot.cli.common import DEFAULT_VAR, AsJson, ConfigFile, Var, config_of, errors, say, show, stages
from bot.indexing import VECTORS
from bot.report import check_target, write_report
from bot.suggestion_report import suggestion_report
from bot.suggestion_runs import MEASURES, SuggestionConfig
from kb.types import FloatArray
from kb.vectors import VectorCache


def suggestions(
    folder: Annotated[Path, typer.Option("--dir", help="Folder with question_bank.csv and train, dev and test.jsonl.")],
    split: Annotated[str, typer.Option("--split", help="Which requests are reported: test, dev or train.")] = "test",
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the folds that everything is chosen by.")] = 0,
    var: Var = DEFAULT_VAR,
    config: ConfigFile = None,
    as_json: AsJson = False,
    report_file: Annotated[
        Path | None, typer.Option("--report", "--out", help="Also an HTML file: strategies, trade-off.", metavar="FILE")
    ] = None,
) -> None:
    """Suggest 5 of the 50 nearest questions of a bank, and measure what they serve; learn on the other splits."""
    if report_file is not None:
        check_target(report_file)
    settings = config_of(var, config)
    cache = VectorCache(var / VECTORS / "evaluate", open_encoder(var, settings))
    how = SuggestionConfig()
    how = replace(how, relevance=replace(how.relevance, seed=seed))
    with stages() as told:

        def encode(texts: Sequence[str]) -> FloatArray:
            return cache.encode(texts, lambda done, total: told("Encoding", done, total))[0]

        report = suggestion_report(folder, split, encode, how, told)
    if as_json:
        show(report)
    else:
        _tell(report)
    if report_file is not None:
        about = {
            "Suggestions": folder.resolve().name,
            "Requests": split,
            "Learned on": ", ".join(report["learned_from"]),
        }
        write_report(report_file, {**report, "title": "Evaluation of suggestions", "about": about})
        errors.print(f"report: {report_file}", markup=False)


def _tell(report: Mapping[str, Any]) -> None:
    say(f"{report['n']} requests of {report['split']}; learned on {' and '.join(report['learned_from'])}")
    say(f"default selector: {report['strategy']}, diversity {report['diversity']:.2f}")
    for name in MEASURES:
        low, high = report["intervals"][name]
        share = report["gain"][name]
        gained = f"{share['relative']:+.1%} ({share['interval'][0]:+.4f} to {share['interval'][1]:+.4f})"
        say(f"{name:17} {report[name]:.4f}   95 %: {low:.4f} to {high:.4f}   beside relevance alone: {gained}")
    say(f"{'':26}{'diversity':>10}" + "".join(f"{name:>17}" for name in MEASURES))
    for name in ("untrained_relevance_only", "relevance_only", *report["trade_off"]["chosen_on"]):
        figures = report[name]
        diversity = f"{figures['diversity']:.2f}" if "diversity" in figures else ""
        say(f"{name:26}{diversity:>10}" + "".join(f"{figures[each]:>17.4f}" for each in MEASURES))
