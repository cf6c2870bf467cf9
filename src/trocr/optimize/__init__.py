"""What makes a trained model faster, smaller, or readable by other programs."""
