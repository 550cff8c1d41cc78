"""The selection of rows, groups and samples, over plain columns, xarray datasets and a small tree of images."""

import pickle
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from xarray.backends import BackendArray
from xarray.core import indexing

import decnef_data
from decnef_data.client.readers import NoMatchError, no_match_error
from decnef_data.errors import DecnefDataWarning, SelectionError
from decnef_data.layouts.selection import (
    PooledSiteError,
    TableContentError,
    draw_samples,
    may_be_in_group,
    names_one_group,
    resolve_coordinate,
    resolve_group,
    select_each,
    select_rows,
)
from decnef_data.layouts.selection.sample import sample_name
from decnef_data.model import Condition, Selection
from decnef_data.records import Records
from tests import small

RECORDS = Records.load()
FC, OPEN = RECORDS.dataset("srpbs-fc"), RECORDS.dataset("srpbs-open")
Columns = Mapping[str, np.ndarray]


def people() -> dict[str, np.ndarray]:
    """Eight invented participants, a to h."""
    return {
        "subject": np.array(list("abcdefgh")),
        "site": np.array(["SWA", "SWA", "", "", "KUT", "UTO", "SWA", ""]),
        "institute": np.array(["ShowaU", "ShowaU", "KyotoU", "KyotoU", "KyotoU", "UTO", "ShowaU", "ATR"]),
        "diagnosis": np.array(["HC", "ASD", "MDD", "HC", "MDD", "HC", "HC", ""]),
        "sex": np.array(["male", "female", "male", "", "female", "male", "male", "male"]),
        "age": np.array([20, 60, 61, np.nan, 30, 19.9, 40, 50], dtype="f4"),
        "mean_fd": np.array([0.1, 0.3, 0.3001, 0.2, np.nan, 0.2, np.nan, 0.1]),
        "diagnosis_code": np.array(["0", "1", "2", "0", "2", "0", "x", ""]),
        "protocol": np.array([1, 1, 6, 6, 6, 8, 1, np.nan], dtype="f4"),
    }


def condition(coordinate: str, *values: str | float, **ends: float) -> tuple[Condition, ...]:
    return (Condition(coordinate=coordinate, values=values or None, **ends),)


def select(columns: Columns, **wanted: Any) -> str:
    """Return the ids of the selected participants of one group."""
    rows = select_rows({"bal140": columns}, Selection("srpbs-fc", **wanted), FC, RECORDS).rows["bal140"]
    return "".join(columns["subject"][rows])


def select_with_reasons(columns: Columns, **wanted: Any) -> tuple[str, list[str]]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        subjects = select(columns, **wanted)
    assert all(issubclass(warning.category, DecnefDataWarning) for warning in caught)
    return subjects, [str(warning.message) for warning in caught]


def error_of(groups: Mapping[str, Columns], **wanted: Any) -> SelectionError:
    with pytest.raises(SelectionError) as caught:
        select_rows(groups, Selection("srpbs-fc", **wanted), FC, RECORDS)
    return caught.value


class TestCategories:
    @pytest.mark.parametrize(
        ("wanted", "expected"),
        [
            ({}, "abcdefgh"),
            ({"subjects": ("e", "b", "b")}, "be"),
            ({"sites": ("SWA",)}, "abg"),
            ({"sites": ("swa", "UTA")}, "abfg"),
            ({"sites": ("KPM",)}, ""),
            ({"institutes": ("KyotoU",)}, "cde"),
            ({"institutes": ("kyoto_u", "UTO")}, "cdef"),
            ({"diagnoses": ("mdd",)}, "ce"),
            ({"diagnoses": ("Major depressive disorder", "健常対照")}, "acdefg"),
            ({"diagnoses": ("stroke",)}, ""),
            ({"sex": "female"}, "be"),
            ({"sites": ("SWA",), "diagnoses": ("HC",)}, "ag"),
            ({"sites": ("SWA",), "diagnoses": ("ASD",), "subjects": ("a",)}, ""),
            ({"group": "bal140", "modalities": ("bold",)}, "abcdefgh"),
        ],
    )
    def test_who_is_selected(self, wanted: dict[str, Any], expected: str) -> None:
        assert select(people(), **wanted) == expected

    def test_names_that_only_the_tables_know(self) -> None:
        columns = people()
        columns["site"][0], columns["institute"][0], columns["diagnosis"][0] = "Elw", "Elsewh", "Flu"
        assert select(columns, sites=("elw",), institutes=("ELSEWH",), diagnoses=("flu",)) == "a"

    @pytest.mark.parametrize(
        ("wanted", "message"),
        [
            ({"sites": ("SWB",)}, "There is no site 'SWB'. Did you mean 'SWA'?"),
            ({"diagnoses": ("MDP",)}, "There is no diagnosis 'MDP'. Did you mean 'MDD'?"),
            ({"institutes": ("Kyoto",)}, "There is no institute 'Kyoto'. Did you mean 'KyotoU'?"),
            ({"sex": "mal"}, "There is no sex 'mal'. Did you mean 'male'?"),
        ],
    )
    def test_unknown_names(self, wanted: dict[str, Any], message: str) -> None:
        error = error_of({"bal140": people()}, **wanted)
        assert str(error) == message
        assert error.known

    def test_a_table_without_the_column_matches_none(self) -> None:
        columns = people()
        del columns["sex"], columns["site"]
        assert select(columns, sex="male") == ""
        assert select(columns, sites=("SWA",)) == ""

    def test_a_data_frame_is_selected_as_its_columns_are(self) -> None:
        table = pd.DataFrame({"subject": ["a", "b", "c"], "sex": ["male", None, "female"], "age": [1, 2, 3]})
        columns = {str(name): table[name].to_numpy() for name in table}
        assert select(columns, sex="female", min_age=2) == "c"


class TestUnknownSubjects:
    @pytest.mark.parametrize(
        ("subjects", "start"),
        [
            (("i",), "There is no subject 'i' in 'srpbs-fc'."),
            (("i", "a", "j"), "There are no subjects 'i', 'j' in 'srpbs-fc'."),
            (tuple("ijkamn"), "There are no subjects 'i', 'j', 'k' and 2 more in 'srpbs-fc'."),
        ],
    )
    def test_no_other_id_is_shown(self, subjects: tuple[str, ...], start: str) -> None:
        error = error_of({"bal140": people()}, subjects=subjects)
        assert str(error) == (
            f"{start} Subject ids of 'srpbs-fc' consist of the key of the matrix file, '-' and the number of "
            "the row in four digits."
        )
        assert (error.requested, error.known) == ("i", ())

    @pytest.mark.parametrize("name", ["srpbs-open", "srpbs-1600"])
    def test_the_ids_of_images(self, name: str) -> None:
        with pytest.raises(SelectionError) as caught:
            select_rows({"": people()}, Selection(name, subjects=("sub-1",)), RECORDS.dataset(name), RECORDS)
        assert str(caught.value) == (
            f"There is no subject 'sub-1' in '{name}'. Subject ids of '{name}' consist of 'sub-' and four digits."
        )

    def test_a_subject_of_any_group_is_known(self) -> None:
        groups = {"bal140": people(), "roi93": {"subject": np.array(["z"])}}
        selected = select_rows(groups, Selection("srpbs-fc", subjects=("z",)), FC, RECORDS)
        assert {name: rows.tolist() for name, rows in selected.rows.items()} == {"bal140": [], "roi93": [0]}


class TestRanges:
    def test_both_ends_are_included_and_unknown_values_reported(self) -> None:
        no_age = ["'srpbs-fc': 1 participant who may match has no age."]
        assert select_with_reasons(people(), min_age=20.0, max_age=60.0) == ("abegh", no_age)
        assert select_with_reasons(people(), max_age=20.0) == ("af", no_age)
        no_fd = ["'srpbs-fc': 2 participants who may match have no mean_fd."]
        assert select_with_reasons(people(), max_mean_fd=0.3) == ("abdfh", no_fd)

    def test_a_limit_that_32_bits_round_is_included(self) -> None:
        columns = people() | {"age": np.array([20.1] * 8, dtype="f4")}
        assert select(columns, min_age=20.1, max_age=20.1) == "abcdefgh"

    def test_who_cannot_match_is_not_reported(self) -> None:
        assert select_with_reasons(people(), diagnoses=("ASD",), max_mean_fd=0.3) == ("b", [])
        assert select_with_reasons(people(), max_mean_fd=0.3, max_age=29.0) == (
            "af",
            ["'srpbs-fc': 1 participant who may match has no age."],
        )

    def test_who_lacks_two_values_is_reported_once(self) -> None:
        columns = people()
        columns["age"][4] = np.nan
        assert select_with_reasons(columns, diagnoses=("MDD",), min_age=20.0, max_mean_fd=1.0) == (
            "c",
            ["'srpbs-fc': 1 participant who may match has no age."],
        )

    def test_nothing_is_reported_on_request(self) -> None:
        selection = Selection("srpbs-fc", min_age=20.0)
        assert select_rows({"": people()}, selection, FC, RECORDS, warn=False).rows[""].size == 6

    def test_one_report_for_all_groups(self) -> None:
        groups = {"bal140": people(), "roi93": people()}
        with pytest.warns(DecnefDataWarning) as caught:
            select_rows(groups, Selection("srpbs-fc", min_age=20.0), FC, RECORDS)
        assert [str(warning.message) for warning in caught] == [
            "'srpbs-fc': 2 participants who may match have no age."
        ]

    @pytest.mark.parametrize(
        ("wanted", "message"),
        [
            (
                {"max_mean_fd": 0.2},
                "max_mean_fd cannot be applied: no participant of 'srpbs-fc' has a mean_fd. Omit max_mean_fd.",
            ),
            (
                {"min_age": 20.0},
                "min_age cannot be applied: no participant of 'srpbs-fc' has an age. Omit min_age.",
            ),
            (
                {"min_age": 20.0, "max_age": 30.0},
                "min_age and max_age cannot be applied: no participant of 'srpbs-fc' has an age. Omit min_age and max_age.",
            ),
            (
                {"where": condition("Age", minimum=20.0)},
                "The condition on age cannot be applied: no participant of 'srpbs-fc' has an age. Omit the condition.",
            ),
        ],
    )
    def test_a_range_of_what_is_never_known(self, wanted: dict[str, Any], message: str) -> None:
        unknown = np.full(8, np.nan)
        error = error_of({"bal140": people() | {"age": unknown, "mean_fd": unknown}}, **wanted)
        assert isinstance(error, TableContentError)
        assert str(error) == message

    def test_a_column_that_does_not_exist_is_never_known(self) -> None:
        columns = people()
        del columns["mean_fd"]
        assert str(error_of({"": columns}, max_mean_fd=1.0)).startswith("max_mean_fd cannot be applied")

    def test_groups_in_which_it_is_never_known_are_left_out_by_name(self) -> None:
        unknown = people() | {"mean_fd": np.full(8, np.nan)}
        groups = {"bal140": people(), "roi93": unknown, "aal116": unknown}
        with pytest.warns(DecnefDataWarning) as caught:
            selected = select_rows(groups, Selection("srpbs-fc", max_mean_fd=0.2), FC, RECORDS)
        assert {name: rows.tolist() for name, rows in selected.rows.items()} == {
            "bal140": [0, 3, 5, 7],
            "roi93": [],
            "aal116": [],
        }
        assert [str(warning.message) for warning in caught] == [
            "'srpbs-fc': No participant of groups 'roi93', 'aal116' has a mean_fd, so they are left out.",
            "'srpbs-fc': 2 participants who may match have no mean_fd.",
        ]

    def test_a_group_that_cannot_match_anyway_is_not_named(self) -> None:
        unknown = people() | {"mean_fd": np.full(8, np.nan), "sex": np.array(["male"] * 8)}
        groups = {"bal140": people() | {"mean_fd": np.full(8, 0.1)}, "roi93": unknown}
        selection = Selection("srpbs-fc", max_mean_fd=0.2, sex="female")
        assert select_rows(groups, selection, FC, RECORDS).rows["bal140"].tolist() == [1, 4]

    def test_an_empty_copy_matches_none(self) -> None:
        assert select({name: column[:0] for name, column in people().items()}, min_age=20.0) == ""


class TestConditions:
    @pytest.mark.parametrize(
        ("where", "expected"),
        [
            (condition("Protocol", 1), "abg"),
            (condition("protocol", "6", 8.0), "cdef"),
            (condition("diagnosis-code", 2), "ce"),
            (condition("diagnosis_code", 2.0, "x"), "ceg"),
            (condition("site", "SWA"), "abg"),
            (condition("mean_fd", 0.1), "ah"),
            (condition("protocol", 6) + condition("sex", "male"), "c"),
            (condition("sex", "unknown"), ""),
        ],
    )
    def test_values(self, where: tuple[Condition, ...], expected: str) -> None:
        assert select_with_reasons(people(), where=where) == (expected, [])

    def test_a_value_that_does_not_occur_is_reported(self) -> None:
        assert select_with_reasons(people(), where=condition("site", "SWA", "SWAA", "x")) == (
            "abg",
            ["'srpbs-fc': The condition on 'site' accepts 'SWAA', 'x', which do not occur."],
        )
        assert select_with_reasons(people(), where=condition("protocol", 1, 99)) == (
            "abg",
            ["'srpbs-fc': The condition on 'protocol' accepts 99, which does not occur."],
        )

    def test_values_are_those_of_32_bits(self) -> None:
        columns = people() | {"score": np.array([0.1] * 4 + [0.2] * 4, dtype="f4")}
        assert select(columns, where=condition("score", 0.1)) == "abcd"

    def test_an_integer_is_not_a_fraction(self) -> None:
        columns = people() | {"visits": np.array([1, 2, 3, 4, 5, 6, 7, 8])}
        assert select_with_reasons(columns, where=condition("visits", 2, 3.5)) == (
            "b",
            ["'srpbs-fc': The condition on 'visits' accepts 3.5, which does not occur."],
        )
        assert select(columns, where=condition("visits", minimum=6.5)) == "gh"

    def test_a_range(self) -> None:
        assert select_with_reasons(people(), where=condition("protocol", minimum=6.0, maximum=7.0)) == (
            "cde",
            ["'srpbs-fc': 1 participant who may match has no protocol."],
        )

    @pytest.mark.parametrize(
        ("where", "message"),
        [
            (
                condition("protocol", "six"),
                "The coordinate 'protocol' is numeric, but 'six' is not a number. Use numbers.",
            ),
            (
                condition("sex", minimum=1.0),
                "The coordinate 'sex' is text and has no range. List the accepted values instead.",
            ),
            (condition("protocl", 1), "There is no coordinate 'protocl'. Did you mean 'protocol'?"),
        ],
    )
    def test_what_cannot_be_a_condition(self, where: tuple[Condition, ...], message: str) -> None:
        assert str(error_of({"bal140": people()}, where=where)) == message

    def test_a_group_without_the_coordinate_selects_none(self) -> None:
        groups = {"bal140": people() | {"sup2_bdi_ii": np.array([21.0] * 8)}, "roi93": people()}
        selection = Selection("srpbs-fc", where=condition("SUP2-BDI-II", minimum=20.0))
        selected = select_rows(groups, selection, FC, RECORDS)
        assert {name: len(rows) for name, rows in selected.rows.items()} == {"bal140": 8, "roi93": 0}
        assert resolve_coordinate("Sup2 BDI II", groups) == "sup2_bdi_ii"


class TestPooledSites:
    def test_a_site_that_occurs_only_pooled(self) -> None:
        columns = people()
        columns["site"][4] = ""
        error = error_of({"bal140": columns}, sites=("kut",))
        assert isinstance(error, PooledSiteError)
        assert str(error) == (
            "Participants of site 'KUT' are only available pooled with the other sites of 'KyotoU'. "
            "Use institutes='KyotoU' to select all of them."
        )
        assert (error.requested, error.known) == ("KUT", ("KyotoU",))
        assert pickle.loads(pickle.dumps(error)).known == ("KyotoU",)

    def test_a_site_that_is_partly_pooled_is_reported(self) -> None:
        reason = (
            "'srpbs-fc': 1 participant of 'KyotoU' may match, but their table pools its sites. "
            "Use institutes='KyotoU' to include them."
        )
        assert select_with_reasons(people(), sites=("KUT",), diagnoses=("MDD",)) == ("e", [reason])
        assert select_with_reasons(people(), institutes=("KyotoU",), diagnoses=("MDD",)) == ("ce", [])
        assert select_with_reasons(people(), sites=("KUT",), diagnoses=("ASD",)) == ("", [])


class TestGroups:
    @pytest.mark.parametrize(
        ("requested", "expected"),
        [
            ("COI/bold", ("COI/bold",)),
            ("coi/bold", ("COI/bold",)),
            ("COI/bold_2", ("COI/bold_2",)),
            ("kfu/T1w", ("KPM/t1w",)),
            ("COI", ("COI/bold", "COI/bold_2", "COI/t1w")),
            ("kfu", ("KPM/t1w",)),
            ("COI/t", ("COI/t1w",)),
        ],
    )
    def test_of_images(self, requested: str, expected: tuple[str, ...]) -> None:
        available = ("COI/bold", "COI/bold_2", "COI/t1w", "KPM/t1w")
        assert resolve_group("srpbs-open", requested, available, RECORDS) == expected

    @pytest.mark.parametrize(
        ("requested", "expected"), [("BAL-140", "bal140"), ("aal", "aal116"), ("ROI 93", "roi93")]
    )
    def test_of_connectivity(self, requested: str, expected: str) -> None:
        assert resolve_group("srpbs-fc", requested, ("bal140", "roi93", "aal116"), RECORDS) == (expected,)

    @pytest.mark.parametrize(
        ("requested", "available", "hint"),
        [
            ("COI/bolt", ("COI/bold", "COI/t1w"), "Did you mean 'COI/bold'?"),
            ("COI/dwi", ("COI/bold", "COI/t1w"), "Available groups: COI/bold, COI/t1w."),
            ("KUS/bold", ("COI/bold", "KUT/bold"), "Available groups: COI/bold, KUT/bold."),
            ("COJ/bold", ("COI/bold", "KUT/bold"), "Did you mean 'COI/bold'?"),
            ("COI/b", ("COI/bold", "COI/bold_2"), "Available groups: COI/bold, COI/bold_2."),
            ("bal104", ("bal140", "aal116"), "Did you mean 'bal140'?"),
            ("", ("bal140",), "Available groups: bal140."),
        ],
    )
    def test_unknown_names(self, requested: str, available: tuple[str, ...], hint: str) -> None:
        with pytest.raises(SelectionError) as caught:
            resolve_group("srpbs-open", requested, available, RECORDS)
        assert str(caught.value) == f"'srpbs-open' has no group '{requested}'. {hint}"
        assert (caught.value.requested, caught.value.known) == (requested, available)

    def test_a_scan_whose_shape_is_not_known_yet(self) -> None:
        names = ("COI/bold", "COI/t1w", "KPM/bold")
        assert [may_be_in_group("coi", name, RECORDS) for name in names] == [True, True, False]
        assert [may_be_in_group("COI/bold_2", name, RECORDS) for name in names] == [True, False, False]
        assert [may_be_in_group("KFU/bold", name, RECORDS) for name in names] == [False, False, True]

    def test_a_site_is_several_groups(self) -> None:
        assert (names_one_group("COI/bold", ["COI/bold"]), names_one_group("COI", ["COI/bold"])) == (
            True,
            False,
        )
        assert names_one_group("bal140", ["bal140"])


def draw(
    columns: Columns, rows: Sequence[int] | None = None, **wanted: Any
) -> tuple[str, str | None, list[str]]:
    """Return the sampled ids of one group, the name of the sample, and warnings."""
    chosen = np.arange(len(columns["subject"])) if rows is None else np.array(rows)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        drawn, samples = draw_samples({"": columns}, {"": chosen}, Selection("x", **wanted), "x")
    reasons = [str(warning.message) for warning in caught]
    return "".join(columns["subject"][drawn[""]]), samples.get(""), reasons


class TestSamples:
    def test_the_same_on_every_machine(self) -> None:
        assert draw(people(), n_subjects=3) == ("cdg", "52e61bd2d1dff4be", [])
        assert draw(people(), n_subjects=3, seed=1)[0] == "cfh"

    def test_the_order_of_rows_does_not_matter(self) -> None:
        backwards = {name: column[::-1] for name, column in people().items()}
        subjects, name, _ = draw(backwards, n_subjects=3)
        assert (subjects, name) == (draw(people(), n_subjects=3)[0][::-1], draw(people(), n_subjects=3)[1])

    def test_a_larger_sample_contains_the_smaller(self) -> None:
        assert set(draw(people(), n_subjects=3)[0]) < set(draw(people(), n_subjects=5)[0])

    def test_only_matching_participants_are_drawn(self) -> None:
        selection = Selection("srpbs-fc", sites=("SWA",), n_subjects=2)
        (rows,) = select_rows({"": people()}, selection, FC, RECORDS).rows.values()
        assert set(people()["subject"][rows]) < set("abg")

    def test_a_name_is_of_the_participants_alone(self) -> None:
        assert sample_name(["a", "b"]) == sample_name(["b", "a"]) == "5340bce00fd19d04"
        assert sample_name(["a", "c"]) != sample_name(["a", "b"])

    def test_classes_are_equally_frequent(self) -> None:
        classes = dict(zip(people()["subject"], people()["diagnosis"], strict=True))
        subjects, _, reasons = draw(people(), n_subjects=3, stratify="Diagnosis")
        assert sorted(classes[subject] for subject in subjects) == ["ASD", "HC", "MDD"]
        assert reasons == ["'x': 1 participant cannot be sampled, because their diagnosis is not known."]

    def test_the_remainder_is_from_the_largest_classes(self) -> None:
        classes = dict(zip(people()["subject"], people()["diagnosis"], strict=True))
        subjects, _, _ = draw(people(), n_subjects=5, stratify="diagnosis")
        assert sorted(classes[subject] for subject in subjects) == ["ASD", "HC", "HC", "MDD", "MDD"]

    def test_equally_large_classes_are_in_the_order_of_their_names(self) -> None:
        columns = {"subject": np.array(list("abcd")), "side": np.array(["R", "L", "R", "L"])}
        subjects, _, _ = draw(columns, n_subjects=1, stratify="side")
        assert subjects in {"b", "d"}

    def test_numbers_are_classes(self) -> None:
        subjects, _, reasons = draw(people(), n_subjects=3, stratify="protocol")
        protocols = dict(zip(people()["subject"], people()["protocol"], strict=True))
        assert sorted(protocols[subject] for subject in subjects) == [1, 6, 8]
        assert reasons == ["'x': 1 participant cannot be sampled, because their protocol is not known."]

    @pytest.mark.parametrize(
        ("wanted", "message"),
        [
            (
                {"n_subjects": 9},
                "n_subjects=9 is too many: 'x' has 8 matching participants. The largest possible n_subjects is 8.",
            ),
            (
                {"n_subjects": 6, "stratify": "diagnosis"},
                "n_subjects=6 is too many: the matching participants of 'x' by diagnosis are HC 4, MDD 2, ASD 1. The largest possible n_subjects is 5.",
            ),
            ({"n_subjects": 2, "stratify": "scanner"}, "There is no coordinate 'scanner'. Valid names: "),
        ],
    )
    def test_what_cannot_be_drawn(self, wanted: dict[str, Any], message: str) -> None:
        with pytest.raises(TableContentError) as caught:
            draw(people(), **wanted)
        assert str(caught.value).startswith(message)

    def test_the_largest_possible_sample_is_possible(self) -> None:
        assert len(draw(people(), n_subjects=5, stratify="diagnosis")[0]) == 5

    def test_nobody_with_a_class(self) -> None:
        columns = people() | {"score": np.full(8, np.nan)}
        with pytest.raises(TableContentError) as caught:
            draw(columns, n_subjects=2, stratify="score")
        assert str(caught.value) == (
            "The sample cannot be stratified by 'score': no matching participant of 'x' has a value of it. "
            "Stratify by another coordinate."
        )

    def test_who_was_scanned_twice_is_one_participant(self) -> None:
        columns = {"subject": np.array(list("aabbcc")), "site": np.array(["SWA", "KUT"] * 3)}
        subjects, name, _ = draw(columns, n_subjects=2)
        assert len(subjects) == 4
        assert name == sample_name(set(subjects))
        with pytest.raises(TableContentError) as caught:
            draw(columns, n_subjects=2, stratify="site")
        assert str(caught.value) == (
            "Participants of 'x' have several values of 'site', so a sample cannot be stratified by it. "
            "Stratify by another coordinate, or select one value first."
        )
        assert len(draw(columns, rows=[0, 2, 4], n_subjects=2, stratify="site")[0]) == 2

    def test_each_group_has_its_own_sample(self) -> None:
        others = people() | {"subject": np.array(list("stuvwxyz"))}
        groups = {"bal140": people(), "roi93": others, "aal116": {k: v[:0] for k, v in people().items()}}
        selected = select_rows(groups, Selection("srpbs-fc", n_subjects=3), FC, RECORDS)
        assert {name: len(rows) for name, rows in selected.rows.items()} == {
            "bal140": 3,
            "roi93": 3,
            "aal116": 0,
        }
        assert {name: len(text) for name, text in selected.samples.items()} == {"bal140": 16, "roi93": 16}
        assert selected.samples["bal140"] != selected.samples["roi93"]

    def test_the_smallest_group_limits_the_sample(self) -> None:
        groups = {"bal140": people(), "roi93": {name: column[:2] for name, column in people().items()}}
        assert str(error_of(groups, n_subjects=3)) == (
            "n_subjects=3 is too many: 'srpbs-fc/roi93' has 2 matching participants. "
            "The largest possible n_subjects is 2."
        )

    def test_missing_images_do_not_change_the_classes_that_are_larger(self) -> None:
        columns = {"subject": np.array(list("abcde")), "side": np.array(["R", "R", "R", "L", "L"])}
        rows = {"": np.array([2, 3, 4])}
        drawn, _ = draw_samples(
            {"": columns},
            rows,
            Selection("x", n_subjects=1, stratify="side"),
            "x",
            population={"": np.arange(5)},
        )
        assert columns["side"][drawn[""]].tolist() == ["R"]

    def test_a_group_in_which_no_class_is_known_has_no_sample(self) -> None:
        groups = {"bal140": people(), "roi93": people() | {"sex": np.array([""] * 8)}}
        selection = Selection("srpbs-fc", n_subjects=2, stratify="sex")
        with pytest.warns(DecnefDataWarning, match=r"^'srpbs-fc': 9 participants cannot be sampled"):
            selected = select_rows(groups, selection, FC, RECORDS)
        assert {name: len(rows) for name, rows in selected.rows.items()} == {"bal140": 2, "roi93": 0}
        assert list(selected.samples) == ["bal140"]

    def test_a_group_without_the_coordinate_has_no_sample(self) -> None:
        sides = {"subject": np.array(list("abcd")), "side": np.array(["R", "L", "R", "L"])}
        columns = {"": sides, "bold": {"subject": np.array(list("ab"))}}
        rows = {"": np.arange(4), "bold": np.arange(2)}
        with pytest.warns(DecnefDataWarning, match=r"^'x': 2 participants cannot be sampled"):
            drawn, samples = draw_samples(columns, rows, Selection("x", n_subjects=2, stratify="side"), "x")
        assert {name: len(each) for name, each in drawn.items()} == {"": 2, "bold": 0}
        assert list(samples) == [""]

    def test_a_population_may_have_several_classes(self) -> None:
        columns = {"subject": np.array(list("aabb")), "site": np.array(["SWA", "KUT"] * 2)}
        rows, population = {"": np.array([0, 2])}, {"": np.arange(4)}
        selection = Selection("x", n_subjects=2, stratify="site")
        drawn, _ = draw_samples({"": columns}, rows, selection, "x", population=population)
        assert drawn[""].tolist() == [0, 2]


class Watched(BackendArray):
    """A lazy array that remembers with what it was read."""

    def __init__(self) -> None:
        self.shape, self.dtype, self.keys = (8, 3), np.dtype("f8"), []

    def __getitem__(self, key: indexing.ExplicitIndexer) -> np.ndarray:
        return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.OUTER, self._get)

    def _get(self, key: tuple[object, ...]) -> np.ndarray:
        self.keys.append(key[0])
        return np.arange(24.0).reshape(8, 3)[key]


class WatchedColumn(Watched):
    """A lazy coordinate."""

    def __init__(self) -> None:
        super().__init__()
        self.shape, self.dtype = (8,), np.dtype("f8")

    def _get(self, key: tuple[object, ...]) -> np.ndarray:
        self.keys.append(key[0])
        return np.arange(8.0)[key]


def make_dataset(watched: Watched | None = None) -> xr.Dataset:
    fc = xr.Variable(("subject", "edge"), indexing.LazilyIndexedArray(watched or Watched()))
    coords = {name: ("subject", column) for name, column in people().items()}
    return xr.Dataset({"fc": fc}, coords={**coords, "edge": np.arange(3)}, attrs={"atlas": "BAL-140"})


def select_datasets(groups: Mapping[str, xr.Dataset], **wanted: Any) -> dict[str, xr.Dataset]:
    return select_each(groups, Selection("srpbs-fc", **wanted), FC, RECORDS)


class TestDatasets:
    def test_a_dataset_is_returned_as_it_is_without_a_criterion(self) -> None:
        complete = make_dataset()
        assert select_datasets({"": complete}, group="bal140", modalities=("bold",), seed=3)[""] is complete

    @pytest.mark.parametrize(
        ("wanted", "key"),
        [({"institutes": ("KyotoU",)}, slice(2, 5, 1)), ({"sites": ("SWA",)}, [0, 1, 6])],
    )
    def test_rows_are_read_when_they_are_used_and_as_a_slice_where_possible(
        self, wanted: dict[str, tuple[str, ...]], key: object
    ) -> None:
        watched = Watched()
        chosen = select_datasets({"": make_dataset(watched)}, **wanted)[""]
        assert watched.keys == []
        assert chosen["fc"].to_numpy().shape == (3, 3)
        (used,) = watched.keys
        assert (used if isinstance(used, slice) else used.tolist()) == key

    def test_a_coordinate_is_read_only_for_a_criterion(self) -> None:
        watched = WatchedColumn()
        lazy = xr.Variable("subject", indexing.LazilyIndexedArray(watched))
        dataset = make_dataset().assign_coords(score=lazy)
        select_datasets({"": dataset}, sites=("SWA",))
        assert watched.keys == []
        chosen = select_datasets({"": dataset}, where=condition("score", minimum=6.0))[""]
        assert chosen["subject"].to_numpy().tolist() == ["g", "h"]

    def test_only_coordinates_of_rows_can_be_conditions(self) -> None:
        with pytest.raises(SelectionError, match=r"^There is no coordinate 'edge'\."):
            select_datasets({"": make_dataset()}, where=condition("edge", 1))

    def test_groups_without_rows_are_returned(self) -> None:
        groups = {
            "one": make_dataset().isel(subject=slice(0, 4)),
            "two": make_dataset().isel(subject=slice(4, 8)),
        }
        chosen = select_datasets(groups, subjects=("a",))
        assert {group: part.sizes["subject"] for group, part in chosen.items()} == {"one": 1, "two": 0}

    def test_the_name_of_a_sample_is_an_attribute(self) -> None:
        chosen = select_datasets({"bal140": make_dataset()}, n_subjects=3)["bal140"]
        subjects = chosen["subject"].to_numpy().tolist()
        assert len(subjects) == 3
        assert chosen.attrs == {"atlas": "BAL-140", "sample": sample_name(subjects)}
        assert "sample" not in select_datasets({"": make_dataset()}, sites=("SWA",))[""].attrs


class TestNoMatch:
    def test_every_criterion_is_listed(self) -> None:
        selection = Selection(
            "srpbs-open",
            group="COI/bold",
            subjects=("a",),
            sites=("COI", "KUT"),
            institutes=("KyotoU",),
            diagnoses=("HC",),
            modalities=("bold",),
            sex="male",
            min_age=30.0,
            max_age=40.5,
            max_mean_fd=0.2,
            where=(
                *condition("sup2_bdi_ii", minimum=20.0),
                *condition("vas", maximum=3.5),
                *condition("score", minimum=1.0, maximum=2.0),
                *condition("protocol", 5.0, "x"),
            ),
        )
        error = no_match_error(selection)
        assert isinstance(error, NoMatchError)
        assert str(error) == (
            "No participants in 'srpbs-open' match group 'COI/bold', subjects 'a', sites 'COI', 'KUT', "
            "institutes 'KyotoU', diagnoses 'HC', modalities 'bold', sex 'male', min_age 30, max_age 40.5, "
            "max_mean_fd 0.2, sup2_bdi_ii from 20, vas to 3.5, score from 1 to 2, protocol 5, 'x'. "
            "Run `decnef_data.participants('srpbs-open')` to list all participants."
        )

    def test_a_sample_is_not_a_criterion(self) -> None:
        assert str(no_match_error(Selection("srpbs-open", n_subjects=3, stratify="sex"))) == (
            "This copy of 'srpbs-open' contains no participants. Run `decnef_data.doctor('srpbs-open')` to inspect it."
        )


class TestConnectivity:
    """The selection in a copy of srpbs-fc with one group of fifteen participants."""

    @pytest.fixture(autouse=True)
    def adopted(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("DECNEF_DATA_DIR", str(tmp_path / "cache"))
        decnef_data.adopt("srpbs-fc", small.archive(tmp_path / "SRPBS_FC.zip"), progress="none")

    @pytest.mark.parametrize(
        ("wanted", "count"),
        [
            ({"institutes": "HiroshimaU"}, 5),
            ({"min_age": 21, "max_age": 22}, 6),
            ({"max_mean_fd": 0.2}, 6),
            ({"sex": "female", "sites": "SWA"}, 3),
            ({"where": {"source_file": "OsakaU/BAL-OsakaU_small.mat"}}, 4),
            ({"where": {"diagnosis_code": [1, 5]}}, 7),
            ({"n_subjects": 4}, 4),
        ],
    )
    def test_cube_and_table_are_of_the_same_participants(self, wanted: dict[str, Any], count: int) -> None:
        cube = decnef_data.fetch_dataset("srpbs-fc", group="bal140", progress="none", **wanted)
        table = decnef_data.participants("srpbs-fc", progress="none", **wanted)
        assert cube["subject"].to_numpy().tolist() == table["subject"].tolist()
        assert cube["fc"].shape == (count, 9730)
        assert table.attrs.get("sample") == cube.attrs.get("sample")

    def test_a_sample_of_equally_frequent_classes(self) -> None:
        table = decnef_data.participants("srpbs-fc", n_subjects=6, stratify="institute", progress="none")
        assert table["institute"].value_counts().to_dict() == {"ShowaU": 2, "OsakaU": 2, "HiroshimaU": 2}
        assert table.attrs["sample"] == sample_name(table["subject"])

    def test_no_participant_matches(self) -> None:
        with pytest.raises(NoMatchError, match=r"^No participants in 'srpbs-fc' match source_file 'x'\."):
            decnef_data.participants("srpbs-fc", where={"source_file": "x"}, progress="none")

    def test_a_pooled_site(self) -> None:
        with pytest.raises(PooledSiteError, match=r"^Participants of site 'HUH' are only available pooled"):
            decnef_data.fetch_dataset("srpbs-fc", sites="HUH", progress="none")

    def test_a_group_that_the_copy_lacks(self) -> None:
        with pytest.raises(SelectionError) as caught:
            decnef_data.fetch_dataset("srpbs-fc", group="roi93", progress="none")
        assert str(caught.value) == "'srpbs-fc' has no group 'roi93'. Available groups: bal140."
