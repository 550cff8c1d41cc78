"""Of several folders of one participant, one is used for each session and kind; no session is lost."""

import pytest

from decnef_data.layouts.imaging.inventory.paths import parse_image_path
from decnef_data.layouts.imaging.inventory.raw import RawImages, choose_raw


def choose(*paths: str) -> RawImages:
    images = [parsed for path in paths if (parsed := parse_image_path(path))]
    assert len(images) == len(paths)
    return choose_raw(images)


def run(root: str, session: str = "") -> str:
    folder = f"{root}/sub-01/{f'ses-{session}/' if session else ''}func"
    return f"{folder}/sub-01_{f'ses-{session}_' if session else ''}task-rest_bold.nii.gz"


def test_sessions_of_a_participant_in_two_folders_are_all_used() -> None:
    raw = choose(run("part_a", "siteATV"), run("part_b", "siteCOI"))
    assert raw == RawImages({}, (), {})


def test_the_session_that_is_in_both_is_used_once() -> None:
    raw = choose(run("a", "siteATV"), run("b", "siteATV"), run("b", "siteCOI"))
    assert raw.rules == {("b/sub-01/ses-siteATV/func", "bold"): "same-scan-twice"}
    assert raw.doubles == (("a/sub-01", "b/sub-01"),)
    assert raw.folders == {}


@pytest.mark.parametrize(("copy", "rule"), [("TS_BIDS", "converted-copy"), ("sourcedata", "sourcedata")])
def test_a_copy_is_set_aside_for_the_sessions_that_are_also_elsewhere(copy: str, rule: str) -> None:
    raw = choose(run("raw", "siteATV"), run(copy, "ATV"), run(copy, "COI"))
    assert raw.rules == {(f"{copy}/sub-01/ses-ATV/func", "bold"): rule}
    assert raw.doubles == ()


def test_a_copy_with_sessions_is_one_of_raw_data_without_them() -> None:
    raw = choose("data/sub-01/rsfmri/vol_0000", run("SRPBS_BIDS", "01"))
    assert raw.rules == {("SRPBS_BIDS/sub-01/ses-01/func", "bold"): "converted-copy"}
    assert raw.folders == {"SRPBS_BIDS": "converted-copy"}


def test_a_copy_alone_is_used() -> None:
    assert choose(run("SRPBS_BIDS"), run("SRPBS_BIDS", "02")).rules == {}


def test_the_folder_nearest_to_the_root_is_used() -> None:
    raw = choose(run("data/more"), run("data"))
    assert raw.doubles == (("data/sub-01", "data/more/sub-01"),)
