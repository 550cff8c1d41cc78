"""What happens to the folders of a copy: they are moved, copied and linked, and others lie beside them."""

import io
import os
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np

from tests.corruptions.copies import GRID, T1_GRID, VOLUMES, image, voxels
from tests.corruptions.model import Listing, find

CORRUPTIONS = Listing()
corruption = CORRUPTIONS


def _top(root: Path) -> Path:
    return next(path for path in sorted(root.iterdir()) if path.name.startswith("SRPBS"))


def _at_top(change: Callable[[Path], object]) -> Callable[[Path], None]:
    return lambda root: change(_top(root)) and None


def _add(
    name: str, copies: str, change: Callable[[Path], object], *names: str, area: str = "folders"
) -> None:
    corruption.add(name, copies, area, _at_top(change), names=names, order=1)


def _put(path: str, content: bytes | str) -> Callable[[Path], object]:
    """Write one file below the top folder."""

    def apply(top: Path) -> None:
        (top / path).parent.mkdir(parents=True, exist_ok=True)
        (top / path).write_bytes(content if isinstance(content, bytes) else content.encode())

    return apply


def _tree_copy(before: str, after: str) -> Callable[[Path], object]:
    return lambda top: shutil.copytree(top / before, top / after)


def _tree_move(before: str, after: str) -> Callable[[Path], object]:
    def apply(top: Path) -> None:
        (top / after).parent.mkdir(parents=True, exist_ok=True)
        (top / before).rename(top / after)

    return apply


# Where the people are.

for _folder in ("subjects", "subset_1", "Submission", "substudy", "sub", "sub-all", "subjects/raw"):
    _add(f"people-in-{_folder.replace('/', '-')}", "open", _tree_move("data", _folder), _folder.split("/")[0], "data", area="people folder")  # fmt: skip
_add("people-in-subject-below-data", "open", _tree_move("data", "subjects/data"), "subjects", "data", area="people folder")  # fmt: skip
_add("people-at-the-top", "open", lambda top: [path.rename(top / path.name) for path in (top / "data").iterdir()], "data", area="people folder")  # fmt: skip
_add("people-by-site", "open", lambda top: [(top / "data" / f"sub-{at:04d}").rename(_made(top / "data" / site) / f"sub-{at:04d}") for at, site in ((1, "COI"), (7, "KUT"), (11, "SWA"))], "sub-0001", "COI", area="people folder")  # fmt: skip
_add("top-is-there-twice", "open fc ts-bids", lambda top: top.rename(top.parent / "moved") and (top.mkdir(), (top.parent / "moved").rename(top / top.name)), "SRPBS_OPEN", "SRPBS_FC", "SRPBS_TS", area="people folder")  # fmt: skip
_add("top-has-another-name", "open fc ts-flat ts-bids", lambda top: top.rename(top.parent / "my data (copy)"), "my data (copy)", area="people folder")  # fmt: skip


def _made(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    return path


# Copies and derivatives beside the raw data; what they hold differs from it.


def _derivatives(top: Path, folder: str) -> None:
    """Write a T1 image and a run of one person that are not raw."""
    person = "sub-0003" if "OPEN" in top.name else "sub-01/ses-siteCOI"
    stem = person.replace("/", "_")
    place = top / folder / person
    for path, data in {
        f"anat/{stem}_desc-preproc_T1w.nii.gz": voxels("derived t1", T1_GRID),
        f"func/{stem}_task-rest_space-MNI_desc-preproc_bold.nii.gz": voxels("derived", (*GRID, VOLUMES)),
        f"func/{stem}_task-rest_bold.nii": voxels("derived too", (*GRID, VOLUMES)),
    }.items():
        (place / path).parent.mkdir(parents=True, exist_ok=True)
        content = image(data, 2.5) if data.ndim == 4 else image(data)
        (place / path).write_bytes(content)


def _vendored_copy(top: Path, folder: str) -> None:
    """Copy the people under another folder, one voxel of each image changed."""
    source = top / ("data" if "OPEN" in top.name else "sourcedata")
    shutil.copytree(source, top / folder)
    for path in (top / folder).rglob("vol_*"):
        content = bytearray(path.read_bytes())
        content[352] ^= 1
        path.write_bytes(content)


_ASIDE: Final = (
    "derivatives/fmriprep", "derivatives", "code/tests", "sourcedata/copy", "BIDS/derivs", "SRPBS_OPEN_BIDS",
    "SRPBS_BIDS", "srpbs_bids", "bids", "rawdata", "nifti", "preprocessed", "fmriprep", "work", "tmp", "conn_project",
)  # fmt: skip
for _folder in _ASIDE:
    _name = _folder.replace("/", "-")
    _add(f"derivatives-in-{_name}", "open ts-bids", lambda top, at=_folder: _derivatives(top, at), _folder, _folder.split("/")[0], "sub-0003", "sub-01")  # fmt: skip
_COPIES: Final = (
    "derivatives/data", "sourcedata", "SRPBS_OPEN_BIDS", "data_BIDS", "BIDS/derivs", "$RECYCLE.BIN/S-1-5-21", ".Trash-1000/files",
    "@Recycle", "#recycle", "#snapshot/daily", ".snapshot/hourly.0", "backup", "backup~", "data.bak", "data_old",
    "data - Copy", "data (1)", "data のコピー", ".git/annex", "lost+found", "System Volume Information", "@eaDir",
    "__MACOSX/data", "old/data", ".datalad", ".ipynb_checkpoints", "~data",
)  # fmt: skip
for _folder in _COPIES:
    _name = _folder.replace("/", "-").replace(" ", "-")
    _add(
        f"copy-in-{_name}",
        "open",
        lambda top, at=_folder: _vendored_copy(top, at),
        _folder,
        _folder.split("/")[0],
    )
    if _folder != "sourcedata":
        _add(f"copy-of-fc-in-{_name}", "fc", lambda top, at=_folder: shutil.copytree(top / "ShowaU", top / at / "ShowaU"), _folder, _folder.split("/")[0])  # fmt: skip
_add("copy-of-fc-beside", "fc", _tree_copy("ShowaU", "ShowaU_2"), "ShowaU_2")
_add("copy-of-fc-matrix-beside", "fc", lambda top: shutil.copy(find(top, "SWA_FC_Matrices_N235.mat"), top / "ShowaU/SWA_FC_Matrices_N235_v2.mat"), "SWA_FC_Matrices_N235_v2.mat")  # fmt: skip

# Files that others leave.

_LEFT: Final[dict[str, bytes]] = {
    "data/.DS_Store": b"\x00\x00\x00\x01Bud1", "Thumbs.db": b"\xd0\xcf\x11\xe0", "desktop.ini": b"[.ShellClassInfo]\r\n",
    "._participants.tsv": b"\x00\x05\x16\x07", "data/sub-0003/rsfmri/._vol_0000": b"\x00\x05\x16\x07" + bytes(348),
    "data/sub-0003/rsfmri/.nfs000000000001": bytes(400), "data/sub-0003/t1/.defaced_mprage.nii.swp": b"b0VIM",
    "~$participants.xlsx": b"\x05owner", ".~lock.participants.tsv#": b",me,host;", "participants.tsv.swp": b"b0VIM",
    "participants.tsv~": b"participant_id\tdiag\nsub-0001\t4\n", "participants.tsv.bak": b"participant_id\tdiag\nsub-0001\t4\n",
    "notes.txt": b"sub-0003 moved a lot\nrepeat the run\n", "LICENSE": b"Do not share\n", "md5sums.txt": b"d41d8cd9 participants.tsv\n",
    "dataset_description.json": b'{"Name": "SRPBS", "BIDSVersion": "1.8.0"}', "dataset.json": b"{broken", "empty.tsv": b"",
    "data/sub-0003/notes.tsv": b"when\twhat\n2015\tsneezed\n", "figure.png": b"\x89PNG\r\n\x1a\n", "analysis.py": b"print(1)\n",
    "data/sub-0003/rsfmri/log.txt": b"ok\n", "data/sub-0003/rsfmri/rp_vol_0000.txt": b"0 0 0 0 0 0\n0 0 0 0 0 0\n0 0 0 0 0 0\n",
    "broken.zip": b"PK\x03\x04 not a zip", "archive.tar.gz": b"\x1f\x8b\x08 not a gzip", "report.pdf": b"%PDF-1.4",
    "data/sub-0099/empty.txt": b"", "data/sub-0003/dwi/vol_0000": bytes(400),
}  # fmt: skip
for _path, _content in _LEFT.items():
    _file = _path.rsplit("/", 1)[-1]
    _add(f"file-{_file.replace(' ', '-')}-in-{'-'.join(_path.split('/')[:-1]) or 'top'}", "open", _put(_path, _content), _file, "sub-0003", "sub-0099", area="left files")  # fmt: skip


def _office(names: tuple[str, ...] = ("[Content_Types].xml", "xl/workbook.xml")) -> bytes:
    """A zip as Office programs write it."""
    opened = io.BytesIO()
    with zipfile.ZipFile(opened, "w") as packed:
        for name in names:
            packed.writestr(name, "<xml/>")
    return opened.getvalue()


def _npz() -> bytes:
    opened = io.BytesIO()
    np.savez(opened, fc=np.zeros((2, 3)))
    return opened.getvalue()


for _path, _content in {
    "people.xlsx": _office(), "letter.docx": _office(("[Content_Types].xml", "word/document.xml")), "fc.npz": _npz(),
    "broken.zip": b"PK\x03\x04 not a zip", "small.zip": _office(("readme.txt",)), "broken.tar": b"x" * 700,
    "notes.gz": b"\x1f\x8b\x08\x00 broken", "model.pt": _office(("archive/data.pkl",)),
}.items():  # fmt: skip
    _add(f"file-{_path}-beside", "open fc ts-bids", _put(_path, _content), _path, area="left files")
_add("zip-of-people-beside", "open", lambda top: shutil.make_archive(str(top / "sub-0003"), "zip", top / "data", "sub-0003"), "sub-0003.zip", area="left files")  # fmt: skip
_add("tar-of-people-beside", "open", lambda top: shutil.make_archive(str(top / "sub-0003"), "gztar", top / "data", "sub-0003"), "sub-0003.tar.gz", area="left files")  # fmt: skip
_add("zip-of-fc-beside", "fc", lambda top: shutil.make_archive(str(top / "ShowaU"), "zip", top, "ShowaU"), "ShowaU.zip", area="left files")  # fmt: skip

# Links.


def _link(path: str, target: str) -> Callable[[Path], object]:
    """Link a path below the top folder to another; "/" at its begin means a folder beside the copy."""

    def apply(top: Path) -> None:
        (top / path).parent.mkdir(parents=True, exist_ok=True)
        (top / path).symlink_to(top.parent.parent / target[1:] if target.startswith("/") else top / target)

    return apply


def _moved_and_linked(path: str, *, inside: bool) -> Callable[[Path], object]:
    """Move a file or folder elsewhere, and link to it from where it was."""

    def apply(top: Path) -> None:
        store = top / ".store" if inside else top.parent.parent / f"store-{os.getpid()}-{top.parent.name}"
        target = store / path
        target.parent.mkdir(parents=True, exist_ok=True)
        (top / path).rename(target)
        (top / path).symlink_to(target)

    return apply


for _path in ("data/sub-0003", "data/sub-0003/rsfmri", "data/sub-0003/rsfmri/vol_0001", "data/sub-0003/t1/defaced_mprage.nii", "participants.tsv"):  # fmt: skip
    _label = _path.removeprefix("data/").replace("/", "-")
    for _inside in (True, False):
        _add(f"link-{'inside' if _inside else 'outside'}-{_label}", "open", _moved_and_linked(_path, inside=_inside), _path.rsplit("/", 1)[-1], "sub-0003" if "sub" in _path else "participants.tsv", area="files" if "sub" in _path else "people")  # fmt: skip
_add("link-outside-matrix", "fc", _moved_and_linked("ShowaU/SWA_FC_Matrices_N235.mat", inside=False), "SWA_FC_Matrices_N235.mat", area="files")  # fmt: skip
_add("link-inside-matrix", "fc", _moved_and_linked("ShowaU/SWA_FC_Matrices_N235.mat", inside=True), "SWA_FC_Matrices_N235.mat", area="files")  # fmt: skip


def _dangling(path: str) -> Callable[[Path], object]:
    def apply(top: Path) -> None:
        (top / path).unlink()
        (top / path).symlink_to("../../.git/annex/objects/0X/MD5E-s900--0123.nii")

    return apply


for _copy, _path, _named in (
    ("open", "data/sub-0003/t1/defaced_mprage.nii", "sub-0003"),
    ("open", "data/sub-0003/rsfmri/vol_0001", "sub-0003"),
    ("open", "data/sub-0003/rsfmri/vol_0002", "sub-0003"),
    ("open", "sup2.tsv", "sup2.tsv"),
    ("open", "MRI_protocols_rsMRI.tsv", "MRI_protocols_rsMRI.tsv"),
    ("open", "participants.tsv", "participants.tsv"),
    (
        "ts-bids",
        "sourcedata/sub-01/ses-siteCOI/func/sub-01_ses-siteCOI_task-rest_run-1_bold.nii.gz",
        "sub-01",
    ),
    ("fc", "ShowaU/SWA_FC_Matrices_N235.mat", "SWA_FC_Matrices_N235.mat"),
    ("fc", "ShowaU/SUBINFO_ShowaU_for_SWA_N235.tsv", "SWA_FC_Matrices_N235.mat"),
):
    _add(
        f"dangling-{_path.rsplit('/', 1)[-1]}",
        _copy,
        _dangling(_path),
        _named,
        _path.rsplit("/", 1)[-1],
        area="files",
    )
_add("hard-link-of-a-volume", "open", lambda top: os.link(top / "data/sub-0003/rsfmri/vol_0001", top / "data/sub-0003/rsfmri/vol_0003"), "sub-0003", "vol_0003", area="files")  # fmt: skip
_add("hard-link-of-a-person", "open", lambda top: [os.link(path, _made(top / "data/sub-0098" / path.parent.name) / path.name) for path in sorted((top / "data/sub-0003").rglob("*")) if path.is_file()], "sub-0098", "sub-0003", area="files")  # fmt: skip
_add("link-to-a-person-of-another-number", "open", _link("data/sub-0098", "data/sub-0003"), "sub-0098", "sub-0003", area="files")  # fmt: skip
_add("link-to-the-folder-above", "open ts-bids", lambda top: (top / "loop").symlink_to("..", target_is_directory=True), "loop", area="left files")  # fmt: skip
_add("link-to-itself", "open", lambda top: (top / "self").symlink_to("self"), "self", area="left files")
_add("link-to-nothing", "open fc", _link("results", "/no-such-folder"), "results", area="left files")


# What is neither a file nor a folder.

_add("a-pipe-beside", "open fc", lambda top: os.mkfifo(top / "pipe"), "pipe", area="left files")
_add("a-pipe-for-a-volume", "open", lambda top: ((top / "data/sub-0003/rsfmri/vol_0001").unlink(), os.mkfifo(top / "data/sub-0003/rsfmri/vol_0001")), "sub-0003", area="files")  # fmt: skip
_add("a-folder-for-a-table", "open", lambda top: ((top / "sup2.tsv").unlink(), (top / "sup2.tsv").mkdir()), "sup2.tsv", "sup2", area="sup2")  # fmt: skip
_add("a-folder-for-a-matrix", "fc", lambda top: ((top / "ShowaU/SWA_FC_Matrices_N235.mat").unlink(), (top / "ShowaU/SWA_FC_Matrices_N235.mat").mkdir()), "SWA_FC_Matrices_N235.mat", "SUBINFO_ShowaU_for_SWA_N235.tsv", area="files")  # fmt: skip
_add("a-name-that-is-not-utf-8", "open", lambda top: Path(os.fsdecode(os.fsencode(top) + b"/data/\x93\xfa.txt")).write_text("x"), "data", area="left files")  # fmt: skip
_add("a-name-with-a-line-break", "open", _put("data/a\nb.txt", "x"), "data", area="left files")
_add("a-name-in-japanese", "open fc", _put("説明.txt", "データの説明\n"), "説明.txt", area="left files")
if os.geteuid():  # root may read everything
    _add("a-folder-that-may-not-be-read", "open fc", lambda top: (top / "lost+found").mkdir(mode=0), "lost+found", area="left files")  # fmt: skip
    _add("a-volume-that-may-not-be-read", "open", lambda top: (top / "data/sub-0003/rsfmri/vol_0001").chmod(0), "sub-0003", area="files")  # fmt: skip
    _add(
        "a-table-that-may-not-be-read",
        "open",
        lambda top: (top / "sup2.tsv").chmod(0),
        "sup2.tsv",
        area="sup2",
    )
