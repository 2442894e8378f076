"""A conversation on the chat page, and what of it is in the database."""

import re
from collections.abc import Callable

from chat_pages import Chat, Site
from playwright.sync_api import expect

from bot.config import Branding
from kb.tables import ClearRow, ClickRow, ConversationRow, HandOverRow, TurnRow, VoteRow

Visit = Callable[..., Chat]


def test_a_question_is_answered_and_recorded(site: Site, visit: Visit) -> None:
    chat = visit(site.url)
    chat.ask("How do I return something?")
    answer = chat.page.locator(".fd-prose")
    expect(answer).to_contain_text("You have 60 days to send things back")
    expect(answer.get_by_role("listitem")).to_have_count(3)
    expect(answer.get_by_role("link")).to_have_attribute("href", "https://shop.example/returns")
    assert [(row.question, row.outcome) for row in site.rows(TurnRow)] == [("How do I return something?", "answered")]
    assert [row.channel for row in site.rows(ConversationRow)] == ["page"]
    assert chat.errors == []


def test_an_answer_is_revealed_word_by_word_and_is_whole_for_screen_readers_at_once(site: Site, visit: Visit) -> None:
    chat = visit(site.url)
    # The clock of the page stands still, so that the reveal can be looked at while it is going on.
    chat.page.clock.install(time=0)
    chat.page.clock.pause_at(1000)
    chat.field.fill("How do I return something?")
    chat.page.keyboard.press("Enter")
    pieces = chat.page.locator(".fd-prose .fd-piece")
    expect(pieces.first).to_be_attached()
    delays = pieces.evaluate_all("all => all.map(one => parseInt(one.style.animationDelay))")
    assert len(delays) > 5
    assert 0 < max(delays) < 1000
    expect(chat.page.locator(".fd [role=status]")).to_contain_text("We refund you within 5 working days")
    chat.page.clock.run_for(2000)
    expect(chat.page.locator(".fd-piece")).to_have_count(0)


def test_why_this_answer_shows_source_and_confidence(site: Site, visit: Visit) -> None:
    chat = visit(site.url)
    chat.ask("How do I return something?")
    why = chat.page.get_by_role("button", name="Why this answer")
    expect(chat.page.locator(".fd-why")).to_be_hidden()
    why.click()
    expect(chat.page.locator(".fd-why")).to_contain_text("Very sure, 91 %")
    expect(chat.page.locator(".fd-why")).to_contain_text("Returns · faq.csv")
    why.click()
    expect(chat.page.locator(".fd-why")).to_be_hidden()


def test_the_words_that_mattered_are_found_out_when_asked_for(site: Site, visit: Visit) -> None:
    chat = visit(site.url)
    chat.ask("How do I return something?")
    chat.page.get_by_role("button", name="Why this answer").click()
    words = chat.page.locator(".fd-words")
    expect(words).to_have_text("Find out")
    chat.page.get_by_role("button", name="Find out").click()
    expect(words.get_by_role("listitem")).to_have_text(["return 50 %", "something? 50 %"])
    expect(chat.page.locator(".fd [role=status]")).to_contain_text("return 50 %")
    assert (chat.errors, chat.refused) == ([], [])


def test_the_words_of_an_earlier_answer_are_found_out_after_the_page_was_loaded_again(site: Site, visit: Visit) -> None:
    chat = visit(site.url)
    chat.ask("How do I return something?")
    chat.page.reload()
    chat.ready()
    chat.page.get_by_role("button", name="Why this answer").click()
    chat.page.get_by_role("button", name="Find out").click()
    expect(chat.page.locator(".fd-words").get_by_role("listitem")).to_have_count(2)


def test_where_the_words_cannot_be_found_out_it_says_so_and_can_be_tried_again(site: Site, visit: Visit) -> None:
    chat = visit(site.url)
    chat.ask("How do I return something?")
    chat.page.get_by_role("button", name="Why this answer").click()
    (conversation,) = site.rows(ConversationRow)
    site.service.clear(conversation.conversation_id)
    chat.page.get_by_role("button", name="Find out").click()
    expect(chat.page.locator(".fd-words")).to_contain_text("This conversation is no longer on the server.")
    expect(chat.page.get_by_role("button", name="Find out")).to_be_enabled()


def test_thumbs_down_asks_for_a_reason_and_a_word(site: Site, visit: Visit) -> None:
    chat = visit(site.url)
    chat.ask("How do I return something?")
    chat.ask("How much is delivery?")
    chat.page.get_by_role("button", name="Not helpful").last.click()
    chat.page.get_by_label("Out of date").check(force=True)
    chat.page.get_by_label("Anything to add?").fill("Prices went up in May")
    chat.page.locator(".fd-feedback").get_by_role("button", name="Send").click()
    expect(chat.page.locator(".fd-note").last).to_contain_text("Thank you: out of date.")
    turn = next(row for row in site.rows(TurnRow) if row.question == "How much is delivery?")
    votes = [(row.turn_id, row.value, row.reason, row.comment) for row in site.rows(VoteRow)]
    assert votes == [(turn.turn_id, -1, None, ""), (turn.turn_id, -1, "out_of_date", "Prices went up in May")]


def test_a_reason_is_asked_for_but_not_demanded(site: Site, visit: Visit) -> None:
    chat = visit(site.url)
    chat.ask("How much is delivery?")
    chat.page.get_by_role("button", name="Not helpful").click()
    form = chat.page.locator(".fd-feedback")
    form.get_by_role("button", name="Send").click()
    expect(form.get_by_role("alert")).to_have_text("Please choose one, or write a word.")
    form.get_by_role("button", name="Not now").click()
    expect(form).to_be_hidden()
    expect(chat.page.get_by_role("button", name="Not helpful")).to_be_focused()
    assert [row.value for row in site.rows(VoteRow)] == [-1]


def test_a_thumb_can_be_taken_back(site: Site, visit: Visit) -> None:
    chat = visit(site.url)
    chat.ask("How much is delivery?")
    thumb = chat.page.get_by_role("button", name="Helpful", exact=True)
    thumb.click()
    expect(thumb).to_have_attribute("aria-pressed", "true")
    thumb.click()
    expect(thumb).to_have_attribute("aria-pressed", "false")
    assert [row.value for row in site.rows(VoteRow)] == [1, 0]


def test_a_follow_up_brings_the_next_answer_and_is_recorded_as_a_click(site: Site, visit: Visit) -> None:
    chat = visit(site.url)
    chat.ask("How do I return something?")
    chat.page.get_by_role("button", name="How long does a refund take?").click()
    chat.answered(2)
    expect(chat.page.locator(".fd-prose").last).to_have_text("Five working days after the parcel is back.")
    first = next(row for row in site.rows(TurnRow) if row.ordinal == 1)
    clicks = [(row.turn_id, row.pair_id, row.role) for row in site.rows(ClickRow)]
    assert clicks == [(first.turn_id, "refund", "follow_up")]


def test_an_unclear_question_is_answered_by_choosing_an_option(site: Site, visit: Visit) -> None:
    chat = visit(site.url)
    chat.ask("delivery")
    chat.page.locator(".fd-next").get_by_role("button", name="Can I change my delivery address?").click()
    chat.answered(2)
    expect(chat.page.locator(".fd-prose").last).to_have_text("Yes, until the parcel is packed.")
    assert [(row.pair_id, row.role) for row in site.rows(ClickRow)] == [("address", "option")]


def test_history_survives_a_reload_with_its_votes(site: Site, visit: Visit) -> None:
    chat = visit(site.url)
    chat.ask("How do I return something?")
    chat.ask("How much is delivery?")
    chat.page.get_by_role("button", name="Helpful", exact=True).first.click()
    expect(chat.page.locator(".fd-note").first).to_have_text("Thank you.")
    chat.page.reload()
    chat.ready()
    expect(chat.page.locator(".fd-question")).to_have_text(
        [re.compile("How do I return something"), re.compile("How much is delivery")]
    )
    pressed = chat.page.get_by_role("button", name="Helpful", exact=True)
    expect(pressed.first).to_have_attribute("aria-pressed", "true")
    expect(pressed.last).to_have_attribute("aria-pressed", "false")
    expect(chat.page.locator(".fd-choice")).to_have_count(3)


def test_history_can_be_cleared_for_good(site: Site, visit: Visit) -> None:
    chat = visit(site.url)
    chat.ask("How much is delivery?")
    chat.page.get_by_role("button", name="New conversation").click()
    chat.page.get_by_role("button", name="Start anew").click()
    expect(chat.page.locator(".fd-welcome")).to_be_visible()
    expect(chat.page.locator(".fd-turn")).to_have_count(0)
    chat.page.reload()
    chat.ready()
    expect(chat.page.locator(".fd-welcome")).to_be_visible()
    assert len(site.rows(ClearRow)) == 1
    assert len(site.rows(TurnRow)) == 1


def test_a_person_is_asked_for_with_the_transcript(site: Site, visit: Visit) -> None:
    chat = visit(site.url)
    chat.ask("Will it rain tomorrow?")
    chat.page.locator(".fd-offer").click()
    dialog = chat.page.get_by_role("dialog", name="Talk to a person")
    dialog.get_by_role("button", name="Ask for a reply").click()
    expect(dialog.get_by_role("alert")).to_contain_text("Please give an e-mail address or a phone number")
    dialog.get_by_label("Your e-mail address or phone number").fill("ada@post.example")
    dialog.get_by_role("button", name="Ask for a reply").click()
    chat.page.get_by_role("button", name="Back to the chat").click()
    expect(chat.page.locator(".fd-event")).to_contain_text("We will reply to ada@post.example.")
    (row,) = site.rows(HandOverRow)
    assert row.contact == "ada@post.example"
    assert [entry["role"] for entry in row.transcript] == ["customer", "bot"]
    assert row.transcript[0]["text"] == "Will it rain tomorrow?"


def test_a_hand_over_is_still_told_after_a_reload_but_not_the_address(site: Site, visit: Visit) -> None:
    chat = visit(site.url)
    chat.ask("How much is delivery?")
    hand_over(chat)
    chat.ask("How do I return something?")
    reference = site.rows(HandOverRow)[0].hand_over_id[:8].upper()
    chat.page.reload()
    chat.ready()
    note = chat.page.locator(".fd-turn + .fd-event + .fd-turn")
    expect(note).to_have_count(1)
    expect(chat.page.locator(".fd-event")).to_have_text(f"You asked for a person. Reference {reference}.")
    assert "ada@post.example" not in chat.page.evaluate("JSON.stringify({...localStorage})")


def test_a_person_can_be_asked_for_before_any_question(site: Site, visit: Visit) -> None:
    chat = visit(site.url)
    hand_over(chat)
    assert [row.contact for row in site.rows(HandOverRow)] == ["ada@post.example"]
    chat.ask("How much is delivery?")
    assert len(site.rows(ConversationRow)) == 1


def test_questions_are_suggested_while_typing(site: Site, visit: Visit) -> None:
    chat = visit(site.url)
    chat.field.press_sequentially("refu")
    option = chat.page.get_by_role("option", name="How long does a refund take?")
    expect(option).to_be_visible()
    option.click()
    chat.answered(1)
    expect(chat.page.locator(".fd-prose")).to_have_text("Five working days after the parcel is back.")


def test_every_request_stays_on_the_origin(site: Site, visit: Visit) -> None:
    chat = visit(site.url)
    chat.ask("How do I return something?")
    chat.page.get_by_role("button", name="Helpful", exact=True).click()
    chat.field.press_sequentially("refu")
    expect(chat.page.get_by_role("option")).to_have_count(1)
    hand_over(chat)
    chat.page.reload()
    chat.ready()
    elsewhere = [url for url in chat.requests if not url.startswith((site.url + "/", "data:", "blob:"))]
    assert chat.requests
    assert elsewhere == []
    assert chat.refused == []


def test_nothing_is_stored_before_the_visitor_acts(site: Site, visit: Visit) -> None:
    chat = visit(site.url)
    assert chat.page.evaluate("[localStorage.length, sessionStorage.length, document.cookie]") == [0, 0, ""]


def test_name_colour_logo_and_greeting_are_those_of_the_configuration(serve: Callable[..., Site], visit: Visit) -> None:
    branding = Branding(
        name="Harbour & Sons",
        tagline="All about boats",
        greeting="Ahoy!",
        colour="#7a1f6f",
        starters=("How much is delivery?",),
    )
    chat = visit(serve(branding=branding).url)
    expect(chat.page).to_have_title("Harbour & Sons")
    expect(chat.page.get_by_role("heading", level=1)).to_have_text("Harbour & Sons")
    expect(chat.page.get_by_role("heading", level=2)).to_have_text("Ahoy!")
    expect(chat.page.locator(".fd-tagline")).to_have_text("All about boats")
    chat.page.get_by_role("button", name="How much is delivery?").click()
    chat.answered(1)
    chat.field.fill("x")
    expect(chat.page.get_by_role("button", name="Send", exact=True)).to_have_css(
        "background-color", "rgb(122, 31, 111)"
    )


def hand_over(chat: Chat) -> None:
    chat.page.get_by_role("button", name="Talk to a person").first.click()
    chat.page.get_by_label("Your e-mail address or phone number").fill("ada@post.example")
    chat.page.keyboard.press("Enter")
    chat.page.get_by_role("button", name="Back to the chat").click()
    expect(chat.page.locator(".fd-event")).to_be_visible()
