import pytest
from fakes_bot import bot_over
from fakes_kb import pair
from fastapi.testclient import TestClient

from bot.config import Config
from bot.playground import Trial
from web.playground import create_playground, result_html


@pytest.fixture(scope="module")
def bot(tmp_path_factory):
    evil = pair("Is <b onclick=alert(1)>this</b> bold?", "No.", pair_id="bold", topic="<script>")
    return bot_over(tmp_path_factory.mktemp("shop"), [evil, pair("How much is delivery?", "4 euros.", pair_id="price")])


def result(bot, question, **settings):
    return result_html(bot, Trial(**{"question": question, "strategy": "mmr"} | settings), 100)


def test_the_page_is_served_with_the_headers_of_the_others(bot):
    client = TestClient(create_playground(lambda: bot, Config()))
    response = client.get("/")
    assert response.status_code == 200
    assert "default-src 'self'" in response.headers["Content-Security-Policy"]
    assert client.get("/favicon.ico").headers["Content-Type"].startswith("image/")


def test_what_a_knowledge_base_says_is_shown_as_text(bot):
    shown = result(bot, "is this bold")
    assert "&lt;b onclick" in shown
    assert "<script>" not in shown
    assert "<b onclick" not in shown


def test_a_summary_counts_what_was_chosen(bot):
    assert "2 of 2 candidates chosen" in result(bot, "how much is delivery")
    assert "1 of 2 candidates chosen, of 1 topic;" in result(bot, "how much is delivery", k=1)


@pytest.mark.parametrize("question", ["", "  ", "x" * 101])
def test_a_message_that_can_not_be_asked_is_answered_in_words(bot, question):
    shown = result(bot, question)
    assert "expected" in shown
    assert "<table" not in shown


def test_an_empty_knowledge_base_says_so(tmp_path):
    assert "no pairs" in result(bot_over(tmp_path, ()), "delivery?")
