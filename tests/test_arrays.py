"""Lazy arrays over memory-mapped files, and the matrix view, against numpy."""

import copy
import errno
import mmap
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from xarray.backends import BackendArray
from xarray.core import indexing

from decnef_data.arrays import LazySlabs, memmap_variable, stack_lazily, to_matrix
from decnef_data.errors import IntegrityError, SelectionError

LAW = settings(database=None, deadline=None, max_examples=100)
SHAPE = (4, 5, 3, 6)
DIMS = ("a", "b", "c", "d")
REGIONS = 7
PEOPLE = 5


def write(path: Path, values: NDArray) -> Path:
    path.write_bytes(values.tobytes())
    return path


def cube_of(fc: xr.Variable | NDArray, regions: int = REGIONS) -> xr.Dataset:
    """A cube whose edges follow the definition: the strict lower triangle, column by column."""
    names = np.array([f"roi_{number:03d}" for number in range(1, regions + 1)])
    ends = [(column, row) for column in range(regions) for row in range(column + 1, regions)]
    first, second = (np.array([end[side] for end in ends]) for side in (0, 1))
    return xr.Dataset(
        {"fc": fc if isinstance(fc, xr.Variable) else (("subject", "edge"), fc, {"units": "1"})},
        coords={
            "subject": [f"one-{row:04d}" for row in range(1, PEOPLE + 1)],
            "site": ("subject", ["SWA", "KUT", "KUT", "", "SWA"]),
            "roi_a": ("edge", names[first]),
            "roi_b": ("edge", names[second]),
        },
    )


def squares(fc: NDArray, regions: int = REGIONS) -> NDArray:
    """The same matrices, cell by cell, from the definition."""
    out = np.ones((*fc.shape[:-1], regions, regions), fc.dtype)
    edge = 0
    for column in range(regions):
        for row in range(column + 1, regions):
            out[..., row, column] = out[..., column, row] = fc[..., edge]
            edge += 1
    return out


@pytest.fixture(scope="module")
def values() -> NDArray:
    return np.random.default_rng(1).normal(size=SHAPE)


def unmappable(variable: xr.Variable) -> xr.Variable:
    """The same variable, on a file system that maps no file: what was tried once is not tried again."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mmap, "mmap", refuse_to_map)
        variable.to_numpy()
    return variable


def refuse_to_map(*arguments: object, **options: object) -> None:
    raise OSError(errno.ENODEV, os.strerror(errno.ENODEV))


@pytest.fixture(scope="module", params=["mapped", "read"])
def variable(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, values: NDArray
) -> xr.Variable:
    path = write(tmp_path_factory.mktemp("mapped") / "values.bin", values)
    variable = memmap_variable(path, DIMS, "<f8", SHAPE)
    return variable if request.param == "mapped" else unmappable(variable)


@pytest.fixture(scope="module")
def fc() -> NDArray:
    return np.random.default_rng(2).uniform(-1, 1, size=(PEOPLE, REGIONS * (REGIONS - 1) // 2))


@pytest.fixture(scope="module")
def mapped_cube(tmp_path_factory: pytest.TempPathFactory, fc: NDArray) -> xr.Dataset:
    path = write(tmp_path_factory.mktemp("cube") / "fc.bin", fc)
    return cube_of(memmap_variable(path, ("subject", "edge"), "<f8", fc.shape))


def one_key(length: int) -> st.SearchStrategy:
    position = st.integers(-length, length - 1)
    vector = st.lists(position, max_size=2 * length).map(lambda found: np.array(found, dtype=int))
    mask = st.lists(st.booleans(), min_size=length, max_size=length).map(
        lambda found: np.array(found, dtype=bool)
    )
    return st.one_of(position, st.slices(length), vector, mask)


def outer(values: NDArray, key: tuple) -> NDArray:
    """What an orthogonal key means, one axis at a time."""
    axis = 0
    for part in key:
        values = values[(slice(None),) * axis + (part,)]
        axis += not isinstance(part, int)
    return values


def points(shape: tuple[int, ...]) -> st.SearchStrategy:
    count = st.integers(0, 6)
    return count.flatmap(
        lambda size: st.tuples(
            *(st.lists(st.integers(-length, length - 1), min_size=size, max_size=size) for length in shape)
        )
    )


class TestMapped:
    @LAW
    @given(key=st.tuples(*(one_key(length) for length in SHAPE)))
    def test_outer_keys_mean_what_they_mean_in_numpy(
        self, variable: xr.Variable, values: NDArray, key: tuple
    ) -> None:
        np.testing.assert_array_equal(variable[key].to_numpy(), outer(values, key), strict=True)

    @LAW
    @given(
        first=st.tuples(*(st.one_of(st.slices(length), one_key(length)) for length in SHAPE)),
        data=st.data(),
    )
    def test_keys_upon_keys_mean_what_they_mean_in_numpy(
        self, variable: xr.Variable, values: NDArray, first: tuple, data: st.DataObject
    ) -> None:
        lazy, expected = variable[first], outer(values, first)
        if 0 in expected.shape:
            return
        second = data.draw(st.tuples(*(one_key(length) for length in expected.shape)))
        np.testing.assert_array_equal(lazy[second].to_numpy(), outer(expected, second), strict=True)

    @LAW
    @given(chosen=points(SHAPE))
    def test_pointwise_keys_mean_what_they_mean_in_numpy(
        self, variable: xr.Variable, values: NDArray, chosen: tuple
    ) -> None:
        vectors = tuple(np.array(part, dtype=int) for part in chosen)
        found = variable[tuple(xr.Variable("point", vector) for vector in vectors)]
        np.testing.assert_array_equal(found.to_numpy(), values[vectors], strict=True)

    @LAW
    @given(chosen=points(SHAPE[:2]), rest=st.tuples(*(one_key(length) for length in SHAPE[2:])))
    def test_points_on_two_axes_leave_the_others(
        self, variable: xr.Variable, values: NDArray, chosen: tuple, rest: tuple
    ) -> None:
        vectors = tuple(np.array(part, dtype=int) for part in chosen)
        cube = xr.DataArray(variable).isel(c=rest[0], d=rest[1])
        found = cube.isel(a=("point", vectors[0]), b=("point", vectors[1]))
        expected = np.moveaxis(outer(values, (slice(None), slice(None), *rest)), (0, 1), (-2, -1))[
            ..., *vectors
        ]
        np.testing.assert_array_equal(found.transpose(..., "point").to_numpy(), expected, strict=True)

    def test_nothing_is_read_before_it_is_asked_for(self, tmp_path: Path) -> None:
        path = write(tmp_path / "values.bin", np.zeros(6))
        variable = memmap_variable(path, ("x",), "<f8", (6,))
        path.write_bytes(np.arange(6.0).tobytes())
        assert variable[2:4].to_numpy().tolist() == [2.0, 3.0]

    def test_integers_and_slices_are_read_only(self, variable: xr.Variable) -> None:
        assert not variable[1, 2:].to_numpy().flags.writeable

    def test_integers_and_slices_are_views_of_the_file(self, tmp_path: Path) -> None:
        variable = memmap_variable(
            write(tmp_path / "values.bin", np.zeros((4, 5))), ("x", "y"), "<f8", (4, 5)
        )
        assert np.shares_memory(variable[1, 2:].to_numpy(), variable[1, 2:].to_numpy())

    def test_a_pickle_holds_the_path_not_the_bytes(self, tmp_path: Path) -> None:
        values = np.random.default_rng(3).normal(size=(500, 300))
        variable = memmap_variable(write(tmp_path / "values.bin", values), ("x", "y"), "<f8", values.shape)
        variable[0].to_numpy()
        content = pickle.dumps(variable)
        assert len(content) < 1000
        np.testing.assert_array_equal(pickle.loads(content).to_numpy(), values, strict=True)

    def test_a_deep_copy_stays_lazy(self, tmp_path: Path) -> None:
        path = write(tmp_path / "values.bin", np.zeros(6))
        again = copy.deepcopy(memmap_variable(path, ("x",), "<f8", (6,)))
        path.write_bytes(np.ones(6).tobytes())
        assert again.to_numpy().tolist() == [1.0] * 6

    @pytest.mark.parametrize("dtype", ["<f4", ">f8", ">i2", "<i4", "|u1"])
    def test_stored_types_and_byte_orders_are_kept(self, tmp_path: Path, dtype: str) -> None:
        values = np.arange(6).astype(dtype).reshape(2, 3)
        variable = memmap_variable(write(tmp_path / "values.bin", values), ("x", "y"), dtype, (2, 3))
        assert variable.dtype == np.dtype(dtype)
        np.testing.assert_array_equal(variable[:, [2, 0]].to_numpy(), values[:, [2, 0]])

    def test_the_array_may_begin_and_end_inside_the_file(self, tmp_path: Path) -> None:
        values = np.arange(4.0)
        (tmp_path / "values.bin").write_bytes(b"headr" + values.tobytes() + b"crc!")
        variable = memmap_variable(tmp_path / "values.bin", ("x",), "<f8", (4,), 5, {"units": "1"})
        np.testing.assert_array_equal(variable.to_numpy(), values)
        assert variable.attrs == {"units": "1"}

    @pytest.mark.parametrize("shape", [(0, 3), (2, 0)])
    def test_an_empty_array_needs_no_bytes(self, tmp_path: Path, shape: tuple[int, int]) -> None:
        variable = memmap_variable(write(tmp_path / "values.bin", np.empty(0)), ("x", "y"), "<f4", shape)
        assert (variable.shape, variable.dtype) == (shape, np.dtype("f4"))

    def test_a_file_that_is_too_short_says_so_at_once(self, tmp_path: Path) -> None:
        path = write(tmp_path / "values.bin", np.zeros(5))
        with pytest.raises(IntegrityError) as caught:
            memmap_variable(path, ("x",), "<f8", (5,), offset=4)
        assert str(caught.value) == (
            f"'{path}' has 40 bytes, but 44 are needed. Fetch the dataset again to rebuild it."
        )
        assert (caught.value.file, caught.value.expected, caught.value.found) == (str(path), "44", "40")

    def test_a_file_that_is_not_there_stays_an_oserror_with_its_path(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError) as caught:
            memmap_variable(tmp_path / "absent.bin", ("x",), "<f8", (5,))
        assert caught.value.filename == str(tmp_path / "absent.bin")

    def test_only_the_rows_that_are_asked_for_are_read_where_nothing_can_be_mapped(
        self, tmp_path: Path
    ) -> None:
        values = np.arange(40.0).reshape(8, 5)
        path = write(tmp_path / "values.bin", values)
        variable = unmappable(memmap_variable(path, ("x", "y"), "<f8", (8, 5)))
        with path.open("r+b") as file:
            file.truncate(4 * 5 * 8)
        np.testing.assert_array_equal(variable[[3, 0, 1], 1:].to_numpy(), values[[3, 0, 1], 1:])
        np.testing.assert_array_equal(variable[2].to_numpy(), values[2])
        with pytest.raises(IntegrityError) as caught:
            variable[3:5].to_numpy()
        assert str(caught.value) == (
            f"'{path}' has 160 bytes, but 320 are needed. Fetch the dataset again to rebuild it."
        )

    def test_a_number_and_the_middle_of_a_file_are_read_where_nothing_can_be_mapped(
        self, tmp_path: Path
    ) -> None:
        (tmp_path / "values.bin").write_bytes(b"headr" + np.arange(4.0).tobytes() + b"crc!")
        number = unmappable(memmap_variable(tmp_path / "values.bin", (), "<f8", (), 13))
        assert (number.shape, number.to_numpy().tolist()) == ((), 1.0)
        series = unmappable(memmap_variable(tmp_path / "values.bin", ("x",), "<f8", (4,), 5))
        assert series[::-2].to_numpy().tolist() == [3.0, 1.0]

    def test_chunks_of_dask_read_the_file_when_computed(self, tmp_path: Path) -> None:
        pytest.importorskip("dask")
        values = np.random.default_rng(4).normal(size=(40, 30))
        variable = memmap_variable(write(tmp_path / "values.bin", values), ("x", "y"), "<f8", values.shape)
        chunked = variable.chunk({"x": 7})
        assert chunked.chunks == ((7, 7, 7, 7, 7, 5), (30,))
        np.testing.assert_array_equal(chunked.to_numpy(), values)
        np.testing.assert_allclose(chunked.mean("x").to_numpy(), values.mean(0))


class Recording(BackendArray):
    """An array that notes what was read of it."""

    def __init__(self, values: NDArray) -> None:
        self.values, self.shape, self.dtype = values, values.shape, values.dtype
        self.read: list[tuple] = []

    def __getitem__(self, key: indexing.ExplicitIndexer) -> NDArray:
        return indexing.explicit_indexing_adapter(
            key, self.shape, indexing.IndexingSupport.OUTER, self._outer
        )

    def _outer(self, key: tuple) -> NDArray:
        found = outer(self.values, key)
        self.read.append(found.shape)
        return found


class TestMatrix:
    SQUARE = (PEOPLE, REGIONS, REGIONS)

    @LAW
    @given(key=st.tuples(*(one_key(length) for length in SQUARE)))
    def test_outer_keys_mean_what_they_mean_in_numpy(
        self, mapped_cube: xr.Dataset, fc: NDArray, key: tuple
    ) -> None:
        found = to_matrix(mapped_cube).variable[key]
        np.testing.assert_array_equal(found.to_numpy(), outer(squares(fc), key), strict=True)

    @LAW
    @given(chosen=points(SQUARE))
    def test_pointwise_keys_mean_what_they_mean_in_numpy(
        self, mapped_cube: xr.Dataset, fc: NDArray, chosen: tuple
    ) -> None:
        vectors = tuple(np.array(part, dtype=int) for part in chosen)
        found = to_matrix(mapped_cube).variable[tuple(xr.Variable("point", vector) for vector in vectors)]
        np.testing.assert_array_equal(found.to_numpy(), squares(fc)[vectors], strict=True)

    @pytest.mark.parametrize("regions", [2, 3, 17, 140])
    @pytest.mark.parametrize("dtype", ["f4", "f8"])
    def test_it_is_symmetric_with_diagonal_one_and_the_stored_type(self, regions: int, dtype: str) -> None:
        fc = np.random.default_rng(5).uniform(-1, 1, (PEOPLE, regions * (regions - 1) // 2)).astype(dtype)
        found = to_matrix(cube_of(fc, regions)).to_numpy()
        np.testing.assert_array_equal(found, squares(fc, regions), strict=True)
        np.testing.assert_array_equal(found, found.swapaxes(1, 2))
        assert (np.diagonal(found, axis1=1, axis2=2) == 1).all()

    def test_it_keeps_the_people_and_names_both_sides(self, mapped_cube: xr.Dataset) -> None:
        matrix = to_matrix(mapped_cube)
        assert (matrix.name, matrix.dims) == ("fc", ("subject", "roi", "roi_2"))
        assert set(matrix.coords) == {"subject", "site", "roi", "roi_2"}
        assert matrix["roi_2"].to_numpy().tolist() == matrix["roi"].to_numpy().tolist()
        assert matrix["roi"].to_numpy().tolist() == [f"roi_{number:03d}" for number in range(1, REGIONS + 1)]
        assert matrix["site"].equals(mapped_cube["site"])

    def test_a_cell_is_found_by_its_names(self, fc: NDArray) -> None:
        cube = cube_of(fc)
        cell = to_matrix(cube).sel(subject="one-0002", roi="roi_005", roi_2="roi_003")
        edge = (cube["roi_a"] == "roi_003") & (cube["roi_b"] == "roi_005")
        assert cell.item() == cube["fc"].sel(subject="one-0002")[edge.to_numpy()].item()
        assert cell.attrs == {"units": "1"}

    def test_the_edges_own_names_say_where_they_belong(self, fc: NDArray) -> None:
        order = np.random.default_rng(6).permutation(fc.shape[1])
        np.testing.assert_array_equal(to_matrix(cube_of(fc).isel(edge=order)).to_numpy(), squares(fc))

    def test_regions_may_be_selected_when_all_their_pairs_are_there(self, fc: NDArray) -> None:
        cube, wanted = cube_of(fc), ["roi_005", "roi_002", "roi_003"]
        found = to_matrix(cube.isel(edge=cube["roi_a"].isin(wanted) & cube["roi_b"].isin(wanted)))
        np.testing.assert_array_equal(found.to_numpy(), squares(fc)[:, [1, 2, 4]][:, :, [1, 2, 4]])
        np.testing.assert_array_equal(found.sel(roi=wanted)[:, :, 0], squares(fc)[:, [4, 1, 2]][:, :, 1])

    def test_a_table_of_it_has_a_row_per_person_and_edge(self, fc: NDArray) -> None:
        assert len(cube_of(fc).to_dataframe()) == fc.size

    def test_one_person_gives_one_matrix(self, mapped_cube: xr.Dataset, fc: NDArray) -> None:
        matrix = to_matrix(mapped_cube.isel(subject=3))
        assert matrix.dims == ("roi", "roi_2")
        np.testing.assert_array_equal(matrix.to_numpy(), squares(fc)[3], strict=True)
        assert matrix["subject"].item() == "one-0004"

    def test_no_person_gives_no_matrix(self, mapped_cube: xr.Dataset) -> None:
        assert to_matrix(mapped_cube.isel(subject=[])).to_numpy().shape == (0, REGIONS, REGIONS)

    def test_the_order_of_the_dimensions_does_not_matter(self, fc: NDArray) -> None:
        matrix = to_matrix(cube_of(fc).transpose("edge", "subject", ...))
        np.testing.assert_array_equal(matrix.to_numpy(), squares(fc), strict=True)

    def test_missing_values_stay_missing(self, fc: NDArray) -> None:
        holed = fc.copy()
        holed[2] = np.nan
        np.testing.assert_array_equal(to_matrix(cube_of(holed)).to_numpy(), squares(holed), strict=True)

    def test_only_the_edges_that_are_asked_for_are_read(self, fc: NDArray) -> None:
        recording = Recording(fc)
        cube = cube_of(xr.Variable(("subject", "edge"), indexing.LazilyIndexedArray(recording)))
        matrix = to_matrix(cube)
        assert recording.read == []
        matrix.isel(roi=3).to_numpy()
        matrix.isel(subject=1, roi=0, roi_2=1).to_numpy()
        matrix.isel(subject=[0, 4], roi=2, roi_2=2).to_numpy()
        assert recording.read == [(PEOPLE, REGIONS - 1), (1,), (2, 1)]

    def test_a_pickle_of_the_view_holds_no_values(self, tmp_path: Path) -> None:
        fc = np.random.default_rng(7).uniform(-1, 1, (PEOPLE, 9730))
        cube = cube_of(
            memmap_variable(write(tmp_path / "fc.bin", fc), ("subject", "edge"), "<f8", fc.shape), 140
        )
        content = pickle.dumps(to_matrix(cube))
        assert len(content) < fc.nbytes / 2
        np.testing.assert_array_equal(pickle.loads(content).to_numpy(), squares(fc, 140))

    def test_it_stands_on_dask_too(self, mapped_cube: xr.Dataset, fc: NDArray) -> None:
        pytest.importorskip("dask")
        matrix = to_matrix(mapped_cube.chunk({"subject": 2}))
        np.testing.assert_array_equal(matrix.to_numpy(), squares(fc), strict=True)
        np.testing.assert_array_equal(to_matrix(mapped_cube).chunk({"subject": 2}).to_numpy(), squares(fc))

    def test_a_selection_of_edges_has_no_matrix(self, mapped_cube: xr.Dataset) -> None:
        with pytest.raises(SelectionError) as caught:
            to_matrix(mapped_cube.isel(edge=slice(3, None)))
        assert str(caught.value) == (
            "to_matrix needs an edge for every pair of regions, but 3 of the 21 are not in this dataset. "
            "Call it before selecting edges, then select regions of the result."
        )

    def test_regions_of_one_name_have_no_matrix(self, fc: NDArray) -> None:
        cube = cube_of(fc)
        renamed = cube.assign_coords(
            roi_b=("edge", np.where(cube["roi_b"] == "roi_007", "roi_001", cube["roi_b"]))
        )
        with pytest.raises(SelectionError) as caught:
            to_matrix(renamed)
        assert str(caught.value) == (
            "to_matrix identifies regions by name, but both regions of an edge are 'roi_001'. "
            "Use a unique name for each region in 'roi_a' and 'roi_b'."
        )

    def test_an_edge_that_occurs_twice_has_no_matrix(self, fc: NDArray) -> None:
        cube = cube_of(fc)
        with pytest.raises(SelectionError) as caught:
            to_matrix(xr.concat([cube, cube.isel(edge=[2])], "edge"))
        assert str(caught.value) == (
            "to_matrix needs one edge for every pair of regions, but 'roi_001' and 'roi_004' have several. "
            "Use a unique name for each region in 'roi_a' and 'roi_b', and each edge once."
        )

    @pytest.mark.parametrize("absent", ["fc", "roi_a", "roi_b", "edge"])
    def test_another_dataset_has_no_matrix(self, fc: NDArray, absent: str) -> None:
        cube = cube_of(fc)
        other = cube.isel(edge=0) if absent == "edge" else cube.drop_vars(absent)
        with pytest.raises(SelectionError) as caught:
            to_matrix(other)
        assert str(caught.value) == (
            f"to_matrix needs connectivity data, but this dataset has no '{absent}'. "
            "Pass a group of srpbs-fc with 'fc', 'edge', 'roi_a' and 'roi_b'."
        )


class Level:
    """A slab that is one number throughout."""

    def __init__(self, level: int) -> None:
        self.level = level

    def fill(self, key: tuple, out: NDArray) -> None:
        del key
        out[...] = self.level


class TestSlabsMadeWhenTheyAreAskedFor:
    """Who opens thousands of scans and reads one makes one."""

    def test_only_those_that_are_read_are_made(self) -> None:
        made: list[int] = []

        def make(level: int) -> Level:
            made.append(level)
            return Level(level)

        variable = stack_lazily(LazySlabs(make, range(3000)), ("scan", "time"), "i4", (2,))
        assert variable[[7, 11]].values.tolist() == [[7, 7], [11, 11]]
        assert variable[11].values.tolist() == [11, 11]
        assert made == [7, 11]

    def test_a_pickle_holds_them_all_and_not_what_makes_them(self) -> None:
        local = [Level]  # what is made in a function does not pickle

        def make(level: int) -> Level:
            return local[0](level)

        variable = stack_lazily(LazySlabs(make, range(3)), ("scan", "time"), "i4", (2,))
        again = pickle.loads(pickle.dumps(variable))
        assert again.values.tolist() == [[0, 0], [1, 1], [2, 2]]

    @pytest.mark.parametrize(
        "key",
        [
            (3,),
            (slice(3, 5), 1),
            ([11, 4, 4], slice(None, None, -1)),
            (slice(7, 3, -2), [1, 0]),
            (slice(5, 5),),
        ],
    )
    def test_the_pickle_of_a_selection_holds_only_its_slabs(self, key: tuple) -> None:
        made: list[int] = []

        def make(level: int) -> Level:
            made.append(level)
            return Level(level)

        selected = stack_lazily(LazySlabs(make, range(3000)), ("scan", "time"), "i4", (2,))[key]
        again = pickle.loads(pickle.dumps(selected))
        assert set(made) == set(np.arange(3000)[key[0]].reshape(-1).tolist())
        np.testing.assert_array_equal(again.to_numpy(), selected.to_numpy(), strict=True)
        if again.ndim and again.size:
            np.testing.assert_array_equal(again[-1].to_numpy(), selected[-1].to_numpy(), strict=True)

    def test_the_pickle_of_one_slab_does_not_grow_with_the_stack(self) -> None:
        sizes = {
            len(pickle.dumps(stack_lazily(LazySlabs(Level, range(count)), ("scan", "time"), "i4", (2,))[1]))
            for count in (2, 200)
        }
        assert len(sizes) == 1

    def test_chunks_of_one_slab_are_preferred(self) -> None:
        variable = stack_lazily(LazySlabs(Level, range(3)), ("scan", "time"), "i4", (2,))
        assert variable.encoding == {"preferred_chunks": {"scan": 1, "time": 2}}

    def test_slices_and_places_beyond(self) -> None:
        slabs = LazySlabs(Level, range(3))
        assert [slab.level for slab in slabs[1:]] == [1, 2]
        with pytest.raises(IndexError):
            slabs[3]
