"""`backstop verify`: the command log replayed with its own rules, compared with the tables."""
