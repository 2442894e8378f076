import pytest
from cli_runner import configured, frontdesk
from suggestion_files import write_folder
from tiny_model import save_tiny_model


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    """Arguments that every call has: a folder of requests, and a data folder with a tiny model."""
    there = tmp_path_factory.mktemp("suggestions")
    model = save_tiny_model(there / "tiny")
    return ("--dir", write_folder(there / "shop"), "--var", configured(there / "var", model))


def test_suggestions_are_reported_as_json_and_as_a_page(given, tmp_path):
    ran = frontdesk("evaluate", "suggestions", *given, "--json", "--out", tmp_path / "page.html")
    assert ran.code == 0
    assert {"alpha_ndcg_at_5", "s_recall_at_5", "ild_at_5", "relevance_only", "mmr", "pyversity_dpp", "gain"} <= set(
        ran.document
    )
    page = (tmp_path / "page.html").read_text()
    assert "What more diversity costs" in page
    assert 'data-figure="trade"' in page


def test_suggestions_are_told_for_people(given):
    told = frontdesk("evaluate", "suggestions", *given, "--split", "dev")
    assert told.code == 0
    assert "5 requests of dev; learned on train" in told.out
    assert all(name in told.out for name in ("alpha_ndcg_at_5", "beside relevance alone", "relevance_only", "mmr"))


@pytest.mark.parametrize("wrong", [("--split", "valid"), ("--report", "/nowhere/at/all.html"), ("--dir", "/nowhere")])
def test_what_can_not_be_measured_is_refused(given, wrong):
    assert frontdesk("evaluate", "suggestions", *given, *wrong).code == 2
