"""The public functions are generated from the methods of the client, with their signatures, docstrings and examples."""

import ast
import importlib
import importlib.util
import subprocess
import sys
from pathlib import Path
from textwrap import dedent, indent

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "docs" / "_make" / "functions.py"
sys.path.append(str(SCRIPT.parent))

functions = importlib.import_module("functions")
function_examples = importlib.import_module("function_examples")

Function = function_examples.Function
KNOWN = {
    "download": Function("fetch", takes_data_dir=True),
    "plan": Function("fetch", takes_data_dir=True),
    "cache": Function("cache", takes_data_dir=True),
    "clear_cache": Function("cache", takes_data_dir=True),
    "cite": Function("catalog", takes_data_dir=False),
}
DESCRIPTION = (
    "data_dir\n"
    "    The cache folder; ``None`` means ``DECNEF_DATA_DIR`` if it is set, else the default cache folder of\n"
    "    the operating system.\n"
)
needs_ruff = pytest.mark.skipif(
    importlib.util.find_spec("ruff") is None, reason="ruff, which formats what is generated, is not installed"
)


def methods_module(methods: str, *, imports: str = "", constants: str = "") -> str:
    """Return the source of a module with the given methods, which are not indented."""
    head = f'"""Files."""\n\nfrom decnef_data.client.base import ClientBase\n{dedent(imports)}\n'
    body = indent(dedent(methods), " " * 4)
    return f'{head}\n{dedent(constants)}\n\nclass FetchMethods(ClientBase):\n    """Methods."""\n{body}\n'


def generated(methods: str, *, imports: str = "", constants: str = "") -> str:
    topic = functions.Topic("fetch", methods_module(methods, imports=imports, constants=constants))
    return str(functions.generate(topic, KNOWN | topic.functions))


def signature(parameters: str, *, constants: str = "") -> str:
    """Return the parameters of the function that is generated from a method with these."""
    text = generated(f'def f({parameters}) -> int:\n    """Return."""\n', constants=constants)
    (function,) = (node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef))
    return ast.unparse(function.args)


def call(parameters: str, returns: str = "int") -> str:
    """Return the statement that calls the method in the function that is generated from it."""
    text = generated(f'def f({parameters}) -> {returns}:\n    """Return."""\n')
    (function,) = (node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef))
    return ast.unparse(function.body[-1])


def converted(examples: str, owner: str = "download") -> str:
    return str(function_examples.convert_examples(dedent(examples).strip(), owner, KNOWN))


class TestModule:
    def test_a_function_has_the_signature_and_the_docstring_of_the_method(self) -> None:
        method = '''
            @checked
            def download(self, name: str, *, mirror: str = "auto", progress: str = "auto") -> Path:
                """Download the files of a dataset.

                Parameters
                ----------
                name
                    The dataset.
                mirror
                    The mirror.
                progress
                    How progress is shown.

                Returns
                -------
                Path
                    The archive.

                Examples
                --------
                >>> from decnef_data import Client
                >>> client = Client()
                >>> client.download("srpbs-fc").name
                'SRPBS_FC.zip'
                """
                return self._request(name).download(mirror, progress)

            def _request(self, name: str) -> "DataRequest":
                return DataRequest(name)
        '''
        expected = '''
            """Files."""

            # Generated from decnef_data/client/methods/fetch.py by docs/_make/functions.py; do not edit.

            from decnef_data.client import Client
            from pathlib import Path
            from decnef_data.client.options import StrPath

            def download(name: str, *, mirror: str = "auto", data_dir: StrPath | None = None,
                         progress: str = "auto") -> Path:
                """Download the files of a dataset.

                Parameters
                ----------
                name
                    The dataset.
                mirror
                    The mirror.
                data_dir
                    The cache folder; ``None`` means ``DECNEF_DATA_DIR`` if it is set, else the default cache folder of
                    the operating system.
                progress
                    How progress is shown.

                Returns
                -------
                Path
                    The archive.

                Examples
                --------
                >>> download("srpbs-fc").name
                'SRPBS_FC.zip'
                """
                return Client.default(data_dir).download(name, mirror=mirror, progress=progress)
        '''
        text = generated(method, imports="from pathlib import Path\nfrom decnef_data.checks import checked")
        assert ast.unparse(ast.parse(text)) == ast.unparse(ast.parse(dedent(expected).lstrip()))
        comment = (
            "# Generated from decnef_data/client/methods/fetch.py by docs/_make/functions.py; do not edit."
        )
        assert text.splitlines()[:3] == ['"""Files."""', "", comment]

    def test_overloads_are_copied_with_data_dir(self) -> None:
        methods = '''
            @overload
            def fetch(self, name: DatasetName) -> "xr.DataTree": ...
            @overload
            def fetch(self, name: str, *, progress: str = "auto") -> "xr.Dataset": ...
            @checked
            def fetch(self, name: str, *, progress: str = "auto") -> "xr.Dataset | xr.DataTree":
                """Open a dataset."""
                return self._open(name)
        '''
        imports = """
            from typing import TYPE_CHECKING, Literal, overload
            if TYPE_CHECKING:
                import pandas as pd
                import xarray as xr
        """
        expected = '''
            """Files."""
            from decnef_data.client import Client
            from decnef_data.client.methods.fetch import DatasetName
            from decnef_data.client.options import StrPath
            from typing import overload
            from typing import TYPE_CHECKING
            if TYPE_CHECKING:
                import xarray as xr

            @overload
            def fetch(name: DatasetName, *, data_dir: StrPath | None = None) -> "xr.DataTree": ...
            @overload
            def fetch(name: str, *, data_dir: StrPath | None = None, progress: str = "auto") -> "xr.Dataset": ...
            def fetch(name: str, *, data_dir: StrPath | None = None,
                      progress: str = "auto") -> "xr.Dataset | xr.DataTree":
                """Open a dataset.

                Parameters
                ----------
                data_dir
                    The cache folder; ``None`` means ``DECNEF_DATA_DIR`` if it is set, else the default cache folder of
                    the operating system.
                """
                return Client.default(data_dir).fetch(name, progress=progress)
        '''
        text = generated(methods, imports=imports, constants='DatasetName = Literal["srpbs-fc"]')
        assert ast.unparse(ast.parse(text)) == ast.unparse(ast.parse(dedent(expected).lstrip()))

    def test_a_secret_is_checked_and_hidden_before_the_function_is_called(self) -> None:
        method = '''
            @checked
            def login(self, secret: str) -> str:
                """Store a secret."""
                return self._store(secret)
        '''
        text = generated(method, imports="from decnef_data.checks import checked")
        (function,) = (node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef))
        assert [ast.unparse(decorator) for decorator in function.decorator_list] == ["checked"]
        assert "from decnef_data.checks import checked" in text

    def test_the_type_of_paths_is_imported_from_where_the_methods_import_it(self) -> None:
        method = 'def f(self, path: StrPath) -> int:\n    """Return."""\n'
        text = generated(method, imports="from decnef_data.paths import StrPath")
        assert "from decnef_data.paths import StrPath" in text.splitlines()

    def test_only_public_methods_of_instances_become_functions(self) -> None:
        methods = '''
            @property
            def root(self) -> str:
                """Return."""
            @staticmethod
            def parse(text: str) -> str:
                """Return."""
            def _private(self) -> str:
                """Return."""
            def public(self) -> str:
                """Return."""
        '''
        tree = ast.parse(generated(methods))
        assert [node.name for node in tree.body if isinstance(node, ast.FunctionDef)] == ["public"]

    def test_a_backslash_of_a_docstring_is_kept(self) -> None:
        assert r'r"""Split at \s."""' in generated(
            'def f(self) -> int:\n    r"""Split at \\s."""\n', constants='WITHOUT_DATA_DIR = {"f"}'
        )

    def test_a_method_without_a_docstring_is_an_error(self) -> None:
        with pytest.raises(ValueError, match=r'^fetch\.py, line 11: expected a """docstring"""\.$'):
            generated("def f(self) -> int:\n    return 1\n")


class TestSignature:
    @pytest.mark.parametrize(
        ("method", "function"),
        [
            ("self", "*, data_dir: StrPath | None=None"),
            ("self, name: str='a'", "name: str='a', *, data_dir: StrPath | None=None"),
            ("self, *, deep: bool=False", "*, deep: bool=False, data_dir: StrPath | None=None"),
            (
                "self, *, mirror: str='auto', keep: bool=True",
                "*, mirror: str='auto', data_dir: StrPath | None=None, keep: bool=True",
            ),
            (
                "self, mirror: str, *, deep: bool, progress: str='auto'",
                "mirror: str, *, deep: bool, data_dir: StrPath | None=None, progress: str='auto'",
            ),
            ("self, mirror: str, *, deep: bool", "mirror: str, *, deep: bool, data_dir: StrPath | None=None"),
            ("self, /, *names: str, **more: int", "*names: str, data_dir: StrPath | None=None, **more: int"),
        ],
    )
    def test_data_dir_follows_the_keyword_mirror_or_precedes_progress_or_is_last(
        self, method: str, function: str
    ) -> None:
        assert signature(method) == function

    @pytest.mark.parametrize(
        "constants",
        [
            'WITHOUT_DATA_DIR = frozenset({"f"})',
            'WITHOUT_DATA_DIR: Final = frozenset({"f"})',
        ],
    )
    def test_some_functions_take_no_folder(self, constants: str) -> None:
        assert signature("self, name: str, *, style: str='text'", constants=constants) == (
            "name: str, *, style: str='text'"
        )
        text = generated('def f(self) -> int:\n    """Return."""\n', constants=constants)
        assert "return Client.default().f()" in text
        assert "data_dir" not in text
        assert "StrPath" not in text

    def test_the_list_may_be_in_the_class(self) -> None:
        method = 'WITHOUT_DATA_DIR = frozenset({"f"})\ndef f(self) -> int:\n    """Return."""\n'
        assert "return Client.default().f()" in generated(method)

    @pytest.mark.parametrize(
        ("parameters", "returns", "expected"),
        [
            ("self, a: int, b: int=1", "int", "return Client.default(data_dir).f(a, b)"),
            ("self, a: int, *, b: int=1", "int", "return Client.default(data_dir).f(a, b=b)"),
            (
                "self, /, *names: str, **more: int",
                "int",
                "return Client.default(data_dir).f(*names, **more)",
            ),
            ("self, a: int", "None", "Client.default(data_dir).f(a)"),
            ("self, a: int", "int | None", "return Client.default(data_dir).f(a)"),
        ],
    )
    def test_arguments_are_passed_as_the_method_takes_them(
        self, parameters: str, returns: str, expected: str
    ) -> None:
        assert call(parameters, returns) == expected


class TestDescription:
    TEXT = "Do.\n\nParameters\n----------\nname\n    The name.\n\nlow, high\n    Limits.\n\nReturns\n-------\nint\n"

    def test_it_precedes_that_of_the_parameter_that_follows(self) -> None:
        text = functions.describe_data_dir(self.TEXT, "low")
        assert f"    The name.\n\n{DESCRIPTION}low, high\n" in text

    def test_it_is_the_last_without_one(self) -> None:
        text = functions.describe_data_dir(self.TEXT, None)
        assert f"    Limits.\n{DESCRIPTION}\nReturns\n" in text

    def test_it_is_the_last_where_the_section_ends_the_docstring(self) -> None:
        text = functions.describe_data_dir("Do.\n\nParameters\n----------\nname\n    The name.", None)
        assert f"{text}\n".endswith(f"    The name.\n{DESCRIPTION}")

    def test_a_section_is_made_before_the_others(self) -> None:
        text = functions.describe_data_dir("Do.\n\nReturns\n-------\nint\n    One.", None)
        assert text == f"Do.\n\nParameters\n----------\n{DESCRIPTION}\nReturns\n-------\nint\n    One."

    def test_a_section_is_made_where_there_is_none(self) -> None:
        assert f"{functions.describe_data_dir('Do.', None)}\n" == (
            f"Do.\n\nParameters\n----------\n{DESCRIPTION}"
        )


class TestExamples:
    def test_the_client_is_left_out(self) -> None:
        examples = """
            >>> from decnef_data import Client
            >>> client = Client()
            >>> client.download("srpbs-fc").name
            'SRPBS_FC.zip'
        """
        assert converted(examples) == """>>> download("srpbs-fc").name\n'SRPBS_FC.zip'"""

    def test_its_folder_is_passed_to_the_function(self) -> None:
        examples = """
            >>> import tempfile
            >>> client = Client(tempfile.mkdtemp())
            >>> client.cache().size
            0
        """
        expected = ">>> import tempfile\n>>> cache(data_dir=tempfile.mkdtemp()).size\n0"
        assert converted(examples, "cache") == expected
        by_name = examples.replace("Client(", "Client(data_dir=")
        assert converted(by_name, "cache") == expected

    def test_its_folder_is_evaluated_once(self) -> None:
        examples = """
            >>> client = Client(tempfile.mkdtemp())
            >>> _ = client.clear_cache("srpbs-fc")
            >>> client.cache().size
            0
        """
        assert converted(examples, "cache").splitlines() == [
            ">>> data_dir = tempfile.mkdtemp()",
            '>>> _ = clear_cache("srpbs-fc", data_dir=data_dir)',
            ">>> cache(data_dir=data_dir).size",
            "0",
        ]

    def test_a_variable_for_its_folder_is_used_as_it_is(self) -> None:
        examples = ">>> client = Client(folder)\n>>> client.cache().size + client.cache().size\n0"
        assert converted(examples, "cache") == (
            ">>> cache(data_dir=folder).size + cache(data_dir=folder).size\n0"
        )

    def test_a_function_without_a_folder_does_not_get_it(self) -> None:
        examples = '>>> client = Client(tempfile.mkdtemp())\n>>> client.cite("srpbs-fc")'
        assert converted(examples, "cite") == '>>> cite("srpbs-fc")'

    def test_functions_of_other_topics_are_imported(self) -> None:
        examples = """
            >>> from decnef_data import Client
            >>> client = Client()
            >>> _ = client.download("srpbs-fc")
            >>> client.cache().entries
        """
        assert converted(examples, "cache").splitlines() == [
            ">>> from decnef_data import download",
            '>>> _ = download("srpbs-fc")',
            ">>> cache().entries",
        ]

    def test_other_imports_from_the_package_are_kept(self) -> None:
        examples = """
            >>> from decnef_data import Client, to_matrix
            >>> client = Client()
            >>> to_matrix(client.plan(client.cite("srpbs-fc")))
        """
        assert converted(examples).splitlines() == [
            ">>> from decnef_data import cite, to_matrix",
            '>>> to_matrix(plan(cite("srpbs-fc")))',
        ]

    def test_calls_on_several_lines_are_converted(self) -> None:
        examples = """
            >>> client = Client(folder)
            >>> for name in ("ä", "b"):
            ...     planned = client.plan(
            ...         name,
            ...     )
            ...     _ = client.download("ä")
        """
        text = converted(examples)
        assert text.splitlines() == [
            '>>> for name in ("ä", "b"):',
            "...     planned = plan(",
            "...         name,",
            "...     data_dir=folder)",
            '...     _ = download("ä", data_dir=folder)',
        ]

    def test_two_clients_keep_their_folders(self) -> None:
        examples = ">>> one = Client(a)\n>>> two = Client(b)\n>>> one.cache() == two.cache()\nTrue"
        assert converted(examples, "cache") == ">>> cache(data_dir=a) == cache(data_dir=b)\nTrue"

    def test_text_and_examples_without_a_client_stay(self) -> None:
        text = "Return a client.\n\n>>> from decnef_data import cache\n>>> cache().size  # the size\n0"
        assert converted(text) == text

    @pytest.mark.parametrize(
        ("line", "used"),
        [
            ("client.root", "client"),
            ("client.unknown()", "client"),
            ("print(client)", "client"),
            ("Client().cache()", "Client"),
            ("other = Client(a, b)", "Client"),
        ],
    )
    def test_what_no_function_does_is_an_error(self, line: str, used: str) -> None:
        message = f"^The examples of 'cache' use '{used}' for more than calls of functions.$"
        with pytest.raises(ValueError, match=message):
            converted(f">>> client = Client()\n>>> {line}", "cache")

    def test_a_variable_that_hides_a_function_is_an_error(self) -> None:
        with pytest.raises(ValueError, match=r"^The examples of 'plan' hide the function 'plan'\. Rename"):
            converted(">>> client = Client()\n>>> plan = client.plan('srpbs-fc')", "plan")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with one module of methods."""
    examples = (
        '>>> client = Client(tempfile.mkdtemp())\n>>> client.download("srpbs-fc", mirror="synthetic")\n'
    )
    method = f'def download(self, name: str, *, mirror: str = "auto") -> str:\n    """Download.\n\n{indent(examples, "    ")}    """\n'
    (tmp_path / "decnef_data" / "client" / "methods").mkdir(parents=True)
    (tmp_path / "decnef_data" / "api").mkdir()
    source = tmp_path / "decnef_data" / "client" / "methods" / "fetch.py"
    source.write_text(methods_module(method), "utf-8")
    (source.parent / "__init__.py").write_text("", "utf-8")
    return tmp_path


@pytest.mark.tools
@needs_ruff
class TestFiles:
    def test_what_was_written_is_up_to_date(self, checkout: Path) -> None:
        assert functions.main([], checkout) is None
        assert [path.name for path in (checkout / "decnef_data" / "api").iterdir()] == ["fetch.py"]
        assert functions.main(["--check"], checkout) is None

    def test_an_edit_is_reported_and_kept(self, checkout: Path) -> None:
        functions.main([], checkout)
        file = checkout / "decnef_data" / "api" / "fetch.py"
        file.write_text(file.read_text("utf-8").replace("Download.", "Get."), "utf-8")
        message = "Not up to date: decnef_data/api/fetch.py. Run `python docs/_make/functions.py`."
        assert functions.main(["--check"], checkout) == message
        assert "Get." in file.read_text("utf-8")
        assert functions.main([], checkout) is None
        assert functions.main(["--check"], checkout) is None

    def test_a_change_of_a_method_and_a_missing_file_are_reported(self, checkout: Path) -> None:
        message = "Not up to date: decnef_data/api/fetch.py. Run `python docs/_make/functions.py`."
        assert functions.main(["--check"], checkout) == message
        functions.main([], checkout)
        source = checkout / "decnef_data" / "client" / "methods" / "fetch.py"
        source.write_text(source.read_text("utf-8").replace("Download.", "Get."), "utf-8")
        assert functions.main(["--check"], checkout) == message

    def test_code_and_examples_are_formatted(self, checkout: Path) -> None:
        (checkout / "pyproject.toml").write_text("[tool.ruff]\nline-length = 60\n", "utf-8")
        functions.main([], checkout)
        lines = (checkout / "decnef_data" / "api" / "fetch.py").read_text("utf-8").splitlines()
        place = lines.index("def download(")
        assert lines[place : place + 5] == [
            "def download(",
            "    name: str,",
            "    *,",
            '    mirror: str = "auto",',
            "    data_dir: StrPath | None = None,",
        ]
        place = lines.index("    >>> download(")
        assert lines[place : place + 5] == [
            "    >>> download(",
            '    ...     "srpbs-fc",',
            '    ...     mirror="synthetic",',
            "    ...     data_dir=tempfile.mkdtemp(),",
            "    ... )",
        ]

    def test_a_folder_that_is_no_checkout_is_an_error(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError, match=r"Run this in a checkout\.$"):
            functions.main(["--check"], tmp_path)


@pytest.mark.tools
@needs_ruff
@pytest.mark.skipif(
    not (ROOT / "decnef_data" / "client" / "methods").is_dir(), reason="the sources are not beside the tests"
)
def test_the_public_functions_are_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--check"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
