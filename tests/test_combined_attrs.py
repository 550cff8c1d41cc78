"""Conditions of use: whatever is made of several datasets has the strictest of all, in any order."""

import errno
import json
import os
import stat
from fcntl import LOCK_EX, LOCK_NB
from itertools import permutations
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

import decnef_data
from decnef_data import AccessError, SelectionError, combine_attrs
from decnef_data.client import sidecars
from decnef_data.client.sidecars import write_texts
from decnef_data.combined_attrs import policy_of, use_attrs
from decnef_data.exports.description import describe
from decnef_data.model import UsePolicy, UseRule, UseTerm, strictest
from decnef_data.model.data_use import NO_SOURCE
from decnef_data.model.sidecars import SECTION_BREAK
from decnef_data.records import Records, use_policy

RECORDS = Records.load()
RESTRICTED, REGISTERED = (use_policy(RECORDS, RECORDS.dataset(name)) for name in ("srpbs-fc", "srpbs-ts"))
#: The attributes of two datasets, as their readers write them, without what depends on a copy.
FC, TS = (
    {
        "title": RECORDS.dataset(name).title,
        "dataset": name,
        "access_level": policy.access_level,
        "terms": RECORDS.terms_of(RECORDS.dataset(name)).title,
        "data_use": policy.to_json(),
        "citation": "A. B. 2021",
    }
    for name, policy in (("srpbs-fc", RESTRICTED), ("srpbs-ts", REGISTERED))
)

terms = st.builds(UseTerm, term=st.sampled_from(["DUO:1", "DUO:2", "DUO:3"]), title=st.sampled_from("ab"))
rules = st.builds(
    UseRule,
    action=st.sampled_from(["odrl:distribute", "odrl:use"]),
    title=st.sampled_from("ab"),
    recipient=st.sampled_from([None, "odrl:All"]),
)


def some(items: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(items, max_size=3).map(tuple)


#: Policies as records state them; a level belongs to one strictness.
policies = st.builds(
    lambda level, names, grade, fields: strictest(
        [UsePolicy(tiers=tuple(names), level=level[1], strictness=level[0], grade=grade, **fields)]
    ),
    st.sampled_from([(0, ""), (1, "registered"), (2, "restricted")]),
    st.sets(st.sampled_from("abc")).map(sorted),
    st.sampled_from("ABCD"),
    st.fixed_dictionaries({
        "unknown": st.sets(st.sampled_from(["commerce", "purpose"])).map(tuple),
        "commerce": st.sampled_from(["permitted", "unknown", "prohibited"]),
        "other_levels": st.sets(st.sampled_from(["open", "internal"])).map(tuple),
        "purposes": st.none() | some(terms),
        "modifiers": some(terms),
        "prohibitions": some(rules),
        "duties": some(rules),
    }),
)  # fmt: skip


#: Each example is compared with all orders of its parts.
FEW = settings(max_examples=40, deadline=None)


class TestLaws:
    """The policies are a lattice, of which `strictest` is the least upper bound."""

    @FEW
    @given(policies, policies, policies)
    def test_neither_order_nor_grouping_nor_repetition_matters(
        self, first: UsePolicy, second: UsePolicy, third: UsePolicy
    ) -> None:
        expected = strictest([first, second, third])
        assert {strictest(order) for order in permutations([first, second, third])} == {expected}
        assert strictest([strictest([first, second]), third]) == expected
        assert strictest([first, strictest([second, third])]) == expected
        assert strictest([first, first]) == first
        assert strictest([first, NO_SOURCE]) == first
        assert strictest([]) == NO_SOURCE

    @FEW
    @given(policies, policies)
    def test_nothing_that_a_source_prohibits_is_permitted(self, first: UsePolicy, second: UsePolicy) -> None:
        both = strictest([first, second])
        for source in (first, second):
            assert strictest([source, both]) == both
            assert {*source.prohibitions} <= {*both.prohibitions}
            assert {*source.modifiers} <= {*both.modifiers}
            assert {*source.duties} <= {*both.duties}
            assert {*source.unknown} <= {*both.unknown}
            assert {*source.other_levels} <= {*both.other_levels}
            assert both.strictness >= source.strictness
            assert both.grade >= source.grade
            if source.purposes is not None:
                assert both.purposes is not None
                assert {*both.purposes} <= {*source.purposes}
        assert (both.commerce == "prohibited") == ("prohibited" in {first.commerce, second.commerce})

    @FEW
    @given(policies, policies, policies)
    def test_no_stricter_than_any_other_bound(
        self, first: UsePolicy, second: UsePolicy, third: UsePolicy
    ) -> None:
        bound = strictest([first, second, third])
        assert strictest([strictest([first, second]), bound]) == bound

    @FEW
    @given(policies)
    def test_it_is_the_same_after_it_was_an_attribute(self, policy: UsePolicy) -> None:
        assert UsePolicy.from_json(policy.to_json()) == policy
        assert policy_of({"data_use": policy.to_json()}) == policy


class TestTiers:
    def test_what_the_restricted_tier_states(self) -> None:
        assert [term.term for term in RESTRICTED.modifiers] == ["DUO:0000026", "DUO:0000027"]
        assert (RESTRICTED.unknown, RESTRICTED.commerce, RESTRICTED.purposes) == (
            ("commerce", "purpose"), "unknown", None
        )  # fmt: skip
        assert {rule.action for rule in RESTRICTED.prohibitions} == {"odrl:distribute", "decnef:reidentify"}
        assert [duty.action for duty in RESTRICTED.duties] == ["odrl:attribute"]

    def test_the_registered_tier_has_no_modifier_beyond_the_terms(self) -> None:
        assert REGISTERED.modifiers == ()
        assert REGISTERED.unknown == ("commerce", "purpose")
        assert REGISTERED.prohibits("odrl:distribute")

    @pytest.mark.parametrize("order", list(permutations([RESTRICTED, REGISTERED])))
    def test_both_have_the_level_of_the_stricter_and_the_rules_of_both(self, order: Any) -> None:
        both = strictest(order)
        assert both.tiers == ("srpbs-registered", "srpbs-restricted")
        assert (both.access_level, both.modifiers) == ("restricted", RESTRICTED.modifiers)
        titles = {rule.title for rule in both.prohibitions}
        assert "Passing the data on to anyone else" in titles
        assert len(titles) == 4

    def test_a_level_without_standard_terms_is_not_lost(self) -> None:
        unknown = UsePolicy.without_tier("open")
        both = strictest([unknown, RESTRICTED])
        assert both.access_level == "restricted, open"
        assert both.unknown == ("commerce", "purpose", "redistribution")
        assert ("redistribution", "unknown: no source states it") in both.describe()

    def test_data_of_version_0_1_0_have_the_policy_of_the_dataset_that_they_name(self) -> None:
        assert policy_of({"dataset": "srpbs-fc", "access_level": "restricted"}) == RESTRICTED
        assert policy_of({"dataset": "unheard-of", "access_level": "secret"}).access_level == "secret"
        assert policy_of({"long_name": "age"}) == NO_SOURCE

    def test_an_attribute_of_something_else_is_refused(self) -> None:
        with pytest.raises(SelectionError) as caught:
            policy_of({"data_use": "ask us"})
        assert str(caught.value) == (
            "The attribute 'data_use' of the data is not one that decnef-data wrote, so the conditions of their use "
            "are not known. Rename the attribute."
        )


class TestCombination:
    @pytest.mark.parametrize("order", list(permutations([FC, TS])))
    def test_concatenated_data_name_cite_and_obey_all(self, order: Any) -> None:
        parts = [xr.Dataset({"age": ("row", [30.0])}, attrs=attrs) for attrs in order]
        attrs = xr.concat(parts, "row", combine_attrs=combine_attrs).attrs
        assert attrs["access_level"] == "restricted"
        assert UsePolicy.from_json(attrs["data_use"]) == strictest([RESTRICTED, REGISTERED])
        assert set(attrs["dataset"].splitlines()) == {"srpbs-fc", "srpbs-ts"}
        assert set(attrs["terms"].splitlines()) == {FC["terms"], TS["terms"]}
        assert attrs["citation"] == "A. B. 2021"
        assert all(isinstance(value, str) for value in attrs.values())

    def test_merged_data_too_and_other_conflicts_are_left_out(self) -> None:
        parts = [
            xr.Dataset(attrs={**TS, "atlas": "a", "n": 1}),
            xr.Dataset(attrs={**FC, "atlas": "b", "n": 1}),
        ]
        attrs = xr.merge(parts, combine_attrs=combine_attrs).attrs
        assert (attrs["access_level"], attrs["n"], "atlas" in attrs) == ("restricted", 1, False)

    def test_attributes_of_variables_are_combined_without_conditions(self) -> None:
        ages = [{"units": "years", "flags": xr.DataArray([1, 2]).to_numpy()}] * 2
        assert set(combine_attrs(ages)) == {"units", "flags"}
        assert combine_attrs([{"units": "years"}, {"units": "s"}]) == {}

    def test_all_datasets_are_cited(self) -> None:
        attrs = combine_attrs([FC, TS])
        cited = decnef_data.cite(xr.Dataset(attrs=attrs), style="bibtex")
        assert cited.count("@article{tanaka2021,") == 1
        assert "10.1371/journal.pbio.3000042" in cited


class TestWhatIsWritten:
    def tree(self, root: dict[str, Any]) -> xr.DataTree:
        groups = {"/": xr.Dataset(attrs=root), "/fc": fc_like(FC), "/ts": fc_like(TS)}
        return xr.DataTree.from_dict(groups)

    @pytest.mark.parametrize("root", [{"comment": "ours"}, TS])
    def test_a_portable_store_of_several_datasets_has_the_strictest(
        self, root: dict[str, Any], tmp_path: Path
    ) -> None:
        decnef_data.to_zarr(self.tree(root), tmp_path / "both.zarr", progress="none")
        found = xr.open_datatree(tmp_path / "both.zarr", engine="zarr")
        assert found.attrs["access_level"] == "restricted"
        assert UsePolicy.from_json(found.attrs["data_use"]) == strictest([RESTRICTED, REGISTERED])
        assert found["ts"].attrs["access_level"] == "registered"
        assert set(root) - {"data_use", "access_level", "terms"} <= set(found.attrs)

    def test_a_store_of_one_dataset_is_as_it_was(self, tmp_path: Path) -> None:
        decnef_data.to_zarr(fc_like(FC), tmp_path / "one.zarr", progress="none")
        assert xr.open_zarr(tmp_path / "one.zarr").attrs == FC

    def test_what_is_derived_from_data_that_may_not_be_passed_on_is_not_written_elsewhere(self) -> None:
        bias = xr.Dataset({"bias": ("site", [0.1])}, attrs=use_attrs([TS]))
        with pytest.raises(AccessError) as caught:
            decnef_data.to_zarr(bias, "s3://bucket/bias.zarr", progress="none")
        assert str(caught.value).startswith("'s3://bucket/bias.zarr' is on another machine, and these")

    @pytest.mark.filterwarnings("ignore::decnef_data.DecnefDataWarning")  # of so small a cohort
    def test_harmonized_connectivity_has_the_conditions_of_people_and_travelers(self) -> None:
        people, traveled = cube_at(["p", "q"], TS), cube_at([*"abcdef"], FC)
        harmonized = decnef_data.harmonize(people, traveled)
        assert harmonized.attrs["access_level"] == "restricted"
        assert UsePolicy.from_json(harmonized.attrs["data_use"]) == strictest([RESTRICTED, REGISTERED])

    def test_a_description_names_both_datasets(self) -> None:
        coords = {"subject": ["a"], "site": ("subject", ["SWA"])}
        parts = [xr.Dataset({"score": ("subject", [1.0])}, coords, attrs=attrs) for attrs in (FC, TS)]
        both = xr.concat(parts, "subject", combine_attrs=combine_attrs)
        methods = describe(both).methods
        assert f"from {FC['title']} and {TS['title']}." in methods

    def test_a_folder_with_exports_of_two_datasets_has_the_terms_of_both(self, tmp_path: Path) -> None:
        for name in ("srpbs-1600", "srpbs-ts", "srpbs-1600"):
            dataset = RECORDS.dataset(name)
            works = [RECORDS.citation(key) for key in dataset.citations]
            write_texts(tmp_path, dataset, RECORDS, works)
        for file in ("TERMS", "CITATION"):
            sections = (tmp_path / file).read_text().split(SECTION_BREAK)
            assert len(sections) == 2
            assert RECORDS.dataset("srpbs-1600").title in sections[0]
            assert RECORDS.dataset("srpbs-ts").title in sections[1]
        terms = (tmp_path / "TERMS").read_text()
        assert "- condition: project specific restriction (DUO:0000027)" in terms
        assert "named in the application that ATR approved" in terms
        assert "others register for themselves" in terms


class TestTwoExportsAtOnce:
    """Another export of another dataset into one folder, at the moment when it does most harm."""

    NAMES = ("srpbs-1600", "srpbs-ts")

    def write(self, folder: Path, name: str) -> None:
        dataset = RECORDS.dataset(name)
        write_texts(folder, dataset, RECORDS, [RECORDS.citation(key) for key in dataset.citations])

    def assert_both(self, folder: Path) -> None:
        assert sorted(path.name for path in folder.iterdir()) == ["CITATION", "TERMS"]
        for file in ("TERMS", "CITATION"):
            text = (folder / file).read_text()
            assert [RECORDS.dataset(name).title in text for name in self.NAMES] == [True, True], file

    def test_the_second_waits_where_the_file_system_has_locks(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The lock is had once the other process has written everything: nothing has to be read again."""
        locked: list[bool] = []
        opened, lock, open_atomic = [], sidecars.flock, sidecars.open_atomic

        def lock_after_the_other(descriptor: int, operation: int) -> None:
            locked.append(stat.S_ISDIR(os.fstat(descriptor).st_mode) and operation == LOCK_EX | LOCK_NB)
            if len(locked) == 1:
                self.write(tmp_path, self.NAMES[1])
            lock(descriptor, operation)

        def count(path: Path) -> Any:
            opened.append(path.name)
            other = os.open(tmp_path, os.O_RDONLY)
            with pytest.raises(BlockingIOError):  # another one would have to wait
                lock(other, LOCK_EX | LOCK_NB)
            os.close(other)
            return open_atomic(path)

        monkeypatch.setattr(sidecars, "flock", lock_after_the_other)
        monkeypatch.setattr(sidecars, "open_atomic", count)
        self.write(tmp_path, self.NAMES[0])
        assert locked == [True, True]
        assert sorted(opened) == ["CITATION", "CITATION", "TERMS", "TERMS"]
        self.assert_both(tmp_path)

    def test_it_waits_until_the_other_has_finished(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        other = os.open(tmp_path, os.O_RDONLY)
        sidecars.flock(other, LOCK_EX)
        waited: list[float] = []

        def sleep(seconds: float) -> None:
            waited.append(seconds)
            if len(waited) == 3:
                self.write_unlocked(tmp_path, self.NAMES[1])
                os.close(other)

        monkeypatch.setattr(sidecars.time, "sleep", sleep)
        self.write(tmp_path, self.NAMES[0])
        assert len(waited) == 3
        self.assert_both(tmp_path)

    def write_unlocked(self, folder: Path, name: str) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sidecars, "flock", lambda *_: None)
            self.write(folder, name)

    def test_it_does_not_wait_for_ever(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        other = os.open(tmp_path, os.O_RDONLY)
        sidecars.flock(other, LOCK_EX)
        clock = iter([0.0, 0.0, 59.0, 60.0])
        monkeypatch.setattr(sidecars.time, "monotonic", lambda: next(clock))
        monkeypatch.setattr(sidecars.time, "sleep", lambda _seconds: None)
        with pytest.raises(TimeoutError) as caught:
            self.write(tmp_path, self.NAMES[0])
        os.close(other)
        assert str(caught.value) == (
            f"[Errno {errno.ETIMEDOUT}] Another process has kept the terms and citation there locked for 60 "
            f"seconds. Continue or end it, then repeat the request: '{tmp_path}'"
        )
        assert next(clock, None) is None
        assert list(tmp_path.iterdir()) == []

    def test_what_another_wrote_is_read_again_where_it_has_none(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(descriptor: int, operation: int) -> None:
            raise OSError(errno.ENOLCK, "no locks")

        opened, open_atomic = [], sidecars.open_atomic

        def open_after_the_other(path: Path) -> Any:
            opened.append(path.name)
            if len(opened) == 1:  # the file was read, and is written now
                self.write(tmp_path, self.NAMES[1])
            return open_atomic(path)

        monkeypatch.setattr(sidecars, "flock", refuse)
        monkeypatch.setattr(sidecars, "open_atomic", open_after_the_other)
        self.write(tmp_path, self.NAMES[0])
        assert len(opened) == 5  # of two files, two of the other, and one again
        self.assert_both(tmp_path)


def fc_like(attrs: dict[str, Any]) -> xr.Dataset:
    """A small cube with the attributes of a dataset."""
    return xr.Dataset(
        {"fc": (("subject", "edge"), [[0.5, 0.25, 0.1]])}, {"subject": ["sub-01"]}, attrs=dict(attrs)
    )


def cube_at(subjects: list[str], attrs: dict[str, Any]) -> xr.Dataset:
    """Random connectivity of subjects at two sites."""
    random = np.random.default_rng(len(subjects))
    r = random.uniform(-0.5, 0.5, (2 * len(subjects), 3))
    coords = {"subject": ("scan", subjects * 2), "site": ("scan", np.repeat(["COI", "SWA"], len(subjects)))}
    return xr.Dataset({"fc": (("scan", "edge"), r)}, coords, attrs=dict(attrs))


class TestOpened:
    def test_a_dataset_states_it_as_one_text_and_so_do_values_under_its_labels(
        self, phantom_dir: Path
    ) -> None:
        options: dict[str, Any] = {"mirror": "phantom", "data_dir": phantom_dir}
        cube = decnef_data.fetch_dataset("srpbs-fc", group="roi93", progress="none", **options)
        assert UsePolicy.from_json(cube.attrs["data_use"]) == RESTRICTED
        assert json.loads(cube.attrs["data_use"])["unknown"] == ["commerce", "purpose"]
        assert cube.attrs["data_use"].isascii()  # netCDF 3 stores it as it is
        subject = [str(cube["subject"].to_numpy()[0])]
        values = xr.DataArray([1.0], dims="subject", name="score", attrs=TS)
        labelled = decnef_data.label(values, "srpbs-fc", subject=subject, **options)
        assert UsePolicy.from_json(labelled.attrs["data_use"]) == strictest([RESTRICTED, REGISTERED])


class TestRecords:
    TIER = "[[data_use]]\nname = 'x'\nlevel = 'open'\nstrictness = 0\ntitle = 'X'\n"

    @pytest.mark.parametrize(
        ("lines", "problem"),
        [
            ("modifiers = [{ term = 'DUO_26', title = 'a' }]",
             "has 'DUO_26', which is not a term such as 'DUO:0000026', at '$.data_use[0].modifiers[0].term'"),
            ("duties = [{ action = 'cite', title = 'a' }]",
             "has 'cite', which is not an action such as 'odrl:distribute', at '$.data_use[0].duties[0].action'"),
        ],
    )  # fmt: skip
    def test_a_term_of_no_vocabulary_is_refused(self, lines: str, problem: str, tmp_path: Path) -> None:
        (tmp_path / "use.toml").write_text(f"{self.TIER}{lines}\n")
        with pytest.raises(decnef_data.CatalogError) as caught:
            Records.load(tmp_path)
        assert (
            str(caught.value) == f"The catalog file '{tmp_path / 'use.toml'}' {problem}. Correct this entry."
        )

    def test_terms_refer_to_a_tier_that_exists(self, tmp_path: Path) -> None:
        (tmp_path / "terms.toml").write_text(
            "[[terms]]\nname = 'ours'\nversion = '1'\ntitle = 'T'\ntext = 'X'\ndata_use = 'y'\n"
        )
        with pytest.raises(decnef_data.CatalogError) as caught:
            Records.load(tmp_path)
        assert "refers to the data use 'y' at '$.terms[0].data_use', but no record defines it" in str(
            caught.value
        )

    def test_a_dataset_without_a_tier_is_unknown_and_not_free(self, tmp_path: Path) -> None:
        (tmp_path / "terms.toml").write_text(
            "[[terms]]\nname = 'srpbs-registered'\nversion = '1'\ntitle = 'T'\ntext = 'X'\n"
        )
        records = Records.load(tmp_path)
        dataset = records.dataset("srpbs-ts")
        assert records.data_use_of(dataset) is None
        policy = use_policy(records, dataset)
        assert policy.unknown == ("commerce", "purpose", "redistribution")
        assert msgspec.to_builtins(policy)["grade"] == "D"
