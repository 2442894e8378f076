"""Where hand-overs go: a CSV queue, a folder of e-mail files, a signed webhook. Each raises OSError where it can't.

The same event may come twice: an e-mail file is replaced by itself, and the id in a CSV row or in the header of a
webhook tells the receiver that it has it already.
"""

import csv
import fcntl
import hashlib
import hmac
import http.client
import io
import ipaddress
import json
import os
import re
import socket
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import SplitResult, urlsplit

from kb.errors import ConfigError, describe
from kb.importers.cells import neutralised
from kb.types import Event

CSV_COLUMNS = ("event_id", "event", "created_at", "hand_over_id", "conversation", "reason", "contact", "transcript")
SIGNATURE = "Frontdesk-Signature"
_ADDRESS = re.compile(r"[^@\s<>,;:\"]+@[^@\s<>,;:\"]+\.[^@\s<>,;:\"]+")
_SAFE_NAME = re.compile(r"[^\w.-]")


class Channel(Protocol):
    """One place that events are told to."""

    def deliver(self, event: Event) -> None:
        """Tell an event; OSError or ValueError where that is not possible now."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CsvQueue:
    """A file of RFC 4180 that rows are only appended to, each on the disk before it counts as delivered."""

    path: Path

    def deliver(self, event: Event) -> None:
        """Append a row, after the names of the columns where the file is new."""
        values = {**event.payload, "event_id": event.event_id, "event": event.event}
        values["transcript"] = transcript_text(event.payload)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("ab") as file:
            # Several servers may share the file.
            fcntl.flock(file, fcntl.LOCK_EX)
            rows = [CSV_COLUMNS] if file.seek(0, os.SEEK_END) == 0 else []
            file.write(_csv([*rows, [neutralised(str(values.get(name, ""))) for name in CSV_COLUMNS]]))
            file.flush()
            os.fsync(file.fileno())


@dataclass(frozen=True, kw_only=True, slots=True)
class EmailFiles:
    """A folder from which a mail server takes RFC 5322 messages; a file is whole once it has its name."""

    folder: Path
    sender: str
    recipient: str

    def deliver(self, event: Event) -> None:
        """Write one message by rename."""
        self.folder.mkdir(parents=True, exist_ok=True)
        name = _SAFE_NAME.sub("_", f"{event.created_at:%Y%m%dT%H%M%S}-{event.event_id}")
        part = self.folder / f".{name}.part"
        with part.open("wb") as file:
            file.write(self._message(event).as_bytes(policy=SMTP))
            file.flush()
            os.fsync(file.fileno())
        part.replace(self.folder / f"{name}.eml")

    def _message(self, event: Event) -> EmailMessage:
        said = event.payload
        message = EmailMessage(policy=SMTP)
        message["From"], message["To"] = self.sender, self.recipient
        reference = str(said["hand_over_id"])[:8].upper()
        message["Subject"] = f"Hand-over {reference}: {said['reason']}" + (
            ", contact left" if event.event != "hand_over" else ""
        )
        message["Date"] = event.created_at
        message["Message-ID"] = f"<{event.event_id}@frontdesk.invalid>"
        if _ADDRESS.fullmatch(said["contact"]):
            message["Reply-To"] = said["contact"]
        contact = said["contact"] or "none was left"
        head = f"Reference: {reference}\nReason: {said['reason']}\nContact: {contact}\n\n"
        message.set_content(head + transcript_text(said))
        return message


@dataclass(frozen=True, kw_only=True, slots=True)
class Webhook:
    """An address that JSON is posted to, signed over time and body; no redirect is followed."""

    url: str
    secret: str
    allow_private: bool
    timeout_s: float

    def __post_init__(self) -> None:
        """Check the address.

        Raises:
            ConfigError: it is none that may be used, or there is no key for the signature.
        """
        parts = urlsplit(self.url)
        schemes = ("https", "http") if self.allow_private else ("https",)
        if parts.scheme not in schemes or not parts.hostname or parts.username or not _has_port(parts):
            raise ConfigError(
                describe(
                    expected=f"an address that begins with {' or '.join(schemes)} as [hand_over] webhook",
                    got=repr(self.url),
                    remedy="mend it",
                )
            )
        if not self.secret:
            raise ConfigError(
                describe(
                    expected="a key for the signature of the webhook",
                    got="none",
                    remedy="set FRONTDESK_WEBHOOK_SECRET, or secret in [hand_over]",
                )
            )

    def deliver(self, event: Event) -> None:
        """Post the event; anything but a 2xx is a failure."""
        body = json.dumps(
            {"event": event.event, "event_id": event.event_id, "data": event.payload}, ensure_ascii=False
        ).encode()
        stamp = int(time.time())
        headers = {
            "Content-Type": "application/json",
            "Idempotency-Key": event.event_id,
            SIGNATURE: f"t={stamp},v1={signature(self.secret, stamp, body)}",
            "User-Agent": "frontdesk",
        }
        parts = urlsplit(self.url)
        connection = http.client.HTTPConnection(parts.netloc, timeout=self.timeout_s)
        # Connected here, so that the address that was checked is the one that is spoken to.
        connection.sock = self._connected(parts)
        try:
            connection.request("POST", (parts.path or "/") + (f"?{parts.query}" if parts.query else ""), body, headers)
            status = connection.getresponse().status
        except http.client.HTTPException as error:
            raise OSError(f"no HTTP response: {error!r}") from error
        finally:
            connection.close()
        if not 200 <= status < 300:
            raise OSError(f"HTTP status {status}")

    def _connected(self, parts: SplitResult) -> socket.socket:
        host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
        found = [str(each[4][0]) for each in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
        refused = [each for each in found if not self.allow_private and not _is_public(each)]
        if refused:
            raise OSError(f"{host} is {refused[0]}, which is not a public address")
        connected = socket.create_connection((found[0], port), timeout=self.timeout_s)
        if parts.scheme == "http":
            return connected
        try:
            return ssl.create_default_context().wrap_socket(connected, server_hostname=host)
        except OSError:
            connected.close()
            raise


def signature(secret: str, stamp: int, body: bytes) -> str:
    """Return HMAC-SHA256 of "stamp.body" in hexadecimal digits, as the receiver has to compute it."""
    return hmac.new(secret.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()


def transcript_text(payload: Mapping[str, Any]) -> str:
    """Return the transcript as lines to read."""
    names = {"customer": "Customer", "bot": "Bot"}
    return "\n\n".join(
        f"{names.get(entry['role'], entry['role'])} ({_minute(entry['created_at'])}): {entry['text']}"
        for entry in payload["transcript"]
    )


def _minute(written: str) -> str:
    return f"{datetime.fromisoformat(written):%Y-%m-%d %H:%M} UTC"


def _csv(rows: list[Any]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue().encode("utf-8", "replace")


def _is_public(address: str) -> bool:
    found = ipaddress.ip_address(address.split("%", 1)[0])
    mapped = getattr(found, "ipv4_mapped", None) or getattr(found, "sixtofour", None)
    return found.is_global and not found.is_multicast and (mapped is None or mapped.is_global)


def _has_port(parts: SplitResult) -> bool:
    try:
        return parts.port != 0
    except ValueError:
        return False
