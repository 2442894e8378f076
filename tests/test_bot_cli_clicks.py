"""`frontdesk clicks` and `frontdesk evaluate clicks` on a small data folder."""

from functools import partial

import pytest
from cli_runner import configured, frontdesk
from explored_log import record
from tiny_model import save_tiny_model

from bot.build import CLICKS, load_bot, open_database, open_models
from bot.cli.common import config_of
from bot.click_log import shown_in
from bot.indexing import INDEX
from kb.log import ConversationLog
from kb.manifest import current_id

QUESTION = "Where is my order?"
FAQ = """id,question,answer,topic
order,Where is my order?,Open **My orders**.,delivery
price,How much is delivery?,Delivery costs 4 euros.,delivery
back,How do I send something back?,Print the label.,returns
repair,Do you repair tents?,Yes.,repairs
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return save_tiny_model(tmp_path_factory.mktemp("models") / "tiny", "mean", 0)


@pytest.fixture
def shop(model, tmp_path):
    var = configured(tmp_path / "var", model)
    (tmp_path / "faq.csv").write_text(FAQ)
    assert frontdesk("import", tmp_path / "faq.csv", "--var", var).code == 0
    return var


def bot_of(var):
    settings = config_of(var, None)
    return load_bot(var, partial(open_models, var, settings), settings, current_id(var / INDEX))


@pytest.fixture
def log(shop):
    engine = open_database(shop, config_of(shop, None))
    yield ConversationLog(engine)
    engine.dispose()


def test_suggestions_of_the_log_are_known_with_rank_answer_and_click(shop, log):
    record(log, bot_of(shop), QUESTION, 1, [("back", 0.5), ("repair", 1.0)], clicked="repair")
    record(log, bot_of(shop), QUESTION, 2, [("price", 1.0)])
    found = [(each.after, each.pair_id, each.rank, each.clicked) for each in shown_in(log.export())]
    assert found == [
        ("order", "back", 1, False),
        ("order", "repair", 2, True),
        ("order", "price", 1, False),
    ]
    assert len({each.conversation for each in shown_in(log.export())}) == 2


def test_what_is_clicked_is_suggested_first_from_the_next_start_on(shop, log):
    before = bot_of(shop)
    for number in range(30):
        record(log, before, QUESTION, number, [("price", 1.0), ("repair", 1.0)], clicked="repair")
    report = frontdesk("clicks", "--var", shop, "--json").document
    assert (report["impressions"], report["clicked"], report["learned_from"]) == (60, 30, "rates alone")
    assert "60 suggestions" in frontdesk("clicks", "--var", shop).out
    after = bot_of(shop)
    assert after.answer(QUESTION).follow_ups[0].pair_id == "repair"
    assert after.snapshot.settings != before.snapshot.settings


def test_without_clicks_nothing_is_learned_and_a_damaged_file_is_refused(shop, log):
    ran = frontdesk("clicks", "--var", shop)
    assert (ran.code, "none of them clicked" in ran.err) == (2, True)
    assert not (shop / CLICKS).exists()
    (shop / CLICKS).write_text("{}")
    ran = frontdesk("ask", QUESTION, "--var", shop)
    assert (ran.code, "run `frontdesk clicks`, or remove the file" in ran.err) == (2, True)


def test_simulated_customers_are_told_of_in_figures(shop):
    report = frontdesk("evaluate", "clicks", "--seeds", 2, "--turns", 60, "--var", shop, "--json").document
    assert len(report["worlds"]) == 2
    clicks = report["mean"]["clicks_per_reply"]
    assert clicks["oracle"] >= max(clicks.values())
    assert 0 < report["mean"]["log_loss"] < 2
    assert (
        "model over the better raw rates"
        in frontdesk("evaluate", "clicks", "--seeds", 1, "--turns", 60, "--var", shop).out
    )
