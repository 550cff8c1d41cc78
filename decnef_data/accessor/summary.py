"""A short text about a tree: what it is, and one line per group."""

from typing import Any

import xarray as xr

from decnef_data.accessor.people import groups_of, row_dim
from decnef_data.count_suppression import format_count

__all__ = ["summarize"]


def summarize(tree: xr.DataTree) -> str:
    """Return the title of a tree, and the numbers of rows and participants and the shape of each group.

    Examples
    --------
    >>> scans = xr.Dataset({"bold": (("scan", "time"), [[1, 2]])}, {"subject": ("scan", ["a"])})
    >>> print(summarize(xr.DataTree.from_dict({"/COI/bold": scans})))
    <decnef: 1 group>
    group     rows    participants  each row
    COI/bold  1 scan             1  time: 2
    """
    groups = {name: group for name, group in groups_of(tree).items() if row_dim(group) is not None}
    title = next((group.attrs["title"] for group in (tree, *groups.values()) if "title" in group.attrs), "")
    number = "1 group" if len(groups) == 1 else f"{len(groups)} groups"
    head = f"<decnef: {title or number}>"
    if not groups:
        return head
    lines = [("group", "rows", "participants", "each row"), *(_line(*item) for item in groups.items())]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join([head, *(_format(line, widths) for line in lines)])


def _line(name: str, group: xr.Dataset) -> tuple[str, str, str, str]:
    dim = row_dim(group)
    count = group.sizes[dim]
    shapes = (_shape(variable, dim) for variable in group.data_vars.values() if dim in variable.dims)
    n_people = len(set(group["subject"].to_numpy().tolist()))
    noun = dim if count == 1 else f"{dim}s"
    number = format_count(count)
    # The first variable with further dimensions is that of the data; others have one value per row.
    return name or "/", f"{number} {noun}", format_count(n_people), next(filter(None, shapes), "")


def _shape(variable: Any, dim: Any) -> str:
    return ", ".join(f"{name}: {length}" for name, length in variable.sizes.items() if name != dim)


def _format(line: tuple[str, ...], widths: list[int]) -> str:
    name, rows, people, shape = line
    return f"{name:<{widths[0]}}  {rows:<{widths[1]}}  {people:>{widths[2]}}  {shape}".rstrip()
