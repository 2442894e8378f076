import shutil

import pytest
from cli_runner import FAQ, configured, frontdesk
from fakes_checkpoint import ABOUT, make_checkpoint
from tiny_model import save_tiny_model

from bot.build import CHECKPOINTS, DATABASE
from kb.types import ZERO_SHOT

QUESTION = "Where is my order?"


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    return [save_tiny_model(folder / f"tiny-{seed}", seed=seed) for seed in range(3)]


@pytest.fixture
def var(tiny, tmp_path):
    """A data folder with three pairs and their index."""
    var = configured(tmp_path / "var", tiny[0])
    path = tmp_path / "faq.csv"
    path.write_text(FAQ)
    assert frontdesk("import", path, "--var", var).code == 0
    return var


@pytest.fixture
def ids(var, tiny):
    """Ids of two checkpoints of the data folder."""
    return [make_checkpoint(var / CHECKPOINTS, model).checkpoint_id for model in tiny[1:]]


@pytest.fixture
def run(var):
    def call(*arguments):
        return frontdesk("checkpoints", *arguments, "--var", var)

    return call


def refused(ran):
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("error: expected ")
    assert "Traceback" not in ran.err
    return ran.err


def test_promote_list_and_rollback_as_json(run, ids):
    promoted = run("promote", ids[0], "--json").document
    assert (promoted["checkpoint"], promoted["before"], promoted["lineage"]) == (ids[0], ZERO_SHOT, [ZERO_SHOT])
    listed = run("list", "--json").document
    assert (listed["in_service"], listed["lineage"]) == (ids[0], [ZERO_SHOT])
    assert [(each["checkpoint_id"], each["in_service"]) for each in listed["checkpoints"]] == [
        (ids[0], True),
        (ids[1], False),
    ]
    assert listed["checkpoints"][0]["metrics"] == ABOUT["metrics"]
    back = run("rollback", "--json").document
    assert (back["checkpoint"], back["before"], back["lineage"], back["is_new"]) == (ZERO_SHOT, ids[0], [], False)


def test_the_list_for_people_marks_what_serves_and_tells_metrics_before_and_after(run, ids):
    assert f"* {ZERO_SHOT}" in run("list").out
    run("promote", ids[1])
    lines = run("list").out.splitlines()
    assert lines[0].startswith(f"  {ZERO_SHOT}")
    assert lines[1].startswith(f"  {ids[0]}")
    assert lines[2].startswith(f"* {ids[1]}  from tiny  P@1 0.5000 → 0.6250  AUROC 0.7500 → 0.7000")
    assert lines[3] == f"served before, oldest first: {ZERO_SHOT}"


def test_promotion_and_rollback_are_told_to_people(run, ids):
    assert f"{ids[0]} is in service, with 3 pairs" in run("promote", ids[0][:-1]).out
    assert f"{ids[0]} was in service already" in run("promote", ids[0]).out
    assert f"{ZERO_SHOT} is in service" in run("rollback").out


def test_what_is_promoted_answers(var, run, ids):
    run("promote", ids[0])
    reply = frontdesk("ask", QUESTION, "--var", var, "--json").document
    assert reply["snapshot"]["checkpoint"] == ids[0]
    assert frontdesk("index", "--force", "--var", var, "--json").document["checkpoint"] == ids[0]


def test_show_prints_the_model_card_or_all_that_the_manifest_says(run, ids):
    assert run("show", ids[0]).out.startswith(f"# Checkpoint {ids[0]}")
    document = run("show", ids[0], "--json").document
    assert document["config"] == ABOUT["config"]
    assert len(document["files"]["encoder/model.safetensors"]) == 64


def test_without_checkpoints_the_configured_encoder_is_listed_alone(run):
    assert run("list", "--json").document == {"in_service": ZERO_SHOT, "lineage": [], "checkpoints": []}


def test_a_damaged_checkpoint_is_listed_with_its_problem_and_neither_shown_nor_promoted(var, run, ids):
    weights = var / CHECKPOINTS / ids[0] / "encoder" / "model.safetensors"
    weights.unlink()
    assert "damaged: expected" in run("list").out
    for command in ("show", "promote"):
        assert "model.safetensors" in refused(run(command, ids[0]))
    assert run("list", "--json").document["in_service"] == ZERO_SHOT


@pytest.mark.parametrize(
    "command", [("show", "none"), ("promote", "none"), ("promote", "2"), ("promote", ""), ("show", ZERO_SHOT)]
)
def test_an_id_that_names_no_checkpoint_or_several_is_an_error(run, ids, command):
    assert "frontdesk checkpoints list" in refused(run(*command))


def test_with_nothing_to_roll_back_to_rollback_is_an_error(run, ids):
    assert "nothing to roll back" in refused(run("rollback"))


def test_a_checkpoint_that_is_gone_is_an_error_that_names_it(var, run, ids):
    run("promote", ids[0])
    run("promote", ids[1])
    shutil.rmtree(var / CHECKPOINTS / ids[0])
    assert ids[0] in refused(run("rollback"))


def test_what_is_refused_makes_no_data_folder(tmp_path):
    empty = tmp_path / "empty"
    for command in (("rollback",), ("promote", "none"), ("show", "none")):
        refused(frontdesk("checkpoints", *command, "--var", empty))
    assert frontdesk("checkpoints", "list", "--var", empty).code == 0
    assert not (empty / DATABASE).exists()
    assert not empty.exists()
