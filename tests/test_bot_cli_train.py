"""`frontdesk train` and the evaluations that train first, on a tiny model: what they print, and their exit codes."""

import csv
import json

import pytest
from cli_runner import configured, frontdesk
from tiny_model import save_tiny_model

TRAINING = """
[training.needs]
least_questions = 8
[training.split]
validation_share = 0.3
[training.encoder]
steps = 3
epochs = 0
seconds = 0
precision = "fp32"
[training.contrastive]
anchors = 4
max_length = 24
[training.matcher]
steps = 2
epochs = 0
precision = "fp32"
[training.matching]
groups = 2
candidates = 3
max_length = 32
"""
TOPICS = {
    "card_arrival": ["where is my card", "my card is not here", "when does my card come", "card still not delivered"],
    "lost_card": ["i lost my card", "my card is gone", "somebody stole my card", "cannot find my card anywhere"],
    "exchange_rate": ["what is your rate", "how do you exchange money", "rate for dollars", "is the rate good"],
}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return save_tiny_model(tmp_path_factory.mktemp("model") / "tiny", "mean")


@pytest.fixture
def var(model, tmp_path):
    return configured(tmp_path / "var", model, TRAINING)


@pytest.fixture
def shop(var, tmp_path):
    """A data folder with three pairs of five phrasings each, indexed."""
    path = tmp_path / "faq.csv"
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["question", "answer", "phrasings"])
        for label, texts in TOPICS.items():
            writer.writerow([label.replace("_", " "), f"The answer on {label}.", "\n".join(texts)])
    assert frontdesk("import", path, "--var", var, "--map", "phrasings=phrasings").code == 0
    return var


def intents(path, rows):
    with path.open("w", newline="") as stream:
        csv.writer(stream).writerows([("text", "label"), *rows])
    return path


@pytest.fixture
def files(tmp_path):
    """A training and a test file of intents."""
    rows = [(text, label) for label, texts in TOPICS.items() for text in texts]
    asked = [("has my card been sent", "card_arrival"), ("my card was stolen", "lost_card"), ("weather", "oos")]
    return intents(tmp_path / "train.csv", rows), intents(tmp_path / "test.csv", asked)


def test_train_prints_a_checkpoint_with_figures_and_leaves_what_serves(shop):
    ran = frontdesk("train", "--var", shop, "--preset", "balanced", "--json")
    assert ran.code == 0, ran.err
    assert ran.document["promoted"] is False
    assert ran.document["stages"]["encoder"]["steps"] == 3
    assert ran.document["stages"]["matcher"]["steps"] == 2
    listed = frontdesk("checkpoints", "list", "--var", shop, "--json").document
    assert listed["in_service"] == "zero-shot"
    assert [each["checkpoint_id"] for each in listed["checkpoints"]] == [ran.document["checkpoint_id"]]


def test_a_trained_checkpoint_is_promoted_answers_and_is_rolled_back(shop):
    trained = frontdesk("train", "--var", shop, "--json").document["checkpoint_id"]
    assert frontdesk("checkpoints", "promote", trained, "--var", shop).code == 0
    reply = frontdesk("ask", "where is my card", "--var", shop, "--json").document
    assert reply["snapshot"]["checkpoint"] == trained
    assert frontdesk("checkpoints", "rollback", "--var", shop).code == 0
    reply = frontdesk("ask", "where is my card", "--var", shop, "--json").document
    assert reply["snapshot"]["checkpoint"] == "zero-shot"


def test_too_little_to_train_on_is_told_with_exit_code_2(var, tmp_path):
    path = tmp_path / "faq.csv"
    path.write_text("question,answer\nWhere is it?,There.\n")
    frontdesk("import", path, "--var", var)
    ran = frontdesk("train", "--var", var)
    assert ran.code == 2
    assert "expected 8 different questions or more to train on; got 1" in ran.err


def test_an_unknown_preset_is_told_with_exit_code_2(shop):
    ran = frontdesk("train", "--var", shop, "--preset", "slow")
    assert ran.code == 2
    assert "expected a preset out of quick, balanced, best; got slow" in ran.err


def test_a_base_model_that_is_missing_is_told_with_exit_code_2(shop, tmp_path):
    named = f'[training]\nencoder_base = "{tmp_path / "absent"}"\n'
    (shop / "frontdesk.toml").write_text(named + TRAINING)
    ran = frontdesk("train", "--var", shop)
    assert ran.code == 2
    assert "absent" in ran.err


def test_evaluate_intents_trains_once_a_seed_and_reports_means(var, files, tmp_path):
    train, test = files
    report = tmp_path / "report.html"
    ran = frontdesk(
        "evaluate", "intents", "--train", train, "--test", test, "--train-matcher", "--seeds", 2,
        "--var", var, "--json", "--report", report,
    )  # fmt: skip
    assert ran.code == 0, ran.err
    document = ran.document
    assert document["n"] == 3
    assert len(document["seeds"]["p_at_1"]["values"]) == 2
    assert document["p_at_1"] == pytest.approx(sum(document["seeds"]["p_at_1"]["values"]) / 2)
    assert set(document["comparison"]["measures"]) >= {"p_at_1"}
    assert [each["seed"] for each in document["trainings"]] == [0, 1]
    assert "p_at_1" in document["before"]
    assert report.read_text().startswith("<!")
    assert not any((var / "evaluation").iterdir())


def test_evaluate_intents_can_choose_on_a_file_of_its_own(var, files, tmp_path):
    train, test = files
    valid = intents(tmp_path / "valid.csv", [("where did my card go", "lost_card"), ("today's rate", "exchange_rate")])
    ran = frontdesk(
        "evaluate", "intents", "--train", train, "--valid", valid, "--test", test, "--train-matcher",
        "--var", var, "--json",
    )  # fmt: skip
    assert ran.document["trainings"][0]["validation"]["after"]["questions"] == 2


def test_training_needs_a_training_file(shop, files):
    ran = frontdesk("evaluate", "intents", "--test", files[1], "--train-matcher", "--var", shop)
    assert ran.code == 2
    assert "expected --train beside --train-matcher" in ran.err


def passages(folder):
    folder.mkdir()
    rows = [{"id": label, "title": label, "text": " ".join(texts)} for label, texts in TOPICS.items()]
    (folder / "passages.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for split, keep in (("train", slice(0, 3)), ("valid", slice(3, 4)), ("test", slice(2, 4))):
        asked = [
            {"id": f"{label}{at}", "question": text, "relevant": [label]}
            for label, texts in TOPICS.items()
            for at, text in enumerate(texts[keep])
        ]
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in asked))
    return folder


def test_evaluate_retrieval_trains_on_several_folders_together(var, tmp_path):
    folders = [passages(tmp_path / name) for name in ("one", "two")]
    ran = frontdesk(
        "evaluate", "retrieval", "--dir", folders[0], "--dir", folders[1], "--train", "--var", var, "--json"
    )
    assert ran.code == 0, ran.err
    by_folder = ran.document["by_folder"]
    assert set(by_folder) == {"one", "two"}
    assert ran.document["n"] == sum(each["n"] for each in by_folder.values()) == 12
    mean = sum(each["p_at_1"] * each["n"] for each in by_folder.values()) / 12
    assert ran.document["p_at_1"] == pytest.approx(mean)


def test_evaluate_pairs_trains_and_measures(var, model, tmp_path):
    texts = [text for texts in TOPICS.values() for text in texts]
    rows = [(a, b, int(at // 4 == to // 4)) for at, a in enumerate(texts) for to, b in enumerate(texts) if at != to]
    for name, part in (("train", rows[::2]), ("dev", rows[1::2])):
        with (tmp_path / f"{name}.csv").open("w", newline="") as stream:
            csv.writer(stream).writerows([("text_a", "text_b", "label"), *part])
    ran = frontdesk(
        "evaluate", "pairs", "--train", tmp_path / "train.csv", "--dev", tmp_path / "dev.csv",
        "--base", model, "--var", var, "--json",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    assert ran.document["n"] == len(rows[1::2])
    assert ran.document["training"]["steps"] == 2
    assert 0 <= ran.document["accuracy"] <= 1
    assert ran.document["before"]["n"] == ran.document["n"]
