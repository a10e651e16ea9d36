"""How big an insurance fund must be: losses simulated along price paths (CAL).

Read it in this order: `book` (what is there), `lines` (from a position to a line of loss), `paths`
(scenarios), `losses` and `cross` (what a path costs), `model` (all of it), `search` (only what
matters is worked out exactly), `figures` (quantiles and their bands).

Arithmetic is float64: what leaves for money is rounded to eight decimals, half-even. NumPy and
SciPy are imported here and nowhere else, and the service imports nothing of this.
"""
