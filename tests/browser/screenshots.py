"""Takes the pictures of the documentation from a running server: `python tests/browser/screenshots.py URL [FOLDER]`.

Writes chat-desktop.png, chat-phone.png and chat-dark.png, into docs/images unless another folder is named.
"""

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from playwright.sync_api import Browser, Page, expect, sync_playwright

IMAGES = Path(__file__).parents[2] / "docs" / "images"
QUESTIONS = ("How do I return something?", "How much is delivery?")
DESKTOP = {"viewport": {"width": 1280, "height": 800}}
PHONE = {"viewport": {"width": 390, "height": 780}, "device_scale_factor": 2, "is_mobile": True, "has_touch": True}


def main(arguments: Sequence[str] | None = None) -> int:
    """Take the pictures; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("url", help="of the running server, such as http://127.0.0.1:7860")
    parser.add_argument("folder", nargs="?", type=Path, default=IMAGES, help="where to write (default: docs/images)")
    parser.add_argument("--question", action="append", help=f"what to ask (default: {' '.join(QUESTIONS)})")
    options = parser.parse_args(arguments)
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        print("expected Chromium; got none on the path; install the package chromium", file=sys.stderr)
        return 2
    options.folder.mkdir(parents=True, exist_ok=True)
    questions = tuple(options.question or QUESTIONS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        desktop = conversation(browser, options.url, questions, DESKTOP)
        desktop.screenshot(path=options.folder / "chat-desktop.png")
        phone = conversation(browser, options.url, questions[-1:], PHONE)
        phone.screenshot(path=options.folder / "chat-phone.png")
        dark = conversation(browser, options.url, questions[-1:], DESKTOP | {"color_scheme": "dark"})
        dark.get_by_role("button", name="Why this answer").last.click()
        dark.screenshot(path=options.folder / "chat-dark.png")
        browser.close()
    return 0


def conversation(browser: Browser, url: str, questions: Sequence[str], device: dict) -> Page:
    """Return a page on which these questions were asked and answered, without motion."""
    page = browser.new_context(**device, reduced_motion="reduce").new_page()
    page.goto(url)
    expect(page.locator(".fd-welcome")).to_be_visible(timeout=30_000)
    for number, question in enumerate(questions, start=1):
        page.get_by_label("Your question").fill(question)
        page.keyboard.press("Enter")
        expect(page.locator(".fd-answer")).to_have_count(number, timeout=30_000)
    page.evaluate("document.fonts.ready")
    return page


if __name__ == "__main__":
    sys.exit(main())
