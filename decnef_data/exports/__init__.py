"""Exports from the cache: documents built from catalog records, NIfTI images and portable Zarr copies."""
