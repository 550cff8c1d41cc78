"""The public functions: each gathers its arguments and calls the default client."""
