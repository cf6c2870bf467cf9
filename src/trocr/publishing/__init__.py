"""A model folder to what a hub takes: card, licence, scores, weights."""
