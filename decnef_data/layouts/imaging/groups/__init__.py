"""Scans with the rows of their participants: groups of one shape, as lazy datasets and as lists."""
