"""Answers to HTML: what passes is on a short list, and reads as it was written."""

import re
from html.parser import HTMLParser

import pytest
from xss_corpus import SCRIPTS

from web.chat_markdown import LINK_SCHEMES, render_markdown

TAGS = re.compile(
    "a|abbr|b|blockquote|br|code|dd|del|div|dl|dt|em|h[3-6]|hr|i|ins|kbd|li|mark|ol|p|pre|q|s|small|strong|sub|sup|"
    "table|tbody|td|tfoot|th|thead|tr|u|ul"
)
ATTRIBUTES = {"href", "title", "target", "rel", "align", "start", "colspan", "rowspan"}
# The one element of ours, around what is wide.
BOX = {"class": "fd-wide", "role": "group", "tabindex": "0"}


class Elements(HTMLParser):
    """Collects the elements of a fragment."""

    def __init__(self, fragment: str) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.feed(fragment)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data):
        self.text += data


def links(fragment: str) -> list[dict[str, str]]:
    return [attributes for tag, attributes in Elements(fragment).found if tag == "a"]


@pytest.mark.parametrize("text", SCRIPTS)
def test_nothing_that_runs_or_fetches_passes(text: str) -> None:
    for tag, attributes in Elements(render_markdown(text)).found:
        assert TAGS.fullmatch(tag)
        given = dict(attributes)
        if tag == "div":
            given.pop("aria-label")
            assert given == BOX
            continue
        assert set(given) <= ATTRIBUTES
        assert given.get("href", "https:").split(":")[0] in LINK_SCHEMES


def test_markup_that_was_meant_to_be_read_is_kept_as_text() -> None:
    assert Elements(render_markdown("`<script>alert(1)</script>`")).text.strip() == "<script>alert(1)</script>"


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("**bold** and *slanted*", "<p><strong>bold</strong> and <em>slanted</em></p>"),
        ("- one\n- two", "<ul>\n<li>one</li>\n<li>two</li>\n</ul>"),
        ("3. three\n4. four", '<ol start="3">\n<li>three</li>\n<li>four</li>\n</ol>'),
        ("first line\nsecond line", "<p>first line<br>\nsecond line</p>"),
        ("~~gone~~", "<p><s>gone</s></p>"),
        ("H<sub>2</sub>O", "<p>H<sub>2</sub>O</p>"),
    ],
)
def test_markdown_is_rendered(text: str, html: str) -> None:
    assert render_markdown(text).strip() == html


def test_headings_begin_below_those_of_the_page() -> None:
    rendered = Elements(render_markdown("# A\n\n## B\n\n##### C"))
    assert [tag for tag, _ in rendered.found] == ["h3", "h4", "h6"]


def test_links_open_in_a_new_tab_that_knows_nothing_of_ours() -> None:
    assert links(render_markdown("[x](https://shop.example/a?b=1&c=2)")) == [
        {"href": "https://shop.example/a?b=1&c=2", "target": "_blank", "rel": "noopener noreferrer"}
    ]


@pytest.mark.parametrize("address", ["https://a.example", "http://a.example", "mailto:a@b.example", "tel:08005550142"])
def test_addresses_that_people_use_stay(address: str) -> None:
    assert links(render_markdown(f"[x]({address})"))[0]["href"] == address


def test_relative_addresses_lose_their_target() -> None:
    assert "href" not in links(render_markdown("[x](/gradio_api/file=etc)"))[0]


def test_a_bare_address_becomes_a_link_without_the_full_stop() -> None:
    rendered = render_markdown("See https://shop.example/returns.")
    assert [link["href"] for link in links(rendered)] == ["https://shop.example/returns"]
    assert Elements(rendered).text.strip() == "See https://shop.example/returns."


def test_an_address_inside_a_link_is_not_linked_again() -> None:
    assert len(links(render_markdown("[https://a.example](https://b.example)"))) == 1


def test_a_picture_becomes_a_link_with_its_description() -> None:
    rendered = render_markdown("![Size chart](https://shop.example/sizes.png)")
    assert links(rendered)[0]["href"] == "https://shop.example/sizes.png"
    assert Elements(rendered).text.strip() == "Size chart"


def test_a_table_scrolls_in_a_box_and_keeps_its_alignment() -> None:
    rendered = Elements(render_markdown("| a | b |\n|:--|--:|\n| 1 | 2 |")).found
    assert rendered[0] == ("div", {**BOX, "aria-label": "Table"})
    assert [attributes["align"] for tag, attributes in rendered if tag == "td"] == ["left", "right"]


def test_code_scrolls_in_a_box() -> None:
    assert Elements(render_markdown("```\nx = 1\n```")).found[0] == ("div", {**BOX, "aria-label": "Code"})


@pytest.mark.parametrize("text", ["", " ", "\x00", "\ud800", "👍", "\u202egnp.x", "[" * 5000, "*" * 5000, "<" * 5000])
def test_any_text_renders(text: str) -> None:
    assert isinstance(render_markdown(text), str)
