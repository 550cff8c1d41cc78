"""What stays in a notebook after a request: what came, verified how, where it is, how to open and cite it."""

from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import Final

from decnef_data.cache_folder import resolve_cache_folder
from decnef_data.client.citations import citations_for
from decnef_data.client.options import FetchOptions
from decnef_data.client.resolve import LocationResolver, is_phantom
from decnef_data.client.synthetic_copies import is_synthetic
from decnef_data.display.elements import count_text, human_size, path_html, short_path, synthetic_badge
from decnef_data.mirror_index.model import Index
from decnef_data.model import Citation, Dataset, Export, ExportSummary, LocalCopy, VerifiedFile
from decnef_data.records import Records

__all__ = ["copy_note", "export_note", "index_note"]

_Note = tuple[str, str]
_ALGORITHM_NAMES: Final = {"md5": "MD5", "sha1": "SHA-1", "sha256": "SHA-256"}


def copy_note(copy: LocalCopy, dataset: Dataset, resolver: LocationResolver, options: FetchOptions) -> _Note:
    """Return the note on a copy of a dataset, as HTML and as text."""
    synthetic = is_phantom(copy.mirror) or is_synthetic(copy)
    came = f"{_describe_files(copy, dataset)}, {_describe_origin(copy.mirror)}; {describe_checks(copy.files)}"
    call = _open_call(dataset, resolver, options)
    works = citations_for(resolver.records, dataset, synthetic=synthetic)
    return _format(dataset.name, came, copy.root, synthetic=synthetic, call=call, works=works)


def _describe_files(copy: LocalCopy, dataset: Dataset) -> str:
    count, size = len(copy.files), human_size(sum(file.size for file in copy.files))
    # Only the other files of an adopted folder of images are hashed, and so listed as files.
    if (
        dataset.has_unhashed_files
        and all(dataset.should_hash(file.path) for file in copy.files)
        and count > 1
    ):
        return f"a folder of images and {count_text(count, 'other file')} ({size})"
    return f"{count_text(count, 'file')} ({size})"


def _describe_origin(mirror: str) -> str:
    return "created on this machine" if is_phantom(mirror) else f"from {mirror}"


def export_note(
    exported: Export | ExportSummary, dataset: Dataset, records: Records, *, synthetic: bool
) -> _Note:
    """Return the note on an export, as HTML and as text."""
    written = f"{count_text(exported.written, 'file')} written, {human_size(exported.size)}"
    skipped = f"; {exported.skipped:,} were there already" if exported.skipped else ""
    works = citations_for(records, dataset, synthetic=synthetic)
    return _format(
        dataset.name, written + skipped, exported.folder, synthetic=synthetic, call="", works=works
    )


def index_note(index: Index) -> _Note:
    """Return the note on a crawl, as HTML and as text."""
    matched = sum(match.resolved for match in index.matches)
    found = (
        f"{count_text(index.files, 'file')} found, {matched} of {count_text(len(index.matches), 'dataset')}"
    )
    name, call = index.mirror, f'decnef_data.index("{index.mirror}", offline=True)'
    html = f"<b>{escape(name)}</b>: {found} matched. In {path_html(index.file)}."
    text = f"{name}: {found} matched. In {short_path(index.file)}."
    return f"{html} Open it with <code>{escape(call)}</code>.", f"{text} Open it with {call}."


def describe_checks(files: Iterable[VerifiedFile]) -> str:
    """Describe how files were verified.

    Examples
    --------
    >>> from decnef_data.model import Checksum
    >>> checksums = (Checksum("md5", "d41d8cd98f00b204e9800998ecf8427e"),)
    >>> file = VerifiedFile("a.zip", Path("a.zip"), 0, checksums, "synapse", has_expected_checksum=True)
    >>> describe_checks([file])
    'MD5 as expected'
    """
    listed = tuple(files)
    algorithms = sorted({file.checksums[0].algorithm for file in listed if file.checksums})
    expected = sum(file.has_expected_checksum for file in listed)
    names = " and ".join(_ALGORITHM_NAMES.get(name, name) for name in algorithms) or "checksum"
    if expected == len(listed):
        return f"{names} as expected"
    first_seen = f"{names} recorded, because none was stated"
    return (
        first_seen if not expected else f"{expected:,} with {names} as expected, the others with {first_seen}"
    )


def _open_call(dataset: Dataset, resolver: LocationResolver, options: FetchOptions) -> str:
    mirror = "synthetic" if is_phantom(options.mirror) else options.mirror
    arguments = [f'"{dataset.name}"']
    if mirror != "auto":
        arguments.append(f'mirror="{mirror}"')
    if resolver.root != resolve_cache_folder():
        arguments.append(f'data_dir="{short_path(resolver.root)}"')
    return f"decnef_data.fetch_dataset({', '.join(arguments)})"


def _format(
    name: str, came: str, folder: Path, *, synthetic: bool, call: str, works: Sequence[Citation]
) -> _Note:
    # Those to cite only on some occasion are left to cite().
    dois = [work.doi for work in works if work.doi and work.when is None]
    cite = f'decnef_data.cite("{name}")'
    html = [f"<b>{escape(name)}</b>{synthetic_badge(synthetic=synthetic)}: {escape(came)}."]
    html.append(f"In {path_html(folder)}.")
    text = [f"{name}{' (SYNTHETIC)' if synthetic else ''}: {came}.", f"In {short_path(folder)}."]
    if call:
        html.append(f"Open it with <code>{escape(call)}</code>.")
        text.append(f"Open it with {call}.")
    if dois:
        links = ", ".join(f"<a href='https://doi.org/{escape(doi)}'>doi:{escape(doi)}</a>" for doi in dois)
        html.append(f"Cite {links};")
        text.append(f"Cite {', '.join(f'doi:{doi}' for doi in dois)};")
    if works:  # a dataset of a catalog of one's own may have none
        html.append(f"<code>{escape(cite)}</code> has all references.")
        text.append(f"{cite} has all references.")
    return " ".join(html), " ".join(text)
