"""Analyses of participants and their scans: filters, splits, time series and connectivity."""
