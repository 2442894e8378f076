import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from fakes import count, make_service, serving
from sqlalchemy import Engine

from bot.config import WebConfig
from kb.database import connect
from kb.errors import ConfigError
from kb.tables import TurnRow
from web.app import create_app
from web.http import listen

REQUESTS = 20
HEAD = b"POST /api/v1/chat HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
# Answers wait until a file appears, so that all requests are in flight when the signal comes.
SERVER = """
import sys, threading, time
from pathlib import Path
from fakes import FakeAnswerer, make_service
from kb.database import connect, migrate
from bot.config import WebConfig
from web.app import create_app
from web.http import listen, serve

folder = Path(sys.argv[1])
engine = connect(folder / "frontdesk.db")
migrate(engine)

class Slow(FakeAnswerer):
    def answer(self, question, context):
        (folder / f"asked-{question}").touch()
        while not (folder / "go").exists():
            threading.Event().wait(0.01)
        return super().answer(question, context)

web = WebConfig(port=0)
listener = listen(web)
app = create_app(make_service(engine, Slow()))
(folder / "port.new").write_text(str(listener.getsockname()[1]))
(folder / "port.new").rename(folder / "port")
serve(app, web, listener)
(folder / "closed").touch()
"""


@pytest.fixture
def address(sqlite_engine: Engine) -> Iterator[tuple[str, int]]:
    web = WebConfig(header_timeout_s=0.5)
    with serving(create_app(make_service(sqlite_engine), page=False), web) as address:
        yield address


def read_all(connection: socket.socket) -> bytes:
    received = b""
    while part := connection.recv(65_536):
        received += part
    return received


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < deadline, f"no {path}"
        threading.Event().wait(0.01)


@pytest.mark.parametrize("begun", [b"", b"GET /live", HEAD, b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n" + HEAD])
def test_a_head_that_does_not_come_is_cut(address: tuple[str, int], begun: bytes) -> None:
    with socket.create_connection(address, timeout=15) as connection:
        connection.sendall(begun)
        assert b"200 OK" in read_all(connection) or not begun.startswith(b"GET /livez")


def test_a_head_that_drips_is_cut(address: tuple[str, int]) -> None:
    with socket.create_connection(address, timeout=15) as connection:
        connection.settimeout(0.05)
        assert any(is_cut_after_a_drip(connection) for _ in range(300))


def is_cut_after_a_drip(connection: socket.socket) -> bool:
    try:
        connection.sendall(b"a")
        return connection.recv(1) == b""
    except TimeoutError:
        return False
    except ConnectionError:
        return True


def test_a_head_in_time_may_have_a_slower_body(address: tuple[str, int]) -> None:
    body = b'{"message": "Where is my order?"}'
    with socket.create_connection(address, timeout=15) as connection:
        connection.sendall(HEAD + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body[:5])
        connection.settimeout(1)
        with pytest.raises(TimeoutError):
            connection.recv(1)
        connection.settimeout(15)
        connection.sendall(body[5:])
        assert b" 200 OK" in read_all(connection)


@pytest.mark.parametrize("megabytes", [5, 30])
def test_a_large_body_is_413_and_the_client_gets_to_read_it(address: tuple[str, int], megabytes: int) -> None:
    url = f"http://{address[0]}:{address[1]}"
    body = b"a" * (megabytes * 1_000_000)
    for path in ("/api/v1/chat", "/gradio_api/upload"):
        response = httpx.post(url + path, content=body, headers={"Content-Type": "application/json"}, timeout=30)
        assert (response.status_code, response.headers["content-type"]) == (413, "application/problem+json")


def test_a_request_that_is_not_http_is_refused(address: tuple[str, int]) -> None:
    with socket.create_connection(address, timeout=15) as connection:
        connection.sendall(b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n")
        assert read_all(connection).startswith(b"HTTP/1.1 400")


def test_an_address_that_is_taken_is_refused_with_what_to_do(address: tuple[str, int]) -> None:
    with pytest.raises(ConfigError, match="choose another"):
        listen(WebConfig(port=address[1]))


@pytest.mark.parametrize("web", [WebConfig(host="203.0.113.9"), WebConfig(port=70_000), WebConfig(host="no such host")])
def test_an_address_of_another_machine_is_refused(web: WebConfig) -> None:
    with pytest.raises(ConfigError, match="a free address of this machine"):
        listen(web)


def test_sigterm_finishes_the_requests_in_flight_and_leaves_within_10_s(tmp_path: Path) -> None:
    tests = Path(__file__).parent
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join((str(tests.parent), str(tests)))},
    )
    try:
        wait_for(tmp_path / "port")
        url = f"http://127.0.0.1:{(tmp_path / 'port').read_text()}"
        with (
            ThreadPoolExecutor(REQUESTS) as pool,
            httpx.Client(base_url=url, timeout=60, limits=httpx.Limits(max_connections=100)) as client,
            client.stream("GET", "/gradio_api/heartbeat/a-page") as page,
        ):
            assert page.status_code == 200
            asked = [pool.submit(client.post, "/api/v1/chat", json={"message": f"{n}"}) for n in range(REQUESTS)]
            for number in range(REQUESTS):
                wait_for(tmp_path / f"asked-{number}")
            process.send_signal(signal.SIGTERM)
            began = time.monotonic()
            (tmp_path / "go").touch()
            answers = [each.result(30) for each in asked]
            assert process.wait(10) == 0
            print(f"out in {time.monotonic() - began:.1f} s with {REQUESTS} requests in flight and an open page")
    finally:
        process.kill()
        process.wait()
    assert [answer.status_code for answer in answers] == [200] * REQUESTS
    assert not any(answer.json()["degraded"] for answer in answers)
    assert (tmp_path / "closed").exists()
    engine = connect(tmp_path / "frontdesk.db")
    assert count(engine, TurnRow) == REQUESTS
    engine.dispose()
