"""What the chat page does when the network, the database or the browser's storage is away."""

import re
from collections.abc import Callable
from typing import Any

from chat_pages import Chat, Site
from playwright.sync_api import expect

from kb.database import writing
from kb.tables import ConversationRow, HandOverRow, ImpressionRow, TurnRow, VoteRow

Visit = Callable[..., Chat]


def test_what_could_not_be_sent_stays_and_can_be_sent_again(site: Site, visit: Visit) -> None:
    chat = visit(site.url)
    chat.page.context.set_offline(True)
    chat.field.fill("How much is delivery?")
    chat.page.keyboard.press("Enter")
    failed = chat.page.locator(".fd-failed")
    expect(failed).to_contain_text("We can't reach the server.")
    chat.page.context.set_offline(False)
    failed.get_by_role("button", name="Try again").click()
    chat.answered(1)
    expect(failed).to_have_count(0)
    assert [row.question for row in site.rows(TurnRow)] == ["How much is delivery?"]


def test_a_question_whose_answer_got_lost_is_recorded_once(site: Site, visit: Visit) -> None:
    chat = visit(site.url)
    chat.ask("How do I return something?")
    lost: list[Any] = []

    def lose(route: Any) -> None:
        if not lost and "ask_question" in (route.request.post_data or ""):
            lost.append(route.fetch())
            route.abort()
        else:
            route.continue_()

    chat.page.route("**/component_server/**", lose)
    chat.page.route("**/component_server", lose)
    chat.field.fill("How much is delivery?")
    chat.page.keyboard.press("Enter")
    chat.page.locator(".fd-failed").get_by_role("button", name="Try again").click()
    chat.answered(2)
    assert len(lost) == 1
    assert len(site.rows(TurnRow)) == 2


def test_an_answer_that_could_not_be_recorded_has_no_thumbs_and_the_chat_goes_on(site: Site, visit: Visit) -> None:
    chat = visit(site.url)
    drop(site, ImpressionRow)
    chat.ask("How do I return something?")
    expect(chat.page.get_by_role("button", name="Why this answer")).to_be_visible()
    expect(chat.page.get_by_role("button", name="Not helpful")).to_have_count(0)
    chat.page.get_by_role("button", name="How long does a refund take?").click()
    chat.answered(2)
    assert site.rows(TurnRow) == []


def test_what_could_not_be_kept_is_never_said_to_be(site: Site, visit: Visit) -> None:
    chat = visit(site.url)
    chat.ask("How do I return something?")
    drop(site, VoteRow)
    drop(site, HandOverRow)
    thumb = chat.page.get_by_role("button", name="Helpful", exact=True)
    thumb.click()
    expect(chat.page.locator(".fd-alert")).to_contain_text("Your rating was not saved.")
    expect(thumb).to_have_attribute("aria-pressed", "false")
    chat.page.get_by_role("button", name="Talk to a person").first.click()
    chat.page.get_by_label("Your e-mail address or phone number").fill("ada@post.example")
    chat.page.keyboard.press("Enter")
    expect(chat.page.get_by_role("dialog").get_by_role("alert")).to_contain_text("This can't be saved just now.")
    expect(chat.page.locator(".fd-event")).to_have_count(0)


def test_who_asks_too_much_is_told_when_to_go_on(serve: Callable[..., Site], visit: Visit) -> None:
    chat = visit(serve(requests_per_minute=1).url)
    for _ in range(2):
        chat.field.fill("How much is delivery?")
        chat.page.keyboard.press("Enter")
        expect(chat.page.locator(".fd-answer, .fd-failed").last).to_be_visible()
        expect(chat.page.locator(".fd-typing")).to_have_count(0)
    expect(chat.page.locator(".fd-failed")).to_contain_text(re.compile(r"Please try again in \d+ seconds"))


def test_a_message_that_is_too_long_is_counted_and_not_sent(site: Site, visit: Visit) -> None:
    chat = visit(site.url)
    chat.field.fill("👍" * 201)
    expect(chat.page.locator(".fd-count")).to_have_text("1 characters too many")
    expect(chat.page.get_by_role("button", name="Send", exact=True)).to_be_disabled()


def test_the_page_works_where_storage_is_refused(site: Site, visit: Visit) -> None:
    chat = visit(site.url)
    chat.page.add_init_script(
        "for (const kind of ['localStorage', 'sessionStorage'])"
        "  Object.defineProperty(window, kind, {get() { throw new DOMException('no', 'SecurityError'); }});"
    )
    chat.page.reload()
    chat.ready()
    chat.ask("How much is delivery?")
    chat.ask("How do I return something?")
    assert len(site.rows(ConversationRow)) == 1


def drop(site: Site, table: Any) -> None:
    """Take a table away, as a database does that is not the one it was."""
    with writing(site.engine) as connection:
        table.__table__.drop(connection)
