"""The statement about a copy: aggregates without participants, for a holder to read, edit and pass on."""

import json
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Final

from decnef_data.atomic_files import write_atomic
from decnef_data.disclosure import MIN_COUNT
from decnef_data.errors import SelectionError
from decnef_data.model import DoctorReport, Finding, TableAccount
from decnef_data.model.account import SetAside

__all__ = ["format_statement", "require_new_file", "write_statement"]

_DISTRIBUTION: Final = "decnef-data"

#: Ids of participants in paths, in both forms of the traveling subjects, too.
_SUBJECT: Final = re.compile(r"(?<![0-9A-Za-z])(?:sub-[0-9A-Za-z]+|sub\d+|MP\d+)", re.IGNORECASE)
#: A number that is a word of its own: not part of a checksum.
_NUMBER: Final = re.compile(r"(?<![0-9A-Za-z.])\d+(?:\.\d+)?(?![0-9A-Za-z])")
#: What names participants, sessions or runs behind the counts.
_NAMES: Final = re.compile(r"(?:: | \().*", re.DOTALL)
_TABLE_ROLES: Final = ("participants", "supplement", "protocols")
_INTRODUCTION: Final = """\
This statement describes one copy of {title}. It has names of files, shapes and counts, no participant and no
value of one; counts below {minimum} are not given. It was written by {software} on this machine, and nothing
was sent. Read it, delete what you do not want to tell, and send it to the maintainers yourself if you like:
it shows which facts of the catalog hold for a real copy.
"""


_SYNTHETIC_INTRODUCTION: Final = """\
This statement describes SYNTHETIC data, a digital phantom of {title}, made by {software}.
It tells nothing about a real copy: do not send it.
"""


_DIGESTS: Final = """\
## Checksums

With these records of the catalog, other holders learn that their files are the same as yours.
If you want that, replace OWNER by who you are, an institute or an account, and ADDRESS by a public page where
you state it; the grade follows from them.

`evidence.toml`:

```toml
[[evidence]]
key = '{key}'
owner = 'OWNER'
role = 'holder'
address = 'ADDRESS'
read = {read}
```

`datasets/{dataset}.toml`:

```toml
{known}
```
"""


def require_new_file(path: Path) -> Path:
    """Return a path if there is no file yet.

    Raises
    ------
    SelectionError
        There is one: it may have been edited.
    """
    if path.exists():
        raise SelectionError(f"'{path}' exists. Choose another file for the statement.", requested=str(path))
    return path


def write_statement(path: Path, report: DoctorReport, title: str) -> None:
    """Write the statement, readable for the user only."""
    today = datetime.now(UTC).date()
    text = format_statement(report, title, f"{_DISTRIBUTION} {version(_DISTRIBUTION)}", today)
    write_atomic(path, text.encode())


def format_statement(report: DoctorReport, title: str, software: str, read: date) -> str:
    """Return the statement as text.

    Parameters
    ----------
    report
        The comparisons of the copy, and its account.
    title
        Title of the dataset.
    software
        Name and version of the software.
    read
        The day of the statement.

    Examples
    --------
    >>> findings = (Finding("participants", "9", "9", agrees=True, grade="A"),)
    >>> report = DoctorReport("srpbs-ts", "folder", findings)
    >>> text = format_statement(report, "SRPBS-TS", "decnef-data 1.0", date(2026, 11, 30))
    >>> [line for line in text.splitlines() if line.startswith("- confirmed")]
    ['- confirmed (grade A): participants: 9']
    """
    template = _SYNTHETIC_INTRODUCTION if report.synthetic else _INTRODUCTION
    introduction = template.format(title=title, minimum=MIN_COUNT, software=software)
    kind = "a SYNTHETIC phantom" if report.synthetic else "a copy"
    sections = (
        ("Facts of the catalog", _fact_lines(report.findings)),
        ("Files", _file_lines(report)),
        ("Tables", _table_lines(report.account.tables)),
        ("Remarks", _remark_lines(report)),
    )
    # The checksum of a phantom confirms nothing about real copies.
    records = "" if report.synthetic else _digest_section(report, read)
    texts = [
        f"## {heading}\n\n" + "\n".join(_bullet(line) for line in lines or ["none"])
        for heading, lines in ((heading, list(lines)) for heading, lines in sections)
    ]
    heading = f"# Statement about {kind} of {report.dataset}"
    return "\n\n".join(filter(None, (heading, introduction.strip(), *texts, records))) + "\n"


def _digest_section(report: DoctorReport, read: date) -> str:
    """Return the checksums of the copy as records of the catalog; nothing if there are none to give."""
    digests = [each for each in report.digests if not _SUBJECT.search(each.file)]
    if not digests:
        return ""
    key = f"OWNER-{report.dataset}"
    known = "\n\n".join(
        f"[[known_files]]\npath = {_toml_text(each.file)}\nsha256 = '{each.sha256}'\nevidence = ['{key}']"
        for each in digests
    )
    return _DIGESTS.format(key=key, read=read.isoformat(), known=known, dataset=report.dataset).strip()


def _toml_text(text: str) -> str:
    # A JSON string is a valid TOML basic string, except for DEL.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _bullet(line: str) -> str:
    """Return a line as an item of a list, indented as the line is."""
    text = line.lstrip()
    return f"{line[: len(line) - len(text)]}- {text}"


def _fact_lines(findings: Iterable[Finding]) -> Iterator[str]:
    for finding in findings:
        if not finding.grade:  # a remark about the copy, which may name somebody
            continue
        state = "confirmed" if finding.agrees else "contradicted"
        found = "" if finding.agrees else f", found {_suppress_numbers(finding.found)}"
        yield f"{state} (grade {finding.grade}): {_anonymize(finding.what)}: {finding.expected}{found}"


def _file_lines(report: DoctorReport) -> Iterator[str]:
    files = report.account.files
    yield f"files: {_count(files.n_found)}, of which used: {_count(files.n_used)}"
    for group in (*files.set_aside, files.not_understood):
        yield from _group_lines(group)
    links = report.account.links
    for group in (links.dangling, links.leading_out):
        yield from _group_lines(group)


def _group_lines(group: SetAside) -> Iterator[str]:
    if group.count:
        names = dict.fromkeys(_anonymize(path) for path in group.examples)
        yield f"{group.rule}: {_count(group.count)}, such as {', '.join(names)}"


def _table_lines(tables: Iterable[TableAccount]) -> Iterator[str]:
    for table in tables:
        shape = f"{_count(table.rows.n_found)} rows, {len(table.columns)} columns"
        encoding = f", {table.encoding}, separator {table.separator!r}" if table.encoding else ""
        yield f"{_anonymize(table.file)}: {table.role}, {shape}{encoding}"
        # Without a header row, the first participant would be in its place.
        for column in table.columns if table.role in _TABLE_ROLES else ():
            cells = (
                f", cells without a known meaning: {_count(column.n_undecoded)}" if column.n_undecoded else ""
            )
            yield f"  column '{_anonymize(column.header)}': {column.name or column.use}{cells}"


def _remark_lines(report: DoctorReport) -> Iterator[str]:
    rules: dict[str, int] = {}
    for remark in report.account.remarks:
        rules[remark.rule] = rules.get(remark.rule, 0) + 1
    return (f"{rule}: {_count(count)}" for rule, count in sorted(rules.items()))


def _count(count: int) -> str:
    return f"{count:,}" if count >= MIN_COUNT or count == 0 else f"fewer than {MIN_COUNT}"


def _suppress_numbers(text: str) -> str:
    """Return a text without small numbers and names."""
    return _NUMBER.sub(
        lambda match: match[0] if float(match[0]) >= MIN_COUNT or float(match[0]) == 0 else f"<{MIN_COUNT}",
        _NAMES.sub("", text),
    )


def _anonymize(text: str) -> str:
    return _SUBJECT.sub("sub-<label>", text)
