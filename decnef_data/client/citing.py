"""What to cite for a dataset, in which style, and of which version."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from decnef_data.errors import SelectionError
from decnef_data.files import Files
from decnef_data.model import Citation, Copy, Dataset
from decnef_data.records import Records

STYLES: Final = ("text", "bibtex", "csl")
#: How Synapse's mirror names what it gave: entity, version, file handle.
_SYNAPSE: Final = re.compile(r"(syn\d+\.\d+):\d+")
_FIELD: Final = re.compile(r"^\s*([\w-]+)\s*=\s*\{(.*)\},?\s*$", re.MULTILINE)
_ENTRY: Final = re.compile(r"@(\w+)\s*\{\s*([^,\s]+)")
#: BibTeX's fields by CSL's names.
_CSL: Final = {
    "title": "title",
    "container-title": "journal",
    "publisher": "howpublished",
    "volume": "volume",
    "page": "pages",
    "version": "version",
    "DOI": "doi",
    "URL": "url",
}


def versions(files: Files, copy: Copy) -> tuple[str, ...]:
    """Name the versions, as Synapse does (``syn1.2``), of the files that came from there."""
    journal = files.journal(copy.dataset, copy.mirror)
    receipts = (journal.receipts.get(file.path) for file in copy.files) if journal else ()
    named = (_SYNAPSE.fullmatch(receipt.identity or "") for receipt in receipts if receipt)
    return tuple(found[1] for found in named if found)


def works(records: Records, dataset: Dataset, of: Sequence[str] = ()) -> tuple[Citation, ...]:
    """Give the works to cite for a dataset, the data themselves in the version that is one of `of`.

    A dataset that came as many files has a version for each, and none as a whole.
    """
    cited = [records.citation(key) for key in dataset.citations]
    if len(of) != 1:
        return tuple(cited)
    own = next((work for work in cited if dataset.doi and work.doi == dataset.doi), None)
    if own is None:
        return (*cited, _versioned(_own(dataset), of[0]))
    return tuple(_versioned(work, of[0]) if work is own else work for work in cited)


def _own(dataset: Dataset) -> Citation:
    """Make the entry of a dataset that has none in the records."""
    key = f"{dataset.name}-synapse"
    bibtex = f"@misc{{{key},\n  title        = {{{{{dataset.title}}}}},\n  howpublished = {{Synapse}}\n}}"
    return Citation(key=key, text=f"{dataset.title}. Synapse", bibtex=bibtex)


def _versioned(work: Citation, version: str) -> Citation:
    body = work.bibtex.rstrip().removesuffix("}").rstrip().removesuffix(",")
    bibtex = f"{body},\n  version      = {{{version}}}\n}}"
    return msgspec.structs.replace(work, text=f"{work.text}. Version {version}", bibtex=bibtex)


def written(cited: Sequence[Citation], style: str) -> str:
    r"""Write works as text, BibTeX or CSL-JSON.

    Raises
    ------
    SelectionError
        There is no such style.

    Examples
    --------
    >>> work = Citation(key="a", text="A. B. 2021", bibtex="@article{a,\n  year = {2021}\n}")
    >>> written([work], "text")
    'A. B. 2021'
    """
    match style:
        case "text":
            return "\n\n".join(map(told, cited))
        case "bibtex":
            return "\n\n".join(work.bibtex.strip() for work in cited)
        case "csl":
            return json.dumps([csl(work) for work in cited], indent=2, ensure_ascii=False)
    message = f"There is no citation style '{style}'. Choose text, bibtex or csl."
    raise SelectionError(message, asked=style, known=STYLES)


def told(work: Citation) -> str:
    """Write a work in words, with the occasion on which it is to be cited."""
    return f"{work.text} ({work.when})" if work.when else work.text


def csl(work: Citation) -> dict[str, Any]:
    """Read a work's BibTeX, a field a line, into an item of CSL-JSON."""
    fields = {name.lower(): value for name, value in _FIELD.findall(work.bibtex)}
    kind = _ENTRY.match(work.bibtex.strip())
    item: dict[str, Any] = {"id": work.key, "type": _type(kind[1] if kind else "")}
    item |= {name: _bare(fields[source]) for name, source in _CSL.items() if source in fields}
    item |= {"author": list(_names(fields["author"]))} if "author" in fields else {}
    item |= _issued(fields)
    return item if "title" in item else {**item, "title": work.text}


def _type(entry: str) -> str:
    return {"article": "article-journal", "misc": "dataset", "book": "book"}.get(entry.lower(), "document")


def _bare(value: str) -> str:
    """Leave out the braces by which BibTeX keeps capitals."""
    return value.replace("{", "").replace("}", "")


def _names(authors: str) -> Iterator[dict[str, str]]:
    for name in re.split(r"\s+and\s+", _bare(authors)):
        family, comma, given = (part.strip() for part in name.partition(","))
        yield {"family": family, "given": given} if comma else {"literal": family}


def _issued(fields: Mapping[str, str]) -> dict[str, Any]:
    year = fields.get("year", "")
    return {"issued": {"date-parts": [[int(year)]]}} if year.isdigit() else {}
