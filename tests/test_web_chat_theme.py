"""One brand colour, whatever it is, makes a page that can be read in light and in dark."""

import base64
import re
from pathlib import Path

import pytest

from bot.config import Branding
from kb.errors import ConfigError
from web.chat_theme import (
    DARK,
    DARK_TINT,
    LIGHT,
    LIGHT_TINT,
    PART_CONTRAST,
    TEXT_CONTRAST,
    contrast,
    foreground,
    head,
    logo_url,
    palette,
    readable,
)

COLOURS = (
    "#000000", "#ffffff", "#1f6f5c", "#ff0000", "#00ff00", "#0000ff", "#ffff00", "#ff00ff", "#00ffff", "#808080",
    "#757575", "#ffe9d6", "#120024", "#abc", "#FFB000",
)  # fmt: skip
SCHEMES = {"light": (LIGHT, LIGHT_TINT), "dark": (DARK, DARK_TINT)}
# Every ink with the grounds that it stands on in the style sheet.
INKS = {
    "text": ("page", "surface", "hover", "tint"),
    "dim": ("page", "surface", "hover"),
    "brand-text": ("page", "surface", "hover", "tint", "bad-tint"),
    "bad": ("page", "surface", "bad-tint"),
    "on-brand": ("brand",),
}


@pytest.mark.parametrize(
    ("first", "second", "ratio"),
    [("#000000", "#ffffff", 21.0), ("#ffffff", "#ffffff", 1.0), ("#777777", "#ffffff", 4.478), ("#f00", "#fff", 3.998)],
)
def test_contrast_is_that_of_wcag(first: str, second: str, ratio: float) -> None:
    assert contrast(first, second) == pytest.approx(ratio, abs=0.001)
    assert contrast(second, first) == contrast(first, second)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("colour", COLOURS)
def test_every_text_can_be_read_on_every_ground(colour: str, scheme: str) -> None:
    colours = palette(colour, *SCHEMES[scheme])
    for ink, grounds in INKS.items():
        for ground in grounds:
            assert contrast(colours[ink], colours[ground]) >= TEXT_CONTRAST, (ink, ground)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("colour", COLOURS)
def test_controls_stand_out_from_their_ground(colour: str, scheme: str) -> None:
    colours = palette(colour, *SCHEMES[scheme])
    assert contrast(colours["brand"], colours["page"]) >= PART_CONTRAST
    assert contrast(colours["line-strong"], colours["page"]) >= PART_CONTRAST
    assert contrast(colours["line-strong"], colours["surface"]) >= PART_CONTRAST


def test_a_colour_that_is_readable_stays_as_it_is() -> None:
    assert readable("#1f6f5c", "#ffffff") == "#1f6f5c"


def test_white_is_preferred_on_a_button_where_it_can_be_read() -> None:
    assert foreground("#1f6f5c") == "#ffffff"
    assert foreground("#ffb000") == "#111312"


@pytest.mark.parametrize("colour", ["", "red", "#12", "#12345", "#12345678", "#xyzxyz", "#fff;}body{display:none"])
def test_what_is_no_hex_colour_is_refused(colour: str) -> None:
    with pytest.raises(ConfigError, match="hex colour"):
        head(Branding(colour=colour))


def test_the_head_has_both_schemes_and_the_choice_of_the_visitor() -> None:
    markup = head(Branding(colour="#336699"))
    assert "prefers-color-scheme:dark" in markup
    assert ":root[data-scheme=dark]" in markup
    assert "--fd-brand:#336699" in markup
    assert "frontdesk.scheme" in markup


def test_the_head_names_no_other_host() -> None:
    addresses = re.findall(r"""(?:src|href|url)\s*[=(]\s*["']?([^"')\s>]+)""", head(Branding()))
    assert addresses
    assert all(address.startswith(("data:", "chat-assets/")) for address in addresses)


def test_a_page_one_level_down_has_its_fonts_from_above() -> None:
    assert '"../chat-assets/' in head(Branding(), "../")
    assert '"chat-assets/' not in head(Branding(), "../")


def test_branding_can_not_break_out_of_the_head() -> None:
    branding = Branding(name='"><script>x</script>', tagline="</style><script>y</script>")
    assert "<script>x" not in head(branding)
    assert "<script>y" not in head(branding)


def test_without_a_logo_the_first_letter_of_the_name_is_drawn() -> None:
    drawn = base64.b64decode(logo_url(Branding(name="  & Thistle")).split(",")[1]).decode()
    assert ">T</text>" in drawn


def test_a_logo_is_served_from_the_page_itself(tmp_path: Path) -> None:
    logo = tmp_path / "logo.PNG"
    logo.write_bytes(b"\x89PNG")
    assert logo_url(Branding(logo=str(logo))) == "data:image/png;base64," + base64.b64encode(b"\x89PNG").decode()


@pytest.mark.parametrize("name", ["logo.gif", "none.svg"])
def test_a_logo_that_is_missing_or_of_another_kind_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "logo.gif").write_bytes(b"GIF89a")
    with pytest.raises(ConfigError, match="SVG or PNG"):
        logo_url(Branding(logo=str(tmp_path / name)))


def test_a_logo_that_is_too_large_is_refused(tmp_path: Path) -> None:
    logo = tmp_path / "logo.svg"
    logo.write_bytes(b" " * 200_001)
    with pytest.raises(ConfigError, match="200000 bytes"):
        logo_url(Branding(logo=str(logo)))
