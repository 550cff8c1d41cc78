"""Acceptances are stored with version and date, and a new wording has to be accepted again."""

import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from decnef_data.consent import ConsentFile
from decnef_data.errors import CatalogError
from decnef_data.model import Terms

TERMS = Terms(name="srpbs", version="1", title="Terms", text="Share nothing.")


def test_nothing_is_accepted_at_first_and_nothing_is_made(tmp_path: Path) -> None:
    assert ConsentFile(tmp_path / "config").find_acceptance("srpbs-fc", TERMS) is None
    assert not (tmp_path / "config").exists()


def test_an_acceptance_is_kept_with_its_date_for_the_user_alone(tmp_path: Path) -> None:
    folder = tmp_path / "config"
    acceptance = ConsentFile(folder).accept("srpbs-fc", TERMS)
    assert ConsentFile(folder).find_acceptance("srpbs-fc", TERMS) == acceptance
    assert abs((datetime.now(UTC) - acceptance.date).total_seconds()) < 60
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    (file,) = folder.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_one_acceptance_does_not_speak_for_another_dataset_or_wording(tmp_path: Path) -> None:
    consent = ConsentFile(tmp_path)
    consent.accept("srpbs-fc", TERMS)
    newer = Terms(name="srpbs", version="2", title="Terms", text="Share nothing at all.")
    assert consent.find_acceptance("srpbs-ts", TERMS) is None
    assert consent.find_acceptance("srpbs-fc", newer) is None
    consent.accept("srpbs-ts", TERMS)
    assert consent.find_acceptance("srpbs-fc", TERMS) is not None


def test_a_damaged_record_is_named(tmp_path: Path) -> None:
    (tmp_path / "accepted.json").write_text("{")
    with pytest.raises(CatalogError) as raised:
        ConsentFile(tmp_path).find_acceptance("srpbs-fc", TERMS)
    assert str(raised.value) == (
        f"The record of accepted terms '{tmp_path / 'accepted.json'}' is damaged: "
        "Input data was truncated. Remove it, and accept the terms again."
    )
