"""A loaded model, packed for inference on the CPU."""
