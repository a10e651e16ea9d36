"""What a page is made of, whatever it is shown as."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple


class Paragraph(NamedTuple):
    """Plain text."""

    text: str


class Points(NamedTuple):
    """Several things that stand beside each other."""

    texts: Sequence[str]


class Prompt(NamedTuple):
    """What is typed into a terminal."""

    text: str


class KeyFigure(NamedTuple):
    """A number that a reader came for, with what it is and what to make of it."""

    label: str
    value: str
    note: str = ""


class KeyFigures(NamedTuple):
    """The first of them is the answer."""

    figures: Sequence[KeyFigure]


class Notice(NamedTuple):
    """What a reader must not miss."""

    title: str
    text: str


class Column(NamedTuple):
    """Numbers stand on the right, one digit below the other; codes may break anywhere."""

    title: str
    kind: Literal["text", "number", "code"] = "text"


@dataclass(frozen=True, slots=True)
class Grid:
    """A table; the first cell of a row names it. `marked` is the row that counts."""

    caption: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[str]]
    marked: int | None = None


class Drawing(NamedTuple):
    """A picture as SVG, where it is found for pages that cannot hold it, and what it shows."""

    svg: str
    address: str
    text: str


ReportBlock = Paragraph | Points | Prompt | KeyFigures | Notice | Grid | Drawing


class Chapter(NamedTuple):
    """A heading and what stands below it."""

    title: str
    blocks: Sequence[ReportBlock]


class Report(NamedTuple):
    """A page: `title`, the lines below it, and its chapters."""

    title: str
    lines: Sequence[str]
    chapters: Sequence[Chapter]
