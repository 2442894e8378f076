"""A bot that repeats the question, a database that can be switched off, and a server in a thread."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from fastapi.testclient import TestClient
from sqlalchemy import Engine, event, exc, func, select
from starlette.types import ASGIApp

from bot.attribution import Attribution, WordShare
from bot.config import Config, WebConfig
from kb.errors import FrontdeskError
from kb.log import ConversationLog
from kb.tables import Base
from kb.types import Context, Explanation, FollowUp, Outcome, Reply, Response, Snapshot
from web.app import create_app
from web.http import listen, make_server
from web.service import ChatService

SNAPSHOT = Snapshot(checkpoint="zero-shot", index="index-1", knowledge_version="1")
QUESTIONS = ("Where is my order?", "Where is your shop?", "How do I return something?")


def reply_to(question: str, context: Context, outcome: Outcome = "answered") -> Reply:
    """A reply with one response (pair p-1) and two follow-ups (p-2, p-3), which names the question."""
    response = Response(
        pair_id="p-1",
        question="Where is my order?",
        answer=f"It is on its **way**. You asked: {question}",
        topic="orders",
        source="faq.csv",
        matched="where's my parcel",
        similarity=0.75,
        relevance=0.5,
        rank=1,
    )
    follow_ups = tuple(
        FollowUp(pair_id=f"p-{rank + 1}", question=QUESTIONS[rank], similarity=0.5, relevance=0.25, rank=rank)
        for rank in (1, 2)
    )
    is_answered = outcome == "answered"
    return Reply(
        turn_id=context.turn_id,
        outcome=outcome,
        message="" if is_answered else "Which of these do you mean?",
        responses=(response,) if is_answered else (),
        follow_ups=follow_ups,
        confidence=0.875,
        explanation=Explanation(
            understood=question,
            reason="nearest phrasing",
            threshold=0.5,
            features={"top": 0.75},
            hand_over="asked" if outcome == "handed_over" else "",
        ),
        snapshot=SNAPSHOT,
    )


class FakeAnswerer:
    """Answers at once, or when `gate` opens; remembers its contexts, and tells when it was `asked`."""

    def __init__(self, outcome: Outcome = "answered") -> None:
        self.contexts: list[Context] = []
        self.outcome = outcome
        self.problem: FrontdeskError | None = None
        self.asked = threading.Event()
        self.gate = threading.Event()
        self.gate.set()

    def answer(self, question: str, context: Context) -> Reply:
        self.contexts.append(context)
        self.asked.set()
        assert self.gate.wait(30)
        if self.problem is not None:
            raise self.problem
        return reply_to(question, context, self.outcome)

    def complete(self, prefix: str, limit: int = 5) -> Sequence[str]:
        return [each for each in QUESTIONS if each.lower().startswith(prefix.lower())][:limit]

    def ready(self) -> str | None:
        return None if self.problem is None else str(self.problem)

    def attribute(self, understood: str, pair_id: str) -> Attribution:
        words = tuple(WordShare(word=each, share=1 / len(understood.split())) for each in understood.split())
        return Attribution(pair_id=pair_id, words=words, snapshot=SNAPSHOT)

    def snapshot(self) -> Snapshot:
        return SNAPSHOT


class Outage:
    """Makes a real database refuse connections for as long as `with outage:` lasts."""

    def __init__(self, engine: Engine) -> None:
        self._is_away = False
        event.listen(engine, "checkout", self._check)

    def __enter__(self) -> None:
        self._is_away = True

    def __exit__(self, *_: object) -> None:
        self._is_away = False

    def _check(self, *_: Any) -> None:
        if self._is_away:
            raise exc.OperationalError("connect", {}, ConnectionRefusedError("connection refused"))


def make_service(engine: Engine, answerer: FakeAnswerer | None = None, web: WebConfig | None = None) -> ChatService:
    return ChatService(answerer or FakeAnswerer(), ConversationLog(engine), web)


def make_client(service: ChatService, config: Config | None = None, *, page: bool = False, **given: Any) -> TestClient:
    """A client whose requests go through everything but the socket."""
    return TestClient(create_app(service, config, page=page), **given)


def count(engine: Engine, row: type[Base]) -> int:
    with engine.connect() as connection:
        return connection.scalars(select(func.count()).select_from(row)).one()


@contextmanager
def serving(app: ASGIApp, web: WebConfig | None = None) -> Iterator[tuple[str, int]]:
    """Serve an app on a free port of this machine; yield its address, and stop at the end."""
    given = replace(web or WebConfig(), port=0)
    listener = listen(given)
    server = make_server(app, given)
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    address = listener.getsockname()
    thread.start()
    try:
        yield address
    finally:
        server.should_exit = True
        thread.join(20)
        assert not thread.is_alive()
