"""Passwords as salted scrypt hashes (RFC 7914): what is kept lets nobody in."""

import hashlib
import hmac
import secrets
from base64 import b64decode, b64encode

from kb.errors import InputError, describe

SHORTEST, LONGEST = 12, 1024
"""Characters of a password; each one is read, and a longer text would only cost time."""
_LOG_N, _R, _P = 15, 8, 1
_SALT_BYTES, _HASH_BYTES = 16, 32
_MEMORY = 256 * 1024 * 1024


def hash_password(password: str) -> str:
    """Return `scrypt$log2(n)$r$p$salt$hash`, with what is needed to check it whatever the parameters are later.

    Raises:
        InputError: the password is too short or too long.
    """
    if not SHORTEST <= len(password) <= LONGEST:
        raise InputError(
            describe(
                expected=f"a password of {SHORTEST} to {LONGEST} characters",
                got=f"{len(password)}",
                remedy="take several words",
            )
        )
    salt = secrets.token_bytes(_SALT_BYTES)
    found = _scrypt(password, salt, _LOG_N, _R, _P)
    return "$".join(("scrypt", str(_LOG_N), str(_R), str(_P), _text(salt), _text(found)))


def is_password(password: str, hashed: str) -> bool:
    """Whether a password is the one that was hashed; in equal time for equal parameters, whatever it is."""
    if len(password) > LONGEST:
        return False
    _, log_n, r, p, salt, expected = hashed.split("$")
    found = _scrypt(password, b64decode(salt), int(log_n), int(r), int(p))
    return hmac.compare_digest(found, b64decode(expected))


def _scrypt(password: str, salt: bytes, log_n: int, r: int, p: int) -> bytes:
    text = password.encode("utf-8", "surrogatepass")
    return hashlib.scrypt(text, salt=salt, n=1 << log_n, r=r, p=p, maxmem=_MEMORY, dklen=_HASH_BYTES)


def _text(content: bytes) -> str:
    return b64encode(content).decode("ascii")
