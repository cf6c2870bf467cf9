"""Scoring a recognizer on a labelled set."""
