"""The account of a folder of derivatives: what was used, whom the dataset does not list, what is missing."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from decnef_data.layouts.account import file_account, name_some, quote, rule_of_document
from decnef_data.layouts.column_remarks import count_noun
from decnef_data.layouts.derivatives.folder import DerivativesFolder
from decnef_data.layouts.derivatives.runs import DerivedRuns
from decnef_data.layouts.imaging.groups.labels import ScanLabels
from decnef_data.model import Account, FileAccount, Remark
from decnef_data.name_rules import rule_of_file

__all__ = ["DerivativesAccount", "build_account"]

#: Repetition times are documented in milliseconds.
_MAX_TIME_DIFFERENCE: Final = 0.001


@dataclass(frozen=True, slots=True)
class DerivativesAccount:
    """The account of a folder, with all participants and runs that its remarks count.

    ``unknown`` are the participants, sessions and runs that the dataset does not have, ``missing`` the runs
    that it has and the folder has not, such as ``sub-0001/run-1``, with the space if the folder has it in
    another one.
    """

    account: Account
    unknown: tuple[str, ...]
    missing: tuple[str, ...]

    def attrs(self) -> dict[str, str]:
        """Return the account as attributes: texts with one entry per line, absent where there is none."""
        texts = {
            "account": self.account.summary(),
            "unknown_runs": "\n".join(self.unknown),
            "missing_runs": "\n".join(self.missing),
        }
        return {name: text for name, text in texts.items() if text}


def build_account(
    folder: DerivativesFolder, runs: DerivedRuns, spaces: Sequence[str], labels: ScanLabels
) -> DerivativesAccount:
    """Return what every file of the folder was used for, and what is missing.

    Parameters
    ----------
    folder
        The files.
    runs
        The runs in the selected spaces.
    spaces
        The selected spaces.
    labels
        The participants.
    """
    missing = _missing_runs(runs, spaces, labels)
    remarks = (
        *_unknown_remarks(runs.unknown),
        *_missing_remarks(missing),
        *_absent_companions(runs),
        *_repetition_times(runs, labels),
        *_synthetic_remarks(folder, labels),
    )
    return DerivativesAccount(
        Account(files=_count_files(folder, runs), remarks=remarks),
        tuple(runs.unknown),
        missing,
    )


def _count_files(folder: DerivativesFolder, runs: DerivedRuns) -> FileAccount:
    unreadable = {problem.file for problem in runs.problems if problem.file}
    unknown = {path for paths in runs.unknown.values() for path in paths}
    others = {
        path: rule_of_file(path.rpartition("/")[2]) or rule_of_document(path) for path in folder.unparsed
    }
    for file in folder.files:
        if file.path in unknown:
            others[file.path] = "unknown-run"
        elif file.path not in runs.used and file.path not in unreadable:
            others[file.path] = "other-derivative"
    # A table of confounds can be used in one space and be the problem of another one.
    return file_account(len(runs.used - unreadable), others, n_unreadable=len(unreadable))


def _unknown_remarks(unknown: Collection[str]) -> Iterator[Remark]:
    if unknown:
        message = (
            "The folder has runs that the dataset does not have, and that are left out: "
            f"{name_some(map(quote, unknown))}. Check the ids, sessions and numbers of runs."
        )
        yield Remark("unknown-runs", message)


def _missing_runs(runs: DerivedRuns, spaces: Sequence[str], labels: ScanLabels) -> tuple[str, ...]:
    """Return the runs of the copy without a derivative; without images in it, those that it should have."""
    found: dict[tuple[int, int], set[str]] = {}
    for row, run, space, _ in runs.found:
        found.setdefault((row, run), set()).add(space)
    # Tables alone do not say how many runs a participant has; one is the least.
    listed = dict.fromkeys(np.flatnonzero(labels.participants.is_listed).tolist(), (1,))
    expected: Mapping[int, Iterable[int]] = labels.runs or listed
    missing: list[str] = []
    pairs = [(row, run) for row in sorted(expected) for run in sorted(expected[row])]
    for row, run in pairs:
        there, name = found.get((row, run), set()), labels.name_of(row, run)
        absent = [space for space in spaces if space not in there]
        # Of a run that is not there at all, one line is enough, and not one per space.
        missing += [f"{name} {space}" for space in absent] if there else [name]
    return tuple(missing)


def _missing_remarks(missing: Sequence[str]) -> Iterator[Remark]:
    if missing:
        message = (
            f"The folder does not have {count_noun(len(missing), 'run')} of the dataset: "
            f"{name_some(map(quote, missing))}. The attribute 'missing_runs' of the tree lists all."
        )
        yield Remark("missing-runs", message)


def _absent_companions(runs: DerivedRuns) -> Iterator[Remark]:
    masks = [run.scan.files[0] for run in runs.runs if run.mask is None]
    if masks:
        message = (
            f"{count_noun(len(masks), 'run')} without a brain mask: {name_some(map(quote, masks))}. "
            "Their groups have no variable 'mask'."
        )
        yield Remark("missing-masks", message)
    tables = [run.scan.files[0] for run in runs.runs if run.confounds is None]
    if tables:
        message = (
            f"{count_noun(len(tables), 'run')} without a table of confounds: "
            f"{name_some(map(quote, tables))}. Their confounds are NaN."
        )
        yield Remark("missing-confounds", message)


def _repetition_times(runs: DerivedRuns, labels: ScanLabels) -> Iterator[Remark]:
    planned = labels.participants.columns["_repetition_time"]
    pairs = [(run, run.scan.header.repetition_time) for run in runs.runs if run.scan.header]
    differing = [
        (run.scan.files[0], seconds, float(planned[run.row]))
        for run, seconds in pairs
        # A comparison with NaN, where a time is unknown, is false, so it is not reported.
        if abs(seconds - planned[run.row]) > _MAX_TIME_DIFFERENCE
    ]
    if differing:
        named = name_some(
            f"'{path}' ({seconds:g} s instead of {time:g} s)" for path, seconds, time in differing
        )
        message = (
            f"The repetition time of {count_noun(len(differing), 'run')} differs from that of the protocol: "
            f"{named}. The coordinate 'repetition_time' has that of the derivatives."
        )
        yield Remark("derived-repetition-time", message)


def _synthetic_remarks(folder: DerivativesFolder, labels: ScanLabels) -> Iterator[Remark]:
    if folder.synthetic and not labels.synthetic:
        message = (
            "The derivatives are marked as synthetic, but the participants are those of a real copy. "
            "Open the derivatives of a phantom with mirror='phantom'."
        )
        yield Remark("synthetic-derivatives", message)
