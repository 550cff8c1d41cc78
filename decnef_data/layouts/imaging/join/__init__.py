"""The scans of a copy joined with its tables, and what is noticed in both: accounts, remarks and findings."""
