"""The operators' console in Chromium: log in, try a selection, read the audit, log out."""

import re

import pytest
from conftest import serving
from fakes import make_service
from fakes_bot import bot_over
from playwright.sync_api import Browser, expect

from bot.config import Config, WebConfig
from kb.database import connect, migrate
from kb.operators import Operators
from web.app import create_app
from web.desk import Desk

PASSWORD = "correct horse battery"


@pytest.fixture
def page(chromium: Browser, tmp_path):
    engine = connect(tmp_path / "frontdesk.db")
    migrate(engine)
    operators = Operators(engine)
    operators.add("ada", "editor", PASSWORD)
    bot = bot_over(tmp_path)
    config = Config(web=WebConfig(requests_per_minute=0))
    desk = Desk(bot_now=lambda: bot, engine=engine, operators=operators)
    with serving(create_app(make_service(engine, web=config.web), config, desk=desk)) as address:
        context = chromium.new_context(viewport={"width": 1280, "height": 800})
        page = context.new_page()
        page.goto(f"{address}/operator/")
        yield page
        context.close()
    engine.dispose()


def test_an_operator_logs_in_looks_around_and_logs_out(page):
    page.get_by_label("Name").fill("ada")
    page.get_by_label("Password").fill("not the password")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert")).to_contain_text("don't fit")
    page.get_by_label("Name").fill("ada")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.locator(".fc-who").last).to_contain_text("ada")
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
