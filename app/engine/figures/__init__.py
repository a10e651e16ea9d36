"""Figures: what follows from the state, and changes nothing."""
