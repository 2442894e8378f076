"""Load POST /api/v1/chat and a bare FastAPI peer in the same run; print requests a second, medians and their ratio.

    python tests/benchmarks/rest_load.py [--seconds 5] [--clients 8] [--rounds 3] [--answer-ms 5]

The peer answers the same question with the same reply through FastAPI and uvicorn, without a log, limits and headers:
the ratio is what these cost. Both take turns, so that a busy machine slows both. Ends with status 1 where a request
fails. Runs for 2 x rounds x seconds.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import httpx
from fastapi import FastAPI
from pydantic import BaseModel

sys.path.insert(0, str(Path(__file__).parent.parent))
from fakes import FakeAnswerer, make_service, reply_to, serving

from bot.config import Config, WebConfig
from kb.codec import reply_to_json
from kb.database import connect, migrate
from kb.types import Context, Reply
from web.app import create_app

PATH = "/api/v1/chat"


@dataclass(frozen=True)
class Round:
    """What the clients saw in one round: the time of each answer in seconds, and how many were refused."""

    latencies: list[float]
    failed: int
    seconds: float


class Message(BaseModel):
    """The peer's request."""

    message: str


class BusyAnswerer(FakeAnswerer):
    """Computes for a while, as a bot does."""

    def __init__(self, answer_ms: float) -> None:
        super().__init__()
        self._busy_s = answer_ms / 1000

    def answer(self, question: str, context: Context) -> Reply:
        until = time.thread_time() + self._busy_s
        while time.thread_time() < until:
            pass
        return reply_to(question, context)


def main() -> int:
    """Serve both, load them in turn, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=5, help="of one round against one server")
    parser.add_argument("--clients", type=int, default=8, help="that ask one question after the other")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--answer-ms", type=float, default=5, help="processor time of one answer")
    options = parser.parse_args()
    answerer = BusyAnswerer(options.answer_ms)
    web = WebConfig(requests_per_minute=0)
    with tempfile.TemporaryDirectory() as folder:
        engine = connect(Path(folder) / "frontdesk.db")
        migrate(engine)
        ours = create_app(make_service(engine, answerer, web), Config(web=web), page=False)
        with serving(ours, web) as (host, port), serving(make_peer(answerer), web) as (_, peer_port):
            rounds: dict[str, list[Round]] = {"frontdesk": [], "bare FastAPI": []}
            for _ in range(options.rounds):
                for name, at in (("frontdesk", port), ("bare FastAPI", peer_port)):
                    load_for = load(f"http://{host}:{at}{PATH}", options.clients, options.seconds)
                    rounds[name].append(asyncio.run(load_for))
        engine.dispose()
    rates = {name: report(name, each) for name, each in rounds.items()}
    print(f"ratio of requests a second: {rates['frontdesk'] / rates['bare FastAPI']:.2f}")
    return 1 if any(each.failed for both in rounds.values() for each in both) else 0


def make_peer(answerer: FakeAnswerer) -> FastAPI:
    """Return the least that answers the same request."""
    peer = FastAPI()

    @peer.post(PATH)
    def chat(request: Message) -> dict[str, object]:
        return reply_to_json(answerer.answer(request.message, Context()))

    return peer


async def load(url: str, clients: int, seconds: float) -> Round:
    """Ask from several clients, each one question after the other, a new conversation every time."""
    latencies: list[float] = []
    failed = 0
    began = time.perf_counter()

    async def ask_on(client: httpx.AsyncClient) -> None:
        nonlocal failed
        while time.perf_counter() - began < seconds:
            asked = time.perf_counter()
            response = await client.post(url, json={"message": "Where is my order?"})
            latencies.append(time.perf_counter() - asked)
            failed += response.status_code != 200

    async with httpx.AsyncClient(timeout=30, limits=httpx.Limits(max_connections=clients)) as client:
        await asyncio.gather(*(ask_on(client) for _ in range(clients)))
    return Round(latencies=latencies, failed=failed, seconds=time.perf_counter() - began)


def report(name: str, rounds: list[Round]) -> float:
    """Print one server's figures, and return the median of its rounds' requests a second."""
    rate = statistics.median(len(each.latencies) / each.seconds for each in rounds)
    milliseconds = sorted(1000 * latency for each in rounds for latency in each.latencies)
    p50, p95 = statistics.median(milliseconds), milliseconds[int(0.95 * (len(milliseconds) - 1))]
    failed = sum(each.failed for each in rounds)
    print(
        f"{name}: {rate:.1f} requests/s (median of {len(rounds)}), p50 {p50:.1f} ms, p95 {p95:.1f} ms, {failed} failed"
    )
    return rate


if __name__ == "__main__":
    sys.exit(main())
