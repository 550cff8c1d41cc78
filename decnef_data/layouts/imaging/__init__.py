"""The layouts of image releases: folders and archives of scans become one dataset per site and kind."""
