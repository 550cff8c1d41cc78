"""The texts that lie beside downloaded data, and how they are told from files of the data."""

from typing import Final

#: What a user may do with the data, and what to cite.
TERMS: Final = "TERMS"
CITATION: Final = "CITATION"
#: The first line of either.
MARK: Final = "Put here by decnef-data; this is no file of the dataset."
