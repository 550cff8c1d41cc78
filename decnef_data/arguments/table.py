"""The parameters of the public functions, with what each accepts and how it is written.

``function.parameter`` is a parameter with another meaning in that function or method.
"""

from collections.abc import Mapping
from typing import Final

from decnef_data_catalog import examples

from decnef_data.arguments import values
from decnef_data.arguments.conditions import WHERE
from decnef_data.arguments.values import Argument, Converter


def _text(*examples: str, noun: str = "text", quoted: bool = True) -> Argument:
    forms = tuple(f'"{example}"' for example in examples)
    return Argument(values.text(noun), forms, "a text such as ", quoted)


def _names(first: str, second: str) -> Argument:
    return Argument(values.names, (f'"{first}"', f'["{first}", "{second}"]'))


def _number(example: str, convert: Converter = values.number) -> Argument:
    noun = "a number" if convert is values.number else "a whole number"
    return Argument(convert, (example,), f"{noun} such as ")


def _path(example: str) -> Argument:
    return Argument(values.path, (f'"{example}"',), "a path such as ")


def _data(noun: str, form: str, *classes: str) -> Argument:
    return Argument(values.instance(noun, *classes), (form,))


_FLAG: Final = Argument(values.flag, ("True", "False"))
_DATASET_NAME: Final = _text(examples.CONNECTIVITY, noun="a dataset name")
_DATASET_NAMES: Final = _names(examples.CONNECTIVITY, examples.IMAGES)
_LOGIN_MIRROR: Final = _text("synapse", quoted=False)  # a secret could be passed in its place
_XARRAY: Final = ("xarray.Dataset", "xarray.DataArray", "xarray.DataTree")
_RECORD: Final = _data(
    "the record of a dataset", f'records.dataset("{examples.CONNECTIVITY}")', "decnef_data.Dataset"
)
_CUBE: Final = f'fetch_dataset("{examples.CONNECTIVITY}/bal140")'
_PEOPLE: Final = f'participants("{examples.CONNECTIVITY}", group="bal140")'
_IMAGES: Final = f'fetch_dataset("{examples.IMAGES}", group="{examples.FIRST_SITE}/bold")'

ARGUMENTS: Final[Mapping[str, Argument]] = {
    # The dataset, and what to select
    "name": _DATASET_NAME,
    "names": _DATASET_NAMES,
    "group": _text("bal140", noun="the name of one group"),
    "subjects": _names("sub-0001", "sub-0002"),
    "sites": _names(examples.THIRD_SITE, examples.SECOND_SITE),
    "institutes": _names("ShowaU", "KyotoU"),
    "diagnoses": _names(examples.CONTROLS, examples.PATIENTS),
    "modalities": _names("bold", "t1w"),
    "sex": _text("female"),
    "min_age": _number("18"),
    "max_age": _number("65"),
    "max_mean_fd": _number("0.3"),
    "where": WHERE,
    "n_subjects": _number("100", values.count),
    "stratify": _text("diagnosis"),
    "seed": _number("0", values.whole_number),
    "codes": Argument(
        values.code_books,
        (
            '"mri"',
            f'{{"OsakaU": {{"condition": {{"0": "{examples.CONTROLS}", "5": "pain"}}}}}}',
            '"codes.toml"',
        ),
    ),
    "repetition_time": _number("2.5"),
    "subject": _text("sub-0001"),
    "session": _text(examples.FIRST_SITE),
    "run": _number("1", values.whole_number),
    # Where the data come from, and what the request may do
    "mirror": _text("synapse"),
    "data_dir": _path("decnef-cache"),
    "download": _FLAG,
    "keep_archive": _FLAG,
    "include": _names("*.tsv", f"{examples.FOURTH_SITE}/"),
    "exclude": _names("*.nii", "derivatives/"),
    "local_dir": _path(examples.IMAGES),
    "strict": _FLAG,
    "accept_terms": _FLAG,
    "yes": _FLAG,
    "progress": _text("none"),
    "lock": _path("decnef.lock"),
    "chunks": Argument(values.chunk_sizes, ('{"subject": 100}', '"auto"')),
    "secret": Argument(values.secret, ("token",), "the token or the link as text, such as ", quoted=False),
    "offline": _FLAG,
    "checksums": _FLAG,
    "records": _path("records"),
    # The cache
    "path": _path(f"{examples.CONNECTIVITY_FOLDER}.zip"),
    "follow_links": _FLAG,
    "deep": _FLAG,
    "repair": _FLAG,
    "phantom": _FLAG,
    "shared": _FLAG,
    "stores": _FLAG,
    "synthetic": _FLAG,
    "dry_run": _FLAG,
    "older_than": Argument(values.non_negative_number, ("90",), "a number such as "),
    "max_size": _number("50_000_000_000", values.at_least(0)),
    "split": _text("0123456789abcdef"),
    "first": _path("decnef.lock"),
    "second": _path("other.lock"),
    "statement": _path("statement.md"),
    # The catalog
    "grade": _text("B"),
    # Results of other programs
    "space": _names("MNI152NLin2009cAsym", "T1w"),
    "desc": _text("preproc"),
    "confounds": _names("csf", "global_signal"),
    "values": Argument(values.array, ('numpy.load("matrices.npy")', 'pandas.read_csv("measures.csv")')),
    "dims": _names("time", "roi"),
    # Exports and documents
    "destination": _path("exported"),
    "dest": _path("selection.zarr"),
    "original": _FLAG,
    "slice_timing": _text("known"),
    "compress": _FLAG,
    "individuals": _FLAG,
    "i_may_share": _FLAG,
    "client": Argument(values.anything, ()),
    "style": _text("text"),
    "context": Argument(values.anything, ()),
    # Data
    "attrs": Argument(values.attributes, ("[first.attrs, second.attrs]",)),
    "dataset": _data("an xarray Dataset", _CUBE, "xarray.Dataset"),
    "timeseries": _data(
        "an xarray Dataset or DataArray",
        "decnef_data.timeseries(images, labels_img)",
        "xarray.Dataset",
        "xarray.DataArray",
    ),
    "labels_img": Argument(values.regions, ('"atlas.nii.gz"', '{"sub-0001": "atlas.nii.gz"}')),
    "labels": Argument(values.region_labels, ("[3, 7]",)),
    "clean": Argument(values.options, ('{"low_pass": 0.1}',)),
    "fd": Argument(values.scan_values, ('"framewise_displacement"', '{"sub-0001": series}')),
    "max_fd": _number("0.5", values.positive_number),
    "radius": _number("50"),
    "reference": Argument(
        values.one_of("is neither text nor a whole number", values.text(), values.whole_number),
        ('"middle"', "0"),
    ),
    "participants": _data("a table", _PEOPLE, "pandas.DataFrame"),
    "people": _data("an xarray Dataset", _CUBE, "xarray.Dataset"),
    "traveled": _data("an xarray Dataset", "decnef_data.connectivity(series)", "xarray.Dataset"),
    "shrinkage": Argument(values.penalty, ('"gcv"', "4.5")),
    "ax": _data("axes of matplotlib", "plt.gca()", "matplotlib.Axes"),
    "by": _text("site"),
    "table": _data("a table or an xarray Dataset", _PEOPLE, "pandas.DataFrame", "xarray.Dataset"),
    "splits": Argument(values.index_pairs, ('splits(table, by="institute")',)),
    "on": _names("age", "mean_fd"),
    "within": _text("site"),
    "ratio": _number("1", values.count),
    "n_splits": _number("5", values.at_least(2)),
    # The catalog
    "key": _text("tanaka2021"),
    "code": _text(examples.THIRD_SITE),
    "column": _text("diagnosis"),
    "header": _text("Mean FD (mm)"),
    "folders": _path("records"),
    "config_dir": _path("decnef-config"),
    # Parameters with another meaning in one function
    "Client.records": _data("a catalog", "Records.load()", "decnef_data.Records"),
    "check_catalog.path": _path("records"),
    "cite.name": Argument(
        values.one_of(
            "is neither a dataset name nor xarray data",
            values.text(),
            values.instance("xarray data", "xarray.Dataset", "xarray.DataTree"),
        ),
        (f'"{examples.CONNECTIVITY}"', _CUBE),
    ),
    "mirror.name": _text("synapse", noun="the name of a mirror"),
    "login_form.name": _text("synapse", noun="the name of a mirror"),
    "export.style": _text("croissant"),
    "login.mirror": _LOGIN_MIRROR,
    "login.dataset": _text(examples.CONNECTIVITY, quoted=False),
    "logout.mirror": _LOGIN_MIRROR,
    "facts_of.dataset": _DATASET_NAME,
    "fact.name": _text("fc-participants", noun="the name of a fact"),
    "terms_of.dataset": _RECORD,
    "data_use_of.dataset": _RECORD,
    "label.subject": _names("sub-0001", "sub-0002"),
    "label.session": _names("siteCOI", "siteSWA"),
    "label.run": Argument(values.whole_numbers, ("1", "[1, 2]")),
    "label.code": _number("1", values.whole_number),
    "lock_text.lock": _data("a lock", f'lock("{examples.CONNECTIVITY}")', "decnef_data.Lock"),
    "motion.dataset": _data("an xarray Dataset", _IMAGES, "xarray.Dataset"),
    "report.what": Argument(
        values.one_of(
            "is neither a dataset name nor xarray data",
            values.text(),
            values.instance("xarray data", "xarray.Dataset", "xarray.DataTree"),
        ),
        (f'"{examples.CONNECTIVITY}"', _CUBE),
    ),
    "report.harmonized": Argument(
        values.one_of(
            "is neither a path nor an xarray Dataset",
            values.path,
            values.instance("an xarray Dataset", "xarray.Dataset"),
        ),
        ('"harmonized.zarr"', "harmonize(cube, traveled)"),
    ),
    "sel.subject": _names("sub-0001", "sub-0002"),
    "sel.session": _names("siteCOI", "siteSWA"),
    "sel.run": Argument(values.whole_numbers, ("1", "[1, 2]")),
    "splits.data": _data("xarray data or a table", _CUBE, *_XARRAY, "pandas.DataFrame"),
    "to_nifti.dataset": _data("an xarray Dataset", _IMAGES, "xarray.Dataset"),
    "timeseries.dataset": _data("an xarray Dataset", _IMAGES, "xarray.Dataset"),
    "timeseries.confounds": Argument(values.scan_values, ('["trans_x", "csf"]', '{"sub-0001": table}')),
    "timeseries.names": Argument(values.region_names, ('["L.CB", "VERM"]', '{3: "L.CB", 7: "VERM"}')),
    "to_zarr.data": _data("xarray data", _CUBE, "xarray.Dataset", "xarray.DataTree"),
    "to_zarr.chunks": _text("volumes"),
    "to_zarr.dest": Argument(
        values.one_of(
            "is neither a path nor a store of Zarr",
            values.path,
            values.instance("a store of Zarr", "zarr.Store"),
        ),
        ('"selection.zarr"', "zarr.storage.MemoryStore()"),
    ),
    "shards": _text("auto"),
}


def find_argument(function: str, parameter: str) -> Argument:
    """Return what a parameter of a function or method accepts."""
    own = ARGUMENTS.get(f"{function}.{parameter}")
    return ARGUMENTS[parameter] if own is None else own
