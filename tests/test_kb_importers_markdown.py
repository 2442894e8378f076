from pathlib import Path

import pytest

from kb.errors import ImportFileError
from kb.importers.cells import split_phrasings
from kb.importers.markdown import MarkdownTable
from kb.importers.records import Reject, Row

FAQ = """---
title: Help
lang: en
tags: [a, b]
---
# Help centre

Welcome to our help.

## Delivery

### How long does delivery take?

Three to five **working days**:

- standard
- express

Also asked:

- when will it come
- delivery
  time

### What does it cost? {#cost}

    GBP 3.95

#### Abroad

GBP 12.

## Opening hours

Mon-Sat 9:00-17:30.

```
## not a heading
```
"""


def read(folder: Path, content: str) -> tuple[list[Row], list[Reject]]:
    path = folder / "faq.md"
    path.write_text(content, encoding="utf-8")
    rows = list(MarkdownTable(path).rows())
    return [row for row in rows if isinstance(row, Row)], [row for row in rows if isinstance(row, Reject)]


def test_headings_are_questions_and_those_above_topics(tmp_path: Path) -> None:
    rows, _ = read(tmp_path, FAQ)
    assert [(row.line, row.fields["question"], row.fields["topic"]) for row in rows] == [
        (12, "How long does delivery take?", "Delivery"),
        (25, "What does it cost?", "Delivery"),
        (33, "Opening hours", "Help centre"),
    ]


def test_the_answer_is_kept_as_written_without_the_list_of_phrasings(tmp_path: Path) -> None:
    rows, _ = read(tmp_path, FAQ)
    assert rows[0].fields["answer"] == "Three to five **working days**:\n\n- standard\n- express"
    assert split_phrasings(rows[0].fields["phrasings"]) == ["when will it come", "delivery time"]
    assert rows[1].fields["answer"] == "    GBP 3.95\n\n#### Abroad\n\nGBP 12."
    assert "## not a heading" in rows[2].fields["answer"]


def test_front_matter_and_anchors_give_locale_topic_and_id(tmp_path: Path) -> None:
    rows, _ = read(
        tmp_path, '---\nlang: de\ncategory: "Versand"\nodd line\n---\n# Titel\n## Wie lange? {#dauer}\nDrei Tage.\n'
    )
    fields = rows[0].fields
    assert (fields["locale"], fields["topic"], fields["id"], fields["question"]) == (
        "de",
        "Versand",
        "dauer",
        "Wie lange?",
    )


def test_front_matter_that_is_not_closed_is_text(tmp_path: Path) -> None:
    rows, _ = read(tmp_path, "---\nlang: de\n\n# Q?\nA\n")
    assert rows[0].fields["locale"] == ""


def test_underlined_headings_and_bold_ones_are_read(tmp_path: Path) -> None:
    rows, _ = read(tmp_path, "Topic\n=====\n\nQuestion one\n------------\nA\n\n## **Question two**\nB\n")
    assert [(row.fields["question"], row.fields["answer"], row.fields["topic"]) for row in rows] == [
        ("Question one", "A", "Topic"),
        ("Question two", "B", "Topic"),
    ]


def test_a_question_below_a_question_is_its_own(tmp_path: Path) -> None:
    rows, _ = read(tmp_path, "# One?\nA\n## Two?\nB\n## Note\nC\n")
    assert [(row.fields["question"], row.fields["answer"]) for row in rows] == [
        ("One?", "A"),
        ("Two?", "B"),
        ("Note", "C"),
    ]


@pytest.mark.parametrize("content", ["", "\n\n", "only text\n"])
def test_a_file_without_headings_is_refused(tmp_path: Path, content: str) -> None:
    with pytest.raises(ImportFileError, match="expected headings as questions"):
        read(tmp_path, content)
