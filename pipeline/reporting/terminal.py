"""Names from files, made fit to be shown: a class name must not be able to drive a terminal or fake a line."""

import unicodedata

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
