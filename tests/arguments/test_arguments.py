"""Every argument of every public function is checked before anything else happens, and errors show its form."""

import inspect
import re
import subprocess
import sys
import traceback
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import jedi
import numpy as np
import pandas as pd
import pytest
import xarray as xr

import decnef_data
from decnef_data import DecnefDataWarning, SelectionError
from decnef_data.accessor import Accessor, TreeAccessor
from decnef_data.analysis.splits import Splits
from decnef_data.arguments import checked, parse_where
from decnef_data.arguments.quoting import quote
from decnef_data.arguments.table import ARGUMENTS
from decnef_data.model import Condition, Secret

pytestmark = pytest.mark.once

CLASSES = {
    "Client": decnef_data.Client,
    "Records": decnef_data.Records,
    "Accessor": Accessor,
    "TreeAccessor": TreeAccessor,
    "Splits": Splits,
}
#: scikit-learn and xarray decide what they pass, a client of dask is whatever has its methods, and `hide_people` is below
#: the layer of the checks.
EXEMPT = {"X", "y", "groups", "client", "context", "text"}

TABLE = pd.DataFrame({"subject": ["sub-0001"], "site": ["SWA"]})
CUBE = xr.Dataset({"fc": ("edge", [0.5])})
NOT_TEXT = (872, 1.5, True, b"SWA", ["SWA"], {"SWA": 1}, Path("SWA"))
NOT_NAMES = (872, True, b"SWA", {"SWA": 1}, ["SWA", 1], [None], ("SWA", b"KUT"), np.array([1]), TABLE, CUBE)
NOT_A_PATH = (872, b"folder", ["folder"], {"folder": 1})
NOT_A_NUMBER = ("30", True, float("nan"), [30], b"30", 1j)
NOT_WHOLE = (*NOT_A_NUMBER, 1.0)
NOT_DATA = ("srpbs-fc", 1, [1], {"fc": [1]}, np.zeros(3))

#: The values that parameters refuse; `function.parameter` has another meaning than elsewhere.
WRONG: Mapping[tuple[str, ...], tuple[object, ...]] = {
    (
        "name", "mirror.name", "login_form.name", "group", "sex", "stratify", "subject", "session", "mirror", "progress", "split", "within",
        "style", "export.style", "desc", "by", "key", "code", "column", "header", "secret", "login.mirror", "login.dataset",
        "logout.mirror", "facts_of.dataset", "fact.name", "grade", "to_zarr.chunks", "shards", "slice_timing",
    ): NOT_TEXT,
    (
        "names", "subjects", "sites", "institutes", "diagnoses", "modalities", "space", "confounds", "dims", "on", "include", "exclude",
        "label.subject", "label.session", "sel.subject", "sel.session",
    ): NOT_NAMES,
    ("min_age", "max_age", "max_mean_fd", "radius", "repetition_time"): NOT_A_NUMBER,
    ("seed", "run", "label.code"): NOT_WHOLE,
    ("reference",): (1.0, True, b"middle", ["middle"], float("nan")),
    ("n_subjects", "ratio"): (*NOT_WHOLE, 0, -1),
    ("n_splits",): (*NOT_WHOLE, 0, -1, 1),
    ("max_size",): (*NOT_WHOLE, -1),
    ("older_than",): (*NOT_A_NUMBER, -0.5),
    (
        "download", "keep_archive", "strict", "accept_terms", "yes", "offline", "checksums", "deep", "repair", "phantom",
        "dry_run", "shared", "stores", "synthetic", "original", "compress", "i_may_share", "follow_links", "individuals",
    ): (1, 0, "yes", [True]),
    (
        "data_dir", "config_dir", "lock", "records", "path", "first", "second", "destination", "dest", "folders",
        "statement", "local_dir", "check_catalog.path", "to_zarr.dest",
    ): NOT_A_PATH,
    ("where",): (5, "age", ["age"], {1: 2}, {"age": (30, 20)}, {"age": True}, {"age": (None, None)}),
    ("codes",): (5, b"mri", ["mri"], True),
    ("values",): ("values.npy", b"values", True, {"value": [1]}, {1, 2}),
    ("label.run", "sel.run"): (*NOT_WHOLE[:3], 1.0, 1j, b"30", [1, 2.0], [1, "2"], {1: 1}),
    ("chunks",): (1.5, True, ["subject"], {1: 2}),
    ("dataset", "motion.dataset", "to_nifti.dataset", "timeseries.dataset", "to_zarr.data"): (*NOT_DATA, TABLE, CUBE.fc),
    ("terms_of.dataset", "data_use_of.dataset", "lock_text.lock", "Client.records"): (*NOT_DATA, TABLE, CUBE),
    ("timeseries",): (*NOT_DATA, TABLE),
    ("report.harmonized",): (1, b"cube.zarr", ["cube.zarr"], TABLE),
    ("splits.data",): NOT_DATA,
    ("attrs",): (5, "dataset", {"dataset": "srpbs-fc"}, [5], CUBE),
    ("table",): (*NOT_DATA, CUBE.fc),
    ("participants",): (*NOT_DATA, CUBE),
    ("splits",): (5, "site", TABLE, {"site": 1}, None),
    ("cite.name", "report.what"): (1, b"srpbs-fc", ["srpbs-fc"], TABLE),
    ("labels_img",): (1, b"atlas.nii.gz", np.zeros((2, 2, 2)), CUBE, int, ["atlas.nii.gz"]),
    ("labels",): (3, "3", ["a"], [1.5], [], [0, 1], [3, 3], {3: "VERM"}, CUBE),
    ("timeseries.confounds", "fd"): (1, b"csf", [1], {"csf"}, np.zeros((2, 2)), TABLE, CUBE),
    ("clean",): (1, "low_pass", ["low_pass"], {1: 2}, CUBE),
    ("people", "traveled"): (*NOT_DATA, TABLE, CUBE.fc),
    ("ax",): (*NOT_DATA, TABLE, CUBE),
    ("shrinkage",): ("loocv", True, float("nan"), [30], b"30", 1j, -1, -0.5),
    ("max_fd",): (*NOT_A_NUMBER, 0, -0.5),
    ("timeseries.names",): ("VERM", 3, {"VERM"}, [1], {"a": "VERM"}, {3: 1}, CUBE),
}  # fmt: skip

#: Valid values of the parameters without a default.
VALID: Mapping[str, object] = {
    "name": "srpbs-fc",
    "path": "no-such-file",
    "what": "srpbs-fc",
    "first": "no-such-file",
    "mirror": "synapse",
    "destination": "exported",
    "dest": "copy.zarr",
    "data": CUBE,
    "dataset": CUBE,
    "attrs": [],
    "table": TABLE,
    "splits": [],
    "labels_img": "atlas.nii.gz",
    "people": CUBE,
    "participants": TABLE,
    "traveled": CUBE,
    "values": [0.5],
    "subject": "sub-0001",
    "column": "diagnosis",
    "code": 1,
}  # fmt: skip


@cache
def signatures() -> Mapping[str, inspect.Signature]:
    """Return the signature of every public function, constructor and method, the latter without ``self``."""
    functions = {name: getattr(decnef_data, name) for name in decnef_data.__all__ if name[0].islower()}
    members = {
        f"{cls}.{name}": member
        for cls, owner in CLASSES.items()
        for name, member in inspect.getmembers(owner, callable)
        if not name.startswith("_")
    }
    public = {**functions, **members, "Client": decnef_data.Client}
    return {name: inspect.signature(function) for name, function in public.items()}


@cache
def parameters() -> Mapping[str, inspect.Parameter]:
    """Return the parameters that are checked, by function and name."""
    return {
        f"{function}.{name}": parameter
        for function, signature in signatures().items()
        for name, parameter in signature.parameters.items()
        if name not in {*EXEMPT, "self"}
    }


def key(function: str, parameter: str) -> str:
    """Return the key of a parameter in the table."""
    own = f"{function.rpartition('.')[2]}.{parameter}"
    return own if own in ARGUMENTS else parameter


def split_name(full_name: str) -> tuple[str, str]:
    function, _, parameter = full_name.rpartition(".")
    return function, parameter


def refused_values(full_name: str) -> tuple[object, ...]:
    wanted = key(*split_name(full_name))
    return (object(), *next(values for keys, values in WRONG.items() if wanted in keys))


def resolve(function: str) -> Callable[..., Any]:
    """Return a public function, or a method of an instance."""
    owner, _, name = function.rpartition(".")
    if not owner:
        return getattr(decnef_data, name)  # type: ignore[no-any-return]
    data = {"Accessor": CUBE, "TreeAccessor": xr.DataTree(CUBE)}.get(owner)
    instance = CLASSES[owner]() if data is None else CLASSES[owner](data)
    return getattr(instance, name)  # type: ignore[no-any-return]


def error_of(full_name: str, value: object) -> SelectionError:
    """Call a function with one argument, and valid ones where it needs them; return its error."""
    function, parameter = split_name(full_name)
    own = signatures()[function].parameters
    is_variadic = own[parameter].kind is inspect.Parameter.VAR_POSITIONAL
    needed = [
        name for name, each in own.items() if each.default is each.empty and name not in {"self", parameter}
    ]
    arguments = {} if is_variadic else {name: VALID[name] for name in needed} | {parameter: value}
    with pytest.raises(SelectionError) as error:
        resolve(function)(*([value] if is_variadic else []), **arguments)
    return error.value


class TestPublicFunctions:
    def test_every_parameter_has_an_entry(self) -> None:
        assert len(parameters()) > 300
        assert {key(*split_name(name)) for name in parameters()} - ARGUMENTS.keys() == set()

    def test_every_entry_is_of_a_parameter(self) -> None:
        assert ARGUMENTS.keys() - {key(*split_name(name)) for name in parameters()} == {"client", "context"}

    def test_every_entry_has_values_that_it_refuses(self) -> None:
        keys = [each for group in WRONG for each in group]
        assert sorted(keys) == sorted(ARGUMENTS.keys() - {"client", "context"})

    @pytest.mark.parametrize("name", parameters())
    def test_wrong_values_are_refused_with_the_right_form_before_anything_else(self, name: str) -> None:
        parameter = split_name(name)[1]
        for value in refused_values(name):
            message = str(error_of(name, value))
            assert re.match(rf"{parameter}(=| is )", message), message
            assert re.search(rf" Use .*\b{parameter}=.*\.$", message), message
        assert list(Path.home().iterdir()) == []

    @pytest.mark.parametrize(
        "name",
        [
            name
            for name, parameter in parameters().items()
            if parameter.default is not None and "None" not in str(parameter.annotation)
        ],
    )
    def test_none_is_refused_where_it_has_no_meaning(self, name: str) -> None:
        parameter = split_name(name)[1]
        assert re.match(rf"{parameter}(=None|) (?:is|contains) ", str(error_of(name, None)))

    @pytest.mark.parametrize("parameter", ["mirror", "secret", "dataset"])
    def test_what_may_be_a_secret_is_not_quoted(self, parameter: str) -> None:
        error = error_of(f"login.{parameter}", b"hidden-token")
        assert str(error).startswith(f"{parameter} is not text. ")
        assert "hidden" not in f"{error}{error.requested}"


@checked
def fetch_dataset(
    name: str,
    *,
    group: str | None = None,
    subjects: object = None,
    sites: object = None,
    deep: bool = False,
    min_age: float | None = None,
    n_subjects: int | None = None,
    where: Any = None,
    mirror: "str | None" = "auto",
) -> dict[str, object]:
    """Return the arguments."""
    return {
        "name": name,
        "group": group,
        "subjects": subjects,
        "sites": sites,
        "deep": deep,
        "min_age": min_age,
        "n_subjects": n_subjects,
        "where": where,
        "mirror": mirror,
    }


class TestMessages:
    @pytest.mark.parametrize(
        ("argument", "message"),
        [
            (
                {"name": None},
                'name=None is not a dataset name. Use a text such as name="srpbs-fc".',
            ),
            (
                {"subjects": 872},
                'subjects=872 is not text. Use subjects="sub-0001" or subjects=["sub-0001", "sub-0002"].',
            ),
            ({"sites": 1}, 'sites=1 is not text. Use sites="SWA" or sites=["SWA", "KUT"].'),
            (
                {"sites": ["SWA", 1]},
                'sites=[\'SWA\', 1] contains 1, which is not text. Use sites="SWA" or sites=["SWA", "KUT"].',
            ),
            (
                {"sites": TABLE},
                'sites=<pandas.DataFrame> has more than one dimension. Use sites="SWA" or sites=["SWA", "KUT"].',
            ),
            (
                {"group": ["bal140"]},
                "group=['bal140'] is not the name of one group. Use a text such as group=\"bal140\".",
            ),
            ({"deep": "yes"}, "deep='yes' is neither True nor False. Use deep=True or deep=False."),
            ({"min_age": "30"}, "min_age='30' is not a number. Use a number such as min_age=18."),
            ({"n_subjects": 0}, "n_subjects=0 is less than 1. Use a whole number such as n_subjects=100."),
            (
                {"where": {"age": (30, 20)}},
                (
                    "where={'age': (30, 20)} has a condition on 'age' that has its limits in the wrong order: (30, 20). "
                    'Put the lower value first. Use where={"sup2_bdi_ii": (20, None)} or '
                    'where={"session": ["COI", "SWA"]}.'
                ),
            ),
        ],
    )
    def test_the_right_form_is_shown(self, argument: dict[str, Any], message: str) -> None:
        with pytest.raises(SelectionError) as error:
            fetch_dataset(**{"name": "srpbs-fc", **argument})
        assert str(error.value) == message

    def test_the_value_is_an_attribute_of_the_error(self) -> None:
        with pytest.raises(SelectionError) as error:
            fetch_dataset("srpbs-fc", subjects=872)
        assert (error.value.requested, error.value.__cause__, error.value.__context__) == ("872", None, None)

    @pytest.mark.parametrize(
        ("value", "quoted"),
        [
            (["SWA", 1, None, 2.5], "['SWA', 1, None, 2.5]"),
            (Path("atlas"), "PosixPath('atlas')"),
            (object(), "<object>"),
            (TABLE, "<pandas.DataFrame>"),
            ([CUBE, np.zeros(3)], "[<xarray.Dataset>, <numpy.ndarray>]"),
            (Secret("hidden"), "<secret>"),
            (list(range(1000)), "[0, 1, 2, 3, 4, 5, ...]"),
            ("x" * 1000, f"'{'x' * 27}...{'x' * 28}'"),
            (["x" * 50, "y" * 50], f"['{'x' * 50}', 'y..."),
        ],
    )
    def test_a_long_value_is_shortened_and_data_are_not_shown(self, value: object, quoted: str) -> None:
        assert quote(value) == quoted
        assert len(quoted) <= 60

    def test_arguments_that_do_not_match_the_parameters_are_a_type_error(self) -> None:
        with pytest.raises(TypeError, match=r"^fetch_dataset\(\) missing a required argument: 'name'$"):
            fetch_dataset()  # type: ignore[call-arg]
        with pytest.raises(TypeError, match=r"^fetch_dataset\(\) got an unexpected keyword argument 'site'$"):
            fetch_dataset("srpbs-fc", site="SWA")  # type: ignore[call-arg]

    def test_none_is_accepted_if_the_annotation_contains_it(self) -> None:
        assert fetch_dataset("srpbs-fc", mirror=None)["mirror"] is None
        assert fetch_dataset("srpbs-fc", group=None)["group"] is None


class TestConversions:
    @pytest.mark.parametrize(
        "names",
        [
            ["SWA", "KUT"],
            (name for name in ("SWA", "KUT")),
            np.array(["SWA", "KUT"]),
            np.array(["SWA", "KUT"], dtype=object),
            pd.Series(["SWA", "KUT"]),
            pd.Index(["SWA", "KUT"]),
            pd.Series(["SWA", "KUT"], dtype="category"),
            xr.DataArray(["SWA", "KUT"], dims="subject"),
            {"SWA": 1, "KUT": 2}.keys(),
        ],
        ids=lambda names: type(names).__name__,
    )
    def test_several_names_become_a_tuple(self, names: object) -> None:
        converted = fetch_dataset("srpbs-fc", sites=names)["sites"]
        assert converted == ("SWA", "KUT")
        assert isinstance(converted, tuple)
        assert {type(name) for name in converted} == {str}

    def test_what_can_be_iterated_only_once_is_checked_too(self) -> None:
        with pytest.raises(SelectionError, match=r"^sites=<generator> contains 1, which is not text\."):
            fetch_dataset("srpbs-fc", sites=(name for name in ("SWA", 1)))

    def test_an_empty_list_is_left_to_the_error_that_explains_it(self) -> None:
        assert fetch_dataset("srpbs-fc", sites=[])["sites"] == ()

    @pytest.mark.parametrize("value", [np.array("SWA")[()], np.array("SWA"), xr.DataArray("SWA")])
    def test_one_name_of_an_array_becomes_text(self, value: object) -> None:
        converted = fetch_dataset("srpbs-fc", sites=value, group=value)  # type: ignore[arg-type]
        assert (converted["sites"], converted["group"]) == ("SWA", "SWA")
        assert (type(converted["sites"]), type(converted["group"])) == (str, str)

    @pytest.mark.parametrize(
        ("parameter", "value", "expected"),
        [
            ("deep", np.True_, True),
            ("min_age", np.float32(1.5), 1.5),
            ("min_age", np.int64(18), 18),
            ("min_age", xr.DataArray(18.0), 18.0),
            ("n_subjects", np.int8(3), 3),
        ],
    )
    def test_a_scalar_of_numpy_becomes_one_of_python(
        self, parameter: str, value: Any, expected: object
    ) -> None:
        converted = fetch_dataset("srpbs-fc", **{parameter: value})[parameter]
        assert converted == expected
        assert type(converted) is type(expected)

    def test_a_secret_stays_hidden(self) -> None:
        @checked
        def login(secret: str) -> str:
            return secret

        assert repr(login(Secret("token"))) == "<secret>"

    def test_names_of_regions_by_label_or_in_order(self) -> None:
        @checked
        def timeseries(names: object) -> object:
            return names

        assert timeseries({np.int64(3): "VERM"}) == {3: "VERM"}
        assert timeseries(np.array(["VERM"])) == ["VERM"]
        assert timeseries(name for name in ("VERM", "L.CB")) == ["VERM", "L.CB"]

    def test_every_item_of_several_positional_arguments_is_checked(self) -> None:
        @checked
        def load(*folders: str) -> tuple[str, ...]:
            return folders

        assert load("first", "second") == ("first", "second")
        with pytest.raises(SelectionError, match=r"^folders=2 is not a path\."):
            load("first", 2)  # type: ignore[arg-type]


class TestConditions:
    @pytest.mark.parametrize(
        ("value", "expected"),
        [
            ((20, None), Condition(coordinate="x", minimum=20.0)),
            ((None, np.float32(2.5)), Condition(coordinate="x", maximum=2.5)),
            ((20, 20), Condition(coordinate="x", minimum=20.0, maximum=20.0)),
            ("COI", Condition(coordinate="x", values=("COI",))),
            (np.int64(2), Condition(coordinate="x", values=(2.0,))),
            (["COI", 2], Condition(coordinate="x", values=("COI", 2.0))),
            ({"SWA", "COI", 3, 2}, Condition(coordinate="x", values=(2.0, 3.0, "COI", "SWA"))),
            (np.array([1, 2]), Condition(coordinate="x", values=(1.0, 2.0))),
            (np.array("COI"), Condition(coordinate="x", values=("COI",))),
            (pd.Series(["COI"]), Condition(coordinate="x", values=("COI",))),
        ],
    )
    def test_a_value_becomes_a_condition(self, value: object, expected: Condition) -> None:
        (condition,) = parse_where({"x": value}) or ()
        assert condition == expected
        values = (condition.minimum, condition.maximum, *(condition.values or ()))  # noqa: PD011 - not of pandas
        assert {type(each) for each in values} <= {float, str, type(None)}

    def test_no_conditions_are_none(self) -> None:
        assert parse_where(None) is None
        assert parse_where({}) is None

    def test_several_conditions_keep_their_order(self) -> None:
        conditions = parse_where({"sup2_bdi_ii": (20, None), "age": (None, 65)})
        assert [condition.coordinate for condition in conditions or ()] == ["sup2_bdi_ii", "age"]

    @pytest.mark.parametrize(
        ("value", "problem"),
        [
            (True, "contains True, which is neither a number nor text"),
            (np.False_, "contains False, which is neither a number nor text"),
            (None, "contains None, which is neither a number nor text"),
            (float("nan"), "contains nan, which is neither a number nor text"),
            ([None], "contains None, which is neither a number nor text"),
            ({"low": 1}, "contains {'low': 1}, which is neither a number nor text"),
            (iter([1]), "contains <list_iterator>, which is neither a number nor text"),
            ([], "accepts no value. Omit it, or add a value"),
            ((), "is a tuple, but not of two limits; use a list for accepted values"),
            ((1, 2, 3), "is a tuple, but not of two limits; use a list for accepted values"),
            (("COI", "SWA"), "has the limit 'COI', which is not a number; use a list for accepted values"),
            ((True, 2), "has the limit True, which is not a number; use a list for accepted values"),
            ((None, None), "has no limit"),
            ((3, 1), "has its limits in the wrong order: (3, 1). Put the lower value first"),
            (np.zeros((2, 2)), "has more than one dimension"),
        ],
    )
    def test_what_is_not_a_condition_is_explained(self, value: object, problem: str) -> None:
        with pytest.raises(SelectionError) as error:
            parse_where({"x": value})
        assert f" has a condition on 'x' that {problem}. Use where={{" in str(error.value)

    def test_the_function_receives_the_mapping(self) -> None:
        where = {"session": ["COI", "SWA"]}
        assert fetch_dataset("srpbs-fc", where=where)["where"] is where


class TestDecorator:
    def test_the_signature_and_the_docstring_are_kept(self) -> None:
        assert list(inspect.signature(fetch_dataset).parameters)[:2] == ["name", "group"]
        assert (fetch_dataset.__name__, fetch_dataset.__doc__) == ("fetch_dataset", "Return the arguments.")

    def test_a_method_is_completed_without_self(self) -> None:
        code = (
            "from decnef_data.arguments import checked\n"
            "class Client:\n"
            "    @checked\n"
            "    def plan(self, name: str, *, mirror: str = 'auto') -> int: ...\n"
            "Client().plan("
        )
        (signature,) = jedi.Script(code).get_signatures()
        assert signature.to_string() == "plan(name: str, *, mirror: str='auto') -> int"

    def test_a_warning_points_to_the_caller(self) -> None:
        table = pd.DataFrame({"subject": ["a", "a", "b"], "site": ["SWA", "KUT", "KUT"], "diagnosis": "HC"})
        with pytest.warns(DecnefDataWarning, match="1 participant was scanned at several sites") as found:
            decnef_data.splits(table)
        assert found[0].filename == __file__

    def test_importing_it_does_not_import_numpy(self) -> None:
        run = "import sys, decnef_data.arguments\nprint(sorted({'numpy', 'pandas', 'xarray'} & set(sys.modules)))"
        done = subprocess.run([sys.executable, "-c", run], capture_output=True, text=True, check=True)
        assert done.stdout == "[]\n"

    @pytest.mark.parametrize("arguments", [("hidden",), (b"hidden",), ("hidden", "hidden")])
    def test_no_frame_of_a_traceback_holds_a_secret(self, arguments: tuple[object, ...]) -> None:
        @checked
        def login(secret: str) -> str:
            raise RuntimeError(secret[:0])

        with pytest.raises((RuntimeError, SelectionError, TypeError)) as caught:
            login(*arguments)
        frames = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
        assert [frame.name for frame in frames.stack if "hidden" in str(frame.locals)] == [
            "test_no_frame_of_a_traceback_holds_a_secret"
        ]
        assert "hidden" not in str(caught.value)
