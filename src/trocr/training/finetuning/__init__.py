"""A model to one that reads a hand, a script or a language it did not know."""
