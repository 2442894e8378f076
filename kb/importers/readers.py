"""From a path to a table: which files an import takes, and which reader each needs."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from kb.errors import ImportFileError, describe
from kb.importers.delimited import DelimitedTable
from kb.importers.json_rows import JsonTable
from kb.importers.markdown import MarkdownTable
from kb.importers.records import FILE_LIMIT, Table
from kb.importers.rejects import SUFFIX
from kb.importers.workbook import WorkbookTable

DELIMITED = (".csv", ".tsv")
JSON = (".jsonl", ".ndjson", ".json")
MARKDOWN = (".md", ".markdown")
WORKBOOK = (".xlsx",)
SUFFIXES = (*DELIMITED, *JSON, *WORKBOOK, *MARKDOWN)


def find_files(paths: Iterable[Path]) -> list[Path]:
    """Return the files to import: those named, and in folders all of a known kind, sorted; each file once.

    Hidden files, links to folders and lists of rejected rows are not walked into.

    Raises:
        ImportFileError: A path does not exist, or nothing to import is found under it.
    """
    found: dict[Path, Path] = {}
    for path in paths:
        files = _walked(path) if path.is_dir() else [path]
        if not path.exists() or not files:
            raise ImportFileError(
                describe(
                    expected=f"a file or folder to import at {path}",
                    got="nothing there" if not path.exists() else f"a folder without {', '.join(SUFFIXES)} files",
                    remedy="check the path",
                )
            )
        for file in files:
            found.setdefault(file.resolve(), file)
    return list(found.values())


def open_table(path: Path, mapping: Mapping[str, str] | None = None, *, size_limit: int = FILE_LIMIT) -> Table:
    """Return the reader for the file by its suffix; nothing but its head and samples of it is read yet.

    Raises:
        ImportFileError: The file is missing, no file, of an unknown kind, too large, empty or broken.
    """
    _check(path, size_limit)
    suffix = path.suffix.lower()
    try:
        if suffix in DELIMITED:
            return DelimitedTable(path, mapping)
        if suffix in JSON:
            return JsonTable(path)
        if suffix in MARKDOWN:
            return MarkdownTable(path)
        return WorkbookTable(path, mapping)
    except OSError as error:
        raise ImportFileError(
            describe(expected=f"a readable file at {path}", got=str(error), remedy="check its permissions")
        ) from error


def _walked(folder: Path) -> list[Path]:
    return sorted(
        file
        for file in folder.rglob("*")
        if file.suffix.lower() in SUFFIXES
        and file.is_file()
        and not file.name.endswith(SUFFIX)
        and not any(part.startswith((".", "~$")) for part in file.relative_to(folder).parts)
    )


def _check(path: Path, size_limit: int) -> None:
    if path.suffix.lower() not in SUFFIXES:
        raise ImportFileError(
            describe(
                expected=f"a file that ends in {', '.join(SUFFIXES)}",
                got=path.name,
                remedy="save it in one of these formats, or rename it",
            )
        )
    if not path.is_file():
        raise ImportFileError(
            describe(expected=f"a file at {path}", got="something else", remedy="name a file or a folder of files")
        )
    size = path.stat().st_size
    if size > size_limit:
        raise ImportFileError(
            describe(
                expected=f"at most {size_limit:,} bytes in {path.name}",
                got=f"{size:,}",
                remedy="split the file, or raise the limit",
            )
        )
