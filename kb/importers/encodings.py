"""Which encoding a text file has: byte-order mark, UTF-8, UTF-16 without a mark, Western European, then the rest.

One damaged row must not turn a UTF-8 file into another encoding, and one accent must not turn a Western European file
into a damaged UTF-8 one: the lines that are not ASCII are counted on both sides before charset-normalizer is asked.
"""

import codecs
from pathlib import Path

from charset_normalizer import from_bytes

SAMPLE_BYTES = 512 * 1024
_PIECES = 8
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# What programs write that write no Unicode. Old Macintosh and ISO sets differ from these in a few letters only, and
# would win by chance.
_OTHERS = [
    *("cp1250", "cp1251", "cp1252", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "koi8_r"),
    *("gb18030", "big5", "cp932", "cp949"),
]
# In such a language nearly every line has letters beyond ASCII; where few have, those few are damaged.
_LEAST_SHARE = 1 / 3
_LEAST_BYTES = 12
# What Western European writers type besides letters: quotes, dashes, currency, degree ... and the no-break space.
_WESTERN_SIGNS = frozenset("€‚„…‘’“”•–—™ ¡¢£¥§©«®°±²³´·º»½¼¾¿ª")
_RARE_LETTERS = frozenset("þÞðÐÿ×÷ƒˆ˜†‡‰‹›¤¦¨¬¯¶¸¹")


def detect_encoding(path: Path) -> str:
    """Return the name of a Python codec for the file at `path`, judged on samples taken over its whole length."""
    head = _piece(path, 0, 4)
    for mark, name in _MARKS:
        if head.startswith(mark):
            return name
    sample = read_sample(path)
    return _utf16_without_mark(sample) or _eight_bit(sample)


def read_sample(path: Path) -> bytes:
    """Return the file, or pieces from all over it cut at line ends, at most SAMPLE_BYTES long."""
    size = path.stat().st_size
    if size <= SAMPLE_BYTES:
        return path.read_bytes()
    length = SAMPLE_BYTES // _PIECES
    pieces = [_piece(path, 0, length)]
    step = (size - length) // (_PIECES - 1)
    pieces += [_piece(path, step * number, length) for number in range(1, _PIECES)]
    whole_lines = [piece[piece.find(b"\n") + 1 : piece.rfind(b"\n") + 1] for piece in pieces[1:]]
    return pieces[0][: pieces[0].rfind(b"\n") + 1 or length] + b"".join(whole_lines)


def _piece(path: Path, offset: int, length: int) -> bytes:
    with path.open("rb") as stream:
        stream.seek(offset)
        return stream.read(length)


def _utf16_without_mark(sample: bytes) -> str:
    """UTF-16 of mostly Latin text has a NUL in nearly every second byte; nothing else has."""
    half = max(1, len(sample) // 2)
    if sample[1::2].count(0) / half > 0.4 and sample[0::2].count(0) / half < 0.05:
        return "utf-16-le"
    if sample[0::2].count(0) / half > 0.4 and sample[1::2].count(0) / half < 0.05:
        return "utf-16-be"
    return ""


def _eight_bit(sample: bytes) -> str:
    valid, broken = _lines_beyond_ascii(sample)
    if not broken or len(valid) >= len(broken):
        return "utf-8"
    text = b"\n".join(broken)
    if _is_western(text):
        return "cp1252"
    evidence = sum(byte > 127 for byte in text)
    if len(broken) < _LEAST_SHARE * sample.count(b"\n") or evidence < _LEAST_BYTES:
        return "utf-8"
    best = from_bytes(text[:65536], cp_isolation=_OTHERS).best()
    return best.encoding if best is not None else "utf-8"


def _lines_beyond_ascii(sample: bytes) -> tuple[list[bytes], list[bytes]]:
    """Return the lines with bytes beyond ASCII: those that are UTF-8, and those that are not."""
    valid, broken = [], []
    for line in sample.splitlines():
        if line.isascii():
            continue
        try:
            line.decode("utf-8")
        except UnicodeDecodeError:
            broken.append(line)
        else:
            valid.append(line)
    return valid, broken


def _is_western(text: bytes) -> bool:
    """Whether the text reads as cp1252: few accented letters, each beside a letter, and signs that people type."""
    try:
        decoded = text.decode("cp1252")
    except UnicodeDecodeError:
        return False
    beyond = [index for index, character in enumerate(decoded) if character > "\x7f"]
    letters = sum(character.isalpha() for character in decoded)
    accents = [index for index in beyond if decoded[index] not in _WESTERN_SIGNS]
    if len(accents) > 0.3 * letters:
        return False
    return all(_is_plausible(decoded, index) for index in accents)


def _is_plausible(decoded: str, index: int) -> bool:
    character = decoded[index]
    if character in _RARE_LETTERS or not character.isalpha():
        return False
    around = decoded[max(0, index - 1) : index] + decoded[index + 1 : index + 2]
    return any(neighbour.isascii() and neighbour.isalpha() for neighbour in around)
