"""The public verbs: each gathers what is asked, asks the user's own client, and gives what it gives."""
