"""What is learned from: made, kept and drawn. Nothing here imports TensorFlow."""
