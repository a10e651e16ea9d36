"""The contracts and insurance funds that a new service starts with, and their import (CON-5)."""
