"""Rendered lines with known text: faces, texts, and the paper that they are put on."""
