"""Pages to look at: one HTML file without scripts, from people and connectivity to text and pictures."""
