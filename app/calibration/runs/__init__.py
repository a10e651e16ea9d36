"""From inputs to what each fund must hold (CAL-1)."""
