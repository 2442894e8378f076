"""`frontdesk evaluate clicks`: rankings by predicted clicks, by raw rates and others, with simulated customers."""

from functools import partial
from typing import Annotated, Any

import numpy as np
import typer

from bot.build import load_bot, open_models
from bot.cli.common import DEFAULT_VAR, AsJson, ConfigFile, Var, config_of, say, show, stages
from bot.click_simulation import WorldConfig, click_report
from bot.indexing import INDEX
from kb.manifest import current_id


def clicks(
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="How many worlds are drawn.")] = 3,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the first world.")] = 0,
    turns: Annotated[int, typer.Option("--turns", min=50, help="Replies with suggestions in the log.")] = 3_000,
    var: Var = DEFAULT_VAR,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Let simulated customers click suggestions of the pairs in service, and compare rankings by their true wishes."""
    settings = config_of(var, config)
    bot = load_bot(var, partial(open_models, var, settings), settings, current_id(var / INDEX))
    pairs = bot.retriever.pairs
    vectors = bot.retriever.question_vectors(range(len(pairs)))
    with stages() as told:
        worlds = []
        for number in range(seeds):
            told("Worlds", number, seeds)
            worlds.append(click_report(pairs, vectors, WorldConfig(turns=turns), seed + number))
    mean = _mean(worlds)
    if as_json:
        show({"worlds": worlds, "mean": mean})
        return
    say(f"{worlds[0]['impressions']} impressions a world, {seeds} worlds; expected clicks of a reply, ranked by")
    for name, value in mean["clicks_per_reply"].items():
        say(f"  {name.replace('_', ' '):24}{value:.4f}")
    gains = [each["gain_over_raw_rates"] for each in worlds]
    say(f"model over the better raw rates: {np.mean(gains):+.1%} ({min(gains):+.1%} to {max(gains):+.1%})")
    say(f"log-loss {mean['log_loss']:.4f} (mean rate {mean['log_loss_of_mean_rate']:.4f}), ECE {mean['ece']:.4f}")


def _mean(worlds: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the mean over worlds of all figures."""
    names = ("gain_over_raw_rates", "log_loss", "log_loss_of_mean_rate", "ece", "clicked")
    ways = worlds[0]["clicks_per_reply"]
    clicked = {name: float(np.mean([each["clicks_per_reply"][name] for each in worlds])) for name in ways}
    return {
        "clicks_per_reply": clicked,
        **{name: float(np.mean([each[name] for each in worlds])) for name in names},
    }
