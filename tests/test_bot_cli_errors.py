"""Bad input on the command line: exit code 2, one message of what was expected, what came and what to do."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from cli_runner import FAQ, configured, frontdesk
from tiny_model import save_tiny_model

from bot.indexing import INDEX
from kb.database import connect, writing
from kb.manifest import current_id

SCRIPT = Path(sys.executable).with_name("frontdesk")
QUESTION = "Where is my order?"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return save_tiny_model(tmp_path_factory.mktemp("model") / "tiny")


@pytest.fixture
def var(model, tmp_path):
    """An empty data folder."""
    return configured(tmp_path / "var", model)


@pytest.fixture
def shop(var, tmp_path):
    """A data folder with three pairs and their index."""
    path = tmp_path / "faq.csv"
    path.write_text(FAQ)
    assert frontdesk("import", path, "--var", var).code == 0
    return var


def refused(*arguments):
    """Run a command that has to be refused, and return its message."""
    ran = frontdesk(*arguments)
    assert ran.code == 2, ran
    assert ran.out == ""
    assert "Traceback" not in ran.err
    assert ran.err.startswith("error: expected ")
    assert "; got " in ran.err
    assert ran.err.count("\n") == 1
    return ran.err


@pytest.fixture
def write(tmp_path):
    def call(name, content):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return call


def test_without_an_index_ask_and_serve_name_the_command_that_makes_one_and_write_nothing(var):
    before = sorted(var.rglob("*"))
    for command in (("ask", QUESTION), ("ask", QUESTION, "--json"), ("serve", "--port", "0")):
        assert "run `frontdesk index`, or `frontdesk demo`" in refused(*command, "--var", var)
    assert sorted(var.rglob("*")) == before


def test_a_data_folder_that_is_not_there_is_not_made_by_asking(tmp_path):
    refused("ask", QUESTION, "--var", tmp_path / "absent")
    assert not (tmp_path / "absent").exists()


@pytest.mark.parametrize("name", ["vectors.faiss", "pairs.jsonl", "calibration.json", "manifest.json"])
def test_a_damaged_index_is_refused_with_the_command_that_mends_it_and_that_mends_it(shop, name):
    path = shop / INDEX / current_id(shop / INDEX) / name
    path.write_bytes(path.read_bytes()[:-3])
    assert "run `frontdesk index`" in refused("ask", QUESTION, "--var", shop)
    assert frontdesk("index", "--var", shop).code == 0
    assert frontdesk("ask", QUESTION, "--var", shop).code == 0


def test_an_index_of_an_older_state_of_the_knowledge_base_is_refused(shop, write):
    path = write("more.csv", "question,answer\nDo you repair jackets?,Yes.\n")
    assert frontdesk("import", path, "--no-index", "--var", shop).code == 0
    assert "run `frontdesk index`" in refused("ask", QUESTION, "--var", shop)


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("[web]\nprot = 8080\n", "expected keys host, port"),
        ("[web]\nport = '8080'\n", "expected int"),
        ("[web\n", "line 1"),
    ],
)
def test_a_configuration_that_is_wrong_is_refused_by_every_command(shop, write, content, named):
    path = write("other.toml", content)
    for command in (("ask", QUESTION), ("index",), ("export", "out.csv"), ("serve",), ("import", path), ("demo",)):
        message = refused(*command, "--var", shop, "--config", path)
        assert named in message
        assert str(path) in message


def test_a_configuration_that_is_not_there_is_refused(var, tmp_path):
    assert "name an existing file" in refused("index", "--var", var, "--config", tmp_path / "absent.toml")


@pytest.mark.parametrize(
    ("name", "content", "named"),
    [
        ("a.csv", "colour,size\nred,3\n", "expected columns for question and answer"),
        ("a.csv", "", "got an empty file"),
        ("a.pdf", "%PDF", "expected a file that ends in"),
        ("a.xlsx", "no workbook", "a.xlsx"),
    ],
)
def test_a_file_that_cannot_be_imported_is_refused_and_nothing_is_stored(shop, write, name, content, named):
    before = frontdesk("index", "--var", shop, "--json").document
    assert named in refused("import", write(name, content), "--var", shop)
    assert frontdesk("index", "--var", shop, "--json").document == before


def test_one_bad_file_among_good_ones_leaves_nothing_of_any(var, write):
    good, bad = write("good.csv", FAQ), write("bad.csv", "colour,size\nred,3\n")
    refused("import", good, bad, "--var", var)
    assert frontdesk("index", "--var", var, "--json").document["pairs"] == 0


def test_a_file_that_is_not_there_is_refused(var, tmp_path):
    assert "absent.csv" in refused("import", tmp_path / "absent.csv", "--var", var)


@pytest.mark.parametrize("mapping", ["question", "=Betreff", "question=", "question=Nirgends", "colour=question"])
def test_a_mapping_that_makes_no_sense_is_refused(var, write, mapping):
    refused("import", write("faq.csv", FAQ), "--map", mapping, "--var", var)


@pytest.mark.parametrize("message", ["", "   ", "\u200b", "x" * 100_000])
def test_a_message_that_is_empty_or_too_long_is_refused_and_not_logged(shop, message, tmp_path):
    refused("ask", message, "--var", shop)
    log = frontdesk("export", tmp_path / "log.jsonl", "--what", "log", "--var", shop, "--json").document
    assert log["records"] == 0


def test_a_conversation_that_does_not_exist_is_refused(shop):
    refused("ask", QUESTION, "--conversation", "none", "--var", shop)


@pytest.mark.parametrize(
    "given",
    [("out.csv", "--what", "votes"), ("out.pdf",), ("out.csv", "--format", "pdf"), ("faq.csv/out.csv",)],
)
def test_an_export_that_cannot_be_written_is_refused_and_leaves_no_file(shop, tmp_path, given):
    name, *options = given
    refused("export", tmp_path / name, *options, "--var", shop)
    assert not list(tmp_path.glob("out*"))


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("question,answer\na,b\n", "columns text,label"),
        ("", "columns text,label"),
        ("text,label\na,nowhere\n", "nowhere"),
    ],
)
def test_test_questions_of_another_form_are_refused(shop, write, content, named):
    assert named in refused("evaluate", "intents", "--test", write("test.csv", content), "--var", shop)


def test_training_rows_without_a_label_in_scope_are_a_knowledge_base_that_knows_nothing(var, write):
    rows = write("rows.csv", "text,label\nhello,oos\n")
    ran = frontdesk("evaluate", "intents", "--train", rows, "--test", rows, "--var", var, "--json")
    assert (ran.code, ran.document["oos_recall"]) == (0, 1.0)


def test_a_report_that_can_not_be_written_is_refused_before_anything_is_asked(shop, write, tmp_path):
    rows = write("rows.csv", "text,label\nhello,nowhere\n")
    given = ("evaluate", "intents", "--train", rows, "--test", rows, "--var", shop)
    assert "no folder" in refused(*given, "--report", tmp_path / "absent" / "report.html")
    assert list((shop / "vectors").glob("evaluate*")) == []


def test_a_report_on_a_knowledge_base_that_knows_nothing_is_written_all_the_same(var, write, tmp_path):
    rows = write("rows.csv", "text,label\nhello,oos\n")
    report = tmp_path / "report.html"
    ran = frontdesk("evaluate", "intents", "--train", rows, "--test", rows, "--var", var, "--report", report)
    assert (ran.code, report.is_file()) == (0, True)


def test_a_retrieval_folder_without_its_files_is_refused(var, tmp_path):
    assert "passages.jsonl" in refused("evaluate", "retrieval", "--dir", tmp_path / "absent", "--var", var)


def test_a_model_with_pickled_weights_is_refused(model, tmp_path):
    folder = tmp_path / "pickled"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "pytorch_model.bin").write_bytes(b"\x80\x04.")
    assert "pickled weights are refused" in refused("index", "--var", configured(tmp_path / "other", folder))


def test_a_runtime_that_does_not_exist_is_refused(model, tmp_path):
    var = configured(tmp_path / "other", model)
    config = var / "frontdesk.toml"
    config.write_text(config.read_text().replace('"torch"', '"tensorflow"'))
    assert "tensorflow" in refused("index", "--var", var)


def test_a_locked_database_is_refused_and_nothing_changes(shop, write):
    path = write("more.csv", "question,answer\nDo you repair jackets?,Yes.\n")
    before = current_id(shop / INDEX)
    engine = connect(shop / "frontdesk.db")
    with writing(engine):
        assert "locked" in refused("import", path, "--var", shop)
    engine.dispose()
    assert current_id(shop / INDEX) == before
    assert frontdesk("import", path, "--var", shop, "--json").document["added"] == 1


def test_a_database_that_is_not_one_is_refused(var):
    (var / "frontdesk.db").write_bytes(b"no database at all, only words" * 100)
    refused("index", "--var", var)
    assert not (var / INDEX).exists()


def test_a_database_that_cannot_be_reached_is_refused_without_telling_its_password(shop):
    config = shop / "frontdesk.toml"
    url = "postgresql+psycopg://frontdesk:s3cret@127.0.0.1:1/frontdesk"
    config.write_text(config.read_text() + f'[storage]\ndatabase = "{url}"\n')
    for command in (("index",), ("ask", QUESTION)):
        assert "s3cret" not in refused(*command, "--var", shop)


def test_a_data_folder_in_which_nothing_can_be_written_is_refused(var):
    (var / "vectors").write_text("a file where a folder belongs")
    (var / "index").write_text("a file where a folder belongs")
    refused("index", "--var", var)


def test_a_data_folder_that_is_a_file_is_refused(write):
    refused("index", "--var", write("var.txt", "no folder"))


def test_a_port_that_is_taken_is_refused(shop):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert f"127.0.0.1:{port}" in refused("serve", "--port", port, "--var", shop)


def test_square_brackets_in_a_message_are_printed_as_they_are(var, tmp_path):
    assert "[bold]x[/bold].csv" in refused("import", tmp_path / "[bold]x[/bold].csv", "--var", var)


@pytest.mark.parametrize(
    "arguments", [("frobnicate",), ("ask",), ("import",), ("index", "--frobnicate"), ("evaluate", "x")]
)
def test_an_unknown_command_or_option_is_exit_code_2_with_the_usage(arguments):
    ran = frontdesk(*arguments)
    assert (ran.code, ran.out) == (2, "")
    assert "Usage: frontdesk" in ran.err


def test_a_process_of_its_own_ends_with_exit_code_2_and_one_line(tmp_path):
    environment = {**os.environ, "FRONTDESK_VAR": str(tmp_path)}
    ran = subprocess.run(
        [SCRIPT, "ask", QUESTION, "--json"], capture_output=True, text=True, env=environment, timeout=120, check=False
    )
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.startswith("error: expected an index in ")
    assert len(ran.stderr.splitlines()) == 1
