"""What speaks to a server."""
