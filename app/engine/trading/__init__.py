"""What orders and fills do, and what money they move."""
