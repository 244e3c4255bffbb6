"""Text and numbers as a reader sees them: the same rules as the page's `text.ts` and `numbers.ts`.

Text from prompts and models is data. In a terminal that means: no control character ever reaches it.
"""

import math
import unicodedata
from collections.abc import Sequence

_GLYPHS = {"\n": "↵", "\r": "␍", "\t": "⇥", "\x7f": "␡"} | {chr(code): chr(0x2400 + code) for code in range(32) if chr(code) not in "\n\r\t"}


def visible(text: str) -> str:
    """Give text on one line with nothing hidden in it: control characters as glyphs, format characters and lone surrogates by their code.

    >>> visible("a\\n\\x1b[31m")
    'a↵␛[31m'
    """
    return "".join(_GLYPHS.get(char) or (_code(char) if unicodedata.category(char) in _HIDDEN else char) for char in text)


def token(text: str) -> str:
    """Give a token as it is drawn: `visible`, with a mark for each leading and trailing space, and a word for an empty one.

    >>> token(" keys"), token("")
    ('·keys', '∅')
    """
    body = text.strip(" ")
    if not body:
        return "·" * len(text) or "∅"
    before = len(text) - len(text.lstrip(" "))
    after = len(text) - len(text.rstrip(" "))
    return "·" * before + visible(body) + "·" * after


def readable(value: float | None, *, signed: bool = False, like: float | None = None) -> str:
    """Give a number with a true minus sign, and a dash where it is missing.

    Arguments:
        value: the number.
        signed: write the plus sign too.
        like: a number of the same figure (its largest), so that all of them get the same decimals: three significant digits of that one.

    >>> readable(0.12345), readable(-12345.6, signed=True), readable(2e-7), readable(0.04, like=1.3), readable(0.0, like=1.3)
    ('0.123', '−12346', '2.00e−7', '0.04', '0')
    """
    if value is None or math.isnan(value):
        return "–"
    if value == 0:
        return "0"
    scale = abs(like) if like and _is_plain(like) else abs(value)
    if _is_plain(scale):
        body = f"{abs(value):.{max(0, 2 - math.floor(math.log10(scale)))}f}"
    else:
        digits, exponent = f"{abs(value):.2e}".split("e")
        body = f"{digits}e{int(exponent)}".replace("-", "−")
    return ("−" if value < 0 else "+" if signed else "") + body


def shared_size(values: Sequence[float | None]) -> float | None:
    """Give the number whose decimals a column can share: its largest, unless that would write its smallest as zero.

    >>> shared_size([0.5, 0.25]), shared_size([0.999, 0.0001])
    (0.5, None)
    """
    sizes = [abs(value) for value in values if value]
    return max(sizes) if sizes and min(sizes) >= 0.005 * max(sizes) else None


def _is_plain(value: float) -> bool:
    """Whether a number of this size is written without an exponent."""
    return 1e-3 <= abs(value) < 1e5


# control, format (zero-width joiners are kept: scripts need them), private, surrogate, line and paragraph separators
_HIDDEN = {"Cc", "Cf", "Co", "Cs", "Zl", "Zp"}
_KEPT = "\u200c\u200d"


def _code(char: str) -> str:
    return char if char in _KEPT else f"⟨{ord(char):04X}⟩"
