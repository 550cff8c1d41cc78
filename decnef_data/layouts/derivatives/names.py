"""The names of fMRIPrep's files, versions 20.2 to 25.2: which file belongs to which run, and in which space.

The names follow BIDS: ``key-value`` entities separated by ``_``, then a suffix and an extension.  A run
without ``space-`` is on the grid of the original run.  fMRIPrep calls that space ``func`` where it is
requested, and has other words for it (https://fmriprep.org/en/stable/spaces.html).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

__all__ = ["NATIVE_SPACE", "NATIVE_WORDS", "DerivativeName", "has_derived_runs", "parse_name"]

#: The space of a run without ``space-`` in its name, and fMRIPrep's other words for it.
NATIVE_SPACE: Final = "func"
NATIVE_WORDS: Final = frozenset({"func", "bold", "run", "boldref", "sbref"})
_NAME: Final = re.compile(
    r"(?P<entities>(?:[A-Za-z]+-[A-Za-z0-9+]+_)+)(?P<suffix>[A-Za-z0-9]+)(?P<extension>\..+)"
)
_DERIVED_RUN: Final = re.compile(r"_desc-[A-Za-z0-9]+_bold\.nii(?:\.gz)?$")
#: What distinguishes images of one run from each other; everything else in a name belongs to the run.
_OF_IMAGE: Final = ("space", "cohort", "res", "den", "echo", "part", "desc")
_VARIANT: Final = ("cohort", "res", "den", "echo", "part")
# Earlier versions wrote `regressors`.
_CONFOUNDS: Final = ("timeseries", "regressors")


@dataclass(frozen=True)
class DerivativeName:
    """The parts of the name of one file.

    Attributes
    ----------
    entities
        The values of the entities by key, such as ``{"sub": "01", "task": "rest"}``.
    suffix
        The last part, such as ``"bold"``.
    extension
        The extension with its first dot, such as ``".nii.gz"``.
    """

    entities: Mapping[str, str]
    suffix: str
    extension: str

    @property
    def kind(self) -> str:
        """What the file is: ``"bold"``, ``"mask"``, ``"confounds"``, ``"sidecar"`` or ``"other"``."""
        is_image = self.extension in {".nii", ".nii.gz"}
        if is_image and self.suffix == "bold" and "desc" in self.entities:
            return "bold"
        if is_image and self.suffix == "mask" and self.desc == "brain":
            return "mask"
        if self.extension == ".tsv" and self.suffix in _CONFOUNDS and self.desc == "confounds":
            return "confounds"
        # Only sidecars of runs: the repetition time is read from them.
        return "sidecar" if self.extension == ".json" and self.suffix == "bold" else "other"

    @property
    def desc(self) -> str:
        """The value of ``desc-``, empty if there is none."""
        return self.entities.get("desc", "")

    @property
    def subject(self) -> str:
        """The id of the subject, with ``sub-``."""
        return f"sub-{self.entities['sub']}"

    @property
    def session(self) -> str:
        """The label of the session without ``ses-``, empty if there is none."""
        return self.entities.get("ses", "")

    @property
    def run(self) -> int | None:
        """The number of the run, ``None`` if the name has none."""
        number = self.entities.get("run", "")
        # run-1 and run-01 are the same run.
        return int(number) if number.isdecimal() else None

    @property
    def space(self) -> str:
        """The space, ``"func"`` for the grid of the original run."""
        return self.entities.get("space", NATIVE_SPACE)

    @cached_property
    def run_key(self) -> tuple[tuple[str, str], ...]:
        """What all files of one run have in common."""
        return tuple(pair for pair in self.entities.items() if pair[0] not in _OF_IMAGE)

    @cached_property
    def variant(self) -> tuple[tuple[str, str], ...]:
        """The entities by which images in one space differ: cohort, resolution, echo and part."""
        return tuple((key, self.entities[key]) for key in _VARIANT if key in self.entities)

    @property
    def image_key(self) -> tuple[object, ...]:
        """What a run and its mask have in common."""
        return (self.run_key, self.space, self.variant)


def parse_name(name: str) -> DerivativeName | None:
    """Return the parts of the name of a file of one subject, ``None`` for any other name.

    Examples
    --------
    >>> parsed = parse_name("sub-01_task-rest_run-1_space-T1w_desc-preproc_bold.nii.gz")
    >>> parsed.kind, parsed.subject, parsed.run, parsed.space
    ('bold', 'sub-01', 1, 'T1w')
    >>> parse_name("sub-01_task-rest_desc-confounds_regressors.tsv").kind
    'confounds'
    >>> parse_name("dataset_description.json") is None
    True
    """
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    pairs = [part.split("-", 1) for part in match["entities"].rstrip("_").split("_")]
    entities = dict(pairs)
    # With a key that occurs twice, one of the two values would be lost.
    if "sub" not in entities or len(entities) < len(pairs):
        return None
    return DerivativeName(entities, match["suffix"], match["extension"])


def has_derived_runs(names: "list[str]") -> bool:
    """Return whether a list of names has a run that was preprocessed.

    Examples
    --------
    >>> has_derived_runs(["sub-01_task-rest_desc-preproc_bold.nii.gz"]), has_derived_runs(["sub-01_bold.nii"])
    (True, False)
    """
    return any(_DERIVED_RUN.search(name) for name in names)
