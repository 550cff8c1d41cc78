"""The tables of an image dataset, read into columns: participants, protocols, acquisition parameters."""
