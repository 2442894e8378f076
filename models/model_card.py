"""The model card of a checkpoint, in Markdown: what it is, what it was made of, and what it gained."""

from collections.abc import Mapping
from typing import Any

_TEMPLATE = """# Checkpoint {checkpoint_id}

Encoder{matcher} of a frontdesk bot: it finds the right one among the answers of an organisation, and writes none.

| | |
|---|---|
| base model | {base_model} |
| made at | {created_at} |
| code | {code_version} |
| training data | SHA-256 `{data_hash}` (see `training.json`) |

## Before and after

{metrics}

## Configuration

{config}

## Use

Put it in service with `frontdesk checkpoints promote {checkpoint_id}`, and take it back with `frontdesk checkpoints
rollback`. It knows the questions that it was trained on; measure it on your own with `frontdesk evaluate` before you
trust it elsewhere. Licence: that of the base model and of the data.
"""


def model_card(about: Mapping[str, Any], *, has_matcher: bool) -> str:
    """Return the card of a checkpoint with these fields of its manifest, as Markdown."""
    return _TEMPLATE.format(
        matcher=" and matcher" if has_matcher else "",
        metrics=_metrics(about["metrics"]),
        config=_config(about["config"]),
        **{
            name: _cell(about[name])
            for name in ("checkpoint_id", "base_model", "created_at", "code_version", "data_hash")
        },
    )


def before_and_after(metrics: Mapping[str, Any]) -> dict[str, tuple[float | None, float | None]]:
    """Return each metric's value before and after training; None where it was not measured."""
    before, after = (_numbers(metrics.get(when)) for when in ("before", "after"))
    return {name: (before.get(name), after.get(name)) for name in {**before, **after}}


def _metrics(metrics: Mapping[str, Any]) -> str:
    rows = [
        f"| {_cell(name)} | {_number(before)} | {_number(after)} | {_change(before, after)} |"
        for name, (before, after) in before_and_after(metrics).items()
    ]
    return "\n".join(["| metric | before | after | change |", "|---|---|---|---|", *rows]) if rows else "None recorded."


def _config(config: Mapping[str, Any]) -> str:
    rows = [f"| {_cell(name)} | {_cell(value)} |" for name, value in config.items()]
    return "\n".join(["| setting | value |", "|---|---|", *rows]) if rows else "None recorded."


def _numbers(found: Any) -> dict[str, float]:
    given = found if isinstance(found, Mapping) else {}
    return {
        str(name): float(value)
        for name, value in given.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _change(before: float | None, after: float | None) -> str:
    return "" if before is None or after is None else f"{after - before:+.4f}"


def _cell(value: Any) -> str:
    """Return a value as the text of a table's cell: on one line, with no bar or tag of its own."""
    return " ".join(str(value).split()).replace("|", "\\|").replace("<", "&lt;")
