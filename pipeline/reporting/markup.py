"""HTML that is escaped unless it says that it is HTML."""

import html
from collections.abc import Iterable, Sequence

from goodnet.export.printable import printable
from goodnet.pipeline.reporting.pictures import data_uri


class Html(str):
    """Text that is HTML already; whatever else is put into a page gets escaped."""

    __slots__ = ()


def text(value: object, limit: int = 1000) -> Html:
    """Any value as HTML: escaped, and without control characters, unless it is `Html`.

    Args:
        value: anything.
        limit: the most characters of a text; longer ones end in "...".
    """
    if isinstance(value, Html):
        return value
    return Html(html.escape(printable(value, limit), quote=True))


def element(tag: str, *children: object, css: str = "", style: str = "") -> Html:
    """An element around its children.

    Args:
        tag: such as "p".
        *children: `Html`, or anything else, which is escaped.
        css: class names.
        style: inline style; ours only, never a text from a file.
    """
    attributes = (f' class="{css}"' if css else "") + (f' style="{style}"' if style else "")
    return Html(f"<{tag}{attributes}>{''.join(map(text, children))}</{tag}>")


def joined(parts: Iterable[object], between: str = "") -> Html:
    """Parts one after another, with HTML between them."""
    return Html(between.join(map(text, parts)))


def bullets(items: Sequence[object]) -> Html:
    """An unordered list; nothing for no items."""
    return element("ul", *(element("li", item) for item in items)) if items else Html("")


def table(
    header: Sequence[object], rows: Iterable[Sequence[object]], caption: str = "", numeric: Sequence[int] = ()
) -> Html:
    """A table whose first column names the rows.

    Args:
        header: a text for each column.
        rows: a cell for each column.
        caption: what it shows.
        numeric: indices of the columns that hold numbers, to be aligned at the right.
    """
    head = joined(
        Html(f'<th scope="col"{_alignment(index, numeric)}>{text(cell)}</th>') for index, cell in enumerate(header)
    )
    body = joined(element("tr", *_cells(row, numeric)) for row in rows)
    title = element("caption", caption) if caption else ""
    content = element("table", title, element("thead", element("tr", head)), element("tbody", body))
    return Html(f'<div class="scroll" tabindex="0">{content}</div>')


def facts(pairs: Iterable[tuple[object, object]]) -> Html:
    """Names and values, one pair a line."""
    return element(
        "dl", joined(joined((element("dt", name), element("dd", text(value, 2000)))) for name, value in pairs)
    )


def diagram(png: bytes, description: str, width: int = 0) -> Html:
    """A diagram with its description, which is also what a screen reader says.

    Args:
        png: a PNG file.
        description: one sentence.
        width: the widest it may become, in CSS pixels; 0 for the page's width.
    """
    said = text(description)
    style = f' style="max-width:{width}px"' if width else ""
    return Html(
        f'<figure class="plot"{style}><img src="{data_uri(png)}" alt="{said}"><figcaption>{said}</figcaption></figure>'
    )


def section(anchor: str, title: str, *children: object) -> Html:
    """A section that a link can point to.

    Args:
        anchor: its id; ours only.
        title: its heading.
        *children: its content.
    """
    return Html(f'<section id="{anchor}">{element("h2", title)}{"".join(map(text, children))}</section>')


def _cells(row: Sequence[object], numeric: Sequence[int]) -> list[Html]:
    first, *others = row
    cells = [Html(f'<th scope="row">{text(first)}</th>')]
    return cells + [
        Html(f"<td{_alignment(index, numeric)}>{text(cell)}</td>") for index, cell in enumerate(others, start=1)
    ]


def _alignment(index: int, numeric: Sequence[int]) -> str:
    return ' class="number"' if index in numeric else ""
