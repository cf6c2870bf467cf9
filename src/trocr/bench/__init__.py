"""How fast a model reads, where the time goes, and what the machine would allow."""
