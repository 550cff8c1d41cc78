"""Paths of this machine: a URL is refused, and never becomes a folder called like its scheme."""

from pathlib import Path
from typing import Any

import pytest

import decnef_data
from decnef_data import SelectionError
from decnef_data.client.options import expand_path
from tests.command import process

SECRET = "planted-and-never-shown"
URL = f"s3://user:{SECRET}@bucket/cache?X-Amz-Signature={SECRET}"
MESSAGE = (
    "'s3://...' is a URL, but a path on this machine is needed. Use a local folder or file; "
    "DECNEF_DATA_DIR or data_dir= sets the folder of the cache."
)


@pytest.fixture(autouse=True)
def working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "work"


@pytest.mark.parametrize("url", [URL, "gs://bucket", "https://host/cache", "file:///tmp/cache", Path(URL)])
def test_a_url_is_not_a_path(url: str | Path) -> None:
    with pytest.raises(SelectionError) as caught:
        expand_path(url)
    assert str(caught.value) == MESSAGE.replace("s3", str(url).partition(":")[0])
    assert SECRET not in repr(vars(caught.value))


@pytest.mark.parametrize("path", ["s3", "a:b/c", "./s3://bucket", "/s3://bucket", "c:/cache", "年齢:x"])
def test_a_path_with_a_colon_is_a_path(path: str, working_folder: Path) -> None:
    assert expand_path(path) == working_folder / path


#: What each setting is given, and a call that uses it.
CALLS: dict[str, Any] = {
    "DECNEF_DATA_DIR": decnef_data.cache,
    "DECNEF_SHARED_DATA_DIR": lambda: decnef_data.verify("srpbs-fc"),
}


@pytest.mark.parametrize("variable", CALLS)
def test_a_variable_with_a_url_is_an_error_and_makes_no_folder(
    variable: str, working_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, URL)
    with pytest.raises(SelectionError) as caught:
        CALLS[variable]()
    assert str(caught.value) == MESSAGE
    assert list(working_folder.iterdir()) == []


def test_an_argument_with_a_url_is_an_error_and_makes_no_folder(working_folder: Path) -> None:
    options: dict[str, Any] = {"mirror": "phantom", "progress": "none"}
    for call in (
        lambda: decnef_data.download("srpbs-fc", data_dir=URL, **options),
        lambda: decnef_data.Client(config_dir=URL),
        lambda: decnef_data.adopt("srpbs-fc", URL, progress="none"),
        lambda: decnef_data.fetch_dataset("srpbs-fc", lock=URL, **options),
    ):
        with pytest.raises(SelectionError) as caught:
            call()
        assert str(caught.value) == MESSAGE
    assert list(working_folder.iterdir()) == []


def test_the_command_says_so_too(working_folder: Path) -> None:
    outcome = process("cache", "list", "--data-dir", URL)
    assert (outcome.code, outcome.out, outcome.err) == (2, "", f"error: {MESSAGE}\n")
    assert list(working_folder.iterdir()) == []
