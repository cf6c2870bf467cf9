"""Processes that read, and the pool that gives them tasks; no HTTP here."""
