import numpy as np
import pytest
from tiny_model import save_tiny_model

from models.clicks import Catalogue, Shown, fit_clicks
from models.folder import open_model
from models.training.click_texts import examples, train_click_texts
from models.training.config import OptimiserConfig

QUESTIONS = {"a": "aaaa aaaa", "b": "bbbb bbbb", "c": "cccc cccc"}
CATALOGUE = Catalogue(vectors={}, topics={}, dimension=4)


def log(count=300):
    """After a, b is clicked by those who look, and c is not."""
    found = []
    for number in range(count):
        for rank, pair_id in enumerate(("b", "c") if number % 2 else ("c", "b"), start=1):
            looks = rank == 1 or number % 3 == 0
            clicked = pair_id == "b" and looks
            found.append(Shown(conversation=str(number), after="a", pair_id=pair_id, rank=rank, clicked=clicked))
    return found


def test_an_example_is_a_pair_of_texts_with_the_position_taken_out():
    shown = [*log(), Shown(conversation="x", after="a", pair_id="gone", rank=1, clicked=True)]
    found = examples(shown, QUESTIONS, fit_clicks(shown, CATALOGUE))
    assert [(each.question, each.candidates, each.weight) for each in found] == [
        (QUESTIONS["a"], [QUESTIONS["c"]], 300.0),
        (QUESTIONS["a"], [QUESTIONS["b"]], 300.0),
    ]
    raw = np.mean([each.clicked for each in shown if each.pair_id == "b"])
    assert found[1].labels[0] > raw + 0.1
    assert found[0].labels[0] < 0.5
    assert examples([], QUESTIONS, fit_clicks(shown, CATALOGUE)) == []


@pytest.mark.parametrize("steps", [30])
def test_a_bert_learns_which_text_attracts(tmp_path, steps):
    base = open_model(str(save_tiny_model(tmp_path / "tiny", "mean", 0)))
    shown = log()
    texts = train_click_texts(
        base,
        shown,
        QUESTIONS,
        fit_clicks(shown, CATALOGUE),
        OptimiserConfig(steps=steps, learning_rate=5e-3, validate_every=0, keep="last", precision="fp32"),
    )
    attracts, repels = texts([("a", "b"), ("a", "c")])
    assert attracts > repels + 0.5
    model = fit_clicks(shown, CATALOGUE, texts=texts)
    assert model.attraction(["a"], ["b"])[0] > model.attraction(["a"], ["c"])[0]
