"""What the catalog knows of the acquisition at each site, for a dataset without numbered protocols."""

from typing import TYPE_CHECKING

import numpy as np

from decnef_data.layouts.imaging.tables.acquisition import Acquisition, acquisitions_of, recorded_acquisition
from decnef_data.layouts.imaging.tables.participants import with_acquisitions

if TYPE_CHECKING:
    from decnef_data.layouts.imaging.tables.participants import ParticipantTable
    from decnef_data.model import Dataset

__all__ = ["with_site_acquisitions"]


def with_site_acquisitions(table: "ParticipantTable", dataset: "Dataset") -> "ParticipantTable":
    """Return the table with the parameters of the catalog's record of each site where the copy states none.

    The repetition time stays apart, because the headers of the files come first.
    """
    sites = table.columns["site"].tolist()
    records = {site: dataset.acquisition_at(site) for site in dict.fromkeys(sites)}
    by_site = {
        site: Acquisition() if record is None else recorded_acquisition(record)
        for site, record in records.items()
    }
    recorded = [by_site[site] for site in sites]
    own = acquisitions_of(table.columns)
    completed = [
        one.completed_by(other.without("repetition_time")) for one, other in zip(own, recorded, strict=True)
    ]
    times = [each.parameters.get("repetition_time", np.nan) for each in recorded]
    grades = [each.grades.get("repetition_time", "") for each in recorded]
    with_times = table.with_columns(
        {
            "_site_repetition_time": np.array(times, "f8"),
            "_grade_site_repetition_time": np.array(grades, "U1"),
        }
    )
    return with_acquisitions(with_times, completed, np.arange(len(completed)))
