"""What a page must be whatever it says: well-formed, whole in itself, and without scripts."""

from __future__ import annotations

from html.parser import HTMLParser
from xml.etree import ElementTree

VOID = {"meta", "br", "hr"}
FETCHING = {"src", "href", "action", "data", "poster", "srcset", "xlink:href"}


class Reader(HTMLParser):
    """Reads a page strictly: what is opened is closed, in order. `text` is what it says."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[str] = []
        self.identifiers: list[str] = []
        self.said: list[str] = []
        self.styles: list[str] = []
        self.feed(page)
        self.close()
        assert not self.open, self.open

    @property
    def text(self) -> str:
        """All text, on one line."""
        return " ".join(" ".join(self.said).replace("\N{NO-BREAK SPACE}", " ").split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Nothing that runs or fetches."""
        assert tag not in {"script", "iframe", "object", "embed", "link", "base", "form"}, tag
        for name, value in attrs:
            assert not name.startswith("on"), name
            assert name not in FETCHING, (name, value)
            assert name != "style", "a style attribute does not count under the policy"
            if name == "id":
                assert value is not None
                self.identifiers.append(value)
        self.tags.append(tag)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Of SVG only."""
        assert "svg" in self.open, tag
        self.handle_starttag(tag, attrs)
        self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        """What is closed was opened last."""
        assert self.open.pop() == tag, tag

    def handle_data(self, data: str) -> None:
        """Text, or a style sheet."""
        (self.styles if self.open[-1:] == ["style"] else self.said).append(data)


def drawn(svg: str) -> ElementTree.Element:
    """A picture, parsed: with a title and a description that its root names."""
    root = ElementTree.fromstring(svg)
    space = "{http://www.w3.org/2000/svg}"
    assert root.tag == f"{space}svg"
    assert root.get("role") == "img"
    for name in (root.get("aria-labelledby") or "").split():
        (found,) = (one for one in root if one.get("id") == name)
        assert found.text
    for one in root.iter():
        assert one.tag.removeprefix(space) in {
            "svg", "title", "desc", "style", "rect", "path", "text", "polyline",
        }  # fmt: skip
        assert not any(name.startswith("on") or "href" in name for name in one.attrib)
    return root
