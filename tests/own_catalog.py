"""A foreign project: an invented dataset in BIDS, and the 23 lines that describe it."""

import json
from pathlib import Path

from tests import trees

__all__ = ["NAME", "PEOPLE", "records", "write_dataset"]

NAME = "riverside"
RECORDS = r"""
terms = [{{ name = 'river-terms', version = '2', title = 'River terms', text = 'Ask before you share.' }}]
citations = [{{ key = 'river24', text = 'A. B. (2024). Rivers.', bibtex = '@article{{river24, author={{B, A}}}}' }}]
[[datasets]]
name = 'riverside'
title = 'Riverside Sleep Study'
layout = 'bids'
top_folder = 'riverside'
level = 'members'
terms = 'river-terms'
page = 'https://example.org/riverside'
summary = 'Resting-state fMRI of four synthetic people at two sites.'
citations = ['river24']
[datasets.entities]
session = '(?P<site>[A-Z]+)(?P<visit>\d+)'
columns = {{ diagnosis = 'group' }}
codes = {{ sex = {{ 1 = 'female', 2 = 'male' }}, eyes = {{ 0 = 'open', 1 = 'closed' }} }}
[[mirrors]]
name = 'river'
title = 'River archive'
protocol = '{protocol}'
address = '{address}'
page = 'https://example.org'
holdings = [{{ dataset = 'riverside', address = '{holding}' }}]
"""
#: Sites, protocols and codes that mean something else in the packaged catalog.
PEOPLE = (
    "participant_id\tgroup\tdiagnosis\tsex\tage\teyes\tprotocol\n"
    "sub-A1\tpatient\tx\t1\t30\t0\t5\n"
    "sub-A2\tcontrol\ty\t2\t31\t1\t6\n"
    "sub-B1\tpatient\tx\t1\t32\t1\t5\n"
    "sub-B2\tcontrol\ty\t2\t33\t7\t6\n"
)
SESSIONS = {"A1": ("OSU1", "LAK2"), "A2": ("OSU1",), "B1": ("LAK1",), "B2": ("LAK1",)}
SIDECAR = {
    "RepetitionTime": 1.75, "PhaseEncodingDirection": "j-", "Manufacturer": "GE", "EchoTime": 0.025,
    "ManufacturersModelName": "Discovery",
}  # fmt: skip


def records(folder: Path, protocol: str, address: str, holding: str) -> Path:
    """Write the records, without the addresses that are empty; return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    text = RECORDS.strip().format(protocol=protocol, address=address, holding=holding)
    text = text.replace("address = ''\n", "").replace(", address = ''", "")
    (folder / "river.toml").write_text(text + "\n")
    return folder


def write_dataset(root: Path) -> Path:
    """Write the dataset; return its folder."""
    description = {"Name": "Riverside", "BIDSVersion": "1.9.0"}
    trees.write(
        root,
        {
            "dataset_description.json": json.dumps(description),
            "participants.tsv": PEOPLE,
            "task-rest_bold.json": json.dumps({"TaskName": "rest", **SIDECAR}),
        },
    )
    for number, (person, labels) in enumerate(SESSIONS.items()):
        for visit, label in enumerate(labels):
            stem = f"sub-{person}_ses-{label}"
            run = trees.image(trees.voxels(number + 10 * visit, (*trees.SHAPE, 4)))
            run.header["pixdim"][4] = 0  # only the sidecar states the repetition time
            folder = root / f"sub-{person}/ses-{label}"
            trees.write(
                folder,
                {
                    f"func/{stem}_task-rest_bold.nii": run.to_bytes(),
                    f"func/{stem}_task-rest_bold.json": json.dumps({"MagneticFieldStrength": 3 + number % 2}),
                    f"anat/{stem}_T1w.nii": trees.image(
                        trees.voxels(number + 10 * visit, (4, 4, 4))
                    ).to_bytes(),
                },
            )
    return root
