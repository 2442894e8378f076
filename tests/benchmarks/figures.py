"""What the benchmarks print: Markdown tables, and the machine they ran on."""

import os
import platform
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

CPU_INFO = Path("/proc/cpuinfo")


def table(rows: Sequence[Sequence[str]], left: int = 1) -> str:
    """Return rows of cells as a Markdown table, the first row as the header, the first `left` columns to the left."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    rule = [":" + "-" * (width - 1) if at < left else "-" * (width - 1) + ":" for at, width in enumerate(widths)]
    lines = [_line(cells, widths, left) for cells in rows]
    return "\n".join([lines[0], f"| {' | '.join(rule)} |", *lines[1:]])


def machine(*packages: str) -> dict[str, Any]:
    """Return processor, cores that this process may use, load when asked, and versions of Python and the packages.

    The load is that of the last minute: a figure from a machine that was busy tells less.
    """
    return {
        "cpu": _cpu(),
        "cores": _cores(),
        "load": round(os.getloadavg()[0], 1),
        "versions": {"python": platform.python_version()} | {name: version(name) for name in packages},
    }


def machine_line(found: dict[str, Any]) -> str:
    """Return the machine in one line."""
    versions = ", ".join(f"{name} {number}" for name, number in found["versions"].items())
    return f"{found['cpu']}, {found['cores']} cores, load {found['load']} at the start; {versions}"


def note(text: str) -> None:
    """Print a line for whoever waits, apart from the figures."""
    print(text, file=sys.stderr, flush=True)


def _line(cells: Sequence[str], widths: Sequence[int], left: int) -> str:
    named = [cell.ljust(width) for cell, width in zip(cells[:left], widths[:left], strict=True)]
    measured = [cell.rjust(width) for cell, width in zip(cells[left:], widths[left:], strict=True)]
    return f"| {' | '.join(named + measured)} |"


def _cpu() -> str:
    if CPU_INFO.is_file():
        for line in CPU_INFO.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
