"""HTML for notebooks: representations of values, and progress; only lower modules are imported."""
