"""What customers and imported answers contain is shown, and never runs or fetches."""

from collections.abc import Callable

import pytest
from chat_pages import Chat, Site
from fakes_kb import pair
from playwright.sync_api import expect
from xss_corpus import SCRIPTS

from bot.config import Branding
from kb.tables import HandOverRow

Visit = Callable[..., Chat]

PAIRS = [
    pair(f"q{number} {text}", text, pair_id=f"p-{number} {text}", topic=text, source=text)
    for number, text in enumerate(SCRIPTS)
]


@pytest.fixture
def hostile(serve: Callable[..., Site]) -> Site:
    """A server whose every pair is an attack."""
    return serve(pairs=PAIRS)


def assert_nothing_ran(chat: Chat, site: Site) -> None:
    # One turn of the event loop more than what a late handler would need.
    chat.page.evaluate("new Promise(done => requestAnimationFrame(() => setTimeout(done)))")
    assert chat.page.evaluate("window.ran") is None
    assert [url for url in chat.requests if not url.startswith((site.url + "/", "data:", "blob:"))] == []
    assert chat.errors == []
    assert chat.refused == []
    assert chat.page.url.rstrip("/") == site.url


def test_no_attack_in_a_question_or_an_answer_runs(hostile: Site, visit: Visit) -> None:
    first = hostile.service.ask(PAIRS[0].question, channel="page").conversation_id
    for each in PAIRS[1:]:
        hostile.service.ask(each.question, first, channel="page")
    chat = visit(hostile.url)
    chat.page.evaluate("id => localStorage.setItem('frontdesk.conversation', id)", first)
    chat.page.reload()
    chat.ready()
    expect(chat.page.locator(".fd-answer")).to_have_count(len(PAIRS))
    for question in ("q0 <script>window.ran=1</script>", "q4 <img src=x onerror=window.ran=1>"):
        expect(chat.page.locator(".fd-question", has_text=question)).to_have_count(1)
    chat.page.evaluate("document.querySelectorAll('.fd-quiet').forEach(button => button.click())")
    expect(chat.page.locator(".fd-why:visible")).to_have_count(len(PAIRS))
    assert_nothing_ran(chat, hostile)


def test_no_link_of_an_answer_runs_when_it_is_clicked(hostile: Site, visit: Visit) -> None:
    chat = visit(hostile.url)
    links = [number for number, text in enumerate(SCRIPTS) if "javascript" in text.casefold()]
    for number in links:
        hostile_turn = hostile.service.ask(PAIRS[number].question, channel="page")
        chat.page.evaluate("id => localStorage.setItem('frontdesk.conversation', id)", hostile_turn.conversation_id)
        chat.page.reload()
        chat.ready()
        expect(chat.page.locator(".fd-answer")).to_have_count(1)
        chat.page.evaluate("document.querySelectorAll('.fd-prose a:not([href^=http])').forEach(link => link.click())")
        assert_nothing_ran(chat, hostile)


@pytest.mark.parametrize("number", [4, 6, 9, 60, 61])
def test_no_attack_runs_while_it_is_typed_suggested_answered_and_offered_next(
    hostile: Site, visit: Visit, number: int
) -> None:
    chat = visit(hostile.url)
    chat.field.press_sequentially(PAIRS[number].question)
    expect(chat.page.get_by_role("option").first).to_be_visible()
    chat.page.keyboard.press("Enter")
    chat.answered(1)
    expect(chat.page.locator(".fd-choice")).to_have_count(3)
    chat.page.locator(".fd-choice").first.click()
    chat.answered(2)
    assert_nothing_ran(chat, hostile)


def test_no_attack_in_a_comment_or_a_contact_runs(hostile: Site, visit: Visit) -> None:
    chat = visit(hostile.url)
    chat.ask(PAIRS[4].question)
    chat.page.get_by_role("button", name="Not helpful").click()
    chat.page.get_by_label("Anything to add?").fill(SCRIPTS[4])
    chat.page.keyboard.press("Enter")
    expect(chat.page.locator(".fd-note")).to_contain_text("something else")
    chat.page.get_by_role("button", name="Talk to a person").first.click()
    contact = "<img/src/onerror=window.ran=1>@x.example"
    chat.page.get_by_label("Your e-mail address or phone number").fill(contact)
    chat.page.keyboard.press("Enter")
    expect(chat.page.locator(".fd-event")).to_contain_text(contact)
    assert [row.contact for row in hostile.rows(HandOverRow)] == [contact]
    assert_nothing_ran(chat, hostile)


@pytest.mark.parametrize("text", ["<img src=x onerror=window.ran=1>", "${window.ran=1}", "{{this}}"])
def test_no_attack_in_the_branding_runs(serve: Callable[..., Site], visit: Visit, text: str) -> None:
    site = serve(branding=Branding(name=text, tagline=text, greeting=text, contact=text, starters=(text,)))
    chat = visit(site.url)
    expect(chat.page.get_by_role("heading", level=2)).to_have_text(text)
    expect(chat.page.locator(".fd-starter")).to_have_text(text)
    assert_nothing_ran(chat, site)
