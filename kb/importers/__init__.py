"""History and FAQ of an organisation, in the formats it has them, as rows and pairs.

    readers      path → Table of Rows and Rejects: delimited, json_rows, workbook, markdown (on encodings, lines, cells)
    columns      which column is what: a table of pairs or a transcript
    pairs        Row → QAPair or Reject, with language for the locale
    transcripts  Rows → conversations; mining (on chatter, phrases, grouping, privacy) → pairs, and what was asked next
    rejects      the file of rejected rows; spool keeps on disk what is read until it is stored
    reading      all of it together: files → pairs and conversations, ready to be stored; reports tells how it went

`kb.importing` runs an import and stores it; everything here reads, and writes nothing but the file of rejected rows.
"""

from kb.importers.readers import SUFFIXES, find_files, open_table
from kb.importers.records import ANSWER_LIMIT, FILE_LIMIT, QUESTION_LIMIT, FileFormat, Reject, Row, Table

__all__ = [
    "ANSWER_LIMIT",
    "FILE_LIMIT",
    "QUESTION_LIMIT",
    "SUFFIXES",
    "FileFormat",
    "Reject",
    "Row",
    "Table",
    "find_files",
    "open_table",
]
