"""Draws the pictures of results on the pages, from synthetic data: ``python docs/_make/pictures.py``.

Every picture says SYNTHETIC, and its file keeps the numbers that it shows, so that a test can compare them
with those that the code computes.  The pictures of the report need Chromium, whose command is `CHROMIUM`.
"""

import io
import json
import os
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import matplotlib as mpl
import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

import decnef_data
from decnef_data.phantom import write_imaging_phantom

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

__all__ = ["PICTURES", "describe_institutes", "describe_site_bias", "read_numbers"]

PICTURES: Final = Path(__file__).parents[1] / "pictures"
_COLORS: Final = 256
_WIDTH: Final = 4.8  # inches: a phone shows the letters at a size that can be read
_INK, _BEFORE, _AFTER = "#1f2933", "#D55E00", "#0072B2"
_N_TILES: Final = 6
_CHROMIUM: Final = os.environ.get("CHROMIUM", "chromium")
_REPORT_SIZE: Final = (900, 885)


def describe_institutes(cube: "xr.Dataset") -> dict[str, int]:
    """Return the number of controls of the institutes that have most, in the order of the picture."""
    controls = cube.institute[cube.diagnosis == "HC"].to_series().value_counts()
    return {str(name): int(count) for name, count in controls.head(_N_TILES).items()}


def describe_site_bias() -> dict[str, list[float]]:
    """Return the root mean square of the bias of each site over edges, before and after harmonization."""
    people, traveled, truth = decnef_data.synthetic_travelers()
    harmonized = decnef_data.harmonize(people, traveled)
    shift = (people.fc - harmonized.fc).groupby("site").mean()
    bias = (truth.site_bias - truth.site_bias.mean("site")).sel(site=shift.site)
    before, after = (bias**2).mean("edge") ** 0.5, ((bias - shift) ** 2).mean("edge") ** 0.5
    sizes = zip(shift.site.values.tolist(), before.values.tolist(), after.values.tolist(), strict=True)
    return {site: [round(first, 4), round(second, 4)] for site, first, second in sizes}


def read_numbers(path: Path) -> Any:
    """Return the numbers that a picture was drawn from, which its file keeps."""
    with Image.open(path) as image:
        return json.loads(image.info["Description"])["numbers"]


def _draw_institutes(cube: "xr.Dataset") -> "Figure":
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(2, 3, figsize=(_WIDTH, 3.9), layout="constrained")
    tile = None
    for ax, (name, count) in zip(axes.flat, describe_institutes(cube).items(), strict=True):
        controls = cube.sel(subject=(cube.institute == name) & (cube.diagnosis == "HC"))
        mean = decnef_data.to_matrix(controls).mean("subject")
        tile = ax.imshow(mean, cmap="RdBu_r", vmin=-0.5, vmax=0.5, interpolation="nearest")
        ax.set_title(f"{name}, {count}", fontsize=9, color=_INK)
        ax.set_xticks([])
        ax.set_yticks([])
    figure.colorbar(tile, ax=axes, label="Pearson r", shrink=0.7, extend="both")
    figure.suptitle("SYNTHETIC: mean of the controls by institute", fontsize=11, color=_INK)
    return figure


def _draw_site_bias(numbers: Mapping[str, list[float]]) -> "Figure":
    import matplotlib.pyplot as plt

    figure, ax = plt.subplots(figsize=(_WIDTH, 3.0), layout="constrained")
    for place, (before, after) in enumerate(numbers.values()):
        ax.plot([before, after], [place, place], color="#9aa5b1", linewidth=2, zorder=1)
    before, after = zip(*numbers.values(), strict=True)
    ax.scatter(before, range(len(numbers)), color=_BEFORE, marker="o", label="before")
    ax.scatter(after, range(len(numbers)), color=_AFTER, marker="s", label="after")
    ax.set_yticks(range(len(numbers)), list(numbers))
    ax.invert_yaxis()
    ax.set_xlim(left=0)
    ax.set_xlabel("bias of the site: root mean square over edges, in r")
    ax.legend(title="harmonization", loc="lower right")
    ax.set_title("SYNTHETIC: bias before and after harmonization", fontsize=11, color=_INK)
    return figure


def _open_images(folder: str) -> "list[xr.Dataset]":
    copy = write_imaging_phantom("srpbs-open", folder, n_subjects=4, full_size=True, n_volumes=10)
    cache = f"{folder}/cache"
    decnef_data.adopt("srpbs-open", copy, data_dir=cache, progress="none")
    tree = decnef_data.fetch_dataset("srpbs-open", modalities="bold", data_dir=cache, progress="none")
    return [node.to_dataset() for node in tree.leaves]


def _list_scans(groups: "list[xr.Dataset]") -> list[list[str]]:
    names = ("subject", "site", "diagnosis", "n_volumes", "repetition_time")
    rows = (row for group in groups for row in zip(*(group[name].values for name in names), strict=True))
    return [[*map(str, row)] for row in rows]


def _draw_images(groups: "list[xr.Dataset]") -> "Figure":
    import matplotlib.pyplot as plt

    scans, rows = groups[0], _list_scans(groups)
    figure = plt.figure(figsize=(_WIDTH, 3.6), layout="constrained")
    upper, lower = figure.subfigures(2, 1, height_ratios=[3, 2])
    volume = scans.bold[0, 0]
    middle = {dim: volume.sizes[dim] // 2 for dim in ("z", "y", "x")}
    for ax, (dim, place) in zip(upper.subplots(1, 3), middle.items(), strict=True):
        across, up = [each for each in ("x", "y", "z") if each != dim]
        size = np.sqrt((scans.affine.values[0][:3, :3] ** 2).sum(axis=0))
        zooms = dict(zip(("x", "y", "z"), size, strict=True))
        aspect = float(zooms[up] / zooms[across])
        ax.imshow(volume.isel({dim: place}), cmap="gray", origin="lower", aspect=aspect)
        ax.set_title(f"{dim} = {place}", fontsize=9, color=_INK)
        ax.axis("off")
    upper.suptitle("SYNTHETIC: the first volume of a run, and the scans", fontsize=11, color=_INK)
    ax = lower.subplots()
    ax.axis("off")
    heads = ["subject", "site", "diagnosis", "volumes", "TR (s)"]
    table = ax.table(rows, colLabels=heads, loc="center", cellLoc="left", colLoc="left", edges="horizontal")
    table.auto_set_font_size(value=False)
    table.set_fontsize(9)
    table.scale(1, 1.2)
    return figure


def _render(figure: "Figure") -> Image.Image:
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=160, facecolor="white", bbox_inches="tight", pad_inches=0.12)
    return Image.open(buffer).convert("RGB")


def _photograph_report(folder: str, scheme: str) -> Image.Image:
    """Return a screenshot of the report of synthetic data, in light or dark colours."""
    page = decnef_data.report("srpbs-fc", f"{folder}/{scheme}.html", mirror="phantom", progress="none")
    shot = Path(folder, f"{scheme}.png")
    dark = ["--blink-settings=preferredColorScheme=0"] if scheme == "dark" else []
    window = "--window-size=" + ",".join(map(str, _REPORT_SIZE))
    options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", window, *dark]
    subprocess.run([_CHROMIUM, *options, f"--screenshot={shot}", page.as_uri()], check=True)  # noqa: S603
    return Image.open(shot).convert("RGB")


def _save(image: Image.Image, name: str, numbers: object) -> None:
    """Save a picture with few colours, which makes it small, and with the numbers that it shows."""
    description = PngInfo()
    description.add_text("Description", json.dumps({"data": "SYNTHETIC", "numbers": numbers}))
    PICTURES.mkdir(exist_ok=True)
    few = image.quantize(_COLORS, dither=Image.Dither.NONE)
    few.save(PICTURES / name, optimize=True, pnginfo=description)


def main() -> None:
    """Draw every picture from synthetic data in a temporary cache."""
    mpl.use("agg")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["DECNEF_DATA_DIR"] = f"{folder}/data"
        cube = decnef_data.fetch_dataset("srpbs-fc/bal140", mirror="phantom", progress="none")
        _save(_render(_draw_institutes(cube)), "institutes.png", describe_institutes(cube))
        bias = describe_site_bias()
        _save(_render(_draw_site_bias(bias)), "site-bias.png", bias)
        groups = _open_images(folder)
        _save(_render(_draw_images(groups)), "images.png", _list_scans(groups))
        for scheme in ("light", "dark"):
            _save(_photograph_report(folder, scheme), f"report-{scheme}.png", cube.sizes["subject"])


if __name__ == "__main__":
    main()
