"""What is asked of the people and their scans: questions, splits, time series, connectivity."""
