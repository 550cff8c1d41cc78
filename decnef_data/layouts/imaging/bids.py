"""The layout of a BIDS dataset: one that was made of one of the image datasets, or one of its own.

Participants are those of ``participants.tsv`` and ``phenotype``; what these leave open of the acquisition is
from the sidecars.  What the labels of a dataset of its own mean is in its record.
"""

from dataclasses import replace
from typing import TYPE_CHECKING, cast

import numpy as np

from decnef_data.layouts import get_layout
from decnef_data.layouts.imaging.layout import ImagingLayout
from decnef_data.layouts.imaging.tables.acquisition import Acquisition, acquisitions_of
from decnef_data.layouts.imaging.tables.entities import with_entities
from decnef_data.layouts.imaging.tables.participants import with_acquisitions
from decnef_data.layouts.imaging.tables.sidecars import read_acquisitions

if TYPE_CHECKING:
    from decnef_data.layouts.imaging.join.joined_scans import JoinedTables
    from decnef_data.layouts.imaging.tables.participants import ParticipantTable
    from decnef_data.records import Records

__all__ = ["LAYOUT", "relabel_bids"]


def relabel_bids(joined: "JoinedTables", records: "Records") -> "ParticipantTable":
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
    if layout is LAYOUT:
        table = with_entities(joined.participants, joined.dataset.own_entities)
    else:
        table = layout.relabel(joined, records)
    by_session, remarks = read_acquisitions(joined.inventory)
    unknown = Acquisition()
    # One object for all, so that the pairs below are few.
    found = [unknown] * len(table.is_listed)
    for key, row in table.rows.items():
        found[row] = by_session.get(key, unknown)
    pairs = list(zip(acquisitions_of(table.columns), found, strict=True))
    # Thousands of people have a few acquisitions, which are the same objects.
    distinct = {(id(own), id(sidecar)): (own, sidecar) for own, sidecar in pairs}
    index = {key: number for number, key in enumerate(distinct)}
    # The catalog is in the own parameters already: it is taken out, and comes last again.
    completed = [own.of_copy.completed_by(sidecar).completed_by(own) for own, sidecar in distinct.values()]
    table = replace(table, remarks=(*table.remarks, *remarks))
    rows = np.array([index[id(own), id(sidecar)] for own, sidecar in pairs], dtype=np.intp)
    return with_acquisitions(table, completed, rows)


LAYOUT = ImagingLayout("bids", 1, relabel_bids, compute_fingerprints=True, is_bids=True)
