"""`backstop demo`: a market crash from nothing, told by what the service recorded of it."""
