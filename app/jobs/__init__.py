"""Long work beside the service, in processes of its own: what may be asked of it (CAL)."""
