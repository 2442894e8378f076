"""`frontdesk evaluate intents | retrieval`: the bot on labelled test questions, through the path of production."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any

import typer

from bot.chatbot import ChatBot
from bot.cli.asked import bot_in_service, bot_of_pairs
from bot.cli.common import DEFAULT_VAR, AsJson, ConfigFile, ReportFile, Tests, Var, config_of, errors, say, show, stages
from bot.cli.evaluate_robustness import robustness
from bot.confidence import confidence_report, dial_report, one_click_report
from bot.config import training_of
from bot.diagnosis import curves, diagnose
from bot.evaluation import Outcome, compare_retrieval, intent_report, retrieval_report, run
from bot.labelled import (
    Labelled,
    labelled_of_intents,
    pairs_of_intents,
    read_intents,
    read_pairs,
    read_retrieval,
)
from bot.pair_runs import trained_pairs
from bot.peers import peers_report, read_peers
from bot.report import check_target, write_report
from bot.trained_runs import (
    WORK,
    Test,
    all_together,
    intent_corpus,
    retrieval_corpus,
    runs_report,
    trained_runs,
    training_report,
)
from kb.errors import InputError, describe

app = typer.Typer(help="Measure the bot on labelled questions.", no_args_is_help=True)
app.command()(robustness)

Train = Annotated[bool, typer.Option("--train-matcher", help="Fine-tune on the training file first, once a seed.")]
Seeds = Annotated[int, typer.Option("--seeds", min=1, help="Trainings, each with its own seed; figures are means.")]
PresetName = Annotated[str, typer.Option("--preset", help="Of the training: quick, balanced or best.")]


@app.command()
def intents(
    test: Tests,
    train: Annotated[
        Path | None,
        typer.Option("--train", help="CSV with text,label; without it the knowledge base in the data folder."),
    ] = None,
    train_matcher: Train = False,
    valid: Annotated[
        Path | None,
        typer.Option("--valid", help="CSV to choose on in training; else a part of the training file is held out."),
    ] = None,
    seeds: Seeds = 1,
    preset: PresetName = "balanced",
    var: Var = DEFAULT_VAR,
    config: ConfigFile = None,
    as_json: AsJson = False,
    report_file: ReportFile = None,
) -> None:
    """Ask test questions whose label is a pair; the texts of a label in the training file are its phrasings."""
    _check(report_file)
    settings = config_of(var, config)
    rows = [row for path in test for row in read_intents(path)]
    known = pairs_of_intents(read_intents(train)) if train else None
    about = {"Training": train.name if train else "knowledge base", "Test": ", ".join(path.name for path in test)}
    if train_matcher:
        if known is None:
            raise InputError(
                describe(
                    expected="--train beside --train-matcher",
                    got="none",
                    remedy="name the training file; the knowledge base is trained on by `frontdesk train`",
                )
            )
        pair_ids = [pair.pair_id for pair in known]
        training = training_of(settings, preset)
        corpus = intent_corpus(known, read_intents(valid) if valid else None, training)
        questions = labelled_of_intents(rows, pair_ids)
        with stages() as told:
            runs = trained_runs(
                [Test(name="test", corpus=corpus, questions=questions)], training, settings, var, seeds, told
            )
        report = runs_report(runs, 0, lambda asked, found: _of_intents(asked, found, pair_ids))
        report |= training_report(runs)
        outcomes: Sequence[Outcome] = runs.seeds[0].outcomes[0]
    else:
        bot = bot_of_pairs(known, var, settings) if known is not None else bot_in_service(var, settings)
        pair_ids = [pair.pair_id for pair in bot.retriever.pairs]
        questions = labelled_of_intents(rows, pair_ids)
        with stages() as told:
            outcomes = run(bot, questions, lambda done, total: told("Asking", done, total))
            report = _of_intents(questions, outcomes, pair_ids)
    peers = read_peers(test, rows)
    report["dial"] = dial_report(questions, outcomes)
    if peers:
        report["peers"] = peers_report(questions, outcomes, peers, pair_ids)
    # The texts of a training file's label are examples of it; in a knowledge base the question says what a pair is.
    titles = _titles(bot) if train is None else {}
    _tell(report, questions, outcomes, as_json=as_json)
    _write(report_file, report, questions, outcomes, peers, title="Evaluation of intents", about=about, titles=titles)


@app.command()
def retrieval(
    folder: Annotated[
        list[Path],
        typer.Option("--dir", help="Folder with passages.jsonl and test.jsonl. May be repeated, to train on all."),
    ],
    split: Annotated[str, typer.Option("--split", help="Which questions: test, valid or train.")] = "test",
    train: Annotated[
        bool, typer.Option("--train", help="Fine-tune on train.jsonl of the folders first, choosing on valid.jsonl.")
    ] = False,
    seeds: Seeds = 1,
    preset: PresetName = "balanced",
    compare: Annotated[
        bool, typer.Option("--compare", help="Also embeddings alone and BM25 alone, on the same entries.")
    ] = False,
    var: Var = DEFAULT_VAR,
    config: ConfigFile = None,
    as_json: AsJson = False,
    report_file: ReportFile = None,
) -> None:
    """Retrieve passages for questions; a passage is a pair, its title the question, its text the answer.

    Of several folders, each is a knowledge base of its own; the figures are of all questions together (micro mean).
    """
    _check(report_file)
    settings = config_of(var, config)
    read = [read_retrieval(each, split) for each in folder]
    names = [each.resolve().name for each in folder]
    questions = [question for _, asked in read for question in asked]
    titles = {pair.pair_id: pair.question for pairs, _ in read for pair in pairs}
    if train:
        training = training_of(settings, preset)
        tests = [
            Test(
                name=name,
                corpus=retrieval_corpus(
                    pairs, read_retrieval(each, "train")[1], read_retrieval(each, "valid")[1], training
                ),
                questions=asked,
            )
            for name, each, (pairs, asked) in zip(names, folder, read, strict=True)
        ]
        with stages() as told:
            runs = trained_runs(tests, training, settings, var, seeds, told)
        by_folder = {name: runs_report(runs, at, retrieval_report) for at, name in enumerate(names)}
        together = all_together(runs)
        report = runs_report(together, 0, retrieval_report) | training_report(runs)
        outcomes: Sequence[Outcome] = together.seeds[0].outcomes[0]
    else:
        found: list[Outcome] = []
        by_folder = {}
        for name, (pairs, asked) in zip(names, read, strict=True):
            bot = bot_of_pairs(pairs, var, settings)
            with stages() as told:
                answered = run(bot, asked, lambda done, total: told("Asking", done, total))
                by_folder[name] = retrieval_report(asked, answered)
                if compare:
                    by_folder[name] |= compare_retrieval(
                        bot, asked, answered, lambda done, total: told("Comparing", done, total)
                    )
            found += answered
        outcomes = found
        report = retrieval_report(questions, outcomes) if len(folder) > 1 else by_folder[names[0]]
    if len(folder) > 1:
        report["by_folder"] = by_folder
    about = {"Passages": ", ".join(names), "Questions asked": split}
    _tell(report, questions, outcomes, as_json=as_json)
    _write(report_file, report, questions, outcomes, title="Evaluation of retrieval", about=about, titles=titles)


@app.command()
def pairs(
    train: Annotated[Path, typer.Option("--train", help="CSV with text_a,text_b,label (1: same) to learn from.")],
    dev: Annotated[Path, typer.Option("--dev", help="The same, to measure on.")],
    base: Annotated[str, typer.Option("--base", help="Local folder or hub name of a BERT; else the bundled one.")] = "",
    preset: PresetName = "balanced",
    seed: Annotated[int, typer.Option("--seed", help="Of everything that is drawn.")] = 0,
    var: Var = DEFAULT_VAR,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Train a matcher to tell whether two texts ask the same, and measure it on others."""
    settings = config_of(var, config)
    training = training_of(settings, preset).seeded(seed)
    training = replace(training, matcher_base=base or training.matcher_base)
    with stages() as told:
        report = trained_pairs(read_pairs(train), read_pairs(dev), training, var / WORK, told)
    _figures(report, as_json=as_json)


def _of_intents(questions: Sequence[Labelled], outcomes: Sequence[Outcome], pair_ids: Sequence[str]) -> dict[str, Any]:
    return {
        **intent_report(questions, outcomes, pair_ids),
        **confidence_report(questions, outcomes),
        **one_click_report(questions, outcomes),
    }


def _titles(bot: ChatBot) -> dict[str, str]:
    return {pair.pair_id: pair.question for pair in bot.retriever.pairs}


def _check(report_file: Path | None) -> None:
    if report_file is not None:
        check_target(report_file)


def _write(
    report_file: Path | None,
    report: Mapping[str, Any],
    questions: Sequence[Labelled],
    outcomes: Sequence[Outcome],
    peers: Mapping[str, Sequence[Outcome]] = MappingProxyType({}),
    **headings: Any,
) -> None:
    if report_file is None:
        return
    shown = {**report, **diagnose(questions, outcomes), **curves(questions, outcomes, peers=peers), **headings}
    write_report(report_file, shown)
    errors.print(f"report: {report_file}", markup=False)


def _tell(
    report: Mapping[str, Any], questions: Sequence[Labelled], outcomes: Sequence[Outcome], *, as_json: bool
) -> None:
    _figures({**report, **diagnose(questions, outcomes)} if as_json else report, as_json=as_json)


def _figures(report: Mapping[str, Any], *, as_json: bool) -> None:
    """Print a report as JSON, or its figures for people, each with what it was before training and its interval."""
    if as_json:
        show(report)
        return
    intervals, before, seeds = (report.get(name, {}) for name in ("intervals", "before", "seeds"))
    for name, value in report.items():
        if isinstance(value, int | float):
            text = f"{value:.4f}" if isinstance(value, float) else str(value)
            was = f"   before: {before[name]:.4f}" if isinstance(before.get(name), float) else ""
            spread = seeds.get(name, {}).get("sd")
            over = f"   sd over seeds: {spread:.4f}" if spread else ""
            low_high = f"   95 %: {intervals[name][0]:.4f} to {intervals[name][1]:.4f}" if name in intervals else ""
            say(f"{name:20} {text}{was}{over}{low_high}")
    if "latency_ms" in report:
        p50, p95 = (report["latency_ms"][name] for name in ("p50", "p95"))
        say(f"{'latency':20} {p50:.1f} ms (p50), {p95:.1f} ms (p95)")
