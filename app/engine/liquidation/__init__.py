"""One scope that is at risk, from the look that finds it to its last unit."""
