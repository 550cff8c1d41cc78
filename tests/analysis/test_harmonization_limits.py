"""Warnings of harmonization: each is issued once, where what it says is true, and nowhere else."""

from collections.abc import Sequence

import numpy as np
import pytest
import xarray as xr

from decnef_data import DecnefDataWarning, harmonize
from tests.analysis.cubes import PAIRS, cube, small


def warned(people: xr.Dataset, traveled: xr.Dataset) -> list[str]:
    """Return the messages of the warnings, all of which point at the caller."""
    with pytest.warns(DecnefDataWarning) as caught:
        harmonize(people, traveled)
    assert {warning.filename for warning in caught} == {__file__}
    return [str(warning.message) for warning in caught]


def renamed(data: xr.Dataset, site: str) -> xr.Dataset:
    """Return the data with another code in place of SWA."""
    return data.assign_coords(site=data.site.str.replace("SWA", site))


class TestProtocols:
    def test_protocols_that_the_people_state(self) -> None:
        people, traveled = small()
        assert warned(people.assign_coords(protocol=("scan", ["10", "2", "9"])), traveled) == [
            (
                "There are several protocols at site 'SWA' (9, 10), and one bias is subtracted from all scans "
                "of a site. If they differ, harmonize the people of one protocol only, and state it as the "
                "coordinate 'protocol'."
            )
        ]

    @pytest.mark.parametrize("site", ["ATT", "ATV"])
    def test_protocols_that_the_catalog_has_where_none_is_stated(self, site: str) -> None:
        people, traveled = (renamed(data, site) for data in small())
        numbers = {"ATT": "11, 12", "ATV": "9, 10"}[site]
        for unstated in (
            people,
            people.assign_coords(protocol=("scan", [np.nan] * 3)),
            people.assign_coords(protocol=("scan", [float(numbers[-2:]), 8.0, np.nan])),
        ):
            (message,) = warned(unstated, traveled)
            assert message.startswith(f"There are several protocols at site '{site}' ({numbers}), and")

    def test_a_protocol_of_the_travelers_that_is_not_that_of_the_people(self) -> None:
        people, traveled = (renamed(data, "ATT") for data in small())
        numbers = np.where(traveled.site == "ATT", 12, 8)
        stated = people.assign_coords(protocol=("scan", [11.0, 8.0, 11.0]))
        (message,) = warned(stated, traveled.assign_coords(protocol=("scan", numbers)))
        assert "at site 'ATT' (11, 12), and" in message

    @pytest.mark.parametrize("protocols", [[11, 8, 11], [11.0, np.nan, 11.0], ["A", "B", "A"]])
    def test_one_protocol_at_each_site_is_no_reason_to_warn(self, protocols: Sequence[object]) -> None:
        people, traveled = (renamed(data, "ATT") for data in small())
        harmonize(people.assign_coords(protocol=("scan", protocols)), traveled)

    def test_neither_is_a_site_where_only_travelers_were(self) -> None:
        people, traveled = small()
        harmonize(people.isel(scan=[1]), renamed(traveled, "ATT"))


class TestVariances:
    @staticmethod
    def with_spread(at_uto: float, n_people: int = 40) -> tuple[xr.Dataset, xr.Dataset]:
        """Draw people whose standard deviation is 0.1 at SWA, in Fisher z."""
        people = cube("scan", [f"sub-{row}" for row in range(2 * n_people)], ["SWA", "UTO"] * n_people)
        values = np.random.default_rng(8101).normal(size=(n_people, 2, len(PAIRS)))
        values *= [[0.1], [at_uto]] / values.std(axis=0, ddof=1)
        return people.assign(fc=(("scan", "edge"), np.tanh(values.reshape(-1, len(PAIRS))))), small()[1]

    def test_a_site_that_varies_twice_as_much_as_another(self) -> None:
        (message,) = warned(*self.with_spread(0.2))
        assert message == (
            "The standard deviation of Fisher z within site 'UTO' is 0.2, and 0.1 within site 'SWA': "
            "harmonization does not correct variances. Look for the cause in the people, the length of the "
            "scans and head motion before you compare these sites."
        )

    def test_a_site_that_varies_half_as_much_as_another(self) -> None:
        (message,) = warned(*self.with_spread(0.05))
        assert "within site 'SWA' is 0.1, and 0.05 within site 'UTO'" in message

    def test_similar_variances_and_sites_of_few_people_are_no_reason_to_warn(self) -> None:
        harmonize(*self.with_spread(0.12))
        harmonize(*self.with_spread(0.4, n_people=9))

    def test_rounding_is_no_variance(self) -> None:
        people, traveled = self.with_spread(0.1)
        harmonize(people.assign(fc=people.fc * 0 + 0.3), traveled)


class TestSemidefinite:
    def test_a_matrix_that_is_no_longer_semidefinite(self) -> None:
        people, traveled = small()
        series = np.random.default_rng(3).normal(size=(4, 3))  # fewer volumes than regions
        edges = np.corrcoef(series)[np.triu_indices(4, k=1)]
        singular = people.assign(fc=(("scan", "edge"), np.stack([edges] * 3)))
        assert warned(singular, traveled) == [
            (
                "A matrix of correlations is no longer positive semidefinite after harmonization. Before methods "
                "that need this, such as tangent space, project the matrices to the nearest that is."
            )
        ]
