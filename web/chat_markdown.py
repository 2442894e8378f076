"""Answers to safe HTML: Markdown in, a fragment out that can't run anything and can't fetch anything.

Answers come from imported history, which anyone may have written into. Raw HTML is parsed, since help pages are often
exported with some, and then everything outside a short list of tags is dropped. Images become links: a picture
would make the visitor's browser talk to a host that is not ours.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any

import nh3
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_core import StateCore
from markdown_it.token import Token

from kb.text import storable

LINK_SCHEMES = frozenset({"http", "https", "mailto", "tel"})
_TAGS = """a abbr b blockquote br code dd del dl dt em h3 h4 h5 h6 hr i ins kbd li mark ol p pre q s small strong sub
sup table tbody td tfoot th thead tr u ul"""
_ATTRIBUTES = {"a": {"href", "title"}, "abbr": {"title"}, "ol": {"start"}, "td": {"colspan", "rowspan"}}
_ALIGNMENTS = {"align": {"left", "center", "right"}}
# A bare address ends before the punctuation that closes its sentence.
_ADDRESS = re.compile(r"(https?://[^\s<>\"']*[^\s<>\"'.,;:!?)\]])")
# The page itself owns the first two levels of headings.
_FIRST_HEADING = 3
# Wide content scrolls inside its own box, which the keyboard must be able to reach. A group and not a region: an answer
# may have several, and landmarks of one name can't be told apart.
_BOX = '<div class="fd-wide" role="group" aria-label="{label}" tabindex="0">'


def render_markdown(text: str) -> str:
    """Return the Markdown text as sanitised HTML.

    Links keep only http, https, mailto and tel addresses, open in a new tab and carry rel="noopener noreferrer".
    """
    clean = nh3.clean(
        _parser().render(storable(text)),
        tags=set(_TAGS.split()),
        attributes={tag: set(names) for tag, names in _ATTRIBUTES.items()},
        tag_attribute_values={"td": dict(_ALIGNMENTS), "th": dict(_ALIGNMENTS)},
        set_tag_attribute_values={"a": {"target": "_blank"}},
        url_schemes=set(LINK_SCHEMES),
        url_relative="deny",
        link_rel="noopener noreferrer",
    )
    # nh3 escapes every "<" of the text itself, so these strings can only be the tags.
    clean = clean.replace("<table>", _BOX.format(label="Table") + "<table>").replace("</table>", "</table></div>")
    return clean.replace("<pre>", _BOX.format(label="Code") + "<pre>").replace("</pre>", "</pre></div>")


@lru_cache(maxsize=1)
def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": True, "breaks": True}).enable(["table", "strikethrough"])
    parser.core.ruler.push("lower_headings", _lower_headings)
    parser.core.ruler.push("align_cells", _align_cells)
    parser.core.ruler.push("link_addresses", _link_addresses)
    parser.add_render_rule("image", _image_as_link)
    return parser


def _lower_headings(state: StateCore) -> None:
    for token in state.tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(6, int(token.tag[1]) + _FIRST_HEADING - 1)}"


def _align_cells(state: StateCore) -> None:
    # The parser writes alignment as a style attribute, and no style passes the sanitiser.
    for token in state.tokens:
        if token.type in ("th_open", "td_open") and "style" in token.attrs:
            token.attrs = {"align": str(token.attrs["style"]).removeprefix("text-align:")}


def _link_addresses(state: StateCore) -> None:
    for token in state.tokens:
        if token.type == "inline" and token.children:
            token.children = list(_with_links(token.children))


def _with_links(tokens: Iterable[Token]) -> Iterator[Token]:
    """Yield the tokens with bare web addresses made into links, as agents type them; those in links stay."""
    inside = 0
    for token in tokens:
        inside += {"link_open": 1, "link_close": -1}.get(token.type, 0)
        if token.type != "text" or inside:
            yield token
            continue
        for part in _ADDRESS.split(token.content):
            yield from _link(part, part) if _ADDRESS.fullmatch(part) else [_words(part)]


def _link(address: str, words: str) -> list[Token]:
    return [Token("link_open", "a", 1, attrs={"href": address}), _words(words), Token("link_close", "a", -1)]


def _words(text: str) -> Token:
    return Token("text", "", 0, content=text)


def _image_as_link(renderer: RendererHTML, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
    token = tokens[index]
    alt = renderer.renderInlineAsText(token.children or [], options, env) or "picture"
    return renderer.render(_link(str(token.attrs.get("src", "")), alt), options, env)
