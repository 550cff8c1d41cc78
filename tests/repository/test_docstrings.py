"""Public docstrings are complete, describe equal parameters in equal words, and refer to no other docstring for them."""

import builtins
import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any

import pytest

import decnef_data
from decnef_data.accessor import Accessor, TreeAccessor
from decnef_data.analysis.splits import Splits
from decnef_data.api.xarray_engine import DecnefEngine

pytestmark = pytest.mark.once

Documented = Callable[..., Any]

CLASSES = (
    decnef_data.Client,
    decnef_data.Records,
    decnef_data.TravelingSubjects,
    Accessor,
    TreeAccessor,
    Splits,
    DecnefEngine,
)
FUNCTIONS = {name: getattr(decnef_data, name) for name in decnef_data.__all__ if name[0].islower()}
#: Functions that raise no error of their own: they list what there is, format a value, or draw data.
NEVER_FAILS = {
    "cache", "cached_datasets", "count_participants", "environment", "hide_people", "hides_rows", "lock_text",
    "synthetic_travelers",
}  # fmt: skip
#: Checks of numpydoc; types are in the annotations, so that PR04 (no type) is not among them.
NUMPYDOC_CHECKS = {
    "GL01", "GL02", "GL03", "GL05", "GL06", "GL07", "GL08",
    "SS01", "SS02", "SS03", "SS04", "SS05", "SS06",
    "PR01", "PR02", "PR03", "PR07", "PR08", "PR09", "PR10",
    "RT01", "RT03", "RT04", "RT05", "EX01",
}  # fmt: skip
#: Parameters that have another meaning in these functions; those in one set share a description.
#: The methods of the client mean what the functions of the same names do.
_OTHER_MEANINGS: Mapping[str, tuple[set[str], ...]] = {
    "X": (
        {"Splits.get_n_splits"},
        {"TravelingSubjects.fit", "TravelingSubjects.transform", "TravelingSubjects.fit_transform"},
    ),
    "chunks": ({"to_zarr", "Accessor.to_zarr", "TreeAccessor.to_zarr"},),
    "code": ({"Records.site"},),
    "confounds": ({"timeseries", "Accessor.timeseries"},),
    "data": ({"splits"},),
    "dataset": (
        {"login"},
        {"motion"},
        {"timeseries"},
        {"to_matrix"},
        {"to_nifti"},
        {"Records.terms_of", "Records.data_use_of"},
    ),
    "deep": ({"audit"},),
    "destination": ({"export_bids"}, {"export_seek_index"}),
    "dest": ({"Accessor.to_confounds"}, {"Accessor.to_motion_table"}),
    "filename_or_obj": ({"DecnefEngine.guess_can_open"},),
    "group": ({"report"},),
    "i_may_share": ({"report"}, {"download"}),
    "lock": ({"lock_text"},),
    "mirror": ({"index", "login"}, {"logout"}, {"probe"}, {"open_derivatives", "label"}),
    # Field maps are opened only on request, and downloaded, locked and exported with everything else;
    # participants are listed whether or not they have images.
    "modalities": ({"download", "export_bids", "export_nifti", "lock"}, {"participants", "query"}),
    "name": (
        {
            "fetch_dataset",
            "participants",
            "plan",
            "download",
            "lock",
            "export_bids",
            "export_nifti",
            "phantom_truth",
        },
        {"access", "clear_cache"},
        {"cite"},
        {"label"},
        {"Records.mirror", "Records.login_form"},
        {"Records.fact"},
    ),
    "names": ({"timeseries", "Accessor.timeseries"}, {"Records.facts"}),
    "path": ({"open_derivatives"}, {"report"}, {"check_catalog"}, {"import_seek_index"}),
    "progress": ({"motion", "Accessor.motion", "Accessor.with_motion"},),
    # Of each scan of several, and of the one that is returned.
    "run": ({"label"}, {"Accessor.sel", "TreeAccessor.sel"}),
    # Of a sample, and of a split.
    "seed": ({"match"}, {"splits", "Accessor.splits"}),
    "session": ({"label"}, {"Accessor.sel", "TreeAccessor.sel"}),
    # Of participants to match, and of splits that were made of them.
    "table": ({"leakage"},),
    "site": ({"TravelingSubjects.transform"},),
    "stratify": ({"splits", "Accessor.splits"},),
    "style": ({"export"},),
    "subject": ({"label"}, {"Accessor.sel", "TreeAccessor.sel"}),
    "y": ({"TravelingSubjects.fit", "TravelingSubjects.fit_transform"},),
}


def _with_methods(functions: set[str]) -> set[str]:
    """Add the methods of the client that have the names of functions."""
    return functions | {f"Client.{name}" for name in functions if hasattr(decnef_data.Client, name)}


OTHER_MEANINGS = {name: tuple(map(_with_methods, own)) for name, own in _OTHER_MEANINGS.items()}
#: What every function that selects data may refuse, in the same words.
SELECTION_ERRORS = (
    "There is no such dataset, group, site, diagnosis, subject, coordinate or mirror",
    "a range cannot be applied, because no participant has a value",
    "than the sample needs",
    "an argument has the wrong type",
)
SELECTION_WARNING = (
    "articipants were left out because they have no value for a range or for `stratify`, "
    "or because their site is pooled with others"
)
#: Functions that read no table of participants, so that they refuse less.
READ_NO_TABLE = {"lock", "plan"}
#: What leaves a parameter to another docstring.
REFERENCES = re.compile(
    r"\b(?:those of|that of|as for|as in|see|same as) :(?:func|meth|class):|\bparameters (?:and|are|as)\b",
    re.IGNORECASE,
)


def methods(cls: type) -> Iterator[tuple[str, Documented]]:
    """Yield the public methods of a class, those of its base classes in this package included."""
    for name, value in inspect.getmembers(cls, inspect.isroutine):
        function = getattr(value, "__func__", value)
        if not name.startswith("_") and str(function.__module__).startswith("decnef_data."):
            yield f"{cls.__name__}.{name}", function


def documented() -> dict[str, Documented]:
    """Return every public function and method."""
    return FUNCTIONS | dict(method for cls in CLASSES for method in methods(cls))


def sections(text: str) -> dict[str, str]:
    """Return the sections of a docstring by title; the first, without a title, is the summary."""
    parts = re.split(r"^(\w[\w ]*)\n-{3,}\n", text, flags=re.MULTILINE)
    return {"": parts[0], **dict(zip(parts[1::2], parts[2::2], strict=True))}


def section(function: Documented, title: str) -> str:
    return sections(inspect.getdoc(function) or "").get(title, "")


def items(text: str) -> dict[str, str]:
    """Return the descriptions in a section by name; one description may be of several names."""
    parts = re.split(r"^(\S.*)\n", text, flags=re.MULTILINE)
    pairs = zip(parts[1::2], parts[2::2], strict=True)
    return {name: " ".join(description.split()) for names, description in pairs for name in names.split(", ")}


def descriptions(functions: Mapping[str, Documented]) -> dict[str, dict[str, str]]:
    """Return, for each parameter, its description in each function."""
    found: dict[str, dict[str, str]] = {}
    for name, function in functions.items():
        for parameter, description in items(section(function, "Parameters")).items():
            found.setdefault(parameter, {})[name] = description
    return found


def same_meanings(functions: AbstractSet[str], own: tuple[set[str], ...]) -> Iterator[AbstractSet[str]]:
    """Yield the functions that mean the same by a parameter: those without an own meaning, then each set."""
    yield functions - set().union(*own)
    yield from own


def disagreements(
    functions: Mapping[str, Documented], exceptions: Mapping[str, tuple[set[str], ...]]
) -> list[str]:
    """Return the parameters that are described in different words by functions that mean the same."""
    meanings = (
        (parameter, by_function, names)
        for parameter, by_function in descriptions(functions).items()
        for names in same_meanings(by_function.keys(), exceptions.get(parameter, ()))
    )
    return [
        f"{parameter} of {', '.join(sorted(names))}"
        for parameter, by_function, names in meanings
        if len({by_function[name] for name in names}) > 1
    ]


def numpydoc_errors(function: Documented) -> list[str]:
    validate = pytest.importorskip("numpydoc.validate")
    errors = validate.validate(validate.get_doc_object(function))["errors"]
    return [f"{code}: {text}" for code, text in errors if code in NUMPYDOC_CHECKS]


class TestCompleteness:
    @pytest.mark.tools
    @pytest.mark.parametrize("name", documented())
    def test_numpydoc_finds_nothing_missing(self, name: str) -> None:
        assert numpydoc_errors(documented()[name]) == []

    @pytest.mark.tools
    @pytest.mark.parametrize(
        "cls", [decnef_data.Client, decnef_data.Records, decnef_data.TravelingSubjects, Splits]
    )
    def test_numpydoc_finds_nothing_missing_in_a_class(self, cls: type) -> None:
        assert numpydoc_errors(cls) == []

    def test_errors_are_documented(self) -> None:
        own_errors = {
            name for name in decnef_data.__all__ if name.endswith("Error") and name != "DecnefDataError"
        }
        without = {
            name
            for name, function in FUNCTIONS.items()
            if own_errors.isdisjoint(items(section(function, "Raises")))
        }
        assert without == NEVER_FAILS

    def test_documented_errors_exist(self) -> None:
        raised = {error for function in documented().values() for error in items(section(function, "Raises"))}
        assert {
            error for error in raised if not hasattr(decnef_data, error) and not hasattr(builtins, error)
        } == set()

    @pytest.mark.parametrize(
        "name",
        [name for name, function in FUNCTIONS.items() if "name" in inspect.signature(function).parameters],
    )
    def test_the_error_of_an_unknown_dataset_is_documented(self, name: str, tmp_path: Path) -> None:
        values: dict[str, Any] = {
            "name": "no-such-dataset",
            "path": tmp_path,
            "destination": tmp_path / "export",
        }
        values |= {"values": [0.5], "subject": ["sub-0001"]}
        required = [
            parameter.name
            for parameter in inspect.signature(FUNCTIONS[name]).parameters.values()
            if parameter.default is parameter.empty or parameter.name == "name"
        ]
        with pytest.raises(decnef_data.SelectionError, match="There is no dataset 'no-such-dataset'"):
            FUNCTIONS[name](**{parameter: values[parameter] for parameter in required})
        assert "SelectionError" in items(section(FUNCTIONS[name], "Raises"))

    def test_warnings_are_documented_where_files_can_be_skipped(self) -> None:
        skipping = {
            name for name, function in FUNCTIONS.items() if "strict" in inspect.signature(function).parameters
        }
        assert skipping
        assert {
            name for name in skipping if "DecnefDataWarning" not in section(FUNCTIONS[name], "Warns")
        } == set()


def selecting() -> dict[str, Documented]:
    """Return the functions and methods that take a selection."""
    return {
        name: function
        for name, function in documented().items()
        if "n_subjects" in inspect.signature(function).parameters
    }


class TestSelections:
    def test_they_are_known(self) -> None:
        functions = {
            "fetch_dataset",
            "participants",
            "plan",
            "download",
            "query",
            "lock",
            "export_bids",
            "export_nifti",
        }
        engine = {f"DecnefEngine.{name}" for name in ("open_dataset", "open_datatree", "open_groups_as_dict")}
        assert selecting().keys() == _with_methods(functions) | engine

    @pytest.mark.parametrize("name", sorted(selecting().keys() - _with_methods(READ_NO_TABLE)))
    def test_their_errors_and_warnings_have_the_same_words(self, name: str) -> None:
        errors = items(section(selecting()[name], "Raises"))["SelectionError"]
        assert [words for words in SELECTION_ERRORS if words not in errors] == []
        assert SELECTION_WARNING in items(section(selecting()[name], "Warns"))["DecnefDataWarning"]

    @pytest.mark.parametrize("name", sorted(_with_methods(READ_NO_TABLE)))
    def test_the_others_check_the_names_of_the_catalog_and_types(self, name: str) -> None:
        errors = items(section(selecting()[name], "Raises"))["SelectionError"]
        assert errors.startswith("There is no such dataset, group or mirror; ")
        assert "an argument has the wrong type" in errors


class TestSameWords:
    def test_a_parameter_is_described_in_the_same_words_everywhere(self) -> None:
        assert disagreements(documented(), OTHER_MEANINGS) == []

    @pytest.mark.parametrize("parameter", OTHER_MEANINGS)
    def test_every_exception_is_needed(self, parameter: str) -> None:
        by_function = descriptions(documented())[parameter]
        own = OTHER_MEANINGS[parameter]
        assert set().union(*own) <= by_function.keys()
        meanings = [{by_function[name] for name in names} for names in same_meanings(by_function.keys(), own)]
        assert len(meanings) == len(set().union(*meanings)) > 1


class TestNoReferences:
    @pytest.mark.parametrize("name", documented())
    def test_no_docstring_leaves_its_parameters_to_another(self, name: str) -> None:
        found = sections(inspect.getdoc(documented()[name]) or "")
        described = "".join(
            text for title, text in found.items() if title in {"Parameters", "Returns", "Raises"}
        )
        assert REFERENCES.search(" ".join(described.split())) is None
        assert re.search(r"\bparameters (?:and|are|as)\b", found[""], re.IGNORECASE) is None


def bad(name: str, mirror: str, progress: str) -> str:
    """Gets a dataset

    Parameters
    ----------
    name
    mirror
        As for :func:`fetch_dataset`.
    """
    return name + mirror + progress


def other(mirror: str) -> str:
    """Return a mirror.

    Parameters
    ----------
    mirror
        The mirror to use.

    Returns
    -------
    str
        The mirror.

    Examples
    --------
    >>> other("synapse")
    'synapse'
    """
    return mirror


class TestWhatFindsABadDocstring:
    """A test that cannot fail is a defect: bad docstrings are found."""

    @pytest.mark.tools
    def test_numpydoc_finds_what_is_missing(self) -> None:
        codes = {error.partition(":")[0] for error in numpydoc_errors(bad)}
        assert codes == {"SS03", "SS05", "PR01", "PR07", "RT01", "EX01"}
        assert numpydoc_errors(other) == []

    def test_other_words_are_found(self) -> None:
        functions = {"bad": bad, "other": other}
        assert disagreements(functions, {}) == ["mirror of bad, other"]
        assert disagreements(functions, {"mirror": ({"bad"},)}) == []

    @pytest.mark.parametrize(
        "text",
        [
            "As for :func:`fetch_dataset`.",
            "Those of :func:`fetch_dataset`.",
            "Parameters and errors are those of :func:`fetch_dataset`.",
        ],
    )
    def test_references_are_found(self, text: str) -> None:
        assert REFERENCES.search(text)

    def test_sections_are_read(self) -> None:
        assert items(section(bad, "Parameters")) == {"name": "", "mirror": "As for :func:`fetch_dataset`."}
        assert items("a, b\n    One\n    text.\n\nc\n    Another.\n") == {
            "a": "One text.",
            "b": "One text.",
            "c": "Another.",
        }
