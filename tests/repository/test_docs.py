"""Every block of the documentation runs and prints what it shows, and nothing public goes unmentioned.

A ``python`` block prints what the ``text`` block right below it shows; one that begins with the name of a
file, such as ``# analysis.py``, becomes that file, which a later ``console`` block runs.  In a ``console`` block each ``$`` line
prints, on either stream, what stands below it, and succeeds unless the next line asks for ``$?``.  ``...``
stands for anything.  ``<!-- needs: … -->`` at the head of a page names what it must find.
"""

import ast
import contextlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import decnef_data_cli
import pytest
import typer.main
from decnef_data_cli.app import app

import decnef_data
from decnef_data import model
from tests import small
from tests.benchmarks.harmonize import METHODS
from tests.repository.pages import DOCS, ROOT, Bench, blocks, tool
from tests.servers.links import LinkServer
from tests.servers.synapse import SynapseServer, project

pytestmark = pytest.mark.once

TITLE = "SRPBS Multi-disorder Connectivity Dataset"
GENERATED = {"command-line.md", "transfers.md"}
_NEEDS = re.compile(r"<!-- needs: ([\w ]+) -->")


def pages() -> list[Path]:
    skipped = {"_build", "generated"}
    return [page for page in sorted(DOCS.rglob("*.md")) if not skipped.intersection(page.parts)]


@pytest.fixture
def bench(tmp_path: Path, phantom_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("DECNEF_DATA_DIR", str(phantom_dir))
    return Bench(folder, monkeypatch)


@contextlib.contextmanager
def provided(needs: list[str], bench: Bench, phantom_dir: Path) -> Iterator[None]:
    """Give a page what it asks for."""
    with contextlib.ExitStack() as stack:
        for need in needs:
            match need:
                case "small" | "codes" | "synapse" | "atr":
                    bench.monkeypatch.setenv("DECNEF_DATA_DIR", str(bench.folder / "cache"))
                    members = small.members(stated=need != "codes")
                    archive = small.archive(bench.folder / "SRPBS_FC.zip", members)
                    _serve(need, archive, bench, stack)
                case "scratch":
                    (Path.home() / "scratch").mkdir()
                    phantom_dir.mkdir(exist_ok=True)
                    (Path.home() / "scratch/decnef").symlink_to(phantom_dir)
                case library:
                    pytest.importorskip(library)
        yield


def _serve(need: str, archive: Path, bench: Bench, stack: contextlib.ExitStack) -> None:
    if need == "synapse":
        synapse = stack.enter_context(SynapseServer(project(TITLE, archive)))
        synapse.config(Path.home() / ".synapseConfig")
        bench.monkeypatch.setenv("SECRET", synapse.token)
    elif need == "atr":
        links = stack.enter_context(LinkServer())
        bench.monkeypatch.setenv("SECRET", links.link(archive))


#: Pages whose blocks take seconds: they start clusters, or write copies.
_SLOW = {"cluster.md", "save.md", "lock.md", "connectivity.md", "ten-things.md"}
#: Pages that need libraries which only some sessions of CI install.
_MARKERS = {"intake.md": pytest.mark.readers, "combat.md": pytest.mark.tools}
#: Pages that take longer, and run in a test that looks at what they computed, too.
_RUN_ELSEWHERE = {"depression-marker.md"}


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(
            page,
            marks=[
                *([pytest.mark.slow] if page.name in _SLOW else []),
                *([_MARKERS[page.name]] if page.name in _MARKERS else []),
            ],
        )
        for page in pages()
        if page.name not in _RUN_ELSEWHERE
    ],
    ids=lambda page: page.relative_to(DOCS).as_posix(),
)
def test_the_blocks_of_a_page_run(page: Path, bench: Bench, phantom_dir: Path) -> None:
    text = page.read_text("utf-8")
    found = list(blocks(text))
    if not found:
        return
    needs = _NEEDS.search(text)
    with provided(needs[1].split() if needs else [], bench, phantom_dir):
        for block in found:
            bench.run(block, f"{page.relative_to(ROOT)}:{block.line}")


def test_the_blocks_of_the_readme_run(bench: Bench, phantom_dir: Path) -> None:
    with provided(["small"], bench, phantom_dir):
        (phantom_dir / "phantom").mkdir(parents=True, exist_ok=True)
        (bench.folder / "cache").mkdir()
        (bench.folder / "cache/phantom").symlink_to(phantom_dir / "phantom")  # it takes seconds to make
        decnef_data.adopt("srpbs-fc", "SRPBS_FC.zip", progress="none")
        found = list(blocks((ROOT / "README.md").read_text("utf-8")))
        for block in found:
            bench.run(block, f"README.md:{block.line}")
    assert found


class TestWhatRunsABlock:
    """A test that cannot fail is a defect: a page that shows something wrong is found."""

    @pytest.mark.parametrize(
        ("page", "complaint"),
        [
            ("```python\nprint(1)\n```\n\n```text\n2\n```\n", "shows\n2\n\nand printed\n1"),
            ("```python\nprint(1)\n```\n", "shows\n\nand printed\n1"),
            ("```console\n$ echo one\ntwo\n```\n", "`echo one` shows\ntwo"),
            ("```console\n$ decnef info nothing\n...\n```\n", "`decnef info nothing` ended with 2"),
        ],
    )
    def test_what_is_wrong_is_found(self, bench: Bench, page: str, complaint: str) -> None:
        (block,) = blocks(page)
        with pytest.raises(pytest.fail.Exception) as found:
            bench.run(block, "a page")
        assert complaint in str(found.value)

    def test_what_is_right_passes(self, bench: Bench) -> None:
        page = "```console\n$ export DECNEF_TRIED=yes\n$ decnef info nothing\nerror: ...\n$ echo $?\n2\n```\n\n```python\nimport os; print(os.environ['DECNEF_TRIED'])\n```\n\n```text\nyes\n```\n"
        for block in blocks(page):
            bench.run(block, "a page")


class TestGenerated:
    @pytest.mark.parametrize("page", pages(), ids=lambda page: page.relative_to(DOCS).as_posix())
    def test_tables_say_what_the_catalog_says(self, page: Path) -> None:
        text = page.read_text("utf-8")
        assert tool("tables").fill_tables(text) == text, "run `python docs/_make/tables.py`"

    def test_the_table_of_harmonization_has_the_methods_that_are_measured(self) -> None:
        text = (DOCS / "how-to/harmonize.md").read_text("utf-8")
        table = text.split("<!-- harmonize: begin -->")[1].split("<!-- harmonize: end -->")[0]
        names = re.findall(r"^\| (.+?) \|", table, re.MULTILINE)
        assert names == ["method", "---", *(method.name for method in METHODS)]

    def test_pictures_show_what_the_code_does(self) -> None:
        drawn = tool("figures").figures()
        for file, drawing in drawn.items():
            assert file.read_text("utf-8") == drawing, "run `python docs/_make/figures.py`"
        kept = {picture for picture in DOCS.rglob("*.svg") if "_build" not in picture.parts}
        assert kept == set(drawn)


class TestNothingIsLeftOut:
    def test_every_public_name_is_in_the_reference(self) -> None:
        listed = (DOCS / "reference/api.md").read_text("utf-8")
        assert {name for name in decnef_data.__all__ if f"   ~decnef_data.{name}\n" not in listed} == set()

    def test_every_command_is_in_the_reference(self) -> None:
        text = (DOCS / "reference/command-line.md").read_text("utf-8")
        missing = [
            command
            for command in _commands("decnef", typer.main.get_command(app))
            if f"\n## {command}\n" not in text
        ]
        assert missing == []

    def test_every_environment_variable_is_in_the_reference(self) -> None:
        text = (DOCS / "reference/environment.md").read_text("utf-8")
        assert {name for name in _variables() if name not in text} == set()

    def test_every_rule_of_remarks_is_in_the_reference(self) -> None:
        text = (DOCS / "reference/account.md").read_text("utf-8")
        _, remarks = text.split("\n## Remarks\n")
        assert set(re.findall(r"^\| `([\w-]+)` \|", remarks, re.MULTILINE)) == _remark_rules()

    def test_every_value_and_record_is_in_the_reference(self) -> None:
        text = "".join((DOCS / "reference" / page).read_text("utf-8") for page in ("values.md", "records.md"))
        joins_others = {"Basis", "CatalogFile", "Grade", "GradedRecord", "Record"}
        listed = set(re.findall(r"(?:^### |autoclass:: decnef_data\.model\.)(\w+)$", text, re.MULTILINE))
        values = {name for name in model.__all__ if not inspect.isfunction(getattr(model, name))}
        assert values - joins_others - listed == set()


def _commands(path: str, group: typer.core.TyperGroup) -> Iterator[str]:  # type: ignore[name-defined]
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _commands(f"{path} {name}", command)
        else:
            yield f"{path} {name}"


def _remark_rules() -> set[str]:
    """The rules of all remarks that the package makes; each is a literal."""
    folders = (Path(str(package.__file__)).parent for package in (decnef_data, decnef_data_cli))
    texts = (file.read_text("utf-8") for folder in folders for file in folder.rglob("*.py"))
    trees = (ast.parse(text) for text in texts if "Remark" in text)
    calls = (node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Call))
    made = [node.args[0] for node in calls if isinstance(node.func, ast.Name) and node.func.id == "Remark"]
    return {ast.literal_eval(rule) for rule in made}


def _variables() -> set[str]:
    folders = (Path(str(package.__file__)).parent for package in (decnef_data, decnef_data_cli))
    sources = (file.read_text("utf-8") for folder in folders for file in folder.rglob("*.py"))
    pattern = re.compile(r"\b(?:DECNEF|SYNAPSE)_[A-Z_]*[A-Z]\b|\bNO_COLOR\b")
    return {name for source in sources for name in pattern.findall(source)}


class TestFunctionsAndCommands:
    """The table of functions and commands in the reference; each row has a command, or says why there is none."""

    def test_every_function_and_every_command_is_in_the_table(self) -> None:
        rows = _function_rows((DOCS / "reference/api.md").read_text("utf-8"))
        assert set(rows) == {name for name in decnef_data.__all__ if name[0].islower()}
        listed = {command.partition(" --")[0] for commands, _ in rows.values() for command in commands}
        assert listed == set(_runnable_commands("decnef", typer.main.get_command(app)))
        assert [name for name, (commands, comment) in rows.items() if not commands and not comment] == []

    def test_what_is_missing_in_a_table_is_found(self) -> None:
        page = "## Functions and commands\n\n| `plan` | `decnef plan`, `decnef info` | |\n| `terms` | | None. |\n\n## Data\n\n| `x` | `decnef x` | |\n"
        assert _function_rows(page) == {"plan": (["decnef plan", "decnef info"], ""), "terms": ([], "None.")}


def _function_rows(page: str) -> dict[str, tuple[list[str], str]]:
    """Return the commands and the comment of each function in the table."""
    _, _, rest = page.partition("## Functions and commands\n")
    text, _, _ = rest.partition("\n## ")
    rows = re.findall(r"^\| `(\w+)` \|(.*)\|(.*)\|$", text, re.MULTILINE)
    return {name: (re.findall(r"`(.+?)`", commands), comment.strip()) for name, commands, comment in rows}


def _runnable_commands(path: str, group: typer.core.TyperGroup) -> Iterator[str]:  # type: ignore[name-defined]
    """Yield every command, and every group that does something without a subcommand."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from [f"{path} {name}"] if command.invoke_without_command else []
            yield from _runnable_commands(f"{path} {name}", command)
        else:
            yield f"{path} {name}"


class TestPages:
    @pytest.mark.parametrize("page", [ROOT / "README.md", *pages()], ids=lambda page: page.name)
    def test_the_first_mention_of_the_phantom_says_what_it_is(self, page: Path) -> None:
        # A phantom is also an object that is scanned; a page may be the first that a reader sees.
        text = page.read_text("utf-8").lower()
        japanese = page.parent.name == "ja"
        word, explained = (
            ("ファントム", "合成データ\uff08デジタル")
            if japanese
            else ("phantom", "synthetic data (a digital ")
        )
        first = re.search(word if japanese else rf"\b{word}", text)  # an owner of evidence has it in the name
        if first:
            text = re.sub(r"\s+", " ", text[: first.end()].replace("`", ""))
            assert text.endswith(explained + word)

    @pytest.mark.parametrize("page", [ROOT / "README.md", *pages()], ids=lambda page: page.name)
    def test_links_lead_somewhere(self, page: Path) -> None:
        text = re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
        links = re.findall(r"\]\((?!https?:)([^)#\s]+)[^)]*\)", text)
        assert [link for link in links if not (page.parent / link).exists()] == []

    @pytest.mark.parametrize("page", pages(), ids=lambda page: page.relative_to(DOCS).as_posix())
    def test_no_place_of_one_machine_is_named(self, page: Path) -> None:
        text = page.read_text("utf-8")
        assert re.findall(r"/(?:work|tmp|root|home)/|127\.0\.0\.1|localhost|pypi|pythonhosted", text) == []

    @pytest.mark.parametrize(
        "page",
        [page for page in pages() if page.name not in GENERATED],
        ids=lambda page: page.relative_to(DOCS).as_posix(),
    )
    def test_each_sentence_has_a_line_of_its_own(self, page: Path) -> None:
        text = re.sub(
            r"<!-- table:.*?<!-- end -->|^ *```.*?^ *```$",
            "",
            page.read_text("utf-8"),
            flags=re.MULTILINE | re.DOTALL,
        )
        quoted = re.compile(r"(`+).+\1")  # a message
        lines = (line for line in text.splitlines() if not quoted.fullmatch(line))
        prose = (line for line in lines if not line.startswith(("#", "|")))
        assert [line for line in prose if re.search(r"[a-z)`][.?] [A-Z]|。\S", line)] == []


#: Terms that readers look up in the glossary.
_ESSENTIAL_TERMS = {
    "access level", "accessor", "adopt", "archive", "atlas", "audit", "cache", "cache folder", "catalog",
    "checksum", "client", "condition", "dataset", "DataTree", "doctor", "edge", "export", "fact", "FC", "FD",
    "grade", "group", "index", "institute", "layout", "lock", "lock file", "mean_fd", "member", "mirror",
    "mirror protocol", "modality", "parcellation", "partial download", "participant", "participant table",
    "personal link", "phantom", "plan", "pooled site", "portable store", "protocol", "purge", "receipt", "record", "ROI",
    "run", "sample", "scan", "selection", "session", "site", "store", "subject",
    "synthetic data", "terms", "token", "trust on first use", "verified",
}  # fmt: skip


class TestGlossary:
    """Each entry is one or several terms, a line each, above the indented sentences of their definition."""

    @staticmethod
    def entries() -> list[tuple[list[str], list[str]]]:
        text = (DOCS / "reference/glossary.md").read_text("utf-8")
        glossary = text.split(":::{glossary}\n")[1].split("\n:::")[0]
        entries = [entry.splitlines() for entry in glossary.split("\n\n")]
        return [
            ([line for line in lines if line[0] != " "], [line for line in lines if line[0] == " "])
            for lines in entries
        ]

    def test_terms_are_sorted(self) -> None:
        first_terms = [terms[0] for terms, _ in self.entries()]
        assert first_terms == sorted(first_terms, key=str.casefold)

    def test_each_term_appears_once(self) -> None:
        all_terms = [term for terms, _ in self.entries() for term in terms]
        assert len({term.casefold() for term in all_terms}) == len(all_terms)

    def test_essential_terms_are_defined(self) -> None:
        assert _ESSENTIAL_TERMS - {term for terms, _ in self.entries() for term in terms} == set()

    def test_definitions_are_short(self) -> None:
        assert [terms for terms, sentences in self.entries() if not 1 <= len(sentences) <= 3] == []
