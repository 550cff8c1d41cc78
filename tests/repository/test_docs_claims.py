"""What pages claim of the code is what the code does: messages, coordinates of images, pictures."""

import ast
import builtins
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType

import decnef_data_cli
import nibabel as nib
import numpy as np
import pytest
import xarray as xr

import decnef_data
from tests import trees
from tests.repository.pages import DOCS, blocks, tool

pytestmark = pytest.mark.once

#: A term of a definition list that is code: one message.
_MESSAGE = re.compile(r"^(?P<ticks>`+)(?P<text>.+)(?P=ticks)\n: ", re.MULTILINE)
HOLE = "…"


@cache
def templates() -> frozenset[str]:
    """Every text in the code, with a hole for each value that is put into it."""
    folders = (Path(str(package.__file__)).parent for package in (decnef_data, decnef_data_cli))
    files = (file for folder in folders for file in folder.rglob("*.py"))
    parsed = (ast.parse(file.read_text("utf-8")) for file in files)
    return frozenset(text for tree in parsed for text in _texts(tree) if " " in text)


def _texts(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            parts = (str(part.value) if isinstance(part, ast.Constant) else HOLE for part in node.values)
            yield "".join(parts)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield re.sub(r"%[sd]", HOLE, node.value)


def is_message(quoted: str) -> bool:
    """Whether a quoted message, whose holes stand for anything, is one of the code."""
    pieces = quoted.split(HOLE)
    pattern = re.compile(".*".join(map(re.escape, pieces)), re.DOTALL)
    longest = max(pieces, key=len)
    return any(pattern.fullmatch(text) for text in templates() if longest in text)


class TestTroubleshooting:
    QUOTED = tuple(
        match["text"] for match in _MESSAGE.finditer((DOCS / "how-to/troubleshooting.md").read_text("utf-8"))
    )

    def test_every_quoted_message_is_one_of_the_code(self) -> None:
        assert len(self.QUOTED) > 50
        assert [quoted for quoted in self.QUOTED if not is_message(quoted)] == []

    def test_every_quoted_message_has_words_of_its_own(self) -> None:
        # Otherwise holes alone would match anything.
        assert [quoted for quoted in self.QUOTED if len(re.findall(r"[a-zA-Z]{2,}", quoted)) < 3] == []

    @pytest.mark.parametrize(
        "wrong", ["There is no … '…', sorry. …", "No one … '…'.", "An empty list selects everything."]
    )
    def test_what_the_code_does_not_say_is_found(self, wrong: str) -> None:
        assert not is_message(wrong)


class TestImageGroups:
    """The tables of the page on groups of images, against groups of a small copy that has all of them."""

    PAGE = (DOCS / "reference/image-groups.md").read_text("utf-8")
    #: Columns of the tables of a copy, by the beginning of their names.
    FURTHER = ("sup", "quality_", "protocol_")

    @classmethod
    def rows(cls, table: str) -> dict[str, tuple[str, str, str]]:
        """Return dimensions, dtype and unit by name."""
        _, text, _ = re.split(f"<!-- image {table}: \\w+ -->", cls.PAGE)
        cells = (
            [cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if "`" in line
        )
        return {name: (row[2], row[3], row[4]) for row in cells for name in re.findall(r"`(\w+)`", row[0])}

    @pytest.fixture
    def groups(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, phantom_dir: Path
    ) -> dict[str, xr.Dataset]:
        copy = trees.srpbs_open(tmp_path)
        scaled = trees.image(trees.voxels(99, (5, 4, 3, 4)))
        scaled.header.set_slope_inter(2, 1)
        folder = copy / "SRPBS_OPEN/data/sub-0099/rsfmri"
        folder.mkdir(parents=True)
        nib.save(scaled, folder / "run.nii")
        cache_folder = str(tmp_path / "cache")
        decnef_data.adopt("srpbs-open", copy, data_dir=cache_folder, progress="none")
        with pytest.warns(decnef_data.DecnefDataWarning):
            tree = decnef_data.fetch_dataset(
                "srpbs-open", modalities=["bold", "t1w", "fmap"], data_dir=cache_folder, progress="none"
            )
        monkeypatch.setenv("DECNEF_DATA_DIR", str(phantom_dir))
        traveling = decnef_data.fetch_dataset("srpbs-ts/KUT/t1w", mirror="phantom", progress="none")
        return {group.path: group.to_dataset() for group in tree.leaves} | {"ts": traveling}

    def test_the_tables_have_every_variable_and_coordinate(self, groups: dict[str, xr.Dataset]) -> None:
        assert {"/COI/bold_2", "/COI/fmap", "/unlisted/bold"} <= set(groups)
        coordinates, variables = self.rows("coordinates"), self.rows("variables")
        seen = set()
        for group in groups.values():
            for name, variable in group.variables.items():
                listed = (coordinates if name in group.coords else variables).get(str(name))
                if listed is None:
                    assert str(name).startswith(self.FURTHER), name
                    assert variable.dtype.kind == "U" or variable.dtype == "f4", name
                    continue
                seen.add(name)
                assert listed == self.describe(str(name), variable), name
        computed = {"mean_fd_computed", "fd_floor"}
        assert (set(coordinates) | set(variables)) - seen == computed
        assert {coordinates[name] for name in computed} == {("scan", "float64", "mm")}

    @staticmethod
    def describe(name: str, variable: xr.Variable) -> tuple[str, str, str]:
        dims = "itself" if variable.dims == (name,) and name in "xyz" else ", ".join(map(str, variable.dims))
        dtype = "text" if variable.dtype.kind == "U" else str(variable.dtype)
        return dims, "as stored" if name in {"bold", "t1w"} else dtype, variable.attrs.get("units", "")


class TestPictures:
    @pytest.fixture
    def pictures(self) -> ModuleType:
        pytest.importorskip("matplotlib", reason="matplotlib is not installed")
        return tool("pictures")

    def test_each_is_small_is_shown_and_says_what_it_is(self, pictures: ModuleType) -> None:
        pages = "".join(page.read_text("utf-8") for page in [*DOCS.rglob("*.md"), DOCS.parent / "README.md"])
        files = sorted(pictures.PICTURES.iterdir())
        assert len(files) == 5
        for file in files:
            assert file.stat().st_size < 150_000
            assert pictures.read_numbers(file)
            assert re.search(rf"{{image}} \S*pictures/{file.name}\n(?::\w+:.*\n)*:alt: Synthetic data", pages)

    def test_the_bias_is_that_of_the_method(self, pictures: ModuleType) -> None:
        drawn = pictures.read_numbers(pictures.PICTURES / "site-bias.png")
        found = pictures.describe_site_bias()
        assert list(drawn) == list(found)
        np.testing.assert_allclose([*drawn.values()], [*found.values()], atol=2e-4)

    def test_the_controls_are_those_of_the_data(
        self, pictures: ModuleType, phantom_dir: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("DECNEF_DATA_DIR", str(phantom_dir))
        cube = decnef_data.fetch_dataset("srpbs-fc/bal140", mirror="phantom", progress="none")
        assert pictures.read_numbers(pictures.PICTURES / "institutes.png") == pictures.describe_institutes(
            cube
        )


#: The pages that a page translates.
_TRANSLATES = re.compile(r"^<!-- translates: (.+) -->$", re.MULTILINE)
TRANSLATIONS = [page for page in sorted((DOCS / "ja").glob("*.md")) if page.name != "README.ja.md"]


class TestTranslations:
    @pytest.mark.parametrize("page", TRANSLATIONS, ids=lambda page: page.name)
    def test_the_commands_are_those_of_the_english_page(self, page: Path) -> None:
        text = page.read_text("utf-8")
        (sources,) = _TRANSLATES.findall(text)
        english = [
            block for source in sources.split() for block in blocks((DOCS / source).read_text("utf-8"))
        ]
        known = {(block.kind, block.text, block.shown) for block in english}
        assert [block for block in blocks(text) if (block.kind, block.text, block.shown) not in known] == []
        assert [source for source in sources.split() if f"(../{source})" not in text] == []

    @pytest.mark.parametrize("page", [*TRANSLATIONS, DOCS / "ja/README.ja.md"], ids=lambda page: page.name)
    def test_the_first_lines_say_that_the_english_page_prevails(self, page: Path) -> None:
        head = page.read_text("utf-8").partition("# ")[2].split("\n\n")[1]
        assert re.match(r"この日本語版は、decnef-data \d+\.\d+\.\d+ の英語版", head)
        assert "内容が異なる場合は、英語版が優先します。" in head


class TestTenThings:
    def test_each_takes_at_most_five_lines_and_runs_on_its_own(self) -> None:
        page = (DOCS / "how-to/ten-things.md").read_text("utf-8")
        found = [block for block in blocks(page) if block.kind == "python"]
        assert len(found) == len(re.findall(r"^## \d+\. ", page, re.MULTILINE)) == 10
        for block in found:
            lines = [line for line in block.text.splitlines() if line]
            assert len(lines) <= 5
            assert lines[0] == "import decnef_data"
            tree = ast.parse(block.text)
            stored, loaded = (
                {
                    node.id
                    for node in ast.walk(tree)
                    if isinstance(node, ast.Name) and isinstance(node.ctx, kind)
                }
                for kind in (ast.Store, ast.Load)
            )
            imported = {
                alias.name
                for node in tree.body
                if isinstance(node, ast.Import | ast.ImportFrom)
                for alias in node.names
            }
            assert loaded - stored - imported - set(dir(builtins)) == set()
            assert block.shown


class TestCopyButton:
    def test_it_copies_commands_alone(self) -> None:
        # A block in which any line has a prompt is copied without its other lines.
        settings = ast.parse((DOCS / "conf.py").read_text("utf-8"))
        (prompt,) = (
            ast.literal_eval(node.value)
            for node in settings.body
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "copybutton_prompt_text"
        )
        fence = re.compile(r"^ *```(python|sh|console)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
        for page in DOCS.rglob("*.md"):
            for kind, text in fence.findall(page.read_text("utf-8")):
                copied = [line for line in text.splitlines() if re.match(prompt, line.strip())]
                assert all(kind == "console" and line.strip().startswith("$ ") for line in copied), page
                assert copied or kind != "console", page


class TestWhatComputes:
    def test_opening_and_selecting_read_no_values_and_means_do(
        self, phantom_dir: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # As the README says.
        monkeypatch.setenv("DECNEF_DATA_DIR", str(phantom_dir))
        cube = decnef_data.fetch_dataset("srpbs-fc/bal140", mirror="synthetic", progress="none")
        swa = cube.sel(subject=cube.site == "SWA")
        lazy = (cube.fc, swa.fc, decnef_data.to_matrix(swa), decnef_data.to_matrix(swa)[0])
        assert [values.variable._in_memory for values in lazy] == [False] * 4
        computed = (swa.fc.mean("subject"), swa.fc.groupby("diagnosis").mean("subject"), np.arctanh(swa.fc))
        assert [values.variable._in_memory for values in computed] == [True] * 3
        chunked = decnef_data.fetch_dataset(
            "srpbs-fc/bal140", mirror="synthetic", chunks={"subject": 500}, progress="none"
        )
        assert not chunked.fc.mean("subject").variable._in_memory
