"""What a run is made of: the book of positions, past prices, scenarios."""
