"""A notebook as its readers see it: progress, questions, tables and errors, run in a kernel by nbclient."""

import asyncio
import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from tests import small
from tests.servers.links import LinkServer
from tests.servers.synapse import Entity, SynapseServer

NOTEBOOK = Path(__file__).parents[2] / "docs" / "how-to" / "jupyter.ipynb"
TITLE = "SRPBS Multi-disorder Connectivity Dataset"
COUNTS = """\
counts = [create_count_progress(), create_count_progress()]
for count, scan in zip(counts, ('sub-0001', 'sub-0002')):
    count.start(f'{scan}: motion', 2, 0)
for count in counts:
    count.advance(2)
    count.finish()"""
FAULT = """\
try:
    1 / 0
except ZeroDivisionError as error:
    raise decnef_data.FormatError('Bad\\x1b[2J.') from error"""
FURTHER = (
    'archive = decnef_data.download("srpbs-fc", mirror="atr")',
    'folder = decnef_data.export_nifti("srpbs-open", EXPORT, mirror="synthetic", n_subjects=1).folder',
    COUNTS,
    FAULT,
    "%tb",
    'decnef_data.logout()\ndecnef_data.accept("srpbs-1600").version',
    'decnef_data.login("synapse", dataset=None)',
    'decnef_data.login("atr", dataset="srpbs-ts")',
)
NO_TOKEN = (
    "\x1b[31mAccessError\x1b[0m: No Synapse token was found. Create a token with the permissions 'view' and "
    "'download' in your account settings at https://www.synapse.org, then run "
    "`decnef_data.login('synapse', TOKEN)`."
)
NO_LINK = (
    "\x1b[31mSelectionError\x1b[0m: Logging in to 'atr' requires a dataset and your personal link to it. "
    "Run `decnef_data.login('atr', LINK, dataset=NAME)`."
)


class Reader(NotebookClient):
    """Runs a notebook as a person does, who answers what its cells ask, and sees what is replaced later."""

    def __init__(self, notebook: nbformat.NotebookNode, answers: tuple[str, ...]) -> None:
        super().__init__(notebook, kernel_name="python3", timeout=120)
        self.answers, self.questions, self.seen = list(answers), [], []

    async def async_start_new_kernel_client(self, **options: Any) -> Any:
        client = await super().async_start_new_kernel_client(**options)
        client.allow_stdin = True
        self.answering = asyncio.ensure_future(self._answer(client))
        return client

    async def _answer(self, client: Any) -> None:
        while self.answers:
            asked = (await client.get_stdin_msg())["content"]
            self.questions.append((asked["prompt"], asked["password"]))
            client.allow_stdin = len(self.answers) > 1  # no one answers in the cells after the last question
            client.input(self.answers.pop(0))

    def process_message(self, msg: Any, cell: Any, cell_index: int) -> Any:
        if msg["msg_type"] in {"display_data", "update_display_data"}:
            self.seen.append((cell.source, msg["content"]["data"]["text/plain"]))
        return super().process_message(msg, cell, cell_index)


@pytest.fixture
def servers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[SynapseServer, str]]:
    """Start a Synapse and a server of links, whose archive has the checksum of a catalog of its own."""
    monkeypatch.setenv("JUPYTER_PLATFORM_DIRS", "1")
    monkeypatch.setenv("DECNEF_DATA_DIR", str(Path.home() / "cache"))
    archive = small.archive(tmp_path / "SRPBS_FC.zip")
    catalog = tmp_path / "catalog" / "mirrors"
    catalog.mkdir(parents=True)
    (catalog / "atr.toml").write_text(
        "name = 'atr'\ntitle = 'ATR'\nprotocol = 'https'\norder = 3\n[[holdings]]\n"
        f"dataset = 'srpbs-fc'\nchecksum = 'md5:{hashlib.md5(archive.read_bytes()).hexdigest()}'\n"
    )
    monkeypatch.setenv("DECNEF_CATALOG_DIR", str(catalog.parent))
    project = Entity("Project", [Entity(TITLE, [Entity("SRPBS_FC.zip", content=archive)], id=22317079)])
    with SynapseServer(project) as synapse, LinkServer() as links:
        synapse.config(Path.home() / ".synapseConfig")
        yield synapse, links.link(archive)


def texts(notebook: nbformat.NotebookNode, source: str, form: str = "text/plain") -> list[str]:
    """Return what the cell that contains `source` shows; of an error, its traceback."""
    (cell,) = (cell for cell in notebook.cells if source in cell.source and cell.cell_type == "code")
    return [
        "\n".join(output.traceback) if output.output_type == "error" else output.data[form]
        for output in cell.outputs
        if output.output_type == "error" or form in output.data
    ]


@pytest.mark.slow
def test_the_notebook_of_the_docs(servers: tuple[SynapseServer, str], tmp_path: Path) -> None:
    synapse, link = servers
    notebook = nbformat.read(NOTEBOOK, 4)
    assert [cell.get("outputs", []) for cell in notebook.cells] == [[]] * len(notebook.cells)
    sources = [
        f"EXPORT = {str(tmp_path / 'export')!r}\nfrom decnef_data.progress import create_count_progress"
    ]
    for source in (*sources, *FURTHER):
        cell = nbformat.v4.new_code_cell(source, metadata={"tags": ["raises-exception"]})
        notebook.cells.append(cell)
    reader = Reader(notebook, ("y", synapse.token, link))
    reader.execute()

    # What is asked, and how; nothing that was typed is in the notebook.
    assert reader.questions == [
        ("Do you accept these terms of 'srpbs-fc'? [y/N] ", False),
        ("Synapse personal access token: ", True),
        ("Personal link to 'srpbs-fc' at ATR: ", True),
    ]
    saved = nbformat.writes(notebook)
    assert synapse.token not in saved
    assert "X-Amz" not in saved
    assert str(Path.home()) not in re.sub(r'"[^"]*Traceback[^"]*"', "", saved)
    (logged_in,) = texts(notebook, 'login("synapse")')
    assert logged_in.startswith("\"Logged in to Synapse as 'ada'. The token is stored in '~/")
    assert texts(notebook, 'accept("srpbs-fc")')[0].startswith(
        "Terms of use of the restricted SRPBS datasets"
    )

    # Progress is seen, and one line stays of each call.
    (came, _) = texts(notebook, "cube = ")
    assert came == (
        "srpbs-fc (SYNTHETIC): 1 file (180.7 MB), created on this machine; SHA-256 as expected. "
        "In ~/cache/phantom/files/srpbs-fc. "
        'Open it with decnef_data.fetch_dataset("srpbs-fc", mirror="synthetic"). '
        'Cite doi:10.1038/s41597-021-01004-8; decnef_data.cite("srpbs-fc") has all references.'
    )
    steps = [text.partition(":")[0] for source, text in reader.seen if "cube = " in source]
    assert list(dict.fromkeys(steps))[:2] == [
        "creating SRPBS_FC-synthetic.zip",
        "verifying SRPBS_FC-synthetic.zip",
    ]
    (downloaded,) = texts(notebook, "archive = ")
    assert downloaded.startswith(
        "srpbs-fc: 1 file (386.7 kB), from atr; MD5 as expected. In ~/cache/files/srpbs-fc. "
    )
    (exported,) = texts(notebook, "folder = ")
    assert [line.partition(". ")[0] for line in exported.splitlines()] == [
        (
            "srpbs-open (SYNTHETIC): a folder of images and 13 other files (84.5 kB), created on this machine; "
            "SHA-256 recorded, because none was stated"
        ),
        "srpbs-open (SYNTHETIC): 3 files written, 26.2 kB",
    ]
    (counted,) = texts(notebook, "counts = ")
    assert re.fullmatch(r"2 tasks ended after \d+\.\d s\.", counted)
    assert "sub-*: motion: 0 of 2" in [text for _, text in reader.seen]
    assert "sub-0001" not in saved.replace("'sub-0001'", "")

    # An error is its message; its traceback, with all causes, is folded, also when it is asked for again.
    for cell in (FAULT, "%tb"):
        folded, shown = texts(notebook, cell, "text/html")
        assert shown == "\x1b[31mFormatError\x1b[0m: Bad?[2J."
        assert folded.startswith("<details><summary>Traceback of FormatError</summary><pre>")
        assert "ZeroDivisionError" in folded
    (_, no_site) = texts(notebook, 'sites="Kyoto"')
    assert no_site.startswith("\x1b[31mSelectionError\x1b[0m: There is no site 'Kyoto'. Valid names: ")

    # Where no one can answer, nothing waits for it.
    assert texts(notebook, 'accept("srpbs-1600")') == ["'1'"]
    assert texts(notebook, 'login("synapse", dataset=None)')[-1] == NO_TOKEN
    assert texts(notebook, 'login("atr", dataset="srpbs-ts")')[-1] == NO_LINK

    # Values are tables in HTML, in the colors of the notebook, and short text without ids elsewhere.
    for source in (
        "verify(",
        "lock(",
        "splits(",
        "doctor(",
        "cache()",
        "terms(",
        'accept("srpbs-fc")',
        "access(",
        "plan(",
    ):
        page = texts(notebook, f"decnef_data.{source}", "text/html")[-1]
        assert "<div class='decnef'>" in page
        assert not re.search(r"<script|src=|color:(?!inherit)|background", page)
    (doctor,) = texts(notebook, "doctor(")
    assert "age of each participant  present for all  missing for 6\n" in doctor
    assert "uto-00" not in saved
