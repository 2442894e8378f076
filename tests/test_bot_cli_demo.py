"""`frontdesk demo` on a tiny model: what is trained, when, and what a training that fails leaves."""

import pytest
from cli_runner import configured, frontdesk
from tiny_model import save_tiny_model

TRAINING = """
[training.encoder]
steps = 2
seconds = 0
precision = "fp32"
[training.contrastive]
anchors = 4
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return save_tiny_model(tmp_path_factory.mktemp("model") / "tiny", "mean")


def checkpoints(var):
    return frontdesk("checkpoints", "list", "--var", var, "--json").document["checkpoints"]


def test_the_demo_is_trained_on_once(model, tmp_path):
    var = configured(tmp_path / "var", model, TRAINING)
    ran = frontdesk("demo", "--var", var, "--json")
    trained = ran.document["training"]
    assert "training on the demo shop" in ran.err
    assert trained["stages"]["encoder"]["steps"] == 2
    assert [each["checkpoint_id"] for each in checkpoints(var)] == [trained["checkpoint_id"]]
    again = frontdesk("demo", "--var", var, "--json").document
    assert again["training"] is None
    assert again["index"]["is_new"] is False
    assert (again["index"]["checkpoint"] == trained["checkpoint_id"]) is trained["promoted"]


def test_the_demo_answers_without_training_where_that_is_wished_or_fails(model, tmp_path):
    var = configured(tmp_path / "var", model, TRAINING + '[training]\nencoder_base = "no-such-folder/model"\n')
    document = frontdesk("demo", "--no-train", "--var", var, "--json").document
    assert document["training"] is None
    failed = frontdesk("demo", "--var", var)
    assert failed.code == 0
    assert "not trained: " in failed.err
    assert "no-such-folder/model" in failed.err
    assert checkpoints(var) == []
    assert frontdesk("ask", "Where is my order?", "--var", var).code == 0
