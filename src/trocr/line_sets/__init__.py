"""Sets of labelled lines in the formats that people have them in."""
