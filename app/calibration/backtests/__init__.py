"""What the method would have said, and what happened (CAL-14)."""
