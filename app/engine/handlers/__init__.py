"""What each command asks: one file per noun."""
