"""The methods of a client by subject, from which the public functions are generated."""
