"""docs/suggestions.md tells the measures and keys of `evaluate suggestions` as the code has them."""

from pathlib import Path

import pytest

from bot.suggestion_data import SPLITS
from bot.suggestion_runs import MEASURES, SuggestionConfig

PAGE = (Path(__file__).parent.parent / "docs" / "suggestions.md").read_text(encoding="utf-8")
MODULES = Path(__file__).parent.parent / "models" / "evaluate"


@pytest.mark.parametrize("name", [*MEASURES, "relevance_only", "untrained_relevance_only", "gain", "trade_off"])
def test_every_key_of_the_report_is_told(name):
    assert f"`{name}`" in PAGE


@pytest.mark.parametrize("split", SPLITS)
def test_every_file_of_a_folder_is_told(split):
    assert f"`{split}.jsonl`" in PAGE


@pytest.mark.parametrize("module", ["aspect_gain", "coverage", "intra_list", "exposure", "ranking"])
def test_every_file_of_measures_is_told(module):
    assert (MODULES / f"{module}.py").is_file()
    assert f"`{module}.py`" in PAGE


def test_what_is_selected_of_what_is_told():
    config = SuggestionConfig()
    assert f"{config.candidates} of a question bank" in PAGE
    assert f"at most {config.most_loss:.0%}".replace("%", " %") in PAGE
