"""A document as Markdown: to be read in a terminal, kept in a repository, sent by mail."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from app.reporting.document import (
    Drawing,
    Grid,
    KeyFigures,
    Notice,
    Paragraph,
    Points,
    Prompt,
    Report,
    ReportBlock,
)

_SPECIAL = re.compile(r"([\\`*_\[\]<>|#~])")
_SPACE = re.compile(r"\s+")


def markdown(document: Report) -> str:
    """The whole page; ends with a line feed."""
    parts = [f"# {_text(document.title)}", "  \n".join(map(_text, document.lines))]
    for chapter in document.chapters:
        parts.append(f"## {_text(chapter.title)}")
        parts.extend("\n".join(_block(block)) for block in chapter.blocks)
    return "\n\n".join(parts) + "\n"


def _text(text: str) -> str:
    """Plain text on one line: nothing in it is Markdown or HTML."""
    return _SPECIAL.sub(r"\\\1", _SPACE.sub(" ", text).strip()).replace("&", "&amp;")


def _block(block: ReportBlock) -> Iterator[str]:
    match block:
        case Paragraph(text):
            yield _text(text)
        case Points(texts):
            for text in texts:
                yield f"- {_text(text)}"
        case Prompt(text):
            yield f"```\n{_SPACE.sub(' ', text).replace('`', '')}\n```"
        case KeyFigures(figures):
            for label, value, note in figures:
                noted = f" ({_text(note)})" if note else ""
                yield f"- {_text(label)}: **{_text(value)}**{noted}"
        case Notice(title, text):
            yield f"> **{_text(title)}.** {_text(text)}".rstrip()
        case Drawing(_, address, text):
            yield f"![{_text(text)}]({address})"
        case Grid():
            yield from _grid(block)


def _grid(grid: Grid) -> Iterator[str]:
    """Set out so that it is read as it stands, too."""
    head = [_text(column.title) for column in grid.columns]
    rows = [list(map(_text, row)) for row in grid.rows]
    if grid.marked is not None:
        rows[grid.marked] = [f"**{cell}**" if cell else "" for cell in rows[grid.marked]]
    kinds = [column.kind == "number" for column in grid.columns]
    widths = [max(3, *(len(row[at]) for row in (head, *rows))) for at in range(len(head))]
    yield f"{_text(grid.caption)}:"
    yield ""
    yield _line(head, widths, kinds)
    rules = [
        "-" * (width - 1) + (":" if right else "-")
        for width, right in zip(widths, kinds, strict=True)
    ]
    yield f"| {' | '.join(rules)} |"
    for row in rows:
        yield _line(row, widths, kinds)


def _line(cells: Sequence[str], widths: Sequence[int], kinds: Sequence[bool]) -> str:
    padded = [
        cell.rjust(width) if right else cell.ljust(width)
        for cell, width, right in zip(cells, widths, kinds, strict=True)
    ]
    return f"| {' | '.join(padded)} |"
