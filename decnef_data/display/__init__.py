"""HTML representations for notebooks; only the model and the standard library are imported."""
