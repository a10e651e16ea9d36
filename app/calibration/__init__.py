"""How big an insurance fund must be: losses simulated along price paths (CAL).

Read it from the bottom: `figures` (quantiles and their bands), `paths` (scenarios out of the
past), `losses` (from a position to a line of loss, and what a path costs), `inputs` (the book of
positions and the past prices), `runs` (only what matters is worked out exactly, and what each fund
must hold), `backtests` (what it would have said before, and what happened), `whatif` (what price
shocks would do to today's book).

Arithmetic is float64: what leaves for money is rounded to eight decimals, half-even. NumPy and
SciPy are imported here and nowhere else: this runs in processes of its own, and the service imports
nothing of it. What both speak of, they have from `app.jobs`.
"""
