"""A document as a page of its own: no script, nothing fetched, and it prints on A4."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterator
from hashlib import sha256
from html import escape
from importlib.resources import files

from app.reporting.document import (
    Chapter,
    Column,
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


def _sheet(name: str) -> str:
    return files("app.reporting").joinpath(name).read_text("utf-8")


def allowed(style: str) -> str:
    """A content security policy under which this style sheet counts, and nothing else does."""
    digest = b64encode(sha256(style.encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    )


_DATE = re.compile(r"\d{4}-\d{2}-\d{2}( \d{2}:\d{2} UTC)?")
SHORT = 12
"""Rows of a table that is printed on one page."""
CHART_STYLE = _sheet("chart.css")
STYLE = _sheet("page.css") + CHART_STYLE
POLICY = allowed(STYLE)


def html(document: Report) -> str:
    """The whole page."""
    chapters = "\n".join(
        _chapter(f"part-{number}", chapter)
        for number, chapter in enumerate(document.chapters, start=1)
    )
    lines = "".join(f"<p>{_text(line)}</p>\n" for line in document.lines)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{escape(document.title)}</title>
<style>{STYLE}</style>
</head>
<body>
<header>
<h1>{_text(document.title)}</h1>
{lines}</header>
<main>
{chapters}
</main>
</body>
</html>
"""


def _text(text: str) -> str:
    """Escaped; a percentage and a date stay on one line."""
    return _DATE.sub(r'<span class="whole">\g<0></span>', escape(text).replace(" %", "&nbsp;%"))


def _chapter(name: str, chapter: Chapter) -> str:
    blocks = "\n".join(part for block in chapter.blocks for part in _block(block))
    return (
        f'<section aria-labelledby="{name}">\n<h2 id="{name}">{_text(chapter.title)}</h2>\n'
        f"{blocks}\n</section>"
    )


def _block(block: ReportBlock) -> Iterator[str]:
    match block:
        case Paragraph(text):
            yield f"<p>{_text(text)}</p>"
        case Points(texts):
            yield f"<ul>{''.join(f'<li>{_text(text)}</li>' for text in texts)}</ul>"
        case Prompt(text):
            yield f"<pre><code>{escape(text)}</code></pre>"
        case KeyFigures(figures):
            yield '<dl class="key">'
            for label, value, note in figures:
                noted = f'<dd class="note">{_text(note)}</dd>' if note else ""
                yield f"<div><dt>{_text(label)}</dt><dd>{_text(value)}</dd>{noted}</div>"
            yield "</dl>"
        case Notice(title, text):
            said = f"<strong>{_text(title)}.</strong> {_text(text)}"
            yield f'<aside class="notice"><p>{said}</p></aside>'
        case Drawing(svg, _, text):
            yield f"<figure>\n{svg}\n<figcaption>{_text(text)}</figcaption>\n</figure>"
        case Grid():
            yield from _grid(block)


def _grid(grid: Grid) -> Iterator[str]:
    caption = _text(grid.caption)
    short = " short" if len(grid.rows) <= SHORT else ""
    yield f'<div class="wide{short}" role="group" aria-label="{caption}" tabindex="0">'
    yield f"<table>\n<caption>{caption}</caption>"
    heads = "".join(
        f'<th scope="col" class="{column.kind}">{_text(column.title)}</th>'
        for column in grid.columns
    )
    yield f"<thead><tr>{heads}</tr></thead>\n<tbody>"
    for number, row in enumerate(grid.rows):
        cells = "".join(map(_cell, grid.columns, row, range(len(row))))
        marked = ' class="marked"' if number == grid.marked else ""
        yield f"<tr{marked}>{cells}</tr>"
    yield "</tbody>\n</table>\n</div>"


def _cell(column: Column, text: str, place: int) -> str:
    if place == 0:
        return f'<th scope="row">{_text(text)}</th>'
    return f'<td class="{column.kind}">{_text(text)}</td>'
