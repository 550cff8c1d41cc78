"""Start-up: `import decnef_data` against bare Python, `decnef --help` against a Typer hello-world.

Run with ``python tests/benchmarks/startup.py [--json]``.  Every round runs each command once, in turn,
so that a busy moment of the machine hits all of them; medians are compared.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROUNDS = 25
HEAVY = ("numpy", "pandas", "xarray", "zarr", "requests", "synapseclient", "pooch", "scipy", "h5py")
HELLO = """
import typer

app = typer.Typer()


@app.command()
def hello(name: str = "world") -> None:
    print(name)


app(prog_name="hello")
"""


def seconds(command: list[str]) -> float:
    """Run `command` once, and return how long it took."""
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env={**os.environ, "COLUMNS": "80"})
    return time.perf_counter() - start


def medians(commands: dict[str, list[str]], rounds: int = ROUNDS) -> dict[str, float]:
    """Time the commands in turn, `rounds` times after one to warm up; return the median of each."""
    times: dict[str, list[float]] = {name: [] for name in commands}
    for turn in range(rounds + 1):
        for name, command in commands.items():
            taken = seconds(command)
            if turn:
                times[name].append(taken)
    return {name: statistics.median(found) for name, found in times.items()}


def loaded(code: str) -> list[str]:
    """Name the heavy libraries that `code` leaves imported."""
    ask = f"{code}\nimport sys; print(*[name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", ask], check=True, capture_output=True, text=True)
    return done.stdout.splitlines()[-1].split()


def measure(folder: Path, rounds: int = ROUNDS) -> dict[str, object]:
    """Measure everything, once."""
    hello = folder / "hello.py"
    hello.write_text(HELLO, encoding="utf-8")
    python = sys.executable
    took = medians(
        {
            "python": [python, "-c", "pass"],
            "loader": [python, "-c", "import ast, lazy_loader"],  # what reads the stub of public names
            "import": [python, "-c", "import decnef_data"],
            "hello": [python, str(hello), "--help"],
            "help": [python, "-c", "from decnef_data_cli.main import run; run()", "--help"],
        },
        rounds,
    )
    help_only = "import sys; sys.argv[1:] = ['--help']\nfrom decnef_data_cli.main import run\ntry: run()\nexcept SystemExit: pass"
    return {
        "seconds": {name: round(value, 4) for name, value in took.items()},
        "import / (1.5 x python + 20 ms)": round(took["import"] / (1.5 * took["python"] + 0.02), 3),
        "help / hello": round(took["help"] / took["hello"], 3),
        "heavy after import": loaded("import decnef_data"),
        "heavy after help": loaded(help_only),
    }


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        found = measure(Path(scratch))
    if "--json" in sys.argv:
        print(json.dumps(found))
    else:
        print(*(f"{name}: {value}" for name, value in found.items()), sep="\n")
