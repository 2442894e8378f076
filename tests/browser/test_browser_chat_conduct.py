"""What stands around an answer, as a visitor sees it: persons, several questions, small talk."""

from collections.abc import Callable
from pathlib import Path

import pytest
from chat_pages import Chat, Site
from fakes_bot import bot_over
from playwright.sync_api import expect

from bot.chatbot import ChatBot
from bot.rules import PassOn, RuleSet
from kb.tables import HandOverRow
from kb.types import Context, Reply, Snapshot

RULES = RuleSet(hand_over=(PassOn(name="the law", contains=("lawyer",), reason="legal"),))


class RealBot:
    """A bot as the service takes it."""

    def __init__(self, bot: ChatBot) -> None:
        self._bot = bot

    def answer(self, question: str, context: Context) -> Reply:
        return self._bot.answer(question, context)

    def complete(self, prefix: str, limit: int = 5) -> list[str]:
        return []

    def ready(self) -> str | None:
        return None

    def snapshot(self) -> Snapshot:
        return self._bot.snapshot


@pytest.fixture
def site(serve: Callable[..., Site], tmp_path: Path) -> Site:
    return serve(answerer=RealBot(bot_over(tmp_path / "bot", rules=RULES)))


def test_a_hand_over_by_the_bot_is_told_with_its_reference_and_takes_a_contact(
    site: Site, visit: Callable[..., Chat]
) -> None:
    chat = visit(site.url)
    chat.ask("I want to talk to a person")
    reference = site.rows(HandOverRow)[0].hand_over_id[:8].upper()
    note = chat.page.locator(".fd-event")
    expect(note).to_have_text(f"Passed on to a person. Reference {reference}.")
    chat.page.get_by_role("button", name="Leave your contact").click()
    chat.page.get_by_label("Your e-mail address or phone number").fill("ada@post.example")
    chat.page.keyboard.press("Enter")
    chat.page.get_by_role("button", name="Back to the chat").click()
    expect(note).to_contain_text(f"We will reply to ada@post.example. Reference {reference}.")
    assert [(row.reason, row.contact) for row in site.rows(HandOverRow)] == [("asked", "ada@post.example")]
    chat.page.reload()
    chat.ready()
    expect(note).to_have_text(f"Passed on to a person. Reference {reference}.")
    assert chat.errors == []


def test_a_rule_that_took_part_is_named_in_why(site: Site, visit: Callable[..., Chat]) -> None:
    chat = visit(site.url)
    chat.ask("Talk to my lawyer")
    chat.page.get_by_role("button", name="Why this reply").click()
    expect(chat.page.locator(".fd-why")).to_contain_text("the law")


def test_answers_to_several_questions_stand_open_under_what_they_answer(site: Site, visit: Callable[..., Chat]) -> None:
    chat = visit(site.url)
    chat.ask("How do I return something and can I wash my tent?")
    prose = chat.page.locator(".fd-prose")
    expect(prose.locator("h3")).to_have_text(["How do I return something", "can I wash my tent?"])
    expect(prose).to_contain_text("Print the label.")
    expect(prose).to_contain_text("By hand, with soap.")
    expect(chat.page.locator(".fd-more")).to_have_count(0)


def test_small_talk_is_met_without_an_offer(site: Site, visit: Callable[..., Chat]) -> None:
    chat = visit(site.url)
    chat.ask("thanks a lot!")
    expect(chat.page.locator(".fd-prose")).to_contain_text("You're welcome.")
    expect(chat.page.locator(".fd-offer")).to_have_count(0)
    expect(chat.page.locator(".fd-choice")).to_have_count(0)
