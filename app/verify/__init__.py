"""`backstop verify`: the command log replayed from the beginning, compared with the tables."""
