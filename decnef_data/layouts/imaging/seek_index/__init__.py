"""The seek index of an archive: a file by which other machines read single scans without walking it."""
