import pytest

from kb.importers.language import locale_rule, standard_locale

ENGLISH = "How do I return my boots, and what does the return label cost me? You can return them within sixty days."
GERMAN = (
    "Wie kann ich meine Stiefel zurückgeben, und was kostet das Etikett? Sie können sie sechzig Tage lang zurückgeben."
)


def test_one_locale_is_decided_for_a_file() -> None:
    rule = locale_rule([GERMAN] * 50 + [ENGLISH])
    assert (rule.default, rule.others) == ("de", frozenset())
    assert rule.locale_of(ENGLISH) == "de"


def test_a_clearly_mixed_file_is_decided_row_by_row_even_when_sorted() -> None:
    rule = locale_rule([ENGLISH] * 3_000 + [GERMAN] * 1_000)
    assert rule.default == "en"
    assert [rule.locale_of(text) for text in (GERMAN, ENGLISH, "kurz")] == ["de", "en", "en"]


def test_short_rows_are_judged_together_and_nothing_at_all_is_english() -> None:
    assert locale_rule(["Wo ist es?", "Was kostet das?", "Wie lange dauert die Lieferung?"] * 5).default == "de"
    assert locale_rule(["x"]).default == "en"
    assert locale_rule(["我的订单什么时候可以送到我家里呢", "我想退货"]).default == "zh"


@pytest.mark.parametrize(
    ("name", "code"),
    [("en", "en"), ("EN_gb", "en-GB"), ("Deutsch", "de"), ("zh-hant-tw", "zh-Hant-TW"), ("what?", ""), ("e", "")],
)
def test_locales_are_written_in_one_way(name: str, code: str) -> None:
    assert standard_locale(name) == code
