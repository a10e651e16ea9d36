"""Backstop: a futures risk engine with insurance funds, as a REST service.

The laws of money are asserted after every command, and `python -O` drops asserts: what runs so is
refused here, where every way in passes.
"""

import sys

if not __debug__:
    sys.stderr.write(
        "backstop: python -O (PYTHONOPTIMIZE) drops the checks of the laws of money: not started\n"
    )
    sys.exit(2)
