"""Local servers that tests, and a person by hand, talk to in place of Synapse and of personal links."""
