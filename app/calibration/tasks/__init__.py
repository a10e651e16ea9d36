"""Runs from and to a database: what a worker and the command line do."""
