"""An outline of HTML: which elements are inside which."""

from html.parser import HTMLParser
from typing import Any


class Outline(HTMLParser):
    """What a browser makes of a page: its elements, which all end, and the heads of its tables."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.names: set[str] = set()
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.names.add(tag)
        if tag == "th":
            assert dict(attrs)["scope"] in {"row", "col"}
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
