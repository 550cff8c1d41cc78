"""``mirror="synthetic"`` is ``mirror="phantom"`` in every public function, and in any spelling."""

import inspect
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import xarray as xr

import decnef_data
from decnef_data.model import Plan
from tests.command import run

#: Calls of every public function that takes a mirror to read from, but for those that only crawl or log in.
CALLS: dict[str, tuple[Any, ...]] = {
    "cached_subjects": ("srpbs-fc",),
    "diff": ("srpbs-fc", "srpbs-fc"),
    "doctor": ("srpbs-fc",),
    "download": ("srpbs-fc",),
    "export_bids": ("srpbs-open", "bids"),
    "export_nifti": ("srpbs-open", "scans"),
    "fetch_dataset": ("srpbs-fc/bal140",),
    "label": ([0.5], "srpbs-open"),
    "lock": ("srpbs-fc",),
    "participants": ("srpbs-fc",),
    "plan": ("srpbs-fc",),
    "query": ("srpbs-fc",),
    "registry": ("srpbs-fc",),
    "report": ("srpbs-ts", "page.html"),
    "verify": ("srpbs-fc",),
}
#: Their mirror is one of the catalog, which the phantom is not.
OTHERS = {"index", "login", "logout", "probe"}
#: Needs the output of another program: see test_fmriprep_way.
OF_A_FOLDER = {"open_derivatives"}
#: Are about archives; a phantom of images is a folder.
OF_AN_ARCHIVE = {"export_seek_index", "import_seek_index"}
OPTIONS: dict[str, dict[str, Any]] = {
    "export_bids": {"subjects": "sub-0001", "modalities": "t1w"},
    "export_nifti": {"subjects": "sub-0001", "modalities": "t1w"},
    "label": {"subject": ["sub-0001"]},
}


def described(value: object) -> object:
    """What two calls must agree on."""
    if isinstance(value, Plan):
        return replace(value, free_disk=0)  # other programs use the disk too
    if isinstance(value, xr.Dataset):
        return value.attrs, dict(value.sizes)
    if hasattr(value, "attrs"):
        return value.attrs, len(value)  # type: ignore[arg-type]
    return getattr(value, "registry", value)


def parameters(name: str) -> set[str]:
    return set(inspect.signature(getattr(decnef_data, name)).parameters)


def test_every_function_with_a_mirror_is_here() -> None:
    functions = {name for name in decnef_data.__all__ if inspect.isfunction(getattr(decnef_data, name))}
    assert {name for name in functions if "mirror" in parameters(name)} == {
        *CALLS,
        *OTHERS,
        *OF_A_FOLDER,
        *OF_AN_ARCHIVE,
    }


@pytest.mark.parametrize("name", CALLS)
def test_both_names_ask_for_the_same(
    name: str, phantom_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    decnef_data.download("srpbs-fc", mirror="phantom", data_dir=phantom_dir, progress="none")
    options = {"data_dir": phantom_dir, "progress": "none", **OPTIONS.get(name, {})}
    allowed = {key: value for key, value in options.items() if key in {*parameters(name), "subjects"}}
    function = getattr(decnef_data, name)
    results = [
        function(*CALLS[name], mirror=mirror, **allowed) for mirror in ("phantom", "Synthetic", "phantom")
    ]
    first, other, again = map(described, results)
    assert other == again
    assert type(first) is type(other)


def test_what_it_gives_is_marked(phantom_dir: Path) -> None:
    cube = decnef_data.fetch_dataset(
        "srpbs-fc", group="roi93", mirror="synthetic", data_dir=phantom_dir, progress="none"
    )
    assert cube.attrs["synthetic"] == 1
    assert decnef_data.plan("srpbs-fc", mirror="synthetic", data_dir=phantom_dir).mirror == "phantom"
    found = decnef_data.query("srpbs-fc", mirror="Phantom", data_dir=phantom_dir)
    assert found.attrs["synthetic"] == 1


def test_on_the_command_line(phantom_dir: Path) -> None:
    outcomes = [
        run("verify", "srpbs-fc", "--mirror", mirror, "--data-dir", str(phantom_dir), "--json")
        for mirror in ("synthetic", "phantom")
    ]
    assert outcomes[0].json == outcomes[1].json
    assert outcomes[0].json["complete"] is True
