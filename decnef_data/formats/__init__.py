"""File formats, one per module: parsers take bytes; only those of images also open files."""
