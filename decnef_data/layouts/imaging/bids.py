"""The layout of a BIDS dataset that this package or another program made of one of the image datasets.

Participants are those of ``participants.tsv`` and ``phenotype``; what these leave open of the acquisition is
from the sidecars.
"""

from dataclasses import replace
from typing import TYPE_CHECKING, cast

import numpy as np

from decnef_data.layouts import get_layout
from decnef_data.layouts.imaging.acquisition import Acquisition, acquisitions_of
from decnef_data.layouts.imaging.layout import ImagingLayout
from decnef_data.layouts.imaging.participants import with_acquisitions
from decnef_data.layouts.imaging.sidecars import read_acquisitions

if TYPE_CHECKING:
    from decnef_data.layouts.imaging.join import JoinedScans
    from decnef_data.layouts.imaging.participants import ParticipantTable
    from decnef_data.records import Records

__all__ = ["LAYOUT", "relabel_bids"]


def relabel_bids(joined: "JoinedScans", records: "Records") -> "ParticipantTable":
    """Return the participants with the columns of the dataset's own layout, and what the sidecars state.

    Values of tables come first, then those of sidecars, then those of the catalog.

    Parameters
    ----------
    joined
        The scans joined with the tables.
    records
        The catalog.
    """
    layout = cast("ImagingLayout", get_layout(joined.dataset.layout))
    table = joined.participants if layout is LAYOUT else layout.relabel(joined, records)
    by_session, remarks = read_acquisitions(joined.inventory)
    found = [Acquisition()] * len(table.is_listed)
    for key, row in table.rows.items():
        found[row] = by_session.get(key, Acquisition())
    completed = [
        own.of_copy.completed_by(sidecar).completed_by(own)
        for own, sidecar in zip(acquisitions_of(table.columns), found, strict=True)
    ]
    table = replace(table, remarks=(*table.remarks, *remarks))
    return with_acquisitions(table, completed, np.arange(len(completed)))


LAYOUT = ImagingLayout("bids", 1, relabel_bids, compute_fingerprints=True, is_bids=True)
