import csv
import hashlib
import hmac
import io
import json
import threading
from contextlib import contextmanager
from datetime import UTC, datetime
from email import message_from_bytes
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from kb.errors import ConfigError
from kb.types import Event
from web.delivery_channels import CSV_COLUMNS, CsvQueue, EmailFiles, Webhook

AT = "2026-11-25T12:00:00+00:00"
TRANSCRIPT = [
    {"role": "customer", "text": 'Where is my "order", and\nwhen?', "turn_id": "t", "created_at": AT},
    {"role": "bot", "text": "Über **there**.", "turn_id": "t", "created_at": AT},
]


def event(**payload):
    told = {"hand_over_id": "ab12cd34", "conversation": "c0ffee", "reason": "asked", "contact": "kim@example.org"}
    return Event(
        outbox_id=1,
        event="hand_over",
        event_id="ab12cd34",
        channel="any",
        payload=told | {"transcript": TRANSCRIPT, "created_at": AT} | payload,
        attempts=1,
        created_at=datetime(2026, 11, 25, 12, tzinfo=UTC),
    )


def test_a_queue_is_appended_to_row_by_row_as_rfc_4180_says(tmp_path):
    queue = CsvQueue(path=tmp_path / "queue" / "hand-overs.csv")
    for reason in ("asked", "legal, urgent"):
        queue.deliver(event(reason=reason))
    written = queue.path.read_bytes()
    rows = list(csv.DictReader(io.StringIO(written.decode(), newline=""), strict=True))
    assert written.startswith(",".join(CSV_COLUMNS).encode() + b"\r\n")
    assert [row["reason"] for row in rows] == ["asked", "legal, urgent"]
    assert rows[0]["transcript"].startswith('Customer (2026-11-25 12:00 UTC): Where is my "order", and\nwhen?\n\nBot (')
    assert rows[0]["event_id"] == "ab12cd34"


@pytest.mark.parametrize("contact", ["=HYPERLINK(1)", "+44 1", "-1", "@x", "\tx", "＝1"])
def test_what_a_spreadsheet_would_run_is_text(tmp_path, contact):
    queue = CsvQueue(path=tmp_path / "q.csv")
    queue.deliver(event(contact=contact))
    [row] = csv.DictReader(queue.path.open(encoding="utf-8", newline=""))
    assert row["contact"] == f"'{contact}"


def test_many_threads_write_whole_rows(tmp_path):
    queue = CsvQueue(path=tmp_path / "q.csv")
    threads = [threading.Thread(target=queue.deliver, args=(event(reason=f"r{n}"),)) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rows = list(csv.DictReader(queue.path.open(encoding="utf-8", newline=""), strict=True))
    assert sorted(row["reason"] for row in rows) == sorted(f"r{n}" for n in range(16))


def test_a_message_is_a_whole_file_of_its_own_and_again_the_same(tmp_path):
    mail = EmailFiles(folder=tmp_path / "mail", sender="help@shop.example", recipient="desk@shop.example")
    for _ in range(2):
        mail.deliver(event())
    [path] = (tmp_path / "mail").iterdir()
    message = message_from_bytes(path.read_bytes(), policy=default)
    assert path.name == "20261125T120000-ab12cd34.eml"
    assert (message["To"], message["From"], message["Reply-To"]) == (
        "desk@shop.example",
        "help@shop.example",
        "kim@example.org",
    )
    assert message["Subject"] == "Hand-over AB12CD34: asked"
    assert "Über **there**." in message.get_content()
    assert b"\r\n" in path.read_bytes()


@pytest.mark.parametrize(
    "contact", ["", "0171 123456", "a@b.example\r\nBcc: all@b.example", "x@y.example, z@y.example"]
)
def test_only_one_address_is_replied_to_and_no_header_can_be_added(tmp_path, contact):
    mail = EmailFiles(folder=tmp_path, sender="help@shop.example", recipient="desk@shop.example")
    mail.deliver(event(contact=contact))
    [path] = tmp_path.iterdir()
    message = message_from_bytes(path.read_bytes(), policy=default)
    assert (message["Reply-To"], message["Bcc"]) == (None, None)


@contextmanager
def receiver(status=200, headers=()):
    """Yield the address of an HTTP server on this machine, and what it was sent."""
    sent = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            sent.append((self.path, dict(self.headers), body))
            self.send_response(status)
            for name, value in headers:
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", sent
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def webhook(url, **fields):
    return Webhook(**{"url": url, "secret": "key", "allow_private": True, "timeout_s": 5.0} | fields)


def test_a_webhook_gets_json_signed_over_time_and_body_under_the_id_of_the_event():
    with receiver() as (url, sent):
        webhook(f"{url}/hook?x=1").deliver(event())
    [(path, headers, body)] = sent
    assert path == "/hook?x=1"
    assert json.loads(body)["data"]["contact"] == "kim@example.org"
    assert (headers["Idempotency-Key"], headers["Content-Type"]) == ("ab12cd34", "application/json")
    stamp, given = (part.split("=", 1)[1] for part in headers["Frontdesk-Signature"].split(","))
    assert given == hmac.new(b"key", stamp.encode() + b"." + body, hashlib.sha256).hexdigest()


@pytest.mark.parametrize("status", [302, 307, 400, 500])
def test_what_is_not_taken_is_a_failure_and_no_redirect_is_followed(status):
    with receiver() as (elsewhere, asked), receiver(status, [("Location", elsewhere)]) as (url, _):
        with pytest.raises(OSError, match=f"HTTP status {status}"):
            webhook(url).deliver(event())
        assert asked == []


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "10.0.0.1", "169.254.169.254", "0.0.0.0"]
)
def test_this_machine_and_private_networks_are_refused(host):
    with pytest.raises(OSError, match="not a public address"):
        webhook(f"https://{host}:9/", allow_private=False).deliver(event())


def test_a_server_that_says_nothing_is_given_up():
    class Silent(BaseHTTPRequestHandler):
        def handle(self):
            release.wait(10)

    release = threading.Event()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Silent)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        with pytest.raises(OSError, match="timed out"):
            webhook(f"http://127.0.0.1:{server.server_port}/", timeout_s=0.2).deliver(event())
    finally:
        release.set()
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("url", "fields", "told"),
    [
        ("http://shop.example/", {"allow_private": False}, "begins with https"),
        ("ftp://shop.example/", {}, "begins with https or http"),
        ("https://", {}, "an address"),
        ("https://user:pass@shop.example/", {}, "an address"),
        ("https://shop.example:99999/", {}, "an address"),
        ("https://shop.example/", {"secret": ""}, "a key for the signature"),
    ],
)
def test_an_address_that_may_not_be_used_is_an_error_at_the_start(url, fields, told):
    with pytest.raises(ConfigError, match=told):
        webhook(url, **fields)
