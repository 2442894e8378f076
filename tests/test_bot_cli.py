import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from cli_runner import FAQ, configured, frontdesk
from tiny_model import save_tiny_model

from bot.cli.app import app
from bot.cli.common import run
from kb.database import connect
from kb.log import ConversationLog

SCRIPT = Path(sys.executable).with_name("frontdesk")


def commands(command, path=()):
    """Yield the words of every command, groups included."""
    yield path, command
    for name, each in getattr(command, "commands", {}).items():
        yield from commands(each, (*path, name))


COMMANDS = dict(commands(typer.main.get_command(app)))


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return save_tiny_model(tmp_path_factory.mktemp("model") / "tiny")


@pytest.fixture
def var(model, tmp_path):
    """An empty data folder."""
    return configured(tmp_path / "var", model)


@pytest.fixture
def faq(tmp_path):
    path = tmp_path / "faq.csv"
    path.write_text(FAQ)
    return path


@pytest.fixture
def shop(var, faq):
    """A data folder with three pairs and their index."""
    assert frontdesk("import", faq, "--var", var).code == 0
    return var


def test_every_command_that_is_promised_is_there():
    promised = {"demo", "import", "index", "ask", "serve", "export", "evaluate", "checkpoints", "replay", "offline"}
    assert promised <= {" ".join(path) for path in COMMANDS}
    assert {("evaluate", "intents"), ("evaluate", "retrieval"), ("evaluate", "dialogues")} <= set(COMMANDS)
    assert {("offline", "compare"), ("offline", "experiment"), ("evaluate", "offline")} <= set(COMMANDS)


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_has_help_and_every_option_says_what_it_does(path):
    ran = frontdesk(*path, "--help")
    assert (ran.code, ran.err) == (0, "")
    assert "Usage: frontdesk" in ran.out
    for each in COMMANDS[path].params:
        assert each.name in ("question", "paths") or getattr(each, "help", None) or each.name == "help"


@pytest.mark.parametrize(
    "path", [path for path, each in COMMANDS.items() if not hasattr(each, "commands")], ids=" ".join
)
def test_every_command_takes_the_data_folder_and_all_that_print_results_take_json(path):
    options = {option for each in COMMANDS[path].params for option in each.opts}
    # What is simulated stands on no data.
    assert {"--var", "--config"} <= options or path == ("evaluate", "offline")
    assert "--json" in options or path in (("serve",), ("playground",))


def test_import_tells_what_became_of_the_rows_and_indexes_them(var, faq):
    ran = frontdesk("import", faq, "--var", var)
    assert ran.code == 0
    assert "faq.csv: 3 rows: 3 added" in ran.out
    assert "is new: 3 pairs" in ran.out


def test_import_again_changes_nothing(shop, faq):
    document = frontdesk("import", faq, "--var", shop, "--json").document
    assert (document["added"], document["unchanged"], document["rejected"]) == (0, 3, 0)
    assert document["index"]["is_new"] is False


def test_a_dry_run_writes_nothing(var, faq):
    document = frontdesk("import", faq, "--var", var, "--dry-run", "--json").document
    assert (document["added"], document["dry_run"], document["index"]) == (3, True, None)
    assert frontdesk("index", "--var", var, "--json").document["pairs"] == 0


def test_columns_of_other_names_are_mapped(var, tmp_path):
    path = tmp_path / "tickets.csv"
    path.write_text("Betreff,Text\nWo ist mein Paket?,Unterwegs.\n")
    mapped = ("--map", "question=Betreff", "--map", "answer=Text")
    assert frontdesk("import", path, *mapped, "--var", var, "--json").document["added"] == 1


def test_replace_takes_the_new_answer_and_without_it_the_old_one_stays(shop, tmp_path):
    path = tmp_path / "new.csv"
    path.write_text("question,answer\nHow much is delivery?,It is free.\n")
    assert frontdesk("import", path, "--var", shop, "--json").document["conflicting"] == 1
    assert frontdesk("import", path, "--var", shop, "--replace", "--json").document["updated"] == 1


def test_index_does_nothing_where_it_is_up_to_date_and_builds_with_force(shop):
    first = frontdesk("index", "--var", shop, "--json").document
    assert (first["is_new"], first["encoded"]) == (False, 0)
    forced = frontdesk("index", "--var", shop, "--force", "--json").document
    assert forced["is_new"] is True
    assert forced["snapshot_id"] != first["snapshot_id"]


def test_ask_prints_the_reply_as_one_json_object_with_what_is_promised(shop):
    reply = frontdesk("ask", "Where is my order?", "--var", shop, "--json").document
    assert reply["outcome"] == "answered"
    assert reply["responses"][0]["answer"] == "Open **My orders**."
    promised = {"turn_id", "conversation_id", "follow_ups", "confidence", "snapshot", "explanation"}
    assert promised <= set(reply)


def test_ask_prints_the_answer_for_people(shop):
    ran = frontdesk("ask", "Where is my order?", "--var", shop)
    assert ran.code == 0
    assert "Open **My orders**." in ran.out
    assert "sure)" in ran.out


def test_ask_logs_its_turn_with_what_it_showed(shop):
    reply = frontdesk("ask", "Where is my order?", "--var", shop, "--json").document
    engine = connect(shop / "frontdesk.db")
    (turn,) = ConversationLog(engine).history(reply["conversation_id"])
    (logged,) = ConversationLog(engine).export()
    engine.dispose()
    assert (turn.turn_id, turn.question, turn.outcome) == (reply["turn_id"], "Where is my order?", "answered")
    assert logged["turn_id"] == reply["turn_id"]
    assert {each["pair_id"] for each in logged["impressions"]} == {
        each["pair_id"] for each in (*reply["responses"], *reply["follow_ups"])
    }


def test_ask_goes_on_with_a_conversation(shop):
    first = frontdesk("ask", "Where is my order?", "--var", shop, "--json").document
    again = ("--conversation", first["conversation_id"])
    second = frontdesk("ask", "How much is delivery?", "--var", shop, *again, "--json").document
    engine = connect(shop / "frontdesk.db")
    turns = ConversationLog(engine).history(first["conversation_id"])
    engine.dispose()
    assert [turn.turn_id for turn in turns] == [first["turn_id"], second["turn_id"]]


def test_the_data_folder_may_be_named_in_the_environment(shop, monkeypatch):
    monkeypatch.setenv("FRONTDESK_VAR", str(shop))
    assert frontdesk("index", "--json").document["pairs"] == 3


def test_a_configuration_may_be_named_and_goes_before_that_of_the_data_folder(shop, model, tmp_path):
    other = configured(tmp_path / "other", model, "[policy]\nthreshold = 0.999999\nabstain_message = 'Sorry.'\n")
    given = ("--var", shop, "--config", other / "frontdesk.toml")
    reply = frontdesk("ask", "is it raining in lisbon", *given, "--json").document
    assert reply["explanation"]["threshold"] == 0.999999


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "xlsx"])
def test_what_is_exported_is_imported_again_unchanged(shop, tmp_path, suffix):
    path = tmp_path / f"out.{suffix}"
    assert frontdesk("export", path, "--var", shop, "--json").document["records"] == 3
    document = frontdesk("import", path, "--var", shop, "--json").document
    assert (document["unchanged"], document["rejected"]) == (3, 0)


def test_the_log_is_exported(shop, tmp_path):
    turn_id = frontdesk("ask", "Where is my order?", "--var", shop, "--json").document["turn_id"]
    path = tmp_path / "log.jsonl"
    assert "1 turns written" in frontdesk("export", path, "--what", "log", "--var", shop).out
    assert json.loads(path.read_text())["turn_id"] == turn_id


def write_intents(path, rows):
    with path.open("w", newline="") as stream:
        csv.writer(stream).writerows([("text", "label"), *rows])
    return path


KEYS = {"n", "p_at_1", "mrr", "hit_at_20", "map", "in_scope_accuracy", "oos_recall", "auroc", "best_mcc"}
KEYS |= {"mcc_at_threshold", "latency_ms", "intervals"}


def test_evaluate_intents_reports_the_promised_keys(var, tmp_path):
    train = write_intents(tmp_path / "train.csv", [("where is it", "track"), ("money back", "refund")])
    test = write_intents(tmp_path / "test.csv", [("where is it", "track"), ("money back", "refund"), ("hi", "oos")])
    ran = frontdesk("evaluate", "intents", "--train", train, "--test", test, "--var", var, "--json")
    assert set(ran.document) >= KEYS
    assert (ran.document["n"], ran.document["p_at_1"]) == (3, 1.0)
    assert {row["topic"] for row in ran.document["per_topic"]} == {"track", "refund"}
    assert set(ran.document["worst"]) == {"wrong", "refused"}
    assert isinstance(ran.document["confusions"], list)


def test_evaluate_writes_a_report_beside_what_it_prints(var, tmp_path):
    rows = write_intents(tmp_path / "rows.csv", [("where is it", "track"), ("money <b>back</b>", "refund")])
    report = tmp_path / "report.html"
    given = ("evaluate", "intents", "--train", rows, "--test", rows, "--var", var, "--json")
    ran = frontdesk(*given, "--report", report)
    assert set(ran.document) >= KEYS - {"oos_recall", "auroc", "best_mcc", "mcc_at_threshold"}
    text = report.read_text(encoding="utf-8")
    assert "<h1><bdi>Evaluation of intents</bdi></h1>" in text
    assert "rows.csv" in text
    assert "<b>back</b>" not in text
    assert str(report) in ran.err


def test_evaluate_retrieval_writes_a_report_with_the_retrievers_alone(var, tmp_path):
    (tmp_path / "passages.jsonl").write_text(json.dumps({"id": "p1", "title": "Delivery", "text": "Three days."}))
    (tmp_path / "test.jsonl").write_text(json.dumps({"question": "Delivery", "relevant": ["p1"]}))
    report = tmp_path / "report.html"
    frontdesk("evaluate", "retrieval", "--dir", tmp_path, "--var", var, "--compare", "--report", report)
    assert "BM25 alone" in report.read_text(encoding="utf-8")


def test_evaluate_intents_adds_up_several_test_files_against_the_knowledge_base(shop, tmp_path):
    exported = tmp_path / "pairs.jsonl"
    frontdesk("export", exported, "--var", shop)
    labels = {row["question"]: row["id"] for row in map(json.loads, exported.read_text().splitlines())}
    inside = write_intents(tmp_path / "in.csv", labels.items())
    outside = write_intents(tmp_path / "out.csv", [("is it raining", "oos")])
    ran = frontdesk("evaluate", "intents", "--test", inside, "--test", outside, "--var", shop, "--json")
    assert (ran.document["n"], ran.document["n_in_scope"], ran.document["in_scope_accuracy"]) == (4, 3, 1.0)


def test_evaluate_retrieval_reports_for_people_and_as_json(var, tmp_path):
    passages = [
        {"id": "p1", "title": "Delivery", "text": "Three days."},
        {"id": "p2", "title": "Returns", "text": "Yes."},
    ]
    (tmp_path / "passages.jsonl").write_text("\n".join(map(json.dumps, passages)))
    (tmp_path / "test.jsonl").write_text(json.dumps({"question": "Delivery", "relevant": ["p1"]}))
    given = ("evaluate", "retrieval", "--dir", tmp_path, "--var", var)
    document = frontdesk(*given, "--compare", "--json").document
    assert {"n", "p_at_1", "mrr", "hit_at_20", "map", "latency_ms", "intervals", "embeddings_alone"} <= set(document)
    assert "p_at_1               1.0000   95 %: 1.0000 to 1.0000" in frontdesk(*given).out


def test_evaluating_leaves_the_knowledge_base_alone(shop, tmp_path):
    before = frontdesk("index", "--var", shop, "--json").document
    rows = write_intents(tmp_path / "rows.csv", [("where is it", "track"), ("hi", "oos")])
    frontdesk("evaluate", "intents", "--train", rows, "--test", rows, "--var", shop)
    assert frontdesk("index", "--var", shop, "--json").document == before


def test_the_console_script_runs_as_a_process_of_its_own():
    ran = subprocess.run([SCRIPT, "--help"], capture_output=True, text=True, timeout=120, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "evaluate" in ran.stdout


def test_ctrl_c_is_exit_code_130_without_a_traceback(capsys):
    def interrupted(**_):
        raise KeyboardInterrupt

    with pytest.raises(SystemExit) as stop:
        run(interrupted)
    assert stop.value.code == 130
    assert capsys.readouterr().err == "stopped\n"
