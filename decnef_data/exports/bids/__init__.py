"""A dataset of images as BIDS: names, sidecars, tables, texts and the order in which they are written."""
