"""HTTP: the session, byte ranges of files, and links whose secrets stay out of every message and log."""
