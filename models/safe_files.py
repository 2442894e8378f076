"""What may lie in a checkpoint: regular files of kinds that can't run code when they are read.

The kinds are a list of those allowed, not of those forbidden, and each file has to begin like its kind.
"""

import json
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from kb.errors import CheckpointError, describe
from kb.sealed import read_json

KINDS = (".json", ".md", ".onnx", ".safetensors", ".txt")
REMEDY = "don't use it: train one, or fetch it again from where you trust it"

_PICKLES = (".bin", ".ckpt", ".joblib", ".npy", ".npz", ".pickle", ".pkl", ".pt", ".pth")
_HEAD_BYTES = 512
# Pickles from protocol 2 on, and the containers in which torch and others pack them.
_CAN_RUN = {
    **{bytes((0x80, protocol)): "a pickle" for protocol in range(2, 6)},
    b"PK\x03\x04": "a zip archive",
    b"\x1f\x8b": "a gzip archive",
    b"BZh": "a bzip2 archive",
    b"\xfd7zXZ": "an xz archive",
    b"\x7fELF": "a program",
}
_TAR_AT = 257
_CODE_HINTS = ("auto_map", "trust_remote_code", "custom_pipelines")
_LIBRARY = "sentence_transformers."
# Vocabularies: their keys are words of any kind.
_NO_SETTINGS = ("tokenizer.json", "vocab.json")


def regular_files(folder: Path) -> list[str]:
    """Return the names of all files below a folder, relative to it, sorted; only their names and types are looked at.

    Raises:
        CheckpointError: one is a link or no regular file, or of a kind that is not allowed.
        OSError: the folder can't be read.
    """
    return sorted(_checked_name(folder, path) for path in _walk(folder))


def check_contents(folder: Path, names: list[str]) -> None:
    """Look into every file: it begins like its kind, and names no code of its own.

    Raises:
        CheckpointError: it does not, or it does.
        OSError: a file can't be read.
    """
    for name in names:
        path = folder / name
        with path.open("rb") as stream:
            head = stream.read(_HEAD_BYTES)
        _check_head(path, head)
        if path.suffix == ".json" and path.name not in _NO_SETTINGS:
            _check_settings(path)


def is_within(name: str) -> bool:
    """Return whether a relative name stays within its folder."""
    pure = PurePosixPath(name)
    return bool(name) and not pure.is_absolute() and ".." not in pure.parts and "\\" not in name and "\0" not in name


def refused(path: Path, expected: str, got: str) -> CheckpointError:
    """Return the error for a file that is not let in."""
    return CheckpointError(describe(expected=f"{expected} at {path}", got=got, remedy=REMEDY))


def _walk(folder: Path) -> Iterator[Path]:
    with os.scandir(folder) as found:
        for entry in found:
            if entry.is_dir(follow_symlinks=False):
                yield from _walk(Path(entry.path))
            else:
                yield Path(entry.path)


def _checked_name(folder: Path, path: Path) -> str:
    mode = path.lstat().st_mode
    if not stat.S_ISREG(mode):
        raise refused(path, "a regular file", "a link" if stat.S_ISLNK(mode) else "a special file")
    suffix = path.suffix.lower()
    if suffix in _PICKLES:
        raise refused(path, "weights as safetensors", f"a {suffix} file, which may be a pickle: those can run code")
    if suffix not in KINDS:
        raise refused(path, f"a file of a known kind ({', '.join(KINDS)})", suffix or "none")
    return path.relative_to(folder).as_posix()


def _check_head(path: Path, head: bytes) -> None:
    if path.suffix == ".safetensors":
        # The length of a header may look like a pickle, so that only its form can tell them apart.
        length = int.from_bytes(head[:8], "little")
        if length > path.stat().st_size - 8 or head[8:9] != b"{":
            raise refused(path, "safetensors", _named(head))
        return
    begins_as_it_should = {
        ".json": head.lstrip()[:1] in (b"{", b"["),
        ".onnx": head[:1] == b"\x08",
    }.get(path.suffix, b"\0" not in head)
    if not begins_as_it_should or _named(head) != _OTHER:
        raise refused(path, f"a {path.suffix} file", _named(head))


_OTHER = "something else"


def _named(head: bytes) -> str:
    if head[_TAR_AT : _TAR_AT + 5] == b"ustar":
        return "a tar archive"
    return next((f"{kind}: those can run code" for start, kind in _CAN_RUN.items() if head.startswith(start)), _OTHER)


def _check_settings(path: Path) -> None:
    try:
        document = read_json(path)
    except (ValueError, RecursionError) as error:
        raise refused(path, "JSON", str(error)) from error
    hint = next((key for key, value in _settings(document) if key in _CODE_HINTS and value), None)
    if hint is not None:
        raise refused(path, "a model without code of its own", f"{hint} in its settings")
    if path.name == "modules.json":
        _check_modules(path, document)


def _check_modules(path: Path, document: Any) -> None:
    modules = document if isinstance(document, list) else [document]
    for module in modules:
        kind = str(module.get("type", "")) if isinstance(module, dict) else json.dumps(module)
        if not kind.startswith(_LIBRARY):
            raise refused(path, "modules of sentence-transformers alone", kind or "an unnamed one")


def _settings(document: Any) -> Iterator[tuple[str, Any]]:
    """Yield every key and value of a document, however deep."""
    waiting = [document]
    while waiting:
        each = waiting.pop()
        if isinstance(each, Mapping):
            yield from each.items()
            waiting.extend(each.values())
        elif isinstance(each, list):
            waiting.extend(each)
