"""Figures and tables for people, in Markdown."""

from collections.abc import Sequence


def percent(share: float) -> str:
    """For people: 0.123 is "12.3"."""
    return f"{100 * share:.1f}"


def markdown(table: Sequence[Sequence[str]]) -> str:
    """A Markdown table whose columns line up in plain text too; the first row is its head."""
    widths = [max(3, *(len(row[column]) for row in table)) for column in range(len(table[0]))]
    lines = [
        "| " + " | ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)) + " |" for row in table
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)
