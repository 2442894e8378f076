import csv

import pytest
from cli_runner import FAQ, configured, frontdesk
from tiny_model import save_tiny_model

THINGS = ("tent", "stove", "boots", "map", "lamp", "rope", "bottle", "jacket", "pump", "towel")
WAYS = (
    "{} price",
    "how much is the {}",
    "cost of a {}",
    "what does the {} cost",
    "{} how much",
    "tell me the {} price",
    "is the {} dear",
    "price for one {}",
)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return save_tiny_model(tmp_path_factory.mktemp("model") / "tiny")


@pytest.fixture(scope="module")
def var(model, tmp_path_factory):
    """A data folder with 80 phrasings, enough to calibrate on."""
    folder = tmp_path_factory.mktemp("shop")
    var = configured(folder / "var", model)
    with (folder / "faq.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(("question", "answer", "phrasings"))
        for thing in THINGS:
            writer.writerow(
                (f"What is the price of the {thing}?", f"See {thing}.", "|".join(w.format(thing) for w in WAYS))
            )
    assert frontdesk("import", folder / "faq.csv", "--var", var).code == 0
    return var


def promising(folder, var, model, target):
    """Return a configuration that promises so many right answers."""
    path = folder / "promise.toml"
    encoder = (var / "frontdesk.toml").read_text()
    path.write_text(f"{encoder}\n[policy]\ntarget_accuracy = {target}\n")
    return path


def test_the_dial_shows_what_each_promise_needs(var):
    document = frontdesk("dial", "--target", 0.1, "--target", 0.999, "--var", var, "--json").document
    assert document["target_accuracy"] == 0.0
    low, high = document["dials"]
    assert low["questions"] == high["questions"] == 80
    assert low["supported"]
    assert low["coverage"] > 0
    assert not high["supported"]
    text = frontdesk("dial", "--var", var).out
    assert text.splitlines()[0].startswith("80 questions in scope")
    assert "98% right: not supported by these questions" in text


def test_a_promise_raises_the_threshold_of_answers(var, model, tmp_path):
    def threshold(*options):
        return frontdesk("ask", "tent price", "--var", var, "--json", *options).document["explanation"]["threshold"]

    dial = frontdesk("dial", "--target", 0.1, "--var", var, "--json").document["dials"][0]
    promised = threshold("--config", promising(tmp_path, var, model, 0.1))
    assert promised == pytest.approx(max(dial["threshold"], threshold()))


def test_a_promise_that_can_not_be_kept_is_refused_with_what_to_do(var, model, tmp_path):
    ran = frontdesk("ask", "tent price", "--var", var, "--config", promising(tmp_path, var, model, 0.999))
    assert ran.code == 2
    assert "a target_accuracy that 80 calibration questions support; got 0.999; promise less" in ran.err


def test_without_questions_to_calibrate_on_the_dial_says_what_to_do(model, tmp_path):
    var = configured(tmp_path / "var", model)
    (tmp_path / "faq.csv").write_text(FAQ)
    assert frontdesk("import", tmp_path / "faq.csv", "--var", var).code == 0
    assert "add phrasings" in frontdesk("dial", "--var", var).out


@pytest.mark.parametrize("target", [0, 1, 95])
def test_a_target_that_is_no_share_is_refused(var, target):
    ran = frontdesk("dial", "--target", target, "--var", var)
    assert (ran.code, ran.out) == (2, "")
    assert "expected a share of right answers between 0 and 1" in ran.err
