"""The HTML report opened from disk, as an operator does."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect
from report_example import example
from xss_corpus import SCRIPTS

from bot.report import write_report

Opened = tuple[Page, list[str], list[str]]
Open = Callable[..., Opened]


@pytest.fixture
def open_report(chromium: Browser, tmp_path: Path) -> Iterator[Open]:
    """Write a report and open it; gives the page, the addresses it asked for, and what went wrong."""
    contexts = []

    def start(report: dict[str, Any], **options: Any) -> Opened:
        path = tmp_path / "report.html"
        write_report(path, report)
        context = chromium.new_context(**{"viewport": {"width": 1280, "height": 900}} | options)
        contexts.append(context)
        requests: list[str] = []
        wrong: list[str] = []
        context.on("request", lambda request: requests.append(request.url))
        page = context.new_page()
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda said: wrong.append(said.text))
        page.goto(path.as_uri())
        expect(page.locator("[data-figure]:has(.main-svg)")).to_have_count(5)
        return page, requests, wrong

    yield start
    for context in contexts:
        context.close()


def test_it_draws_every_figure_offline_and_asks_no_one(open_report: Open) -> None:
    page, requests, wrong = open_report(example(), offline=True)
    assert page.locator("[data-figure]").count() == page.locator("[data-figure]:has(.main-svg)").count() == 5
    assert requests == [page.url]
    assert wrong == []


def test_nothing_of_the_corpus_runs_or_asks_another_host(open_report: Open) -> None:
    # All of it at once, as names of topics, questions, and what the report is about.
    report = example()
    for at, text in enumerate(SCRIPTS):
        other = example(f"a{at} {text}", f"b{at} {text}", text)
        for name in ("per_topic", "confusions", "training"):
            report[name] = [*report[name], *other[name]]
        for kind in ("wrong", "refused"):
            report["worst"][kind] += other["worst"][kind]
        report["comparison"]["wins"] += other["comparison"]["wins"]
        report["about"] |= other["about"]
        report["titles"] |= other["titles"]
        report["reliability"][text] = other["reliability"]["in scope"]
        report["risk_coverage"][text] = other["risk_coverage"]["in scope"]
    size = len(SCRIPTS)
    report["confusion_matrix"] = {"gold": SCRIPTS, "predicted": SCRIPTS, "counts": [[1] * (size + 1)] * size}
    page, requests, _ = open_report(report)
    for cell in page.locator("[data-figure=matrix] .nsewdrag").all():
        cell.hover()
    assert page.evaluate("window.ran") is None
    assert requests == [page.url]
    assert page.locator("[href^='http'], [src], iframe, object, form, base, link").count() == 0
    assert page.get_by_text(SCRIPTS[0]).first.is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_axe_finds_nothing(open_report: Open, scheme: Any, width: int) -> None:
    page, _, _ = open_report(example(), color_scheme=scheme, viewport={"width": width, "height": 844})
    for details in page.locator("summary").all():
        details.click()
    found = Axe().run(page).response["violations"]
    assert [(each["id"], [node["html"] for node in each["nodes"]]) for each in found] == []


def test_a_phone_scrolls_tables_and_not_the_page(open_report: Open) -> None:
    page, _, _ = open_report(
        example("a-topic-with-a-rather-long-name", "x" * 60), viewport={"width": 390, "height": 844}
    )
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_figures_follow_the_colours_of_the_page(open_report: Open) -> None:
    page, _, _ = open_report(example(), color_scheme="light")
    paper, frame = page.locator("[data-figure=risk] .main-svg").first, page.locator("figure").first
    for scheme, colour in (("light", "rgb(255, 255, 255)"), ("dark", "rgb(27, 30, 29)")):
        page.emulate_media(color_scheme=scheme)
        expect(frame).to_have_css("background-color", colour)
        expect(paper).to_have_css("background-color", colour)


def test_a_heading_sorts_its_table_by_keyboard_and_back(open_report: Open) -> None:
    report = example()
    row = report["per_topic"][0]
    report["per_topic"] = [row | {"topic": f"t{n}", "n": n, "precision": None if n == 9 else 0.5} for n in (9, 100, 20)]
    page, _, _ = open_report(report)
    table = page.locator("#topics table")
    questions = table.get_by_role("button", name="Questions")
    questions.focus()
    page.keyboard.press("Enter")
    assert table.locator("tbody th").all_inner_texts() == ["t100", "t20", "t9"]
    assert table.locator("thead [aria-sort=descending]").all_inner_texts() == ["Questions"]
    page.keyboard.press("Enter")
    assert table.locator("tbody th").all_inner_texts() == ["t9", "t20", "t100"]
    assert table.locator("thead [aria-sort]").count() == 1
    # What has no value stays last.
    table.get_by_role("button", name="Precision").click()
    assert table.locator("tbody th").all_inner_texts()[-1] == "t9"


def test_headings_stay_while_a_long_table_scrolls(open_report: Open) -> None:
    report = example()
    report["per_topic"] = [report["per_topic"][0] | {"topic": f"t{at}"} for at in range(80)]
    page, _, _ = open_report(report)
    frame = page.locator("#topics .frame")
    frame.evaluate("each => each.scrollTop = 900")
    top = frame.evaluate("each => each.getBoundingClientRect().top")
    assert abs(frame.locator("thead th").first.evaluate("each => each.getBoundingClientRect().top") - top) <= 2
