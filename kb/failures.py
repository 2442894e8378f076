"""What a database driver's error means to the person who runs frontdesk, and what to do about it."""

from sqlalchemy import exc

from kb.errors import describe

# (prefix of SQLite's error name or of PostgreSQL's SQLSTATE) → what was expected, what to do.
_CAUSES: tuple[tuple[tuple[str, ...], str, str], ...] = (
    (
        ("SQLITE_BUSY", "SQLITE_LOCKED", "55P03", "40P01", "40001"),
        "a database that nobody else has locked",
        "try again in a moment; if it stays, stop the import or program that holds it",
    ),
    (
        ("SQLITE_FULL", "53100"),
        "room on the disk of the database",
        "free some room and try again; nothing was written",
    ),
    (
        ("SQLITE_READONLY", "25006", "42501"),
        "a database that can be written",
        "give this user the right to write to the database and its folder",
    ),
    (
        ("SQLITE_CANTOPEN", "3D000"),
        "a database that exists",
        "restore it, or start again with a new one, and check the folder and its permissions",
    ),
    (
        ("SQLITE_CORRUPT", "SQLITE_NOTADB", "XX001", "XX002"),
        "an undamaged database",
        "stop, keep a copy, and restore the last backup",
    ),
    (("SQLITE_IOERR",), "a disk that can be read and written", "check the disk, then try again"),
    (("28",), "a user and password that the database accepts", "mend the database setting"),
    (("53", "57P", "08"), "a database that takes connections", "start the database, then try again"),
    (
        ("no such table", "no such column", "has no column", "42P01", "42703"),
        "the schema of this version of frontdesk",
        "run a command that opens the data folder, such as frontdesk import, with this version",
    ),
)


def explain(error: Exception, name: str) -> str:
    """Return what was expected of the database called `name`, what came and what to do.

    Args:
        error: what SQLAlchemy or the driver raised.
        name: path or URL without password.
    """
    cause = getattr(error, "orig", None) or error
    got = f"{name}: {str(cause).strip().splitlines()[0] if str(cause).strip() else type(cause).__name__}"
    if isinstance(error, exc.TimeoutError):
        return describe(expected="a free connection", got=f"{name}: none in time", remedy="try again in a moment")
    marks = [getattr(cause, "sqlite_errorname", None), getattr(cause, "sqlstate", None), str(cause)]
    for prefixes, expected, remedy in _CAUSES:
        if any(mark and mark.startswith(prefix) for mark in marks for prefix in prefixes):
            return describe(expected=expected, got=got, remedy=remedy)
        if any(" " in prefix and prefix in str(cause) for prefix in prefixes):
            return describe(expected=expected, got=got, remedy=remedy)
    return describe(expected="a database that answers", got=got, remedy="start or mend the database, then try again")
