"""The floors and peers beside ours: one command, one run, ratios, goals (README, "Speed")."""
