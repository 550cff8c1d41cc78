"""The connectivity release: the matrices of its archive and their tables become one cube per group."""
