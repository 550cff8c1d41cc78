"""The command that subtracts the biases of sites from saved connectivity: harmonize."""

import json
from typing import Annotated

import typer

import decnef_data
from decnef_data_cli.console import pluralize, print_json, print_result
from decnef_data_cli.messages import print_stderr
from decnef_data_cli.options import AsJson, ProgressChoice, Quiet, progress_kind

__all__ = ["harmonize"]


def harmonize(
    cube: Annotated[
        str, typer.Argument(metavar="CUBE", help="The Zarr store of the connectivity to harmonize.")
    ],
    traveled: Annotated[
        str, typer.Argument(metavar="TRAVELED", help="The Zarr store of the connectivity of the travelers.")
    ],
    dest: Annotated[
        str, typer.Argument(metavar="DEST", help="The Zarr store to write, which does not exist yet.")
    ],
    *,
    shrinkage: Annotated[
        str,
        typer.Option(
            "--shrinkage",
            metavar="NUMBER",
            help="The penalty on the squared biases, or gcv to choose it by generalized cross-validation.",
        ),
    ] = "gcv",
    i_may_share: Annotated[
        bool,
        typer.Option(
            "--i-may-share", help="Confirm that you may share these data, and allow any destination."
        ),
    ] = False,
    as_json: AsJson = False,
    progress: ProgressChoice = "auto",
    quiet: Quiet = False,
) -> None:
    """Subtract from connectivity the bias of each site, estimated from travelers."""
    import xarray as xr

    # Without chunks, because dask need not be installed; computed before the stores are closed.
    with xr.open_zarr(cube, chunks=None) as people, xr.open_zarr(traveled, chunks=None) as travelers:
        harmonized = decnef_data.harmonize(people, travelers, shrinkage=_parse(shrinkage)).load()
    kind = progress_kind(quiet, progress)
    decnef_data.to_zarr(harmonized, dest, i_may_share=i_may_share, progress=kind)
    # Attributes are numbers or text, which netCDF can store, too.
    mark = json.loads(harmonized.attrs["harmonized"])
    if as_json:
        print_json(mark)
        return
    print_result(dest)
    if not quiet:
        strength = "infinite" if mark["shrinkage"] is None else f"{mark['shrinkage']:.3g}"
        n_rows = pluralize(harmonized["harmonized"].size, "row")
        print_stderr(f"Harmonized {n_rows} with {len(mark['sites'])} sites, shrinkage {strength}.")


def _parse(shrinkage: str) -> float | str:
    """Return a number where the text is one; the function refuses other texts."""
    try:
        return float(shrinkage)
    except ValueError:
        return shrinkage
