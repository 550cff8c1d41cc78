"""The methods of the client and the public functions are the same, and both select data by one list of fields."""

import inspect
import typing
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest

import decnef_data
from decnef_data import Client, Records, SelectionError, transfer
from decnef_data.api.xarray_engine import DecnefEngine
from decnef_data.client import locks
from decnef_data.client.methods import access, catalog, export, fetch, phantom
from decnef_data.client.request import DataRequest
from decnef_data.model import CodeBook, Condition, Selection, SelectionFields
from tests import small
from tests.servers.links import LinkServer

FUNCTIONS = {
    name: getattr(decnef_data, name)
    for name in decnef_data.__all__
    if inspect.isfunction(getattr(decnef_data, name))
}
METHODS = {
    name: method
    for name, method in inspect.getmembers(Client, inspect.isfunction)
    if not name.startswith("_") and name != "default"
}
SELECTING = (
    "fetch_dataset",
    "plan",
    "participants",
    "download",
    "query",
    "lock",
    "export_bids",
    "export_nifti",
)
#: Functions that need neither a cache nor a catalog, because they are given what they work on.
OF_VALUES = {
    "combine_attrs",
    "connectivity",
    "count_participants",
    "harmonize",
    "hide_people",
    "hides_rows",
    "leakage",
    "lock_text",
    "match",
    "splits",
    "synthetic_travelers",
    "timeseries",
    "to_matrix",
    "to_nifti",
    "to_zarr",
}
ENGINE = ("open_dataset", "open_datatree", "open_groups_as_dict")
FIELDS = tuple(SelectionFields.__struct_fields__)

#: A value for each field, none of which equals another one, and what arrives in the selection.
GIVEN: dict[str, Any] = {
    "group": "BAL140",
    "subjects": "swa-0001",
    "sites": ["swa", "UTO"],
    "institutes": "KyotoU",
    "diagnoses": ("autism", "HC"),
    "modalities": "func",
    "sex": "Female",
    "min_age": 20,
    "max_age": 60.5,
    "max_mean_fd": 0.3,
    "where": {"sup2_bdi_ii": (20, None)},
    "n_subjects": 12,
    "stratify": "handedness",
    "seed": 7,
    "codes": {"OsakaU": {"condition": {0: "HC", 1: "chronic pain"}, "sex": "mri"}},
    "repetition_time": 2.5,
}
ARRIVING = Selection(
    "srpbs-fc",
    group="bal140",
    subjects=("swa-0001",),
    sites=("SWA", "UTO"),
    institutes=("KyotoU",),
    diagnoses=("ASD", "HC"),
    modalities=("bold",),
    sex="female",
    min_age=20.0,
    max_age=60.5,
    max_mean_fd=0.3,
    where=(Condition(coordinate="sup2_bdi_ii", minimum=20.0),),
    n_subjects=12,
    stratify="handedness",
    seed=7,
    codes=(CodeBook(path="OsakaU", diagnosis_codes={"0": "HC", "1": "pain"}, sex_codes="mri"),),
    repetition_time=2.5,
)


def without(signature: inspect.Signature, name: str) -> inspect.Signature:
    """Return a signature without one parameter."""
    parameters = [parameter for parameter in signature.parameters.values() if parameter.name != name]
    return signature.replace(parameters=parameters)


def signatures(function: Callable[..., Any], left_out: str) -> list[inspect.Signature]:
    """Return the signature of a function and those of its overloads, without one parameter."""
    return [without(inspect.signature(one), left_out) for one in (function, *typing.get_overloads(function))]


class TestSameSignatures:
    def test_every_method_is_a_function_and_the_other_functions_are_of_values(self) -> None:
        assert set(METHODS) == set(FUNCTIONS) - OF_VALUES

    @pytest.mark.parametrize("name", sorted(METHODS))
    def test_a_function_has_the_parameters_and_overloads_of_its_method(self, name: str) -> None:
        assert signatures(FUNCTIONS[name], "data_dir") == signatures(METHODS[name], "self")

    def test_the_overloads_are_compared(self) -> None:
        # Of a group, of a site as the group, of a dataset whose name is known, and of any name.
        assert len(signatures(METHODS["fetch_dataset"], "self")) == 5

    def test_functions_without_a_folder_are_those_that_the_methods_list(self) -> None:
        takes_folder = {
            name for name in METHODS if "data_dir" in inspect.signature(FUNCTIONS[name]).parameters
        }
        modules = (access, catalog, export, phantom)
        listed = frozenset().union(*(module.WITHOUT_DATA_DIR for module in modules))
        assert set(METHODS) - takes_folder == listed

    @pytest.mark.parametrize("name", sorted(METHODS))
    def test_the_folder_is_given_by_keyword_and_omitted_by_default(self, name: str) -> None:
        folder = inspect.signature(FUNCTIONS[name]).parameters.get("data_dir")
        if folder is not None:
            assert (folder.kind, folder.default) == (inspect.Parameter.KEYWORD_ONLY, None)


class TestNamesInAnnotations:
    def test_the_sites_that_mean_a_tree_are_those_of_the_catalog(self) -> None:
        assert set(typing.get_args(fetch.SiteName)) == {site.code for site in Records.load().sites}

    def test_the_datasets_that_mean_a_tree_are_those_of_the_catalog(self) -> None:
        datasets = Records.load().datasets
        aliases = {alias for dataset in datasets for alias in dataset.aliases}
        names = set(typing.get_args(fetch.DatasetName))
        assert {dataset.name for dataset in datasets} == names - aliases


def takes_selection() -> Iterator[tuple[str, Callable[..., Any]]]:
    yield from ((name, FUNCTIONS[name]) for name in SELECTING)
    yield from ((name, METHODS[name]) for name in SELECTING)
    yield from ((name, getattr(DecnefEngine, name)) for name in ENGINE)


class TestOneListOfFields:
    @pytest.mark.parametrize(("name", "function"), list(takes_selection()))
    def test_the_fields_are_parameters_in_their_order(self, name: str, function: Callable[..., Any]) -> None:
        parameters = inspect.signature(function).parameters
        assert tuple(parameter for parameter in parameters if parameter in FIELDS) == FIELDS
        places = [list(parameters).index(field) for field in FIELDS]
        assert places == list(range(places[0], places[0] + len(FIELDS)))

    @pytest.mark.parametrize(("name", "function"), list(takes_selection()))
    def test_the_fields_have_the_defaults_of_a_complete_dataset(
        self, name: str, function: Callable[..., Any]
    ) -> None:
        parameters = inspect.signature(function).parameters
        defaults = {field: parameters[field].default for field in FIELDS}
        assert defaults == {field: getattr(SelectionFields(), field) for field in FIELDS}
        assert {parameters[field].kind for field in FIELDS} == {inspect.Parameter.KEYWORD_ONLY}

    def test_other_functions_select_nothing(self) -> None:
        taking = {
            name
            for name, function in FUNCTIONS.items()
            if {"subjects", "where", "n_subjects"} & set(inspect.signature(function).parameters)
        }
        assert taking == set(SELECTING)


class ArrivedError(Exception):
    """Ends a call as soon as its selection is built."""

    def __init__(self, selection: Selection) -> None:
        self.selection = selection


def interrupt(*arguments: object, **_: object) -> NoReturn:
    """Stand for what a call does with its selection."""
    raise ArrivedError(next(argument for argument in arguments if isinstance(argument, Selection)))


def call(name: str, **fields: object) -> object:
    """Call one of the functions and engines that select data."""
    if name in ENGINE:
        return getattr(DecnefEngine(), name)("decnef://srpbs-fc", **fields)
    further = ("exported",) if name in {"export_bids", "export_nifti"} else ()
    return FUNCTIONS[name]("srpbs-fc", *further, **fields)


@pytest.fixture
def _interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DataRequest, "create", interrupt)
    monkeypatch.setattr(transfer, "plan", interrupt)
    monkeypatch.setattr(locks, "create_lock", interrupt)


@pytest.mark.usefixtures("_interrupted")
@pytest.mark.parametrize("name", [*SELECTING, *ENGINE])
class TestEveryFieldArrives:
    def test_all_of_them(self, name: str) -> None:
        with pytest.raises(ArrivedError) as found:
            call(name, **GIVEN)
        assert found.value.selection == ARRIVING

    def test_none_of_them(self, name: str) -> None:
        with pytest.raises(ArrivedError) as found:
            call(name)
        assert found.value.selection == Selection("srpbs-fc")

    @pytest.mark.parametrize("field", [field for field in FIELDS if field not in {"stratify", "seed"}])
    def test_one_of_them(self, name: str, field: str) -> None:
        with pytest.raises(ArrivedError) as found:
            call(name, **{field: GIVEN[field]})
        assert found.value.selection == Selection("srpbs-fc", **{field: getattr(ARRIVING, field)})


def test_the_values_differ_from_the_defaults_and_from_each_other() -> None:
    values = [getattr(ARRIVING, field) for field in FIELDS]
    assert list(GIVEN) == list(FIELDS)
    assert len(set(map(repr, values))) == len(FIELDS)
    assert not any(value in (None, 0) for value in values)


@pytest.fixture
def catalog_dir(tmp_path: Path) -> Path:
    """The folder of a catalog that has one more dataset."""
    fields = {
        **dict.fromkeys(("title", "title_ja", "summary"), "Later"),
        "name": "later", "layout": "attic", "top_folder": "LATER", "level": "registered",
        "terms": "srpbs-registered", "page": "https://example.org",
    }  # fmt: skip
    folder = tmp_path / "catalog"
    (folder / "datasets").mkdir(parents=True)
    record = "".join(f"{key} = '{value}'\n" for key, value in fields.items())
    (folder / "datasets" / "later.toml").write_text(record)
    return folder


@pytest.fixture
def client(tmp_path: Path, catalog_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Client:
    """A client with a catalog and folders of its own, which are not those of the environment."""
    monkeypatch.setenv("DECNEF_DATA_DIR", str(tmp_path / "default-cache"))
    return Client(tmp_path / "cache", records=Records.load(catalog_dir), config_dir=tmp_path / "config")


def file_names(folder: Path) -> list[str]:
    """Return the names of the files in a folder."""
    return sorted(path.name for path in folder.iterdir())


class TestFoldersAndCatalogOfAClient:
    def test_the_terms_are_accepted_in_its_configuration(self, client: Client, tmp_path: Path) -> None:
        client.accept("srpbs-fc")
        assert client.accepted("srpbs-fc") is not None
        assert decnef_data.accepted("srpbs-fc") is None
        assert file_names(tmp_path / "config") == ["accepted.json"]

    def test_a_link_is_stored_in_its_configuration(self, client: Client, tmp_path: Path) -> None:
        with LinkServer() as server:
            client.login("atr", server.link(small.archive(tmp_path / "SRPBS_FC.zip")), dataset="srpbs-fc")
        assert file_names(tmp_path / "config") == ["credentials.json"]
        assert decnef_data.logout() == ()
        assert client.logout() == ("atr/srpbs-fc",)

    def test_files_are_in_its_cache(self, client: Client, tmp_path: Path) -> None:
        client.adopt("srpbs-fc", small.archive(tmp_path / "SRPBS_FC.zip"), progress="none")
        client.fetch_dataset("srpbs-fc", progress="none")
        assert {entry.kind for entry in client.cache().entries} == {"adopted", "store"}
        assert client.cache().root == client.data_dir == tmp_path / "cache"
        assert decnef_data.cache().entries == ()
        assert not (tmp_path / "default-cache").exists()

    def test_its_catalog_is_used(self, client: Client) -> None:
        assert client.catalog().dataset("later").name == "later"
        assert client.terms("later").name == "srpbs-registered"
        with pytest.raises(SelectionError, match="cannot open the layout 'attic'"):
            client.fetch_dataset("later")
        with pytest.raises(SelectionError, match="There is no dataset 'later'"):
            decnef_data.terms("later")

    def test_several_clients_do_not_share_anything(self, client: Client, tmp_path: Path) -> None:
        other = Client(tmp_path / "other", config_dir=tmp_path / "other-config")
        client.adopt("srpbs-fc", small.archive(tmp_path / "SRPBS_FC.zip"), progress="none")
        client.accept("srpbs-fc")
        assert other.cache().entries == ()
        assert other.accepted("srpbs-fc") is None
        with pytest.raises(SelectionError, match="There is no dataset 'later'"):
            other.terms("later")


class TestDefaultClient:
    def test_the_folder_of_a_function_is_that_of_the_client(self, tmp_path: Path) -> None:
        archive = small.archive(tmp_path / "SRPBS_FC.zip")
        decnef_data.adopt("srpbs-fc", archive, data_dir=tmp_path / "cache", progress="none")
        (entry,) = Client(tmp_path / "cache").cache().entries
        assert entry.path == archive

    def test_the_environment_names_the_folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("DECNEF_DATA_DIR", str(tmp_path / "named"))
        assert Client().data_dir == Client.default().data_dir == tmp_path / "named"
        assert Client(tmp_path / "given").data_dir == tmp_path / "given"

    def test_the_environment_adds_records(self, catalog_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        with pytest.raises(SelectionError, match="There is no dataset 'later'"):
            Client().terms("later")
        monkeypatch.setenv("DECNEF_CATALOG_DIR", str(catalog_dir))
        assert Client().terms("later").name == "srpbs-registered"
