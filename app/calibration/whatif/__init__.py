"""What if: price shocks against today's book, which is not touched (CAL-15).

`waterfall` has the real engine liquidate a private copy of the state; `fast` reckons what the same
prices cost by CAL-2. With no resting orders and unlimited funds both give the same loss.
"""
