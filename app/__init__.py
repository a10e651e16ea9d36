"""Backstop: a futures risk engine with insurance funds, as a REST service."""
