"""The images of a copy: read from a folder or an archive, and kept in the cache of an archive once used."""
