"""Texts that a checkout leaves in place of large files."""

import re

import pytest

from decnef_data.errors import FormatError
from decnef_data.formats import pointers


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 18345000\n",
            "'a.mat' is a Git LFS pointer, not the file itself. Run `git lfs pull` in its repository.",
        ),
        (
            b"/annex/objects/SHA256E-s18345000--00.mat\n",
            "'a.mat' is a git-annex pointer, not the file itself. Run `git annex get` in its repository.",
        ),
        (
            b"../../.git/annex/objects/zX/9w/SHA256E-s1--00.mat/SHA256E-s1--00.mat",
            "'a.mat' is a git-annex pointer, not the file itself. Run `git annex get` in its repository.",
        ),
    ],
)
def test_pointers_are_named_with_their_remedy(data: bytes, message: str) -> None:
    with pytest.raises(FormatError, match=f"^{re.escape(message)}$") as caught:
        pointers.require_content(data, "a.mat")
    assert caught.value.file == "a.mat"


@pytest.mark.parametrize("data", [b"", b"0.5 0.25\n", b"version 1\n", b"# see /annex/objects/x\n1 2\n"])
def test_other_files_are_no_pointers(data: bytes) -> None:
    pointers.require_content(data, "a.mat")
