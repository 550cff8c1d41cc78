"""The text files beside downloaded data, and the marker that tells them from files of the data."""

from typing import Final

#: The terms of use, and what to cite.
TERMS_FILE: Final = "TERMS"
CITATION_FILE: Final = "CITATION"
#: The first line of both.
MARKER_LINE: Final = "Written by decnef-data; this file is not part of the dataset."
#: How the first line begins, in files of this version and of 0.1.0.
MARKER_PREFIXES: Final = (b"Written by decnef-data;", b"Put here by decnef-data;")
