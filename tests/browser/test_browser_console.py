"""The operators' console in Chromium: log in, try a selection, read the audit, log out."""

import re

import pytest
from conftest import serving
from fakes import make_service
from fakes_bot import bot_over
from fakes_desk import desk_over
from fakes_kb import turn
from playwright.sync_api import Browser, expect

from bot.config import Config, WebConfig
from kb.database import connect, migrate
from kb.log import ConversationLog
from kb.operators import Operators
from kb.verdicts import Verdicts
from web.app import create_app

PASSWORD = "correct horse battery"
REPLY = {
    "message": "",
    "responses": [{"pair_id": "track", "question": "Where is my order?", "answer": "Open *My orders*."}],
    "explanation": {"reason": "It is likely.", "runners_up": []},
}


@pytest.fixture
def engine(tmp_path):
    engine = connect(tmp_path / "frontdesk.db")
    migrate(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def page(chromium: Browser, tmp_path, engine):
    operators = Operators(engine)
    operators.add("ada", "editor", PASSWORD)
    log = ConversationLog(engine)
    log.start_conversation("page", conversation_id="c")
    for number, confidence in enumerate((0.9, 0.55, 0.7)):
        log.record(turn("c", f"t{number}", f"question {number}", confidence=confidence, reply=REPLY), [])
    bot = bot_over(tmp_path)
    config = Config(web=WebConfig(requests_per_minute=0))
    desk = desk_over(engine, bot, operators)
    with serving(create_app(make_service(engine, web=config.web), config, desk=desk)) as address:
        context = chromium.new_context(viewport={"width": 1280, "height": 800})
        page = context.new_page()
        page.goto(f"{address}/operator/")
        yield page
        context.close()


def log_in(page):
    page.get_by_label("Name").fill("ada")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()


def test_turns_are_judged_by_keys_with_the_right_answer_and_taken_back(page, engine):
    log_in(page)
    asked, total = page.locator(".fr-this"), page.locator(".fr-total")
    expect(asked).to_have_text("question 1")
    expect(total).to_have_text("3 turns")
    page.keyboard.press("j")
    expect(asked).to_have_text("question 2")
    page.keyboard.press("/")
    page.keyboard.type("when do I get my refund")
    page.get_by_label("When do I get my refund?").check()
    page.keyboard.press("2")
    expect(total).to_have_text("2 turns")
    (verdict,) = Verdicts(engine).current()
    assert (verdict.turn_id, verdict.value, verdict.pair_id) == ("t2", "wrong", "refund")
    page.locator(".fr-list").focus()
    page.keyboard.press("u")
    expect(total).to_have_text("3 turns")
    assert Verdicts(engine).current() == []
    page.get_by_role("button", name="Right").click()
    page.get_by_label("judged ones").check()
    expect(total).to_have_text("1 turn")
    expect(page.locator(".fr-given")).to_have_text("Right")


def test_an_operator_logs_in_looks_around_and_logs_out(page):
    page.get_by_label("Name").fill("ada")
    page.get_by_label("Password").fill("not the password")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert")).to_contain_text("don't fit")
    log_in(page)
    expect(page.locator(".fc-who").last).to_contain_text("ada")
    page.get_by_role("tab", name="Playground").click()
    expect(page.locator(".fp-chosen")).to_have_count(5)
    page.get_by_role("tab", name="Audit").click()
    expect(page.get_by_role("region", name="Audit")).to_contain_text("logged in")
    page.get_by_role("button", name="Verify").click()
    expect(page.locator(".fp-note", has_text="2 entries, all as they were written")).to_be_visible()
    page.get_by_role("button", name="Log out").click()
    expect(page).to_have_url(re.compile("/operator/login$"))
    page.go_back()
    page.reload()
    expect(page.get_by_label("Password")).to_be_visible()
