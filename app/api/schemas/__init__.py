"""Request and response bodies, one module per resource; `base` has their building blocks."""
