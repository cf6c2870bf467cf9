"""Requests to tasks, events to answers; nothing is read here."""
