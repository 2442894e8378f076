"""Cells that a spreadsheet program would run as a formula: made harmless on export, taken back on import.

A cell is dangerous when, after any apostrophes, it begins with one of `= + - @`, a tab or a line break, or when it
holds NUL. A dangerous cell gets one apostrophe in front; as apostrophes don't change whether a cell is dangerous,
taking one off is the exact inverse for every text. Source: OWASP, https://owasp.org/www-community/attacks/CSV_Injection
"""

import json
import re

_DANGEROUS = re.compile("^'*[=+\\-@\t\r\n＝＋－＠]")
_ESCAPE_LIKE = re.compile("_(?=x[0-9A-Fa-f]{4}_)")
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\ufffe\uffff]")
_ESCAPED = re.compile("_x([0-9A-Fa-f]{4})_")


def is_dangerous(cell: str) -> bool:
    """Whether a spreadsheet program may take the cell for something else than text."""
    return "\0" in cell or _DANGEROUS.match(cell) is not None


def neutralised(cell: str) -> str:
    """Return the cell with an apostrophe in front if it is dangerous; `restored` is the inverse."""
    return f"'{cell}" if is_dangerous(cell) else cell


def restored(cell: str) -> str:
    """Return the cell as it was before `neutralised`."""
    return cell[1:] if cell.startswith("'") and is_dangerous(cell) else cell


def escaped_for_xlsx(cell: str) -> str:
    """Write characters that XML can't hold as `_xHHHH_`, as Excel does (ECMA-376 part 1, 22.4.2.4)."""
    return _CONTROL.sub(lambda found: f"_x{ord(found[0]):04X}_", _ESCAPE_LIKE.sub("_x005F_", cell))


def unescaped_from_xlsx(cell: str) -> str:
    """Return the cell as it was before `escaped_for_xlsx`."""
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), cell) if "_x" in cell else cell


def split_phrasings(cell: str) -> list[str]:
    """Return the phrasings of a cell: a JSON list, or one a line, or separated by `|`."""
    if cell.lstrip().startswith("["):
        try:
            values = json.loads(cell)
        except (ValueError, RecursionError):
            values = None
        if isinstance(values, list) and all(isinstance(value, str) for value in values):
            return [value for value in values if value.strip()]
    separator = "\n" if "\n" in cell else "|"
    return [part.strip() for part in cell.split(separator) if part.strip()]


def joined_phrasings(phrasings: tuple[str, ...]) -> str:
    """Return a cell that `split_phrasings` reads back exactly: one phrasing a line where that is enough, else JSON."""
    cell = "\n".join(phrasings)
    return cell if split_phrasings(cell) == list(phrasings) else json.dumps(phrasings, ensure_ascii=False)
