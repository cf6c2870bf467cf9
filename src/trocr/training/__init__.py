"""Training: labelled lines and one configuration file in, a model folder out."""
