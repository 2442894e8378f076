"""The playground in Chromium: a change of the slider or the strategy shows at once who is chosen."""

import pytest
from conftest import serving
from fakes_bot import bot_over
from playwright.sync_api import Browser, expect

from bot.config import Config
from web.playground import create_playground


@pytest.fixture
def page(chromium: Browser, tmp_path):
    bot = bot_over(tmp_path)
    with serving(create_playground(lambda: bot, Config())) as address:
        page = chromium.new_page()
        page.goto(address)
        expect(page.locator(".fp-chosen")).to_have_count(5)
        yield page
        page.close()


def test_diversity_and_strategy_change_who_is_chosen(page):
    page.get_by_label("A customer's question").fill("How much is delivery?")
    page.get_by_label("A customer's question").blur()
    expect(page.locator(".fp-chosen").first).to_contain_text("How much is delivery?")
    for diversity, expected in (("0", True), ("1", False)):
        page.get_by_role("spinbutton", name="Diversity").fill(diversity)
        page.get_by_role("spinbutton", name="Diversity").blur()
        summary = expect(page.locator(".fp-note"))
        (summary.to_contain_text if expected else summary.not_to_contain_text)("; 0 of them")
    page.get_by_label("Strategy").click()
    page.get_by_role("option", name="relevance").click()
    expect(page.locator(".fp-note")).to_contain_text("; 0 of them")


def test_everything_comes_from_the_server_itself(page):
    requests = []
    page.on("request", lambda request: requests.append(request.url))
    page.reload()
    expect(page.locator(".fp-chosen")).to_have_count(5)
    assert requests
    assert all(url.startswith((page.url, "data:", "blob:")) for url in requests)
