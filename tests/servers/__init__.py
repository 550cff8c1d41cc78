"""Local servers that replace Synapse and the hosts of personal links, for tests and for use by hand."""
