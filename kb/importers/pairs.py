"""A row becomes a pair: cleaned, within the limits, with a locale; or it is refused."""

from dataclasses import replace
from pathlib import Path

from kb.importers.cells import split_phrasings
from kb.importers.columns import Columns
from kb.importers.language import LocaleRule, standard_locale
from kb.importers.mining import MinedPair
from kb.importers.records import ANSWER_LIMIT, FIELD_LIMIT, QUESTION_LIMIT, Reject, Row
from kb.text import clean_line, clean_markdown
from kb.types import QAPair


def build_pair(columns: Columns, row: Row) -> QAPair | Reject:
    """Return the pair of a row, its locale empty where the row names none; or why the row is no pair."""
    texts = {role: columns.get(row.fields, role) for role in columns.by_role}
    fault = _encoding_fault(texts)
    if fault:
        return Reject(line=row.line, reason=fault, original=row.original)
    cleaned = {role: clean_line(text) for role, text in texts.items() if role not in ("answer", "phrasings")}
    answer = clean_markdown(texts["answer"])
    phrasings = _phrasings(texts.get("phrasings", ""))
    fault = _fault(cleaned, answer, phrasings)
    if fault:
        return Reject(line=row.line, reason=fault, original=row.original)
    return QAPair(
        pair_id=cleaned.get("pair_id", ""),
        question=cleaned["question"],
        answer=answer,
        topic=cleaned.get("topic", ""),
        locale=standard_locale(cleaned.get("locale", "")),
        source=cleaned.get("source", ""),
        phrasings=phrasings,
    )


def with_locale(pair: QAPair, rule: LocaleRule) -> QAPair:
    """Return the pair with the locale that it names, else the one that the rule of its file gives."""
    return pair if pair.locale else replace(pair, locale=rule.locale_of(said_in(pair)))


def said_in(pair: QAPair) -> str:
    """Return the text that tells the language of a pair."""
    return f"{pair.question}\n{pair.answer}"


def pair_of_mined(mined: MinedPair) -> QAPair:
    """Return the pair that was mined from conversations, its locale empty."""
    return QAPair(
        pair_id="",
        question=mined.question,
        answer=clean_markdown(mined.answer),
        topic=clean_line(mined.topic)[:FIELD_LIMIT],
        locale="",
        source=Path(mined.file).name[:FIELD_LIMIT],
        phrasings=mined.phrasings,
    )


def _phrasings(cell: str) -> tuple[str, ...]:
    cleaned = map(clean_line, split_phrasings(cell))
    return tuple(phrasing for phrasing in cleaned if phrasing)


def _encoding_fault(texts: dict[str, str]) -> str:
    try:
        "".join(texts.values()).encode()
    except UnicodeEncodeError:
        return "characters that are not text: the encoding of the row is damaged"
    return ""


def _fault(cleaned: dict[str, str], answer: str, phrasings: tuple[str, ...]) -> str:
    if not cleaned["question"]:
        return "empty question"
    if not answer:
        return "empty answer"
    lengths = [("question", cleaned["question"], QUESTION_LIMIT), ("answer", answer, ANSWER_LIMIT)]
    lengths += [("phrasing", phrasing, QUESTION_LIMIT) for phrasing in phrasings]
    lengths += [(role, cleaned.get(role, ""), FIELD_LIMIT) for role in ("pair_id", "topic", "source")]
    for name, text, limit in lengths:
        if len(text) > limit:
            return f"{name} of {len(text):,} characters, more than {limit:,}"
    named = cleaned.get("locale", "")
    return (
        f"locale {named[:40]!r} is no language code such as en or de-AT" if named and not standard_locale(named) else ""
    )
