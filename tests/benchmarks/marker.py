"""The time and memory of the page on the depression marker, as one script in a process of its own.

Run with ``python tests/benchmarks/marker.py [--json]``; scikit-learn is needed.  The phantom is created
before, in a temporary cache; fetching the cube is part of the time.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import decnef_data

PAGE = Path(__file__).parents[2] / "docs/how-to/depression-marker.md"
MEASURE = """
import json, resource, sys, time
started = time.perf_counter()
exec(sys.stdin.read(), {})
usage = resource.getrusage(resource.RUSAGE_SELF)
wall = time.perf_counter() - started
unit = 2**20 if sys.platform == "darwin" else 2**10
measured = {
    "wall_s": round(wall, 1),
    "processor_s": round(usage.ru_utime + usage.ru_stime, 1),
    "peak_mib": round(usage.ru_maxrss / unit),
}
print(json.dumps(measured))
"""


def main() -> None:
    script = "\n".join(
        re.findall(r"^```python\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    )
    with tempfile.TemporaryDirectory() as folder:
        decnef_data.fetch_dataset("srpbs-fc/bal140", mirror="phantom", data_dir=folder, progress="none")
        done = subprocess.run(
            [sys.executable, "-c", MEASURE],
            input=script,
            env={**os.environ, "DECNEF_DATA_DIR": folder},
            capture_output=True,
            text=True,
            check=True,
        )
    measured = done.stdout.splitlines()[-1]
    if "--json" in sys.argv:
        print(measured)
    else:
        for name, value in json.loads(measured).items():
            print(f"{name:12} {value}")


if __name__ == "__main__":
    main()
