"""A download that nothing was compared with is trusted until it cannot be opened, and then asked for again."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

import decnef_data
from decnef_data import FetchError, FormatError, IntegrityError, SelectionError
from tests import small
from tests.servers.links import LinkServer

NAME = "SRPBS_FC.zip"
ADVICE = (
    f"'{NAME}' came from 'atr', which states no checksum, and is not used any more. "
    "Run `decnef_data.login('atr', LINK, dataset='srpbs-fc')` with a new link, then `decnef_data.download('srpbs-fc')`."
)


@pytest.fixture
def good(tmp_path: Path) -> bytes:
    return small.archive(tmp_path / NAME).read_bytes()


def holed(archive: bytes, at: int) -> bytes:
    """Make a hole in an archive, which its beginning, its end and its size do not show."""
    return archive[:at] + bytes(300) + archive[at + 300 :]


@pytest.fixture
def damaged(good: bytes) -> bytes:
    return holed(good, len(good) // 2)


@pytest.fixture
def links(cache: Path, damaged: bytes, monkeypatch: pytest.MonkeyPatch) -> Iterator[LinkServer]:
    with LinkServer() as server:
        monkeypatch.setenv("DECNEF_ATR_LINK_SRPBS_FC", server.link(damaged, name=NAME))
        decnef_data.download("srpbs-fc", accept_terms=True, progress="none")
        yield server


def opened() -> list[str]:
    return list(decnef_data.fetch_dataset("srpbs-fc", progress="none").children)


@pytest.mark.parametrize("verb", ["fetch_dataset", "participants"])
def test_the_error_names_the_file_and_the_command(links: LinkServer, cache: Path, verb: str) -> None:
    with pytest.raises((FormatError, FetchError)) as raised:
        getattr(decnef_data, verb)("srpbs-fc", progress="none")
    assert str(raised.value).endswith(ADVICE)
    assert (cache / "files/srpbs-fc" / NAME).exists()


def test_an_archive_that_cannot_be_opened_at_all(
    links: LinkServer, good: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    links.put(NAME, holed(good, good.index(b"PK\x01\x02")))
    Path(decnef_data.download("srpbs-fc", progress="none")).unlink()
    with pytest.raises(FormatError) as raised:
        opened()
    assert str(raised.value).endswith(ADVICE)
    assert raised.value.file == NAME


def test_another_link_is_fetched_anew(
    links: LinkServer, good: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises((FormatError, FetchError)):
        opened()
    with pytest.raises(SelectionError, match=r"There is no complete local copy of 'srpbs-fc'"):
        decnef_data.fetch_dataset("srpbs-fc", download=False, progress="none")
    check = next(check for check in decnef_data.verify("srpbs-fc").checks if check.path == NAME)
    assert (check.state, check.detail) == ("damaged", "It could not be opened.")
    monkeypatch.setenv("DECNEF_ATR_LINK_SRPBS_FC", links.link(good, name=NAME))
    assert decnef_data.download("srpbs-fc", progress="none").read_bytes() == good
    assert opened()
    assert decnef_data.verify("srpbs-fc").complete


def test_another_link_of_a_host_without_etags_is_fetched_anew(
    links: LinkServer, cache: Path, good: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    links.anonymous = True
    with pytest.raises((FormatError, FetchError)):
        opened()
    monkeypatch.setenv("DECNEF_ATR_LINK_SRPBS_FC", links.link(good, name=NAME))
    assert decnef_data.download("srpbs-fc", progress="none").read_bytes() == good


def test_the_same_link_is_not_fetched_again_and_again(links: LinkServer) -> None:
    with pytest.raises((FormatError, FetchError)):
        opened()
    before = links.sent
    with pytest.raises(FetchError, match="is not used any more"):
        opened()
    assert links.sent - before <= 1024


def test_what_the_user_adopted_stays_as_it_is(cache: Path, tmp_path: Path, damaged: bytes) -> None:
    own = tmp_path / "own.zip"
    own.write_bytes(damaged)
    decnef_data.adopt("srpbs-fc", own, progress="none")
    with pytest.raises((FormatError, FetchError)) as raised:
        opened()
    assert "is not used any more" not in str(raised.value)
    assert own.read_bytes() == damaged
    assert decnef_data.verify("srpbs-fc").complete


def test_what_matches_its_checksum_stays_as_it_is(
    cache: Path, damaged: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog = tmp_path / "catalog/mirrors"
    catalog.mkdir(parents=True)
    (catalog / "atr.toml").write_text(
        "name = 'atr'\ntitle = 'ATR'\nprotocol = 'https'\norder = 3\n[[holdings]]\n"
        f"dataset = 'srpbs-fc'\nchecksum = 'md5:{hashlib.md5(damaged).hexdigest()}'\n"
    )
    monkeypatch.setenv("DECNEF_CATALOG_DIR", str(catalog.parent))
    with LinkServer() as server:
        monkeypatch.setenv("DECNEF_ATR_LINK_SRPBS_FC", server.link(damaged, name=NAME))
        decnef_data.download("srpbs-fc", accept_terms=True, progress="none")
    with pytest.raises((FormatError, FetchError)) as raised:
        opened()
    assert "is not used any more" not in str(raised.value)
    assert decnef_data.verify("srpbs-fc").complete


def test_a_repair_fetches_it_anew(links: LinkServer, good: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises((FormatError, FetchError)):
        opened()
    monkeypatch.setenv("DECNEF_ATR_LINK_SRPBS_FC", links.link(good, name=NAME))
    assert decnef_data.verify("srpbs-fc", repair=True, progress="none").complete
    assert opened()


def test_a_link_to_something_else_does_not_replace_the_stored_one(cache: Path, good: bytes) -> None:
    with LinkServer() as server:
        decnef_data.login("atr", server.link(good, name=NAME), dataset="srpbs-fc")
        with pytest.raises(IntegrityError, match="is a JSON document"):
            decnef_data.login("atr", server.link(b'{"no": 1}', name="other.zip"), dataset="srpbs-fc")
        assert decnef_data.download("srpbs-fc", accept_terms=True, progress="none").read_bytes() == good


def test_a_plan_names_what_a_link_leads_to(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with LinkServer() as server:
        monkeypatch.setenv("DECNEF_ATR_LINK_SRPBS_FC", server.link(b'{"no": 1}', name=NAME))
        ((mirror, problem),) = decnef_data.plan("srpbs-fc").problems
    assert mirror == "atr"
    assert problem.startswith(f"'{NAME}' at mirror 'atr' is a JSON document.")
