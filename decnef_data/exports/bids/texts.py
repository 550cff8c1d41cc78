"""The texts at the top of a BIDS dataset: description, README, licence, changes and the task.

Synthetic data bear no identifier of the real dataset.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

from decnef_data.exports.bids.names import REST, task_label
from decnef_data.exports.bids.sidecars import format_json
from decnef_data.records import use_policy
from decnef_data.records.terms_text import format_terms

if TYPE_CHECKING:
    from decnef_data.exports.bids.record import Settings
    from decnef_data.model import Dataset
    from decnef_data.records import Records

__all__ = ["DESCRIPTION", "POOLED_COMMAND", "QUALITY_COMMAND", "Contents", "Texts", "next_change"]

DESCRIPTION: Final = "dataset_description.json"
#: What users of pooled data should run: slice timing is known for some sites only.
POOLED_COMMAND: Final = "fmriprep BIDS OUT participant --ignore slicetiming fieldmaps --notrack"
#: Without the option, MRIQC uploads its measures of each scan, which the terms do not permit.
QUALITY_COMMAND: Final = "mriqc BIDS OUT participant --no-sub"
_BIDS_VERSION: Final = "1.11.1"
_TASK: Final = {
    "TaskName": REST,
    "TaskDescription": "Resting state. What participants were asked to do with their eyes differs between "
    "sites; it is in the sidecar of each run whose protocol states it.",
}
#: The braces in a name, such as {\"O}, are in pairs.
_AUTHOR: Final = re.compile(r"author\s*=\s*\{((?:[^{}]|\{[^{}]*\})*)\}", re.IGNORECASE)
#: CHANGES has the form of Perl's change logs (CPAN::Changes::Spec), which BIDS asks for.
_VERSION: Final = re.compile(r"^1\.0\.(\d+) ", re.MULTILINE)
_SYNTHETIC_LICENSE: Final = """\
SYNTHETIC data, drawn by a program (decnef-data): nothing in this dataset belongs to any real person.
The terms of the real dataset do not apply to it, and no result found in it says anything about a brain.
Do not publish it as data.
"""
_SYNTHETIC_README: Final = """\
SYNTHETIC: every person, image and table was drawn by a program; nothing belongs to any real person.

"""
_README: Final = """\
# {title}

{synthetic}This dataset was exported by decnef-data.
It has {n_participants} participants.
{n_imaged} of them have images: {n_runs} runs and {n_t1w} T1-weighted images.

## Images

The voxel values are those of the distributed files.
Each run is one file, with its repetition time in the header.
The sidecars state what the protocol table of the release, the catalog of decnef-data and the headers state.
What none of them states, such as the total readout time, is left out.
So are values that the catalog only infers.
`{source_object}.left_out` of a sidecar has them, with their grades.
{t1w}
That an image was defaced is stated by the name of its original file (`source` in the tables of scans).
Nothing else here claims it.
Field maps do not state what they are (phase or magnitude, and which echo), so BIDS has no names for them.
They are below `sourcedata`, as distributed, beside the tables and documents of the release.

## Slice timing

{slice_timing}
fMRIPrep corrects for slice timing wherever a sidecar has it: the correction would differ between sites.
For pooled analyses, run

    {pooled}

MRIQC sends metrics to a public server{sharing} without this option:

    {quality}

## Terms and citation

The terms of use are in `LICENSE`.
{citation}"""
_SLICE_TIMING: Final = {
    "known": "Slice times are stated where the protocol says that slices were acquired in ascending order.",
    "inferred": "Slice times are stated where the protocol says that acquisition was ascending,\n"
    "and inferred where it says that acquisition was interleaved.\n"
    "`{source_object}.slice_timing_grade` of each sidecar says which.",
    "omit": "No sidecar has slice times.",
}
_T1W: Final = {
    True: "T1-weighted images are compressed.",
    False: "A T1-weighted image may be a hard link to the file that it was exported from: "
    "do not edit it in place.",
}


@dataclass(frozen=True, slots=True)
class Contents:
    """What is in the folder of an export: the numbers of subjects and images, and who has only a T1 image."""

    n_participants: int
    n_subjects: int
    n_runs: int
    n_t1w: int
    t1w_only: tuple[str, ...]
    tasks: tuple[str, ...]

    @classmethod
    def of_images(cls, n_participants: int, images: Sequence[str]) -> "Contents":
        """Count the images at these paths.

        Examples
        --------
        >>> names = ("func/sub-01_task-rest_bold.nii.gz", "anat/sub-01_T1w.nii.gz")
        >>> images = [*(f"sub-01/{name}" for name in names), "sub-02/anat/sub-02_T1w.nii.gz"]
        >>> Contents.of_images(3, images)
        Contents(n_participants=3, n_subjects=2, n_runs=1, n_t1w=2, t1w_only=('sub-02',), tasks=('rest',))
        """
        runs = [path for path in images if path.rsplit("/", 2)[1] == "func"]
        with_runs = {path.partition("/")[0] for path in runs}
        subjects = dict.fromkeys(path.partition("/")[0] for path in images)
        # In a dataset of T1 images alone, the sentence would be true of every participant.
        only = tuple(subject for subject in subjects if subject not in with_runs) if runs else ()
        tasks = tuple(sorted({task_label(path) for path in runs}))
        return cls(n_participants, len(subjects), len(runs), len(images) - len(runs), only, tasks)


@dataclass(frozen=True, slots=True)
class Texts:
    """The texts of one export.

    Parameters
    ----------
    dataset
        The dataset.
    records
        The catalog.
    settings
        The settings of the export.
    """

    dataset: "Dataset"
    records: "Records"
    settings: "Settings"

    @property
    def title(self) -> str:
        """The title of the dataset, which says whether it is synthetic."""
        return f"SYNTHETIC phantom of {self.dataset.title}" if self.settings.synthetic else self.dataset.title

    def license(self) -> str:
        """Return the terms of use."""
        if self.settings.synthetic:
            return _SYNTHETIC_LICENSE
        return format_terms(self.dataset, self.records)

    def format(self, contents: Contents) -> Iterator[tuple[str, str]]:
        """Yield the path and the text of each file except the description, which is written last."""
        yield "LICENSE", self.license()
        yield "README.md", self._readme(contents)
        for task in contents.tasks:  # a sidecar that applies to no image is an error
            yield f"task-{task}_bold.json", format_json(_TASK if task == REST else {"TaskName": task})

    def _readme(self, contents: Contents) -> str:
        source_object = self.dataset.sidecar_object
        return _README.format(
            title=self.title,
            synthetic=_SYNTHETIC_README if self.settings.synthetic else "",
            n_participants=contents.n_participants,
            n_imaged=contents.n_subjects,
            n_runs=contents.n_runs,
            n_t1w=contents.n_t1w,
            t1w=_T1W[self.settings.compress],
            slice_timing=_SLICE_TIMING[self.settings.slice_timing].format(source_object=source_object),
            source_object=source_object,
            pooled=POOLED_COMMAND,
            quality=QUALITY_COMMAND,
            sharing="" if self.dataset.redistributable else ", which the terms do not permit,",
            citation=self._citation(),
        )

    def _citation(self) -> str:
        if self.settings.synthetic:
            return "Synthetic data are not cited as data.\n"
        works = "\n".join(
            f"- {' '.join(self.records.citation(key).text.split())}" for key in self.dataset.citations
        )
        return f"Please cite these works when you use the data:\n\n{works}\n"

    def description(self) -> str:
        """Return the description of the dataset."""
        generator = {"Name": "decnef-data", "Version": version("decnef-data")}
        content: dict[str, Any] = {
            "Name": self.title,
            "BIDSVersion": _BIDS_VERSION,
            "DatasetType": "raw",
            **(self._synthetic_fields() if self.settings.synthetic else self._real_fields()),
            "GeneratedBy": [generator],
        }
        return format_json(content)

    def _synthetic_fields(self) -> dict[str, Any]:
        return {
            "License": "Synthetic data; the terms of the real dataset do not apply (see LICENSE)",
            "Authors": ["decnef-data (a program)"],
        }

    def _real_fields(self) -> dict[str, Any]:
        works = [self.records.citation(key) for key in self.dataset.citations]
        policy = use_policy(self.records, self.dataset)
        conditions = "".join(f"; {term}" for term in policy.modifiers)
        sharing = "" if self.dataset.redistributable else "; not redistributable"
        links = [f"https://doi.org/{work.doi}" for work in works if work.doi]
        origin = {
            "URL": self.dataset.page,
            **({"DOI": f"doi:{self.dataset.doi}"} if self.dataset.doi else {}),
            **({"Version": self.settings.versions[0]} if len(self.settings.versions) == 1 else {}),
        }
        return {
            "License": f"Custom terms of use (see LICENSE){conditions}{sharing}",
            # The first work is the one that describes the data.
            "Authors": _authors(works[0].bibtex) if works else [],
            "HowToAcknowledge": "Cite the works in ReferencesAndLinks, as the terms of use require.",
            "ReferencesAndLinks": links,
            # Not a DatasetDOI: the export is another object than the release, which the DOI identifies.
            "SourceDatasets": [origin],
        }


def _authors(bibtex: str) -> list[str]:
    """Return the authors of a BibTeX entry; the catalog lists the first ones."""
    match = _AUTHOR.search(bibtex)
    names = [" ".join(name.split()) for name in re.split(r"\s+and\s+", match[1])] if match else []
    return ["et al." if name == "others" else name for name in names]


def next_change(earlier: str, date: str, what: str) -> str:
    r"""Return the text of ``CHANGES`` with another entry at its top.

    Examples
    --------
    >>> print(next_change("1.0.0 2026-11-30\n  - Exported.\n", "2026-12-01", "Added."), end="")
    1.0.1 2026-12-01
      - Added.
    <BLANKLINE>
    1.0.0 2026-11-30
      - Exported.
    """
    match = _VERSION.search(earlier)
    number = int(match[1]) + 1 if match else 0
    entry = f"1.0.{number} {date}\n  - {what}\n"
    return f"{entry}\n{earlier}" if earlier else entry
