"""The sections of a report, in the order of the questions; every sentence is computed from the data."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

import numpy as np
import pandas as pd
from decnef_data_catalog import examples
from numpy.typing import NDArray

from decnef_data.exports.pages import charts, elements
from decnef_data.exports.pages.cohort import NOT_STATED, Cohort, Connectivity
from decnef_data.exports.pages.disclosure import FD_LIMIT, Disclosure
from decnef_data.exports.pages.statistics import (
    MIN_GROUP,
    SEXES,
    EdgeMoments,
    count_people,
    sum_edges,
    summarize,
)
from decnef_data.model import Account

__all__ = ["build_sections"]

_CONTROLS: Final = examples.CONTROLS
_MAX_TINT: Final = 55  # more would make dark text hard to read
#: What is shown of scanners and protocols: column, head, and unit.
_PROTOCOL: Final = (
    ("scanner", "scanner", ""),
    ("manufacturer", "manufacturer", ""),
    ("field_strength", "field", "T"),
    ("coil_channels", "coil", "channels"),
    ("protocol", "protocol", ""),
    ("repetition_time", "TR", "s"),
    ("echo_time", "TE", "ms"),
    ("flip_angle", "flip angle", "°"),
    ("phase_encoding", "phase encoding", ""),
    ("slice_thickness", "slice", "mm"),
    ("slice_order", "slice order", ""),
    ("protocol_eyes", "eyes", ""),
)
_DISPLACEMENTS: Final = (
    ("mean_fd", "Mean framewise displacement, as the release states it"),
    ("mean_fd_computed", "Mean framewise displacement, computed from the images"),
    ("fd_floor", "Mean framewise displacement that noise alone makes"),
)


@dataclass(frozen=True, slots=True)
class _Scale:
    """The unit of an axis, whether it is logarithmic, and the value of a dashed line."""

    unit: str
    is_log: bool = False
    limit: float | None = None


def build_sections(cohort: Cohort, shown: Disclosure) -> Iterator[str]:
    """Yield the sections that the data have something for."""
    yield elements.section("Participants", _who(shown))
    yield elements.section("Age and sex", _age_and_sex(cohort, shown))
    yield elements.section("Head motion", _head_motion(cohort, shown))
    yield elements.section("Scanners and protocols", _scanners(cohort.people))
    if cohort.connectivity is not None:
        yield elements.section("Mean connectivity", _connectivity(cohort, cohort.connectivity, shown))
    if cohort.harmonized is not None and cohort.unharmonized is not None:
        yield elements.section(
            "Site effects before and after harmonization",
            _harmonization(cohort.unharmonized, cohort.harmonized, shown),
        )
    if cohort.account is not None:
        yield elements.section("What was not used", _account(cohort.account, shown))


def _who(shown: Disclosure) -> Iterator[str]:
    counts = shown.counts
    diagnoses = counts.columns.tolist()
    visible = counts.copy()
    for place, name in ((place, name) for place in counts.index for name in diagnoses):
        if shown.is_hidden("diagnosis", place, name):
            visible.loc[place, name] = 0  # a tint shows the number, or the largest one
    top = max(1, int(visible.to_numpy().max()))
    rows, tints = [], []
    for place, numbers in zip(counts.index, visible.to_numpy().tolist(), strict=True):
        keys = [("diagnosis", place, name) for name in diagnoses]
        rows.append([place, escape(shown.total("place", place)), *(escape(shown.text(*key)) for key in keys)])
        # Roots: a site of two hundred would leave all others white.
        tints.append([0, *(round(_MAX_TINT * np.sqrt(number) / np.sqrt(top)) for number in numbers)])
    yield elements.table(
        "People by site and diagnosis",
        # The sums are first, where a phone shows them without scrolling.
        ("site", "all", *diagnoses),
        rows,
        identifier="site-diagnosis",
        tints=tints,
    )
    yield elements.paragraph(_comparable(counts))
    yield elements.paragraph(_missing(shown), soft=True)
    if shown.hides_small:
        yield elements.paragraph(
            f"Numbers from 1 to {MIN_GROUP - 1} of a selection are not shown. Others from which they would "
            "follow are hidden, or lower limits.",
            soft=True,
        )


def _comparable(counts: pd.DataFrame) -> str:
    """Describe where patients and controls can be compared, from the counts."""
    sentences = []
    patients = [name for name in counts.columns if name not in {_CONTROLS, NOT_STATED}]
    where = {name: counts.index[counts[name] > 0].tolist() for name in patients}
    single = [f"{name} ({places[0]})" for name, places in where.items() if len(places) == 1]
    if single:
        sentences.append(
            f"At one site only: {_join(single)}; their effects cannot be separated from that site's."
        )
    if _CONTROLS in counts:
        controls = set(counts.index[counts[_CONTROLS] > 0])
        alone = [name for name, places in where.items() if not controls & set(places)]
        if alone:
            sentences.append(f"Without controls at the same site: {_join(alone)}.")
        several = [
            f"{name} ({len(both)})"
            for name, places in where.items()
            if len(both := sorted(controls & set(places))) > 1
        ]
        if several:
            sentences.append(f"With controls at the same site, at several sites: {_join(several)}.")
    elif patients:
        sentences.append("There are no controls.")
    return " ".join(sentences)


def _missing(shown: Disclosure) -> str:
    keys = {"age": ("missing", "age"), "sex": ("sex", NOT_STATED), "diagnosis": ("diagnosis", NOT_STATED)}
    missing = [f"{name} of {_amount(shown, key)}" for name, key in keys.items() if shown.numbers.get(key)]
    return f"Not stated: {_join(missing)}." if missing else ""


def _amount(shown: Disclosure, key: tuple[str, ...]) -> str:
    """Return a number of people in words, where it is hidden."""
    if not shown.is_hidden(*key):
        return str(shown.numbers[key])
    return f"fewer than {MIN_GROUP}" if shown.numbers[key] < MIN_GROUP else "some"


def _join(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _age_and_sex(cohort: Cohort, shown: Disclosure) -> Iterator[str]:
    yield "<h3>Age in years</h3>"
    yield _chart(cohort.people, "age", _Scale("years"), shown)
    yield "<h3>Sex</h3>"
    rows: list[tuple[str, Sequence[int], str]] = []
    for place in map(str, shown.counts.index):
        numbers = [shown.numbers["sex", place, sex] for sex in SEXES]
        if shown.hides_sexes(place):
            rows.append((place, [0, 0, 0], "hidden"))
        else:
            text = f"{numbers[0]} f · {numbers[1]} m" + (f" · {numbers[2]} ?" if numbers[2] else "")
            rows.append((place, numbers, text))
    yield charts.bars(rows, SEXES)


def _by_place(people: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    groups = dict(list(people.groupby("place", sort=True)))
    for place in count_people(people).index:
        yield str(place), groups[place]


def _chart(people: pd.DataFrame, column: str, scale: "_Scale", shown: Disclosure) -> str:
    """Return a chart of one column by place, and its numbers as a table."""
    rows = []
    for place, group in _by_place(people):
        found = summarize(group[column])
        # The number of values would give away how few are missing.
        size = shown.size(place) if shown.hides_small else f"n {found.n}"
        dots = tuple(group[column].dropna().tolist()) if shown.individuals else ()
        rows.append(charts.Strip(place, found, size, dots))
    drawn = [row for row in rows if row.summary.median is not None or row.dots]
    if not drawn:
        return elements.paragraph("No site has enough values to summarize.")
    ends = [value for row in drawn for value in (*row.summary.ends, *row.dots)]
    # The dashed line has to be within the axis.
    axis = charts.log_axis([*ends, scale.limit or ends[0]]) if scale.is_log else charts.linear_axis(ends)
    numbers = elements.table(
        f"{column} by site",
        ("site", "people", "5 %", "25 %", "median", "75 %", "95 %"),
        [
            [row.label, row.size.removeprefix("n ") or "-", *map(_number, row.summary.quantiles)]
            for row in rows
        ],
    )
    skipped = [row.label for row in rows if row not in drawn]
    note = f"Fewer than {MIN_GROUP} values, not shown: {_join(skipped)}." if skipped else ""
    return (
        charts.strips(drawn, axis, unit=scale.unit, limit=scale.limit)
        + elements.paragraph(note, soft=True)
        + elements.details("The numbers", numbers)
    )


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"


def _head_motion(cohort: Cohort, shown: Disclosure) -> Iterator[str]:
    people, found = cohort.people, False
    for column, title in _DISPLACEMENTS:
        if people[column].isna().all():
            continue
        found = True
        # The limit is one of motion; noise alone is not judged by it.
        limit = None if column == "fd_floor" else FD_LIMIT
        yield f"<h3>{escape(title)} (mm)</h3>"
        yield _chart(people, column, _Scale("mm", is_log=True, limit=limit), shown)
        if limit is not None:
            number = _amount(shown, ("beyond", column)).capitalize()
            of = "" if shown.hides_small else f" of {shown.numbers['known', column]}"
            yield elements.paragraph(f"{number}{of} are beyond {limit:g} mm (dashed).")
    if not found:
        yield elements.paragraph(
            "The data state no framewise displacement. For images, decnef_data.motion computes it."
        )
    elif people["fd_floor"].isna().all():
        yield elements.paragraph(
            "How much of the displacement is noise is not known here: it differs between sites, so that a "
            "difference between sites need not be one of motion.",
            soft=True,
        )


def _scanners(people: pd.DataFrame) -> Iterator[str]:
    columns = [each for each in _PROTOCOL if each[0] in people and _texts(people[each[0]]).ne("").any()]
    if not columns:
        yield elements.paragraph("The data state nothing of scanners and protocols.")
        return
    modes = {name: _mode(people[name]) for name, _, _ in columns}
    rows = []
    for place, group in _by_place(people):
        cells = [_values_cell(group[name], modes[name]) for name, _, _ in columns]
        rows.append([place, *cells])
    heads = [f"{head} ({unit})" if unit else head for _, head, unit in columns]
    yield elements.table("Scanners and protocols by site", ("site", *heads), rows, is_text=True)
    yield elements.paragraph("Bold: not the most common value. Italic: not stated.", soft=True)


def _texts(values: pd.Series) -> pd.Series:
    """Return values as texts, numbers without a point that means nothing, and missing ones as empty."""
    if pd.api.types.is_numeric_dtype(values):
        return values.map(lambda value: "" if pd.isna(value) else f"{value:.4g}").astype(object)
    return values.map(lambda value: "" if pd.isna(value) else str(value)).astype(object)


def _mode(values: pd.Series) -> str:
    texts = _texts(values)
    counts = texts[texts != ""].value_counts()
    # The least of several that are equally common, so that the same data give the same page.
    return str(min(counts.index[counts == counts.max()]))


def _values_cell(values: pd.Series, mode: str) -> str:
    texts = sorted({text for text in _texts(values) if text})
    if not texts:
        return "<i>not stated</i>"
    return ", ".join(escape(text) if text == mode else f"<b>{escape(text)}</b>" for text in texts)


def _connectivity(cohort: Cohort, connectivity: Connectivity, shown: Disclosure) -> Iterator[str]:
    moments = sum_edges(connectivity)
    means = moments.means()
    # The mean of a few people shows nearly the matrix of one of them.
    enough = [
        number
        for number, count in enumerate(moments.n_people)
        if count >= MIN_GROUP or shown.individuals or cohort.is_synthetic
    ]
    n_regions = len(connectivity.regions)
    yield elements.paragraph(
        f"{n_regions} regions in the order of the atlas, {connectivity.fc.shape[1]} edges: the mean of "
        "Fisher's z over the people of a site, as Pearson r, on one scale."
    )
    known = np.abs(means[enough])
    known = known[np.isfinite(known)]
    if known.size:
        # One strong edge would leave all others pale, and a scale from 0 to 0 has no colours.
        limit = float(f"{max(np.quantile(known, 0.99), 1e-3):.1g}")
        tiles = []
        for number in enough:
            place, count = moments.places[number], moments.n_people[number]
            address = charts.matrix_tile(means[number], connectivity.ends, n_regions, limit)
            size = shown.size(place) if shown.hides_small else f"n {count}"
            caption = ", ".join(filter(None, (place, size)))
            alternative = f"Mean connectivity of {caption}; {_mean_text(means[number])}"
            tiles.append(
                f'<figure><img src="{address}" alt="{escape(alternative)}" width="{n_regions}" '
                f'height="{n_regions}"><figcaption>{escape(caption)}</figcaption></figure>'
            )
        yield charts.scale(limit)
        yield f'<div class="tiles">{"".join(tiles)}</div>'
    yield elements.paragraph(_agreement(moments.places, means, enough))
    eta = moments.eta_squared()
    # With harmonized data, the next section states it, before and after.
    if eta.size and len(moments.places) > 1 and cohort.harmonized is None:
        yield elements.paragraph(
            f"Site explains {np.median(eta):.3f} of the variance of an edge (eta squared on Fisher's z, the "
            f"between-site sum of squares over the total; median over {eta.size} edges). "
            f"{_chance(moments, shown)} Sites differ in their people, too, so this is not the effect of "
            "scanners alone."
        )


def _chance(moments: EdgeMoments, shown: Disclosure) -> str:
    """Describe what eta squared is on average if places do not matter."""
    if shown.is_hidden():  # the number of people follows from it
        return ""
    # What k groups of equal distribution explain of the variance of n values on average.
    n_rows, n_places = moments.n_rows, len(moments.places)
    return f"Without any effect of site it would be about {(n_places - 1) / max(1, n_rows - 1):.3f}."


def _mean_text(values: NDArray[np.float64]) -> str:
    known = values[np.isfinite(values)]
    return f"mean r {known.mean():.3f}" if known.size else "no values"


def _agreement(places: Sequence[str], means: NDArray[np.float64], enough: Sequence[int]) -> str:
    """Describe how alike the mean matrices of the sites are."""
    if len(enough) < 2:  # noqa: PLR2004 - one has nothing to agree with
        return ""
    used = means[list(enough)]
    complete = np.isfinite(used).all(axis=0)
    # Two values always correlate at 1 or -1, and equal ones do not at all.
    if complete.sum() < 3 or (used[:, complete].std(axis=1) == 0).any():  # noqa: PLR2004
        return ""
    correlations = np.atleast_2d(np.corrcoef(used[:, complete]))
    pairs = [(correlations[i, j], i, j) for i in range(len(enough)) for j in range(i)]
    low, first, second = min(pairs)
    return (
        f"The mean matrices of two sites correlate at {np.median([pair[0] for pair in pairs]):.2f} "
        f"(median); least alike are {places[enough[second]]} and {places[enough[first]]}, at {low:.2f}."
    )


def _harmonization(before: Connectivity, after: Connectivity, shown: Disclosure) -> Iterator[str]:
    moments = sum_edges(before)
    first, second = moments.eta_squared(), sum_edges(after).eta_squared()
    if not first.size or not second.size:
        yield elements.paragraph("No edge varies, so the effects of sites cannot be shown.")
        return
    yield elements.paragraph(
        f"Eta squared of site, the between-site sum of squares over the total on Fisher's z, has a "
        f"median over edges of {np.median(first):.3f} before and {np.median(second):.3f} after harmonization "
        f"(the same people, {first.size} edges). {_chance(moments, shown)}"
    )
    # A few edges with a strong effect would press all others to the left end.
    high = float(min(1, max(0.1, np.quantile(np.concatenate([first, second]), 0.995) * 1.1)))
    yield charts.histogram(
        (
            ("before", f"before, {np.median(first):.3f}", first),
            ("after", f"after, {np.median(second):.3f}", second),
        ),
        high,
    )
    yield elements.paragraph(
        "Where the harmonization was fitted to these people, a value near zero follows from the method and "
        "shows nothing. Sites also differ in diagnosis, age and motion, which harmonization must not remove.",
        soft=True,
    )


def _account(account: Account, shown: Disclosure) -> Iterator[str]:
    """Describe what was left out and why, in numbers: names of files and ids are not shown."""
    files = account.files
    yield elements.paragraph(f"{files.n_used} of {files.n_found} files and folders were used.")
    rows = [[group.rule, str(group.count), escape(group.description)] for group in files.set_aside]
    if files.n_unreadable:
        rows.append(["unreadable", str(files.n_unreadable), "file that cannot be read"])
    if files.not_understood.count:
        rows.append(["not-understood", str(files.not_understood.count), "file that no rule explains"])
    rows += [
        [group.rule, str(group.count), "link"]
        for group in (account.links.dangling, account.links.leading_out)
        if group.count
    ]
    n_rows = {
        "rows of participants without images": sum(each.rows.n_without_images for each in account.tables),
        "rows of participants that are not in the copy": sum(each.rows.n_unknown for each in account.tables),
        "rows that say what another row says": sum(each.rows.n_merged for each in account.tables),
        "rows that cannot be read": sum(each.rows.n_skipped for each in account.tables),
    }
    # Rows are people, whose numbers may have to be hidden; numbers of files are not.
    rows += [["table", escape(shown.count(count)), what] for what, count in n_rows.items() if count]
    warnings = [remark.rule for remark in account.remarks if remark.is_warning]
    rows += [["warning", str(warnings.count(rule)), escape(rule)] for rule in sorted(set(warnings))]
    if rows:
        yield elements.table("What was not used, and why", ("rule", "number", "what"), rows, is_text=True)
    yield elements.paragraph("decnef doctor shows the names of the files.", soft=True)
