"""Bytes to values, one format a module: each reads bytes it is given and opens no file itself."""
