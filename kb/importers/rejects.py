"""The file of rejected rows: row number, reason, original row. It appears whole, or not at all."""

import csv
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TextIO

from kb.errors import StorageError, describe
from kb.importers.cells import neutralised
from kb.importers.records import Reject

HEADER = ("row", "reason", "original")
SUFFIX = ".rejected.csv"


class RejectsFile:
    """Collects the rejected rows of one file, in a temporary file without a name until `publish`."""

    def __init__(self, path: Path | None) -> None:
        """Take the path that the file shall have, None for no file."""
        self._path = path
        self._rows: TextIO | None = None

    def add(self, reject: Reject) -> None:
        """Keep one row."""
        if self._path is None:
            return
        if self._rows is None:
            # The mark lets spreadsheet programs see UTF-8; what can't be encoded is a damaged row, shown by its codes.
            self._rows = tempfile.TemporaryFile("w+", encoding="utf-8-sig", errors="backslashreplace", newline="")  # noqa: SIM115
            csv.writer(self._rows).writerow(HEADER)
        cells = (str(reject.line), neutralised(reject.reason), neutralised(reject.original))
        csv.writer(self._rows).writerow(cells)

    def publish(self) -> Path | None:
        """Put the file in place and return its path; without rejected rows remove that of an earlier import.

        Raises:
            StorageError: The file can't be written.
        """
        if self._path is None:
            return None
        if self._rows is None:
            self._path.unlink(missing_ok=True)
            return None
        self._rows.flush()
        self._rows.buffer.seek(0)
        part = self._path.with_name(f"{self._path.name}.{os.getpid()}.part")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with part.open("wb") as target:
                shutil.copyfileobj(self._rows.buffer, target)
            return part.replace(self._path)
        except OSError as error:
            raise StorageError(
                describe(
                    expected=f"to write the rejected rows to {self._path}",
                    got=str(error),
                    remedy="mend the folder and import again: what was stored stays as it is",
                )
            ) from error
        finally:
            with suppress(OSError):
                part.unlink(missing_ok=True)

    def close(self) -> None:
        """Forget the rows."""
        if self._rows is not None:
            self._rows.close()
