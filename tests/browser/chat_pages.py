"""A running server, and its page as a visitor uses it."""

import dataclasses
from typing import Any

from playwright.sync_api import Locator, Page, expect
from sqlalchemy import Engine, select

from kb.database import reading
from web.service import ChatService


@dataclasses.dataclass
class Site:
    """A running server and what is behind it."""

    url: str
    engine: Engine
    service: ChatService

    def rows(self, table: Any) -> list[Any]:
        """Return all rows of a table, in the order of its key."""
        with reading(self.engine) as connection:
            return list(connection.execute(select(table.__table__).order_by(*table.__table__.primary_key)))


@dataclasses.dataclass
class Chat:
    """The page as a visitor uses it, with what the browser had to say about it."""

    page: Page
    requests: list[str] = dataclasses.field(default_factory=list)
    errors: list[str] = dataclasses.field(default_factory=list)
    refused: list[str] = dataclasses.field(default_factory=list)

    @property
    def field(self) -> Locator:
        """Where the question is written."""
        return self.page.get_by_label("Your question")

    def open(self, url: str) -> "Chat":
        """Open the page and wait until it can be used."""
        self.page.goto(url)
        return self.ready()

    def ready(self) -> "Chat":
        """Wait until the page can be used."""
        expect(self.page.locator(".fd")).not_to_have_attribute("data-state", "loading")
        return self

    def ask(self, question: str) -> None:
        """Type a question, send it and wait for the whole answer."""
        count = self.page.locator(".fd-answer").count()
        self.field.fill(question)
        self.page.get_by_role("button", name="Send", exact=True).click()
        self.answered(count + 1)

    def answered(self, count: int) -> None:
        """Wait until that many answers stand there, all of them revealed."""
        expect(self.page.locator(".fd-answer")).to_have_count(count)
        expect(self.page.locator(".fd-piece")).to_have_count(0)
