"""The floors and the peers beside ours: one command, one run, ratios (DESIGN's goals)."""
