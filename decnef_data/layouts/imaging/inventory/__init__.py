"""What is in a copy, by paths, sizes and headers alone: scans, unread images, and all other files."""
