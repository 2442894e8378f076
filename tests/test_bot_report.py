import base64
import hashlib
import json
import re
from html.parser import HTMLParser

import pytest
from report_example import example
from xss_corpus import SCRIPTS

from bot.report import check_target, page, write_report
from kb.errors import InputError

DRAWN = {"confidence", "reliability", "risk_coverage", "training", "confusion_matrix"}
SECTIONS = ["measures", "comparison", "seeds", "confidence", "training", "confusions", "topics", "worst"]


SCRIPT = re.compile(r"<script([^>]*)>(.*?)</script>", re.DOTALL)


class Parsed(HTMLParser):
    """Tags with their attributes, and the text, of what a browser would make of the page; its scripts apart."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.texts, self.inside = [], [], ""
        found = SCRIPT.findall(text)
        self.run = [source for attributes, source in found if not attributes]
        self.data = {re.search('id="(.*?)"', attributes)[1]: source for attributes, source in found if attributes}
        # The parser takes minutes for the millions of characters of plotly.
        self.feed(SCRIPT.sub("", text))

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self.inside = tag

    def handle_data(self, data):
        if self.inside != "style":
            self.texts.append(data)

    def found(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def whole():
    return page(example())


@pytest.fixture(scope="module")
def parsed(whole):
    return Parsed(whole)


def test_every_section_is_there_in_order_and_linked(parsed):
    assert [each["id"] for each in parsed.found("section")] == SECTIONS
    assert [each["href"] for each in parsed.found("a")] == [f"#{name}" for name in SECTIONS]


def test_a_section_that_the_report_has_nothing_for_is_left_out():
    parsed = Parsed(page({"n": 3, "p_at_1": 0.5, "intervals": {"p_at_1": [0.1, 0.9]}}))
    assert [each["id"] for each in parsed.found("section")] == ["measures"]
    assert Parsed(page({})).found("section") == []


def test_a_report_without_plots_carries_no_plotly(whole):
    assert len(page({"n": 3, "p_at_1": 0.5})) < 50_000 < 1_000_000 < len(whole)


def test_headline_figures_stand_with_their_intervals(whole):
    report = example()
    low, high = report["intervals"]["in_scope_accuracy"]
    assert f">{report['in_scope_accuracy']:.3f}<" in whole
    assert f"95 %: {low:.3f} to {high:.3f}" in whole


def test_a_measure_that_is_not_known_is_shown_under_its_key():
    assert "<b>ece</b>" in page({"n": 3, "ece": 0.031})


def test_the_page_asks_no_one_for_anything(parsed):
    assert not parsed.found("link") + parsed.found("img") + parsed.found("iframe") + parsed.found("base")
    assert not [attributes for _, attributes in parsed.tags if "src" in attributes]
    policy = parsed.found("meta")[1]["content"]
    assert policy.startswith("default-src 'none'; ")
    assert "http" not in policy


def test_the_policy_names_the_hash_of_each_script_that_runs(parsed):
    policy = parsed.found("meta")[1]["content"]
    assert len(parsed.run) == 2
    for source in parsed.run:
        digest = base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy
    assert policy.count("sha256-") == 2
    assert "script-src 'unsafe-inline'" not in policy


def test_every_figure_has_a_place_and_every_place_a_figure(parsed):
    places = {attributes["data-figure"] for _, attributes in parsed.tags if "data-figure" in attributes}
    figures = json.loads(parsed.data["figures"])
    assert places == set(figures) == {"confidence", "reliability", "risk", "training", "matrix"}


def test_every_colour_of_a_figure_has_one_for_the_dark_page(parsed):
    colours = json.loads(parsed.data["colours"])
    assert set(re.findall(r"#[0-9a-f]{6}", parsed.data["figures"])) <= set(colours)


@pytest.mark.parametrize("text", SCRIPTS)
def test_texts_from_data_are_shown_as_they_are_and_make_no_element(text):
    # Without the figures, so that this is quick: their texts are tested with the figures and in a browser.
    told = [example(f"a {each}", f"b {each}", each) for each in (text, "x")]
    shown = [{name: part for name, part in each.items() if name not in DRAWN} for each in told]
    hostile, harmless = (Parsed(page(each)) for each in shown)
    tags = [[tag for tag, _ in each.tags if tag != "wbr"] for each in (hostile, harmless)]
    assert tags[0] == tags[1]
    assert text in hostile.texts
    names = {name for _, attributes in hostile.tags for name in attributes}
    assert names <= {name for _, attributes in harmless.tags for name in attributes}


@pytest.mark.parametrize("text", ["</script><script>window.ran=1</script>", "<!--<script>", "]]>"])
def test_texts_in_figures_can_not_end_the_element_that_holds_them(text):
    report = example(first=f"a {text}", second=f"b {text}", text=text)
    parsed = Parsed(page(report))
    assert (list(parsed.data), len(parsed.run)) == (["figures", "colours"], 2)
    assert "<" not in parsed.data["figures"]


def test_tables_tell_a_reader_what_a_cell_is_of(parsed):
    heads = parsed.found("th")
    assert {each["scope"] for each in heads} == {"col", "row"}
    tables = len(parsed.found("table"))
    assert len(parsed.found("caption")) == tables > 8
    assert {each["aria-sort"] for each in heads if "aria-sort" in each} == {"ascending", "descending"}


def test_topics_are_told_with_what_they_are_about(whole):
    assert '<small dir="auto">where is it</small>' in whole


def test_a_value_that_is_none_is_a_dash():
    row = {"question": "?", "gold": "oos", "predicted": "a", "confidence": 0.9, "rank": None}
    assert ">–</td>" in page({"worst": {"wrong": [row], "refused": []}})


def test_retrievers_alone_are_compared():
    alone = {"p_at_1": 0.5, "mrr": 0.6, "hit_at_20": 0.9, "fusion_minus_this_p_at_1": [0.1, 0.05, 0.15]}
    text = page({"n": 9, "bm25_alone": alone})
    assert "BM25 alone" in text
    assert "+0.100" in text
    assert "[+0.050, +0.150]" in text


@pytest.mark.parametrize(
    ("ends", "reading"),
    [([0.01, 0.2], "better"), ([-0.2, -0.01], "worse"), ([-0.1, 0.1], "no difference shown"), ([0, 0.1], "no diff")],
)
def test_a_difference_is_read_by_its_interval(ends, reading):
    row = {"before": 0.5, "after": 0.6, "difference": 0.1, "interval": ends}
    told = {"measures": {"p_at_1": row}, "wins": [], "losses": [], "n_wins": 0, "n_losses": 0, "per_topic": []}
    assert reading in page({"comparison": told})


def test_the_file_is_written_whole_and_nothing_else_is_left(tmp_path):
    path = tmp_path / "report.html"
    path.write_text("old")
    write_report(path, {"title": "new"})
    assert "<h1><bdi>new</bdi></h1>" in path.read_text(encoding="utf-8")
    assert list(tmp_path.iterdir()) == [path]


def test_a_report_that_can_not_be_made_leaves_the_old_one(tmp_path):
    path = tmp_path / "report.html"
    path.write_text("old")
    with pytest.raises(KeyError):
        write_report(path, {"training": {"step": [1]}})
    assert (path.read_text(), list(tmp_path.iterdir())) == ("old", [path])


def test_a_lone_surrogate_is_replaced(tmp_path):
    write_report(tmp_path / "report.html", {"title": "a\ud800b"})
    assert "a?b" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_a_target_that_can_not_be_written_is_refused_before(tmp_path):
    with pytest.raises(InputError, match="a folder of that name"):
        check_target(tmp_path)
    with pytest.raises(InputError, match="no folder"):
        check_target(tmp_path / "absent" / "report.html")
    check_target(tmp_path / "report.html")
