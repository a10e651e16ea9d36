"""The HTTP contract: requests in, commands to the runner, committed rows out."""
