"""`frontdesk evaluate offline`: whether off-policy estimates tell the truth, in simulated worlds where it is known."""

from dataclasses import asdict
from typing import Annotated, Any

import typer

from bot.cli.common import AsJson, say, show, stages
from bot.offline_simulation import SimulationConfig, simulate, simulation_report

_DEFAULT = SimulationConfig()


def offline(
    runs: Annotated[int, typer.Option("--runs", min=1, help="Worlds, each with a log of its own.")] = 500,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of everything that is drawn.")] = 0,
    conversations: Annotated[int, typer.Option("--conversations", min=2, help="Of each log.")] = _DEFAULT.conversations,
    share: Annotated[
        float, typer.Option("--share", min=0.01, max=1.0, help="Of slots that the log explores.")
    ] = _DEFAULT.share,
    change: Annotated[
        float, typer.Option("--change", min=0.0, help="By how much the ranking of B differs.")
    ] = _DEFAULT.change,
    as_json: AsJson = False,
) -> None:
    """Estimate the click rates of two policies from simulated logs, and count how often intervals cover the truth."""
    config = SimulationConfig(conversations=conversations, share=share, change=change)
    with stages() as told:
        report = simulation_report(simulate(runs, seed, config, lambda done, total: told("Worlds", done, total)))
    if as_json:
        show(report | {"seed": seed, "config": asdict(config)})
    else:
        _tell(report)


def _tell(report: dict[str, Any]) -> None:
    say(f"{'':6} {'coverage of 95 % intervals':>34}   {'mean width':>26}   sign of A - B")
    say(f"{'':6} {'A':>10} {'B':>11} {'A - B':>11}   {'A':>8} {'B':>8} {'A - B':>8}   right, where over two errors")
    for method, found in report["methods"].items():
        coverage = " ".join(f"{value:>11.1%}" for value in found["coverage"].values())
        width = " ".join(f"{value:>8.4f}" for value in found["width"].values())
        sign = "never over" if found["sign_right"] is None else f"{found['sign_right']:.1%} of {found['clear']}"
        say(f"{method:5} {coverage}   {width}   {sign}")
    shares = ", ".join(
        f"{name.upper()} {report['effective'][name]:.0f} ({value:.0%})"
        for name, value in report["effective_share"].items()
    )
    say(f"{report['runs']} runs; effective sample size of {report['rows']:.0f} suggestions shown: {shares}")
