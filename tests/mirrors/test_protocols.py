"""Protocols of mirrors: each answers for itself, one place knows their names, and another package adds one."""

import ast
import os
import re
import shlex
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest

import decnef_data
from decnef_data import CatalogError, MirrorError, SelectionError
from decnef_data import mirrors as registry
from decnef_data.mirrors import Credentials, connect, get_protocol, protocol_names
from decnef_data.mirrors.offline import OfflineMirror
from decnef_data.mirrors.protocol import MirrorProtocol
from decnef_data.model import Holding, Mirror
from tests import small
from tests.command import Outcome, run
from tests.mirror_contract import CONTENT, Bench, ChangingMirrorContract, dataset

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/contributing/add-a-mirror.md").read_text("utf-8")
NAMES = frozenset({"folder", "https", "synapse"})
#: Where a text that is also the name of a protocol means something else.
OTHER_MEANINGS = {
    ("decnef_data/file_tree.py", "folder"): "what an entry of a folder is",
    ("decnef_data/archives/obstacles.py", "folder"): "what can be adopted in place of an archive",
    ("decnef_data/mirrors/http/links.py", "https"): "the scheme of an address",
    ("decnef_data/arguments/table.py", "synapse"): "a mirror, as an example in messages",
    ("decnef_data/client/methods/mirrors.py", "synapse"): "a mirror, the default",
    ("decnef_data/api/mirrors.py", "synapse"): "a mirror, the default",
    ("decnef_data/file_cache/journal.py", "folder"): "the mirror of adopted copies",
    ("cli/decnef_data_cli/files.py", "folder"): "the mirror of adopted copies",
    ("cli/decnef_data_cli/next_steps.py", "folder"): "the mirror of adopted copies",
}


def without_meaning(tree: ast.Module) -> Iterator[ast.AST]:
    """Yield docstrings, types and records of mirrors, in which a name decides nothing."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            if node.body and isinstance(node.body[0], ast.Expr):
                yield node.body[0].value
        elif (isinstance(node, ast.Subscript) and ast.unparse(node.value) == "Literal") or (
            isinstance(node, ast.Call) and ast.unparse(node.func) == "Mirror"
        ):
            yield from ast.walk(node)


def names(source: str) -> Iterator[str]:
    """Yield every text of a file that is the name of a protocol."""
    tree = ast.parse(source)
    others = set(map(id, without_meaning(tree)))
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and node.value in NAMES and id(node) not in others:
            yield node.value


def decisions(source: str) -> Iterator[int]:
    """Yield the line of each comparison of a protocol with a text, and of each match of one."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Match):
            sides: list[ast.expr] = [node.subject]
            is_decision = True
        elif isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            is_decision = any(
                isinstance(n, ast.Constant) and isinstance(n.value, str) for n in ast.walk(node)
            )
        else:
            continue
        if is_decision and any(isinstance(side, ast.Attribute) and side.attr == "protocol" for side in sides):
            yield node.lineno


def sources(pattern: str) -> Iterator[tuple[str, str]]:
    """Yield the path and text of each module outside the packages of the protocols that has a pattern."""
    own = tuple(f"decnef_data/mirrors/{name}" for name in NAMES)
    for top in ("decnef_data", "cli"):
        for path in sorted((ROOT / top).rglob("*.py")):
            relative = path.relative_to(ROOT).as_posix()
            source = path.read_text("utf-8")
            # Parsing all modules would take seconds.
            if not relative.startswith(own) and re.search(pattern, source):
                yield relative, source


@pytest.mark.parametrize(
    ("source", "named", "lines"),
    [
        ("if mirror.protocol == 'https': pass", ["https"], [1]),
        ("\nmatch mirror.protocol:\n    case 'folder': pass", ["folder"], [2]),
        ("if record.protocol in {'synapse'}: pass", ["synapse"], [1]),
        ("x: Literal['folder'] = Mirror(protocol='folder')", [], []),
        ("def f():\n    'folder'", [], []),
        ("if participant.protocol == 12: pass", [], []),
    ],
)
def test_what_is_found(source: str, named: list[str], lines: list[int]) -> None:
    assert list(names(source)) == named
    assert list(decisions(source)) == lines


@pytest.mark.once
def test_one_place_knows_the_names_of_protocols() -> None:
    assert set(protocol_names()) == NAMES
    found = [
        (path, name) for path, source in sources(r"\b(?:folder|https|synapse)[\"']") for name in names(source)
    ]
    assert {each for each in found if each not in OTHER_MEANINGS} == {
        ("decnef_data/mirrors/__init__.py", name) for name in NAMES
    }
    assert len([each for each in found if each not in OTHER_MEANINGS]) == len(NAMES)
    assert set(OTHER_MEANINGS) <= set(found)


@pytest.mark.once
def test_nothing_is_decided_by_the_name_of_a_protocol() -> None:
    assert [f"{path}:{line}" for path, source in sources(r"\.protocol\b") for line in decisions(source)] == []


def blocks(language: str) -> list[str]:
    """Return the blocks of the page in a language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def install(site: Path, entry_points: str, module: str | None = None) -> Path:
    """Install a distribution as an installer does: its module, and its metadata beside it."""
    name = f"decnef_extra_{len(list(site.parent.glob('site*')))}"
    site.mkdir(exist_ok=True)
    metadata = site / f"{name}-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(f"[decnef_data.mirrors]\n{entry_points}\n")
    if module is not None:
        (site / "zipped_mirror.py").write_text(module)
    return site


@pytest.fixture(autouse=True)
def _nothing_stays() -> Iterator[None]:
    yield
    registry._load_installed.cache_clear()
    sys.modules.pop("zipped_mirror", None)


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Install the protocol of the page."""
    (entry_points, _) = blocks("toml")
    _, _, lines = entry_points.replace('"', "").partition("[project.entry-points.decnef_data.mirrors]\n")
    (module,) = blocks("python")
    site = install(tmp_path / "site", lines, module)
    monkeypatch.syspath_prepend(site)
    return site


def write_zip(path: Path, content: dict[str, bytes]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as zipped:
        zipped.mkdir("fc")
        zipped.writestr("other/notes.txt", b"not of this dataset")
        for name, data in content.items():
            zipped.writestr(f"fc/{name}", data)
    return path


def lab(path: Path) -> Mirror:
    holdings = (Holding(dataset="srpbs-fc", address="fc"),)
    return Mirror(name="lab", title="Lab", protocol="zipped", address=str(path), holdings=holdings)


class TestTheProtocolOfThePage(ChangingMirrorContract):
    TREE: ClassVar[dict[str, bytes]] = {
        "KPUM/BAL.mat": b"one matrix",
        "UTO/30_BAL/00.mat": CONTENT,
        "UTO/30_BAL-2.mat": b"sorts after the folder, by its path",
        "empty.txt": b"",
    }

    @pytest.fixture
    def bench(self, tmp_path: Path, installed: Path) -> Bench:
        path = write_zip(tmp_path / "disk/datasets.zip", self.TREE)
        none = Credentials(tmp_path / "nothing")
        return Bench(
            connect(lab(path), none),
            connect(lab(tmp_path / "unmounted.zip"), none),
            self.TREE,
            int,
            lambda new: write_zip(path, {**self.TREE, "UTO/30_BAL/00.mat": new}),
        )

    def test_what_it_does_not_replace_has_an_answer(self, bench: Bench) -> None:
        bench.remote.prepare(bench.remote.find(dataset()))
        assert bench.remote.probe().reachable is None
        assert bench.remote.credentials([dataset()]) == ()
        with pytest.raises(SelectionError, match=r"^'lab' does not require a login\.$"):
            bench.remote.login(None, None, ask=False)

    def test_a_file_that_is_no_zip(self, tmp_path: Path, installed: Path) -> None:
        path = tmp_path / "datasets.zip"
        path.write_bytes(b"no zip")
        with pytest.raises(MirrorError) as caught:
            connect(lab(path), Credentials(tmp_path)).find(dataset())
        assert str(caught.value) == (
            f"'{path}' is not a zip file (File is not a zip file). Ask its owner for another copy."
        )
        assert caught.value.__cause__ is caught.value.__context__ is None

    def test_without_connections_it_is_not_opened(self, bench: Bench, tmp_path: Path) -> None:
        record = lab(tmp_path / "disk/datasets.zip")
        assert isinstance(connect(record, Credentials(tmp_path), offline=True), OfflineMirror)


del ChangingMirrorContract  # so that it is not collected itself


@pytest.fixture
def here(tmp_path: Path, installed: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the zip file and the record of the page, which becomes the working folder."""
    folder = tmp_path / "here"
    archive = small.archive(tmp_path / "SRPBS_FC.zip")
    write_zip(folder / "disk/datasets.zip", {"SRPBS_FC.zip": archive.read_bytes()})
    (_, record) = blocks("toml")
    (folder / "records/mirrors").mkdir(parents=True)
    (folder / "records/mirrors/lab.toml").write_text(record)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("DECNEF_DATA_DIR", str(folder / "cache"))
    return folder


def run_page(monkeypatch: pytest.MonkeyPatch) -> dict[str, Outcome]:
    """Run the commands of the page in order; return what each printed."""
    (script,) = blocks("sh")
    outcomes = {}
    for line in script.splitlines():
        command, *arguments = shlex.split(line)
        if command == "export":
            monkeypatch.setenv(*arguments[0].split("="))
        else:
            outcomes[arguments[0]] = run(*arguments)
            assert outcomes[arguments[0]].code == 0, outcomes[arguments[0]].err
    return outcomes


def test_the_commands_of_the_page(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outcomes = run_page(monkeypatch)
    assert re.search(r"^lab +unknown +fc *$", outcomes["info"].out, re.MULTILINE)
    assert "Mount the disk of 'disk/datasets.zip'." in outcomes["access"].out
    assert re.search(r"\blab\b", outcomes["plan"].out)
    (copy,) = (here / "cache").rglob("SRPBS_FC.zip")
    with zipfile.ZipFile(here / "disk/datasets.zip") as zipped:
        content = zipped.read("fc/SRPBS_FC.zip")
    assert copy.read_bytes() == content
    found = decnef_data.index("lab", offline=True)
    assert [(item.path, item.size) for item in found.items] == [("srpbs-fc/SRPBS_FC.zip", len(content))]
    assert [(match.verdict, match.archive, match.why) for match in found.matches] == [
        ("found", "SRPBS_FC.zip", "The mirror lists 1 file.")
    ]
    assert {source.name: len(source.files) for source in decnef_data.audit("srpbs-fc").sources}["lab"] == 1
    (state,) = decnef_data.probe("lab")
    assert (state.reachable, state.problem, state.is_local, state.credentials) == (None, None, False, ())
    assert [(each.dataset, each.description) for each in state.datasets] == [("srpbs-fc", "SRPBS_FC.zip")]
    check_damage(copy, content)
    assert len(decnef_data.participants("srpbs-fc")) == sum(people for people, _ in small.COHORTS.values())


def check_damage(copy: Path, content: bytes) -> None:
    """A damaged copy is found, and downloaded again."""
    copy.chmod(0o600)
    copy.write_bytes(bytes([content[0] ^ 1]) + content[1:])
    (check,) = decnef_data.verify("srpbs-fc", deep=True).checks
    assert (check.mirror, check.state) == ("lab", "damaged")
    (check,) = decnef_data.verify("srpbs-fc", repair=True, progress="none").checks
    assert (check.mirror, check.state) == ("lab", "intact")
    assert copy.read_bytes() == content


def test_the_records_of_an_index_have_no_address_of_the_crawl(
    here: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DECNEF_CATALOG_DIR", "records")
    decnef_data.index("lab", records=tmp_path / "written", progress="none")
    holding = decnef_data.Records.load(tmp_path / "written").mirror("lab").find_holding("srpbs-fc")
    assert holding is not None
    assert (holding.address, holding.archive) == ("fc", "SRPBS_FC.zip")
    assert holding.size is not None


def test_an_address_of_another_form(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = here / "records/mirrors/lab.toml"
    record.write_text(record.read_text().replace("'fc'", "'../fc'"))
    with pytest.raises(CatalogError) as caught:
        decnef_data.Records.load("records")
    assert str(caught.value) == (
        "The catalog file 'records/mirrors/lab.toml' has '../fc', which is not the name of a folder, at "
        "'$.holdings[0].address'. Correct this entry."
    )


class TestWhatCannotBeUsed:
    def test_a_protocol_that_is_not_installed(self) -> None:
        with pytest.raises(CatalogError) as caught:
            get_protocol("zipped")
        assert str(caught.value) == (
            "The mirror protocol 'zipped' is not installed. Correct the record of the mirror, or install the "
            "package that provides the protocol. Installed are: folder, https, synapse."
        )

    @pytest.mark.parametrize(
        ("target", "message"),
        [
            (
                "zipped_mirror:PROTOCOLS",
                (
                    "The mirror protocol 'zipped' could not be imported from 'zipped_mirror:PROTOCOLS' "
                    "(AttributeError: module 'zipped_mirror' has no attribute 'PROTOCOLS'). "
                    "Update or reinstall its package."
                ),
            ),
            (
                "no_such_module:PROTOCOL",
                (
                    "The mirror protocol 'zipped' could not be imported from 'no_such_module:PROTOCOL' "
                    "(ModuleNotFoundError: No module named 'no_such_module'). Update or reinstall its package."
                ),
            ),
            (
                "zipped_mirror:ZippedMirror",
                (
                    "The entry point of the mirror protocol 'zipped' is of type 'ABCMeta', not MirrorProtocol. "
                    "Report it to the maintainers of its package."
                ),
            ),
        ],
    )
    def test_an_entry_point_that_leads_nowhere(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str, message: str
    ) -> None:
        (module,) = blocks("python")
        monkeypatch.syspath_prepend(install(tmp_path / "site", f"zipped = {target}", module))
        with pytest.raises(CatalogError) as caught:
            get_protocol("zipped")
        assert str(caught.value) == message

    def test_a_protocol_of_two_packages(
        self, installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.syspath_prepend(install(tmp_path / "site-2", "zipped = other:PROTOCOL"))
        with pytest.raises(CatalogError, match=r"^Several packages provide the mirror protocol 'zipped': '"):
            get_protocol("zipped")

    def test_a_protocol_of_the_package_stays(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        before = get_protocol("https")
        monkeypatch.syspath_prepend(install(tmp_path / "site", "https = other:PROTOCOL"))
        assert get_protocol("https") is before
        assert protocol_names() == ("folder", "https", "synapse")


def test_the_entry_points_are_read_once(installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def counted(**selected: str) -> object:
        calls.append(selected)
        return found(**selected)

    found = registry.entry_points
    monkeypatch.setattr(registry, "entry_points", counted)
    for name in ("folder", "https", "synapse"):
        assert isinstance(get_protocol(name), MirrorProtocol)
    assert calls == []
    assert get_protocol("zipped") is get_protocol("zipped")
    assert calls == [{"group": "decnef_data.mirrors", "name": "zipped"}]


@pytest.mark.once
def test_the_page_lists_every_answer_and_every_field() -> None:
    listed = set(re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE))
    methods = {name for name in vars(registry.Remote) if not name.startswith("_")}
    assert listed == (methods - registry.Remote.__abstractmethods__) | set(MirrorProtocol.__slots__)
    assert os.fspath(Path(registry.__file__).relative_to(ROOT)) in PAGE
