"""The functional core: commands in, outcomes out; no I/O, no clock, no randomness."""
