"""Refuses a catalog in which a value has neither evidence nor a formula nor an explicit 'none'.

``python docs/_make/evidence.py [FOLDER]`` checks the packaged catalog, or that of a folder.
"""

import sys
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

from decnef_data.records.evidence_problems import find_evidence_problems
from decnef_data.records.load import RecordEntry, read_entries
from decnef_data.records.stated_values import list_parts, stated_fields


def find_problems(entries: tuple[RecordEntry, ...]) -> Iterator[str]:
    """Yield each value without a basis, and each problem of the evidence, with file and location."""
    for part in list_parts(entries):
        for field in stated_fields(part.record):
            if part.record.basis_of(field) is None:
                place = f"{part.entry.file} at {part.entry.location}{part.location}"
                yield f"{place}: '{part.value_name(field)}' has no evidence, no formula and no 'none'."
    for entry, location, problem in find_evidence_problems(entries):
        yield f"{entry.file} at {entry.location}{location}: {problem.removesuffix(',')}."


def main() -> int:
    """Print the problems, and return 1 if there are any."""
    folder = Path(sys.argv[1]) if sys.argv[1:] else files("decnef_data_catalog")
    problems = list(find_problems(tuple(read_entries(folder))))
    print(*problems, sep="\n", end="\n" if problems else "", file=sys.stderr)  # noqa: T201
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
