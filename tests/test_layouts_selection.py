"""Selections take rows lazily out of datasets, or raise an error that says why not."""

import numpy as np
import pytest
import xarray as xr
from xarray.backends import BackendArray
from xarray.core import indexing

from decnef_data.errors import SelectionError
from decnef_data.layouts.selection import select, select_each
from decnef_data.model import Selection
from decnef_data.records import Records

RECORDS = Records.load()
SITES = ["SWA", "SWA", "", "UTO", "", "SWA"]
INSTITUTES = ["ShowaU", "ShowaU", "HiroshimaU", "UTO", "ATR", "ShowaU"]
DIAGNOSES = ["HC", "ASD", "MDD", "MDD", "", "HC"]
SUBJECTS = [f"s-{row:04d}" for row in range(1, 7)]


class Watched(BackendArray):
    """A lazy array that remembers with what it was read."""

    def __init__(self) -> None:
        self.shape, self.dtype, self.keys = (6, 3), np.dtype("f8"), []

    def __getitem__(self, key: indexing.ExplicitIndexer) -> np.ndarray:
        return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.OUTER, self._get)

    def _get(self, key: tuple[object, ...]) -> np.ndarray:
        self.keys.append(key[0])
        return np.arange(18.0).reshape(6, 3)[key]


def make_dataset(watched: Watched | None = None) -> xr.Dataset:
    coords = {"subject": SUBJECTS, "site": SITES, "institute": INSTITUTES, "diagnosis": DIAGNOSES}
    data = indexing.LazilyIndexedArray(watched or Watched())
    fc = xr.Variable(("subject", "edge"), data)
    return xr.Dataset(
        {"fc": fc}, coords={name: ("subject", np.array(column)) for name, column in coords.items()}
    )


def asked(**wanted: tuple[str, ...]) -> Selection:
    return Selection("srpbs-fc", **wanted)


def rows(**wanted: tuple[str, ...]) -> list[int]:
    return [
        SUBJECTS.index(subject)
        for subject in select(make_dataset(), asked(**wanted), RECORDS)["subject"].values
    ]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({}, [0, 1, 2, 3, 4, 5]),
        ({"subjects": ("s-0004", "s-0002", "s-0002")}, [1, 3]),
        ({"sites": ("SWA",)}, [0, 1, 5]),
        ({"sites": ("swa", "UTA")}, [0, 1, 3, 5]),
        ({"sites": ("KUS",)}, []),
        ({"diagnoses": ("mdd",)}, [2, 3]),
        ({"diagnoses": ("Major depressive disorder", "健常対照")}, [0, 2, 3, 5]),
        ({"diagnoses": ("stroke",)}, []),
        ({"sites": ("SWA",), "diagnoses": ("HC",)}, [0, 5]),
        ({"sites": ("SWA",), "diagnoses": ("ASD",), "subjects": ("s-0001",)}, []),
    ],
)
def test_who_is_taken(wanted: dict[str, tuple[str, ...]], expected: list[int]) -> None:
    assert rows(**wanted) == expected


def test_a_dataset_is_returned_as_it_is_without_a_selection() -> None:
    whole = make_dataset()
    assert select(whole, asked(group="bal140"), RECORDS) is whole


@pytest.mark.parametrize(
    ("wanted", "key"),
    [({"diagnoses": ("MDD",)}, slice(2, 4, 1)), ({"sites": ("SWA",)}, [0, 1, 5])],
)
def test_rows_are_read_when_they_are_looked_at_and_as_a_slice_where_they_can(
    wanted: dict[str, tuple[str, ...]], key: object
) -> None:
    watched = Watched()
    chosen = select(make_dataset(watched), asked(**wanted), RECORDS)
    assert watched.keys == []
    assert chosen["fc"].values.shape == (chosen.sizes["subject"], 3)
    (used,) = watched.keys
    assert (used if isinstance(used, slice) else used.tolist()) == key


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"sites": ("SWB",)}, "There is no site 'SWB'. Did you mean 'SWA'?"),
        ({"diagnoses": ("MDP",)}, "There is no diagnosis 'MDP'. Did you mean 'MDD'?"),
        ({"subjects": ("s-0007",)}, "There is no subject 's-0007'. Did you mean 's-0006'?"),
        (
            {"subjects": ("a", "b", "s-0001", "c", "d", "e")},
            "There are no subjects 'a', 'b', 'c' and 2 more. The first subject is 's-0001'.",
        ),
        (
            {"sites": ("HUH",)},
            (
                "Participants of site 'HUH' are only available pooled with other sites of 'HiroshimaU'. "
                "Fetch without sites, then select the rows whose institute is 'HiroshimaU'."
            ),
        ),
    ],
)
def test_what_cannot_be_selected(wanted: dict[str, tuple[str, ...]], message: str) -> None:
    with pytest.raises(SelectionError) as caught:
        select(make_dataset(), asked(**wanted), RECORDS)
    assert str(caught.value) == message
    (names,) = wanted.values()
    assert caught.value.requested == names[0]
    assert caught.value.known


def test_an_empty_dataset_has_no_subject_to_name() -> None:
    with pytest.raises(
        SelectionError, match=r"^There is no subject 'a'. This copy contains no participants\.$"
    ):
        select(make_dataset().isel(subject=slice(0)), asked(subjects=("a",)), RECORDS)


def test_a_site_that_a_table_prints_but_no_record_knows() -> None:
    printed = make_dataset().assign_coords(site=("subject", np.array(["Elsewhere", *SITES[1:]])))
    assert select(printed, asked(sites=("elsewhere",)), RECORDS)["subject"].values.tolist() == ["s-0001"]


def test_a_site_that_is_partly_pooled_gives_those_who_are_told_apart() -> None:
    mixed = make_dataset().assign_coords(site=("subject", np.array(["HUH", *SITES[1:]])))
    assert select(mixed, asked(sites=("HUH",)), RECORDS)["subject"].values.tolist() == ["s-0001"]


def test_a_subject_has_to_be_in_one_of_several_datasets() -> None:
    datasets = {
        "one": make_dataset().isel(subject=slice(0, 3)),
        "two": make_dataset().isel(subject=slice(3, 6)),
    }
    chosen = select_each(datasets, asked(subjects=("s-0001",)), RECORDS)
    assert {group: part.sizes["subject"] for group, part in chosen.items()} == {"one": 1, "two": 0}
    with pytest.raises(SelectionError, match=r"^There is no subject 's-0009'\. Did you mean 's-0006'\?$"):
        select_each(datasets, asked(subjects=("s-0009",)), RECORDS)
