"""The page's colours from one brand colour, with foregrounds computed for contrast, and what goes into its head.

Contrast is that of WCAG 2.2 (relative luminance, https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio).
"""

import base64
import html
import json
import re
from functools import reduce
from pathlib import Path

import gradio as gr

from bot.config import Branding
from kb.errors import ConfigError, describe

Colour = tuple[float, float, float]

ASSETS = Path(__file__).parent / "assets"
TEXT_CONTRAST = 4.5
PART_CONTRAST = 3.0
"""WCAG AA: text, and parts of controls."""
_HEX = re.compile(r"#(?:[0-9a-fA-F]{3}){1,2}")
_LOGO_TYPES = {".svg": "image/svg+xml", ".png": "image/png"}
_MAX_LOGO_BYTES = 200_000
_BLACK: Colour = (0.0, 0.0, 0.0)
_WHITE: Colour = (1.0, 1.0, 1.0)
# What does not depend on the brand. A tint is as much of the brand colour as goes into a surface.
LIGHT_TINT = 0.09
LIGHT = {
    "page": "#fbfbf9",
    "surface": "#ffffff",
    "text": "#1b1d1c",
    "dim": "#5a605d",
    "line": "#e5e6e2",
    "line-strong": "#858b87",
    "hover": "#f1f2ee",
    "bad": "#a3281f",
    "bad-tint": "#fdf0ee",
    "shadow": "0 1px 2px rgb(20 30 25/.05),0 8px 28px -12px rgb(20 30 25/.16)",
}
DARK_TINT = 0.2
DARK = {
    "page": "#131514",
    "surface": "#1b1e1d",
    "text": "#eceeec",
    "dim": "#a0a7a3",
    "line": "#2b302e",
    "line-strong": "#737a76",
    "hover": "#242827",
    "bad": "#ff9d92",
    "bad-tint": "#37211f",
    "shadow": "0 1px 2px rgb(0 0 0/.3),0 10px 32px -12px rgb(0 0 0/.6)",
}


def contrast(first: str, second: str) -> float:
    """Return the WCAG contrast ratio of two hex colours, 1 to 21."""
    lighter, darker = sorted((_luminance(_parse(first)), _luminance(_parse(second))), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def foreground(background: str) -> str:
    """Return white or near-black, whichever is easier to read on `background`; white where both pass."""
    return "#ffffff" if contrast(background, "#ffffff") >= TEXT_CONTRAST else _better(background)


def readable(colour: str, background: str, ratio: float = TEXT_CONTRAST) -> str:
    """Return `colour`, moved towards black or white just as far as it takes to reach `ratio` on `background`."""
    ink = _parse(colour)
    target = _BLACK if _luminance(_parse(background)) > 0.18 else _WHITE
    for step in range(51):
        shade = _hex(_mix(ink, target, step / 50))
        if contrast(shade, background) >= ratio:
            return shade
    return _hex(target)


def palette(colour: str, base: dict[str, str], tint: float) -> dict[str, str]:
    """Return the colours of one scheme: those of `base`, and the brand's as button, as text and as tint.

    Args:
        colour: the brand's hex colour.
        base: LIGHT or DARK.
        tint: share of the brand colour in a tinted surface, 0 to 1.

    Raises:
        ConfigError: `colour` is not a hex colour.
    """
    tinted = _hex(_mix(_parse(base["surface"]), _parse(colour), tint))
    button = readable(colour, base["page"], PART_CONTRAST)
    return {
        **base,
        "tint": tinted,
        "brand": button,
        "on-brand": foreground(button),
        "brand-text": reduce(readable, (tinted, base["hover"], base["bad-tint"]), colour),
    }


def head(branding: Branding, up: str = "") -> str:
    """Return the markup for a page's head: style sheet, icon, viewport, and the visitor's choice of light or dark.

    `up` is the way from the page to where the chat page is, such as "../": a server may stand behind a path of another.
    """
    css = (ASSETS / "chat.css").read_text(encoding="utf-8").replace('"chat-assets/', f'"{up}chat-assets/')
    light = _declarations("light", palette(branding.colour, LIGHT, LIGHT_TINT))
    dark = _declarations("dark", palette(branding.colour, DARK, DARK_TINT))
    variables = (
        f":root{{{light}}}\n"
        f"@media (prefers-color-scheme:dark){{:root:not([data-scheme=light]){{{dark}}}}}\n"
        f":root[data-scheme=dark]{{{dark}}}"
    )
    boot = (ASSETS / "chat_scheme.js").read_text(encoding="utf-8")
    return "\n".join(
        (
            '<meta name="viewport" content="width=device-width, initial-scale=1, viewport-fit=cover, '
            'interactive-widget=resizes-content">',
            f'<meta name="theme-color" content="{LIGHT["page"]}">',
            f'<meta property="og:title" content="{html.escape(branding.name)}">',
            f'<meta name="description" content="{html.escape(branding.tagline)}">',
            f'<link rel="icon" href="{html.escape(logo_url(branding))}">',
            f"<style>{variables}\n{css}</style>",
            f"<script>{boot}</script>",
        )
    )


def gradio_theme(branding: Branding) -> gr.themes.Base:
    """Return a theme that only sets what shows before our own style sheet is there: page colour and fonts."""
    return gr.themes.Base(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"]).set(
        body_background_fill=LIGHT["page"],
        body_background_fill_dark=DARK["page"],
        body_text_color=LIGHT["text"],
        body_text_color_dark=DARK["text"],
    )


def logo_url(branding: Branding) -> str:
    """Return the logo as a data URL: the configured file, or the first letter of the name on the brand colour.

    Raises:
        ConfigError: the file is missing, larger than 200 kB, or neither SVG nor PNG.
    """
    if not branding.logo:
        return _letter(branding)
    path = Path(branding.logo)
    kind = _LOGO_TYPES.get(path.suffix.lower())
    if kind is None or not path.is_file():
        raise ConfigError(
            describe(
                expected="branding.logo to name an SVG or PNG file",
                got=str(path),
                remedy="mend the path, or leave it empty for the first letter of the name",
            )
        )
    if path.stat().st_size > _MAX_LOGO_BYTES:
        raise ConfigError(
            describe(
                expected=f"a logo of at most {_MAX_LOGO_BYTES} bytes",
                got=f"{path.stat().st_size} bytes in {path}",
                remedy="save it smaller",
            )
        )
    return f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode('ascii')}"


def _letter(branding: Branding) -> str:
    letter = next((character for character in branding.name if character.isalnum()), "?").upper()
    fill = _hex(_parse(branding.colour))
    picture = (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64">'
        f'<rect width="64" height="64" rx="18" fill="{fill}"/>'
        f'<text x="32" y="44" font-family="Figtree,system-ui,sans-serif" font-size="34" font-weight="600" '
        f'text-anchor="middle" fill="{foreground(fill)}">{html.escape(letter)}</text></svg>'
    )
    return "data:image/svg+xml;base64," + base64.b64encode(picture.encode("utf-8")).decode("ascii")


def _declarations(scheme: str, colours: dict[str, str]) -> str:
    return f"color-scheme:{scheme};" + "".join(f"--fd-{name}:{value};" for name, value in colours.items())


def _parse(colour: str) -> Colour:
    if not _HEX.fullmatch(colour):
        raise ConfigError(
            describe(
                expected="branding.colour as a hex colour such as #1f6f5c", got=json.dumps(colour), remedy="mend it"
            )
        )
    digits = colour[1:]
    if len(digits) == 3:
        digits = "".join(digit * 2 for digit in digits)
    red, green, blue = (int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4))
    return red, green, blue


def _hex(colour: Colour) -> str:
    return "#" + "".join(f"{round(part * 255):02x}" for part in colour)


def _mix(first: Colour, second: Colour, share: float) -> Colour:
    red, green, blue = (a + (b - a) * share for a, b in zip(first, second, strict=True))
    return red, green, blue


def _luminance(colour: Colour) -> float:
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _better(background: str) -> str:
    return max(("#ffffff", "#111312"), key=lambda ink: contrast(background, ink))
