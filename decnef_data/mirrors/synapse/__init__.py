"""The Synapse protocol: its REST service, its entities, and the pre-signed links of its files."""
