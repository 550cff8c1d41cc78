"""Elements of a page as text: tables, sections, and the frame with its style; without scripts."""

from collections.abc import Iterable, Sequence
from html import escape
from typing import Final

__all__ = ["MARKER", "details", "page", "paragraph", "section", "table"]

#: The first words of every page, by which one of ours is recognized before it is replaced.
MARKER: Final = "<!doctype html>\n<!-- decnef-data report"

_STYLE: Final = """
:root{color-scheme:light dark;--ink:#1d2733;--soft:#56616e;--line:#d4dae1;--paper:#fff;--tint:#2f6fb3;
--box:#2f6fb3;--tail:#8d9aa8;--mark:#10202f;--dot:#2f6fb3;--warn:#a3260f;--second:#b5651d}
@media (prefers-color-scheme:dark){:root{--ink:#e6ebf0;--soft:#aab4bf;--line:#3a444f;--paper:#14191f;
--tint:#3f7fc4;--box:#6aa5e3;--tail:#7d8997;--mark:#f4f7fa;--dot:#7fb4ec;--warn:#ff9a85;--second:#e2a05c}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:68rem;padding:1rem;background:var(--paper);color:var(--ink);
font:16px/1.5 system-ui,sans-serif}
h1{font-size:1.6rem;line-height:1.2;margin:.4rem 0}h2{font-size:1.25rem;margin:2.2rem 0 .4rem}
h3{font-size:1rem;margin:1.2rem 0 .3rem}
p{margin:.4rem 0;max-width:46rem}.soft{color:var(--soft)}a{color:inherit}
.badge{display:inline-block;border:2px solid var(--warn);color:var(--warn);border-radius:.3rem;
padding:.1rem .5rem;font-weight:600;margin:0 .4rem .3rem 0}
.scroll{overflow-x:auto;max-width:100%}
table{border-collapse:collapse;font-size:.9rem;font-variant-numeric:tabular-nums}
th,td{padding:.25rem .6rem;border-bottom:1px solid var(--line);text-align:right;vertical-align:top}
th:first-child{position:sticky;left:0;background:var(--paper);text-align:left}
th{font-weight:600}.text td{text-align:left}.text thead th{text-align:left}
.tint{background:color-mix(in srgb,var(--tint) var(--share),transparent)}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.2rem 1rem;margin:.6rem 0}
dt{color:var(--soft)}dd{margin:0;overflow-wrap:anywhere}
.rows{margin:.5rem 0;max-width:52rem}
.row{display:grid;grid-template-columns:6.2rem 1fr 6.6rem;gap:.5rem;align-items:center;font-size:.85rem}
.row>:last-child{white-space:nowrap;color:var(--soft);font-variant-numeric:tabular-nums}
.row>:first-child{overflow-wrap:anywhere}
.row svg{display:block;width:100%;height:1.3rem}
.axis div{position:relative;height:1.2rem}
.axis div span{position:absolute;transform:translateX(-50%);color:var(--soft)}
.tail{stroke:var(--tail);stroke-width:2}.box{stroke:var(--box);stroke-width:9}
.median{stroke:var(--mark);stroke-width:2}
.limit{stroke:var(--warn);stroke-width:1.5;stroke-dasharray:4 3}
.dots{stroke:var(--dot);stroke-width:4;stroke-linecap:round;opacity:.55}
.tail,.box,.median,.limit,.dots,.frame{vector-effect:non-scaling-stroke;fill:none}
.frame{stroke:var(--line);stroke-width:1}
.s0{fill:#3b76b5}.s1{fill:#c98a3c}.s2{fill:#7b8794}
.before{fill:var(--second);opacity:.55}.after{fill:var(--box);opacity:.6}
.key{display:inline-block;width:.8rem;height:.8rem;border-radius:.15rem;
vertical-align:-.08rem;margin:0 .3rem 0 .8rem}
.k0{background:#3b76b5}.k1{background:#c98a3c}.k2{background:#7b8794}
.kbefore{background:var(--second)}.kafter{background:var(--box)}
.tiles{display:grid;grid-template-columns:repeat(auto-fill,minmax(9rem,1fr));gap:.8rem;margin:.6rem 0}
.tiles figure{margin:0}.tiles img{width:100%;image-rendering:pixelated;display:block;background:#7b8794}
figcaption{font-size:.85rem}
.scale{height:.8rem;max-width:20rem;border:1px solid var(--line)}
.ends{display:flex;justify-content:space-between;max-width:20rem;font-size:.85rem;color:var(--soft)}
.histogram svg{display:block;width:100%;max-width:40rem;height:9rem}
details{margin:.5rem 0}summary{cursor:pointer}
code{overflow-wrap:anywhere;font-size:.9em}pre{white-space:pre-wrap;overflow-wrap:anywhere;margin:.3rem 0}
@media print{details{display:none}body{max-width:none}section{break-inside:avoid}}
"""


def page(title: str, head: str, sections: Iterable[str], *, notes: Sequence[str], generator: str) -> str:
    """Return the whole page; `notes` are words that its first lines say of it, such as SYNTHETIC."""
    said = "".join(f": {note}" for note in notes)
    return (
        f'{MARKER}{escape(said)} -->\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f"<title>{escape(title)}</title>\n"
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta name="generator" content="{escape(generator)}">\n'
        f"<style>{_STYLE}</style>\n</head>\n<body>\n<header>\n{head}\n</header>\n<main>\n"
        + "\n".join(sections)
        + "\n</main>\n</body>\n</html>\n"
    )


def section(title: str, parts: Iterable[str]) -> str:
    """Return a section with a heading; the parts are HTML."""
    return (
        f"<section>\n<h2>{escape(title)}</h2>\n" + "\n".join(part for part in parts if part) + "\n</section>"
    )


def paragraph(text: str, *, soft: bool = False) -> str:
    """Return a paragraph of plain text, empty for an empty one."""
    style = ' class="soft"' if soft else ""
    return f"<p{style}>{escape(text)}</p>" if text else ""


def table(
    label: str,
    head: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    identifier: str = "",
    is_text: bool = False,
    tints: Sequence[Sequence[int]] | None = None,
) -> str:
    """Return a table in a box that scrolls; the first cell of a row is its head.

    Parameters
    ----------
    label
        What the table shows, for those who cannot see it.
    head, rows
        The cells, as plain text or as HTML that `details` and others return; heads are plain text.
    identifier
        The ``id`` of the table.
    is_text
        Whether the cells are texts, which are aligned to the left.
    tints
        A percentage for the background of each cell but the first.
    """
    names = "".join(f'<th scope="col">{escape(name)}</th>' for name in head)
    body = []
    for number, row in enumerate(rows):
        first, *others = row
        cells = "".join(
            f"<td{_tint(tints, number, column)}>{cell}</td>" for column, cell in enumerate(others)
        )
        body.append(f'<tr><th scope="row">{escape(first)}</th>{cells}</tr>')
    attributes = (f' id="{identifier}"' if identifier else "") + (' class="text"' if is_text else "")
    return (
        # In the order of tabs: without a pointer, only a box with the focus scrolls.
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(label)}"><table{attributes}>'
        f"<thead><tr>{names}</tr></thead><tbody>" + "".join(body) + "</tbody></table></div>"
    )


def _tint(tints: Sequence[Sequence[int]] | None, row: int, column: int) -> str:
    if tints is None or not tints[row][column]:
        return ""
    return f' class="tint" style="--share:{tints[row][column]}%"'


def details(summary: str, content: str) -> str:
    """Return HTML that is folded under a line of plain text."""
    return f"<details><summary>{escape(summary)}</summary>{content}</details>"
