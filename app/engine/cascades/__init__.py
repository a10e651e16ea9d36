"""What is done in bounded parts, after whatever began it."""
