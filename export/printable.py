"""Makes text out of files fit to be shown: a class name must not be able to drive a terminal or fake a line.

`printable` leaves out what cannot be seen, for people; `escaped` keeps all of it, for programs.
"""

import unicodedata

_SHORT_ESCAPES = {"\t": "\\t", "\n": "\\n", "\r": "\\r", "\\": "\\\\"}
_SPACES = frozenset("\t\n\v\f\r\x85\u2028\u2029")


def printable(text: object, limit: int = 200) -> str:
    """One line of what a person can see.

    Line ends and tabs become spaces; control and format characters (escape sequences, text that runs backwards,
    zero-width characters), surrogates and unassigned code points are left out.

    Args:
        text: anything; its `str` is taken.
        limit: the most characters to keep; longer text ends in "...".
    """
    # Bounded before it is looked at character by character: a name can be megabytes long.
    shown = str(text)[: 4 * limit]
    shown = "".join(" " if letter in _SPACES else letter for letter in shown)
    shown = "".join(letter for letter in shown if not unicodedata.category(letter).startswith("C"))
    return shown if len(shown) <= limit else shown[: max(0, limit - 3)] + "..."


def escaped(text: str) -> str:
    """A text that breaks neither lines nor columns, and says nothing to a terminal."""
    return "".join(map(_character, text))


def _character(character: str) -> str:
    """A character, escaped if it is a control, a format or a private one, not assigned, or a line's end."""
    if character in _SHORT_ESCAPES:
        return _SHORT_ESCAPES[character]
    kind = unicodedata.category(character)
    if kind[0] != "C" and kind not in ("Zl", "Zp"):
        return character
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # A byte that is not UTF-8, as Python takes it in.
        code -= 0xDC00
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
