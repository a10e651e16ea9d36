"""`backstop replay`: recorded market data against a running service, with a seeded population."""
