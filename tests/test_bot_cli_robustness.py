import pytest
from cli_runner import FAQ, configured, frontdesk
from tiny_model import save_tiny_model

TRAIN = "text,label\nwhere is my parcel,track\nhas my parcel left,track\nsend it back,return\nhow to return it,return\n"
TEST = "text,label\nwhere is the parcel,track\nreturn it please,return\nis it raining,oos\n"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return save_tiny_model(tmp_path_factory.mktemp("model") / "tiny")


@pytest.fixture
def given(model, tmp_path):
    """Arguments that every call has: a training file, a test file, and an empty data folder."""
    (tmp_path / "train.csv").write_text(TRAIN)
    (tmp_path / "test.csv").write_text(TEST)
    var = configured(tmp_path / "var", model)
    return ("--train", tmp_path / "train.csv", "--test", tmp_path / "test.csv", "--var", var)


def test_robustness_is_reported_as_json_for_people_and_as_a_page(given, tmp_path):
    ran = frontdesk("evaluate", "robustness", *given, "--attack", 1, "--json")
    assert ran.code == 0
    assert {"accuracy", "accuracy_disturbed", "drop", "by_kind", "by_share", "oos_recall", "attack"} <= set(
        ran.document
    )
    told = frontdesk("evaluate", "robustness", *given, "--attack", 1, "--report", tmp_path / "page.html")
    assert {"accuracy_disturbed", "only typos", "share 0.05", "flipped by 1 edits"} <= {
        name for name in ("accuracy_disturbed", "only typos", "share 0.05", "flipped by 1 edits") if name in told.out
    }
    assert "Disturbed questions" in (tmp_path / "page.html").read_text()


def test_kinds_and_share_can_be_chosen(given):
    chosen = ("--kinds", "casing", "--kinds", "accents", "--share", 0.2)
    ran = frontdesk("evaluate", "robustness", *given, *chosen, "--json")
    assert (set(ran.document["by_kind"]), ran.document["share"]) == ({"casing", "accents"}, 0.2)


def test_the_knowledge_base_in_service_is_asked_without_a_training_file(model, tmp_path):
    var = configured(tmp_path / "var", model)
    (tmp_path / "faq.csv").write_text(FAQ)
    (tmp_path / "test.csv").write_text("text,label\nis it raining,oos\n")
    assert frontdesk("import", tmp_path / "faq.csv", "--var", var).code == 0
    ran = frontdesk("evaluate", "robustness", "--test", tmp_path / "test.csv", "--var", var)
    assert ran.code == 2
    assert "questions in scope" in ran.err


@pytest.mark.parametrize("wrong", [("--kinds", "noise"), ("--share", 0), ("--report", "/nowhere/at/all.html")])
def test_what_can_not_be_measured_is_refused(given, wrong):
    assert frontdesk("evaluate", "robustness", *given, *wrong).code == 2
