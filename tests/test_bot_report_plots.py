import pytest
from report_example import example

from bot.report_plots import confusion_matrix, histogram, reliability, risk_coverage, training


@pytest.fixture(scope="module")
def report():
    return example()


def test_the_histogram_stacks_what_was_counted_and_marks_the_threshold(report):
    figure = histogram(report["confidence"])
    bars = {trace["name"]: trace["y"] for trace in figure["data"] if trace["type"] == "bar"}
    assert {name: sum(counts) for name, counts in bars.items()} == {"Right": 3, "Wrong": 2, "Out of scope": 2}
    assert figure["layout"]["barmode"] == "stack"
    assert figure["data"][-1]["x"] == [0.5, 0.5]
    assert figure["data"][-1]["name"] == "Threshold 0.50"


def test_a_histogram_has_no_bars_of_what_there_is_none_of():
    figure = histogram({"edges": [0, 0.5, 1], "right": [1, 2], "wrong": [0, 0], "out_of_scope": [0, 0]})
    assert [trace["name"] for trace in figure["data"]] == ["Right"]


def test_the_reliability_diagram_has_a_line_for_each_set_and_the_ideal(report):
    figure = reliability(report["reliability"])
    assert [trace["name"] for trace in figure["data"]] == ["ideal", "in scope", "all questions"]
    assert figure["data"][1]["y"] == report["reliability"]["in scope"]["accuracy"]


def test_the_risk_curve_takes_any_number_of_named_curves(report):
    curve = report["risk_coverage"]["in scope"]
    figure = risk_coverage({f"system {at}": curve for at in range(6)})
    assert len(figure["data"]) == 6
    assert figure["data"][5]["y"] == curve["risk"]


def test_a_matrix_parts_right_from_wrong_by_sign_and_shows_counts():
    figure = confusion_matrix({"gold": ["a", "oos"], "predicted": ["a"], "counts": [[3, 1], [2, 0]]})
    heat = figure["data"][0]
    assert heat["z"] == [pytest.approx([0.75**0.5, -(0.25**0.5)]), [-1.0, 0.0]]
    assert heat["text"] == [["3", "1"], ["2", ""]]
    assert figure["layout"]["xaxis"]["ticktext"] == ["a", "others"]
    assert figure["layout"]["yaxis"]["ticktext"] == ["a", "oos"]


def test_long_names_are_cut_beside_the_matrix_and_whole_where_it_is_pointed_at():
    figure = confusion_matrix({"gold": ["x" * 60], "predicted": ["x" * 60], "counts": [[1, 0]]})
    assert len(figure["layout"]["yaxis"]["ticktext"][0]) < 30
    assert "x" * 60 in figure["data"][0]["customdata"][0][0]


def test_training_shows_loss_above_the_validation_metric():
    run = {"step": [1, 2], "loss": [2.0, 1.0], "validation_step": [2], "validation": [0.5], "validation_name": "P@1"}
    figure = training([run])
    assert [trace["y"] for trace in figure["data"]] == [[2.0, 1.0], [0.5]]
    assert figure["layout"]["yaxis2"]["title"]["text"] == "P@1"
    assert figure["layout"]["yaxis2"]["domain"][1] < figure["layout"]["yaxis"]["domain"][0]


def test_training_without_validation_is_one_panel():
    assert "yaxis2" not in training([{"step": [1, 2], "loss": [2.0, 1.0]}])["layout"]


def test_texts_are_no_markup_for_plotly():
    name = "<a href='https://evil.example'>x</a>"
    run = {"step": [1], "loss": [1.0], "name": name}
    drawn = str(
        [
            confusion_matrix({"gold": [name], "predicted": [name], "counts": [[1, 0]]}),
            training([run, run]),
            risk_coverage({name: {"coverage": [1.0], "risk": [0.5], "threshold": [0.1]}}),
        ]
    )
    assert "<a" not in drawn
    assert "&lt;a" in drawn
