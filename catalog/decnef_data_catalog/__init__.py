"""The records of the decnef-data catalog: data, read by :mod:`decnef_data.records`."""
