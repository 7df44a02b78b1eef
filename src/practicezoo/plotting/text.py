"""Texts of users in a figure: letters that the font lacks, dollars that are no formula, long names."""

import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any

from practicezoo.plotting.extra import needs_matplotlib

__all__ = ["INK", "LETTER", "TRUE_INK", "WRONG_INK", "legible", "shorten", "width_of"]

INK, TRUE_INK, WRONG_INK = "#222222", "#1f5f9e", "#c0311d"
LETTER = 0.085  # inches, of the usual size
# fonts with Chinese, Japanese and Korean letters, on Linux, Windows and macOS
EAST_ASIAN_FONTS = (
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "Noto Sans SC",
    "Source Han Sans SC",
    "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei",
    "Droid Sans Fallback",
    "Microsoft YaHei",
    "SimHei",
    "Yu Gothic",
    "Malgun Gothic",
    "PingFang SC",
    "Heiti TC",
    "Hiragino Sans GB",
    "Hiragino Sans",
    "Apple SD Gothic Neo",
    "Arial Unicode MS",
)
UNKNOWN = "\N{WHITE SQUARE}"


def legible(texts: Iterable[str]) -> tuple[list[str], dict[str, Any]]:
    """Texts that can be drawn without a warning, and the keywords of ``Text`` to draw them with.

    Letters that the user's fonts lack are drawn in an East Asian font, if one that has them is installed;
    else a square stands in their place.
    """
    with needs_matplotlib():
        from matplotlib import font_manager, rcParams

    def letters(family: str) -> set[int]:
        return set(font_manager.get_font(font_manager.findfont(family)).get_charmap())

    texts = [" ".join(text.split()) for text in texts]
    installed = set(font_manager.get_font_names())
    settings: Any = rcParams
    families = list(settings["font.family"])
    chosen = [name for family in families for name in settings.get(f"font.{family}", [family])]
    missing = {ord(letter) for text in texts for letter in text}
    for name in chosen:
        if missing and name in installed:
            missing -= letters(name)
    keywords: dict[str, Any] = {}
    for name in EAST_ASIAN_FONTS:
        if missing and name in installed and (found := missing & letters(name)):
            missing -= found
            families.append(name)
            keywords["fontfamily"] = families
    table = dict.fromkeys(missing, UNKNOWN) | {ord("$"): r"\$"}
    return [text.translate(table) for text in texts], keywords


def shorten(text: str, max_width: int) -> str:
    """``text``, or its beginning with dots if it is wider than so many letters."""
    if width_of([text]) <= max_width:
        return text
    while width_of([text]) >= max_width:
        text = text[:-1]
    return f"{text.rstrip()}…"


def width_of(texts: Sequence[str]) -> int:
    """The width of the widest text, in letters; East Asian letters are twice as wide."""
    widths = ([1 + (unicodedata.east_asian_width(letter) in "WF") for letter in text] for text in texts)
    return max(map(sum, widths), default=0)
