"""Sidecars of BIDS: what is stated is written, what is not is left out, and slice times by the rules of scanners."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from decnef_data import FormatError
from decnef_data.exports.bids.sidecars import (
    Geometry,
    SidecarContext,
    build_sidecar,
    require_repetition_time,
)
from decnef_data.exports.bids.slice_timing import compute_slice_timing
from decnef_data.model import Image
from decnef_data.records import Records

RECORDS = Records.load()
#: A run of protocol 5, as its table states it; coordinates have 32 bits.
COI: Mapping[str, Any] = {
    "site": "COI",
    "institute": "HiroshimaU",
    "protocol": 5.0,
    "scanner": "Siemens Verio.Dot",
    "manufacturer": "Siemens",
    "coil_channels": 12.0,
    "field_strength": 3.0,
    "echo_time": 30.0,
    "flip_angle": 80.0,
    "phase_encoding": "AP",
    "slice_thickness": float(np.float32(3.2)),
    "slice_gap": float(np.float32(0.8)),
    "slice_order": "ascending",
    "protocol_eyes": "fixate",
    "repetition_time": 2.5,
    "n_volumes": 240,
    "n_volumes_planned": 244.0,
    "n_dummies_removed": 4.0,
}
LAS = Geometry("LAS", 4.0)


class NoFiles:
    """The source of a scan whose voxels are not read."""


def image(metadata: Mapping[str, Any] = COI, kind: str = "bold", n_slices: int = 4) -> Image:
    return Image(
        subject="sub-0001",
        session="",
        kind=kind,
        run=1,
        is_only_scan=True,
        folder="SRPBS_OPEN/data/sub-0001/rsfmri",
        file_names="vol_0000/vol_0001/vol_0002",
        file_sizes=b"",
        shape=(240, n_slices, 64, 64) if kind == "bold" else (n_slices, 64, 64),
        dtype="<i2",
        metadata=dict(metadata),
        source=NoFiles(),  # type: ignore[arg-type]
    )


def sidecar(
    metadata: Mapping[str, Any] = COI, geometry: Geometry = LAS, choice: str = "known", **facts: Any
) -> dict[str, Any]:
    context = SidecarContext(RECORDS, choice, synthetic=False, source_object="SRPBS")
    return build_sidecar(image({**metadata, **facts}), geometry, context)


class TestWhatIsStated:
    def test_all_of_it_is_written(self) -> None:
        assert sidecar() == {
            "InstitutionName": "Center of Innovation in Hiroshima University",
            "Manufacturer": "Siemens",
            "ManufacturersModelName": "Verio.Dot",
            "MagneticFieldStrength": 3,
            "ReceiveCoilName": "12-channel head coil",
            "TaskName": "rest",
            "RepetitionTime": 2.5,
            "EchoTime": 0.03,
            "FlipAngle": 80,
            "NumberOfVolumesDiscardedByUser": 4,
            "Instructions": "fixate",
            "PhaseEncodingDirection": "j-",
            "SliceThickness": 3.2,
            "SpacingBetweenSlices": 4,
            "SliceTiming": [0.0, 0.625, 1.25, 1.875],
            "SRPBS": {
                "site": "COI",
                "scanner_printed": "Siemens Verio.Dot",
                "phase_encoding_printed": "AP",
                "slice_order_printed": "ascending",
                "protocol": 5,
                "slice_timing_grade": "order as printed in the protocol table; even spacing over the "
                "repetition time is inferred (C)",
                "source_folder": "SRPBS_OPEN/data/sub-0001/rsfmri",
                "source_files": ["vol_0000", "vol_0002"],
                "n_source_files": 3,
            },
        }

    def test_what_nobody_states_is_left_out(self) -> None:
        missing = {name: "" if isinstance(value, str) else float("nan") for name, value in COI.items()}
        expected = {"TaskName": "rest", "RepetitionTime": 2.5, "SpacingBetweenSlices": 4}
        source = {
            "source_folder": "SRPBS_OPEN/data/sub-0001/rsfmri",
            "source_files": ["vol_0000", "vol_0002"],
            "n_source_files": 3,
        }
        assert sidecar({**missing, "repetition_time": 2.5}) == {**expected, "SRPBS": source}
        assert sidecar({"repetition_time": 2.5}) == {**expected, "SRPBS": source}

    def test_a_t1_image_has_no_parameter_of_the_runs(self) -> None:
        context = SidecarContext(RECORDS, "known", synthetic=True, source_object="SRPBS")
        found = build_sidecar(image(kind="t1w"), LAS, context)
        assert found.keys() == {"InstitutionName", "SRPBS"}
        assert found["SRPBS"]["synthetic"] is True

    def test_of_a_site_that_the_protocol_contradicts_there_is_no_institution(self) -> None:
        assert "InstitutionName" in sidecar(site="HRC", protocol=2.0)
        assert "InstitutionName" not in sidecar(site="HRC", protocol=3.0)

    def test_of_a_scanner_that_another_table_contradicts_there_is_no_model(self) -> None:
        found = sidecar(site="HKH", protocol=4.0, scanner="Siemens Symphon")
        assert "ManufacturersModelName" not in found
        assert (found["Manufacturer"], found["MagneticFieldStrength"]) == ("Siemens", 3)

    def test_a_model_without_its_manufacturer_is_the_model(self) -> None:
        assert sidecar(scanner="Trio")["ManufacturersModelName"] == "Trio"

    @pytest.mark.parametrize("milliseconds", [0.0, 30_000.0])
    def test_an_impossible_echo_time_is_not_written(self, milliseconds: float) -> None:
        assert "EchoTime" not in sidecar(echo_time=milliseconds)

    @pytest.mark.parametrize(("found", "expected"), [(240, 4), (239, None), (244, None)])
    def test_dummies_are_stated_only_if_as_many_volumes_are_missing(
        self, found: int, expected: int | None
    ) -> None:
        assert sidecar(n_volumes=found).get("NumberOfVolumesDiscardedByUser") == expected


class TestGrades:
    def test_what_the_catalog_infers_is_not_stated(self) -> None:
        graded = sidecar(grade_echo_time="C", grade_flip_angle="B", grade_field_strength="D", flip_angle=90.0)
        assert not {"EchoTime", "MagneticFieldStrength"} & graded.keys()
        assert graded["FlipAngle"] == 90
        assert graded["SRPBS"]["left_out"] == {"echo_time": 30, "field_strength": 3}
        assert graded["SRPBS"]["catalog_grades"] == {
            "echo_time": "C",
            "flip_angle": "B",
            "field_strength": "D",
        }

    def test_the_repetition_time_is_stated_with_its_grade(self) -> None:
        graded = sidecar(grade_repetition_time="C")
        assert graded["RepetitionTime"] == 2.5
        assert graded["SRPBS"]["catalog_grades"] == {"repetition_time": "C"}
        assert "left_out" not in graded["SRPBS"]


class TestDirections:
    @pytest.mark.parametrize(
        ("printed", "codes", "expected"),
        [
            ("PA", "LAS", "j"), ("PA", "RAS", "j"), ("AP", "RAS", "j-"),
            ("PA", "LPS", "j-"), ("AP", "LPS", "j"), ("pa ", "ARS", "i"), ("AP", "SRP", "k"),
            ("", "LAS", None), ("COL", "LAS", None), ("AP", "", None),
        ],
    )  # fmt: skip
    def test_the_direction_is_that_of_the_axis_of_the_voxels(
        self, printed: str, codes: str, expected: str | None
    ) -> None:
        found = sidecar(geometry=replace(LAS, axis_codes=codes), phase_encoding=printed)
        assert found.get("PhaseEncodingDirection") == expected


class TestSliceTiming:
    def test_ascending_is_from_the_feet_wherever_the_axis_points(self) -> None:
        upward = compute_slice_timing("Ascending ", 40, 2.5, "Siemens", "S", "known")
        downward = compute_slice_timing("ascending", 40, 2.5, "GE", "I", "known")
        assert upward is not None
        assert downward is not None
        assert upward.times == tuple(round(index * 2.5 / 40, 6) for index in range(40))
        assert downward.times == upward.times[::-1]

    @pytest.mark.parametrize(
        ("manufacturer", "n_slices", "order"),
        [
            ("Siemens", 5, [1, 3, 5, 2, 4]),
            ("Siemens", 6, [2, 4, 6, 1, 3, 5]),
            ("GE", 5, [1, 3, 5, 2, 4]),
            ("GE", 6, [1, 3, 5, 2, 4, 6]),
        ],
    )
    def test_interleaved_starts_as_the_manufacturer_does(
        self, manufacturer: str, n_slices: int, order: list[int]
    ) -> None:
        found = compute_slice_timing("interleaved", n_slices, 2.0, manufacturer, "S", "inferred")
        assert found is not None
        assert [index + 1 for index in np.argsort(found.times)] == order
        assert "(D)" in found.grade

    @pytest.mark.parametrize(
        ("order", "manufacturer", "axis", "choice"),
        [
            ("interleaved", "Siemens", "S", "known"), ("interleaved", "Philips", "S", "inferred"),
            ("interleaved", "", "S", "inferred"), ("", "Siemens", "S", "inferred"),
            ("ascending", "Siemens", "A", "known"), ("ascending", "Siemens", "", "known"),
            ("ascending", "Siemens", "S", "omit"), ("multi-slice", "GE", "S", "inferred"),
        ],
    )  # fmt: skip
    def test_what_is_not_known_is_not_written(
        self, order: str, manufacturer: str, axis: str, choice: str
    ) -> None:
        assert compute_slice_timing(order, 40, 2.5, manufacturer, axis, choice) is None

    @pytest.mark.parametrize("n_slices", [30, 32, 38, 39, 40, 41])
    @pytest.mark.parametrize("order", ["ascending", "interleaved"])
    def test_there_is_one_time_per_slice_and_each_is_below_the_repetition_time(
        self, order: str, n_slices: int
    ) -> None:
        found = compute_slice_timing(order, n_slices, 2.5, "Siemens", "S", "inferred")
        assert found is not None
        assert len(set(found.times)) == n_slices
        assert min(found.times) == 0
        assert max(found.times) < 2.5

    def test_the_number_of_slices_is_that_of_the_file(self) -> None:
        context = SidecarContext(RECORDS, "known", synthetic=False, source_object="SRPBS")
        found = build_sidecar(image(n_slices=39), LAS, context)
        assert len(found["SliceTiming"]) == 39

    def test_inferred_times_say_so(self) -> None:
        found = sidecar(choice="inferred", slice_order="interleaved")
        assert found["SRPBS"]["slice_timing_grade"].startswith("interleaved as printed")
        assert "SliceTiming" not in sidecar(slice_order="interleaved")
        assert "SliceTiming" not in sidecar(choice="omit")


class TestRepetitionTimes:
    @pytest.mark.parametrize("seconds", [0.5, 2.0, 2.7, 5.0])
    def test_a_possible_one_passes(self, seconds: float) -> None:
        require_repetition_time(image({"repetition_time": seconds}))

    @pytest.mark.parametrize(
        ("metadata", "problem"),
        [
            ({}, "is unknown: neither a protocol table nor the header states it"),
            (
                {"repetition_time": float("nan")},
                "is unknown: neither a protocol table nor the header states it",
            ),
            ({"repetition_time": 0.0}, "is unknown: neither a protocol table nor the header states it"),
            ({"repetition_time": 0.25}, "is 0.25 s, which is outside the range from 0.5 to 5 s"),
            ({"repetition_time": 25.0}, "is 25 s, which is outside the range from 0.5 to 5 s"),
        ],
    )
    def test_any_other_is_an_error_that_names_the_scan(
        self, metadata: Mapping[str, Any], problem: str
    ) -> None:
        with pytest.raises(FormatError) as caught:
            require_repetition_time(image(metadata))
        assert str(caught.value) == (
            f"The repetition time of 'SRPBS_OPEN/data/sub-0001/rsfmri/vol_0000' {problem}. "
            "Correct the protocol table or the header, or omit the scan with strict=False."
        )
        assert caught.value.file == "SRPBS_OPEN/data/sub-0001/rsfmri/vol_0000"
