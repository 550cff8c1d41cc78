"""The text files beside data, and the marker that tells those written by this package from the data."""

from typing import Final

#: The terms of use, and what to cite.
TERMS_FILE: Final = "TERMS"
CITATION_FILE: Final = "CITATION"
#: The code books of an adopted copy, which the user writes.
CODES_FILE: Final = "codes.toml"
#: The first line of terms and citation.
MARKER_LINE: Final = "Written by decnef-data; this file is not part of the dataset."
#: What separates the sections of several datasets whose data are in one folder.
SECTION_BREAK: Final = f"\n{'=' * 80}\n\n"
#: The same line in files that 0.1.0 wrote.
MARKER_LINE_0_1_0: Final = "Put here by decnef-data; this is no file of the dataset."
