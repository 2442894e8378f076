"""The chat page by keyboard, by screen reader, on a narrow screen, in light and dark, without motion."""

from collections.abc import Callable
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from chat_pages import Chat, Site
from fakes_kb import pair
from playwright.sync_api import expect

from kb.tables import TurnRow, VoteRow

Visit = Callable[..., Chat]

NARROW = {"width": 320, "height": 640}
WIDE_ANSWER = f"""https://shop.example/{"very-long-address" * 12}

{"Donaudampfschifffahrtsgesellschaft" * 5}

```
{"one long line of code " * 12}
```

| {" | ".join(["A column"] * 9)} |
|{"--|" * 9}
| {" | ".join(["some words"] * 9)} |
"""
TARGETS = """[...document.querySelectorAll('.fd :is(button, a[href], input, textarea, summary, [role=option])')]
    .filter(one => one.checkVisibility() && !one.closest('.fd-prose') && !one.matches('.fd-skip'))
    .map(one => [one.outerHTML.slice(0, 80), one.getBoundingClientRect().width, one.getBoundingClientRect().height])
    .filter(([, width, height]) => width < 24 || height < 24)"""
# An outline, or the ring of the box that the field stands in.
FOCUS = """() => {
    const one = document.activeElement;
    const ring = style => style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 1;
    const near = [one, one.nextElementSibling, one.closest('form')].filter(Boolean);
    const shown = near.map(each => getComputedStyle(each));
    return {
        name: (one.getAttribute('aria-label') || one.labels?.[0]?.textContent || one.textContent).trim().slice(0, 40),
        inPage: Boolean(one.closest('.fd')),
        visible: ring(shown[0]) || (one.matches('[type=radio]') && ring(shown[1]))
            || (one.matches('textarea') && shown.at(-1).boxShadow.includes('0px 0px 0px 1px')),
    };
}"""


def violations(chat: Chat) -> list[str]:
    return [
        f"{found['id']}: {node['html'][:120]}"
        for found in Axe().run(chat.page).response["violations"]
        for node in found["nodes"]
    ]


def converse(chat: Chat) -> None:
    """Bring the page into a state with everything that an answer can have, panels open."""
    for question in ("How do I return something?", "How much is delivery?", "Will it rain tomorrow?", "delivery"):
        chat.ask(question)
    for button in chat.page.locator(".fd-quiet").all():
        button.click()
    chat.page.get_by_role("button", name="Not helpful").first.click()
    expect(chat.page.locator(".fd-feedback:visible")).to_have_count(1)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(site: Site, visit: Visit, scheme: Any) -> None:
    chat = visit(site.url, color_scheme=scheme, reduced_motion="reduce")
    assert violations(chat) == []
    converse(chat)
    assert violations(chat) == []
    chat.field.press_sequentially("deli")
    expect(chat.page.get_by_role("option")).to_have_count(3)
    chat.page.keyboard.press("ArrowDown")
    assert violations(chat) == []
    chat.page.keyboard.press("Escape")
    chat.page.get_by_role("button", name="Talk to a person").first.click()
    chat.page.keyboard.press("Enter")
    expect(chat.page.get_by_role("dialog").get_by_role("alert")).to_be_visible()
    assert violations(chat) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_on_a_phone_and_in_a_failure(site: Site, visit: Visit, scheme: Any) -> None:
    chat = visit(site.url, color_scheme=scheme, reduced_motion="reduce", viewport=NARROW)
    chat.ask("How much is delivery?")
    chat.page.context.set_offline(True)
    chat.field.fill("Where is my order?")
    chat.page.keyboard.press("Enter")
    expect(chat.page.locator(".fd-failed")).to_be_visible()
    chat.page.get_by_role("button", name="Helpful", exact=True).click()
    expect(chat.page.locator(".fd-alert")).to_contain_text("Your rating was not saved.")
    assert violations(chat) == []


def test_nothing_scrolls_sideways_at_320_pixels(serve: Callable[..., Site], visit: Visit) -> None:
    wide = pair(f"Where is {'my' * 60} order?", WIDE_ANSWER, pair_id="wide", topic="x" * 90, source="y" * 90)
    others = [pair(f"Where is {'your' * 30} order {n}?", "Here.", pair_id=f"o-{n}", topic="x" * 90) for n in range(3)]
    chat = visit(serve(pairs=[wide, *others]).url, viewport=NARROW)

    def assert_fits() -> None:
        widths = chat.page.evaluate(
            "['.fd', '.fd-header', '.fd-scroll', '.fd-dock', '.fd-suggestions', 'dialog[open]', 'html'].map(name => {"
            "  const one = document.querySelector(name); return one ? one.scrollWidth - one.clientWidth : 0; })"
        )
        assert widths == [0] * 7

    assert_fits()
    chat.ask(wide.question)
    chat.page.get_by_role("button", name="Why this answer").click()
    chat.page.get_by_role("button", name="Not helpful").click()
    expect(chat.page.locator(".fd-feedback")).to_be_visible()
    assert_fits()
    chat.field.press_sequentially("order")
    expect(chat.page.get_by_role("option").first).to_be_visible()
    assert_fits()
    chat.page.keyboard.press("Escape")
    chat.page.get_by_role("button", name="Talk to a person").last.click()
    expect(chat.page.get_by_role("dialog")).to_be_visible()
    assert_fits()


def test_wide_content_scrolls_in_its_own_box(serve: Callable[..., Site], visit: Visit) -> None:
    pairs = [pair("Where is my order?", WIDE_ANSWER, pair_id="wide"), pair("Size?", "L.", pair_id="size")]
    chat = visit(serve(pairs=pairs).url, viewport=NARROW)
    chat.ask("Where is my order?")
    box = chat.page.get_by_role("group", name="Code")
    assert box.evaluate("one => one.scrollWidth > one.clientWidth")
    box.focus()
    chat.page.keyboard.press("ArrowRight")
    chat.page.wait_for_function("document.querySelector('[aria-label=Code]').scrollLeft > 0")


@pytest.mark.parametrize("viewport", [NARROW, {"width": 1280, "height": 800}])
def test_every_target_is_at_least_24_pixels(site: Site, visit: Visit, viewport: Any) -> None:
    chat = visit(site.url, viewport=viewport, reduced_motion="reduce")
    assert chat.page.evaluate(TARGETS) == []
    converse(chat)
    assert chat.page.evaluate(TARGETS) == []
    chat.page.get_by_role("button", name="Talk to a person").last.click()
    assert chat.page.evaluate(TARGETS) == []


def test_a_person_is_in_reach_on_every_screen_size(site: Site, visit: Visit) -> None:
    chat = visit(site.url)
    for width in (320, 390, 640, 641, 1280):
        chat.page.set_viewport_size({"width": width, "height": 640})
        expect(chat.page.locator("[data-person]:visible")).to_have_count(1)
        expect(chat.page.locator("[data-person]:visible")).to_be_in_viewport()


def test_a_whole_conversation_by_keyboard(site: Site, visit: Visit) -> None:
    chat = visit(site.url)
    keyboard = chat.page.keyboard
    expect(chat.field).to_be_focused()
    keyboard.type("refu")
    expect(chat.page.get_by_role("option")).to_have_count(1)
    keyboard.press("ArrowDown")
    expect(chat.field).to_have_attribute("aria-activedescendant", "fd-suggestion-0")
    keyboard.press("Enter")
    chat.answered(1)
    expect(chat.field).to_be_focused()
    tab_to(chat, "Not helpful", backwards=True)
    keyboard.press("Space")
    expect(chat.page.get_by_label("It's wrong")).to_be_focused()
    keyboard.press("ArrowRight")
    keyboard.press("Space")
    keyboard.press("Tab")
    keyboard.type("I asked about something else")
    keyboard.press("Enter")
    expect(chat.page.get_by_role("button", name="Not helpful")).to_be_focused()
    tab_to(chat, "How do I return something?")
    keyboard.press("Enter")
    chat.answered(2)
    assert [row.question for row in site.rows(TurnRow)].count("How do I return something?") == 1
    votes = [(row.reason, row.comment) for row in site.rows(VoteRow)]
    assert votes[-1] == ("not_my_question", "I asked about something else")


def test_the_focus_is_always_seen(site: Site, visit: Visit) -> None:
    chat = visit(site.url, reduced_motion="reduce")
    converse(chat)
    chat.page.evaluate("document.activeElement.blur()")
    seen: set[str] = set()
    for _ in range(60):
        chat.page.keyboard.press("Tab")
        state = chat.page.evaluate(FOCUS)
        if not state["inPage"]:
            continue
        assert state["visible"], state
        seen.add(state["name"])
    assert {
        "Skip to your question",
        "Talk to a person",
        "Helpful",
        "Not helpful",
        "Why this answer",
        "It's wrong",
    } <= seen
    assert {"Your question", "Anything to add? (optional)"} <= seen


def test_the_first_tab_stop_leads_to_the_question(site: Site, visit: Visit) -> None:
    chat = visit(site.url)
    chat.page.evaluate("document.activeElement.blur()")
    tab_to(chat, "Skip to your question")
    expect(chat.page.locator(".fd-skip")).to_be_in_viewport()
    chat.page.keyboard.press("Enter")
    expect(chat.field).to_be_focused()


def test_escape_closes_what_is_open_and_gives_the_focus_back(site: Site, visit: Visit) -> None:
    chat = visit(site.url)
    chat.field.press_sequentially("refu")
    expect(chat.page.get_by_role("option")).to_have_count(1)
    chat.page.keyboard.press("Escape")
    expect(chat.page.get_by_role("option")).to_have_count(0)
    expect(chat.field).to_have_value("refu")
    person = chat.page.get_by_role("button", name="Talk to a person").first
    person.click()
    expect(chat.page.get_by_role("dialog")).to_be_visible()
    chat.page.keyboard.press("Escape")
    expect(person).to_be_focused()
    chat.ask("How much is delivery?")
    thumb = chat.page.get_by_role("button", name="Not helpful")
    thumb.click()
    expect(chat.page.get_by_label("It's wrong")).to_be_focused()
    chat.page.keyboard.press("Escape")
    expect(thumb).to_be_focused()
    expect(chat.page.locator(".fd-feedback")).to_be_hidden()


def test_an_answer_is_announced_once(site: Site, visit: Visit) -> None:
    chat = visit(site.url)
    chat.page.evaluate(
        "() => { window.said = [];"
        " document.querySelectorAll('[aria-live]:not([aria-live=off]), [role=status], [role=alert]').forEach(live =>"
        "   new MutationObserver(() => window.said.push(live.textContent))"
        "   .observe(live, {childList: true, characterData: true, subtree: true})); }"
    )
    chat.ask("Do you deliver on Saturdays?")
    assert chat.page.evaluate("window.said") == ["Yes, Next day runs on Saturdays too."]
    expect(chat.page.get_by_role("log")).to_have_attribute("aria-live", "off")


def test_nothing_moves_where_motion_is_reduced(site: Site, visit: Visit) -> None:
    chat = visit(site.url, reduced_motion="reduce")
    chat.page.evaluate(
        "() => { window.moved = 0; document.addEventListener('animationstart', () => window.moved += 1, true);"
        " document.addEventListener('transitionrun', () => window.moved += 1, true); }"
    )
    converse(chat)
    chat.page.get_by_role("button", name="Talk to a person").first.click()
    assert chat.page.evaluate("window.moved") == 0


@pytest.mark.parametrize(("system", "other"), [("light", "Dark colours"), ("dark", "Light colours")])
def test_light_or_dark_follows_the_system_until_the_visitor_chooses(
    site: Site, visit: Visit, system: Any, other: str
) -> None:
    chat = visit(site.url, color_scheme=system)
    ground = "getComputedStyle(document.querySelector('.fd')).backgroundColor"
    before = chat.page.evaluate(ground)
    chat.page.get_by_role("button", name=other).click()
    chosen = chat.page.evaluate(ground)
    assert chosen != before
    chat.page.reload()
    chat.ready()
    assert chat.page.evaluate(ground) == chosen


def tab_to(chat: Chat, name: str, *, backwards: bool = False) -> None:
    """Press Tab until what has this name has the focus."""
    for _ in range(40):
        chat.page.keyboard.press("Shift+Tab" if backwards else "Tab")
        if chat.page.evaluate(FOCUS)["name"] == name:
            return
    pytest.fail(f"Tab did not reach {name!r}")
