"""The protocol classes of uvicorn, extended by limits, deadlines and the short path."""
