"""Connecting gives each record its protocol, and imports no more than that protocol needs."""

import subprocess
import sys
from pathlib import Path

import pytest

from decnef_data.mirrors import Credentials, Remote, connect
from decnef_data.model import Mirror
from decnef_data.records import Records
from tests.mirror_contract import dataset
from tests.servers.entities import Entity, Token
from tests.servers.synapse import SynapseServer

WEIGHT = """
import sys
from pathlib import Path
from decnef_data.mirrors import Credentials, connect
from decnef_data.model import Dataset, Holding, Mirror
record = Mirror(name="m", title="M", protocol="{protocol}", order=1, holdings=(Holding(dataset="d"),))
{use}
print(*sorted({{"numpy", "requests", "synapseclient", "keyring", "pooch"}} & set(sys.modules)))
"""
READY = """
remote = connect(record, Credentials(Path("nowhere")))
d = Dataset(name="d", title="D", title_ja="D", layout="l", top_folder="D", level="registered", terms="t",
            page="p", summary="s")
remote.is_ready(d), remote.access(d)
"""


@pytest.mark.parametrize(
    ("protocol", "use", "brought"),
    [
        ("folder", "", ""),
        ("folder", READY, ""),
        ("https", READY, "requests"),
        ("synapse", READY, "requests"),  # synapseclient waits for the first question
    ],
)
def test_a_protocol_brings_its_own_weight(protocol: str, use: str, brought: str, tmp_path: Path) -> None:
    program = WEIGHT.format(protocol=protocol, use=use)
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert ran.stdout.split() == brought.split()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("record", Records.load().mirrors, ids=lambda record: record.name)
def test_every_mirror_of_the_catalog_connects(record: Mirror, tmp_path: Path) -> None:
    remote: Remote = connect(record, Credentials(tmp_path / "config"))
    assert remote.name == record.name
    for each in Records.load().datasets:
        assert not remote.is_ready(each)
        assert not remote.access(each).granted
    assert list(tmp_path.iterdir()) == []


def test_a_mirror_of_another_name_has_a_login_of_its_own(tmp_path: Path) -> None:
    record = Records.load().mirror("synapse")
    other = Mirror(
        name="lab", title="Lab", protocol="synapse", order=9, address=record.address, holdings=record.holdings
    )
    credentials = Credentials(tmp_path / "config")
    root = Entity("Lab", [Entity("SRPBS_FC.zip", content=b"x")])
    with SynapseServer(root, {"lab-token": Token()}) as server:
        server.config(Path.home() / ".synapseConfig")
        credentials.put("lab", "lab-token")
        assert [file.path for file in connect(other, credentials).find(dataset())] == ["SRPBS_FC.zip"]
