"""What is on the disk, and coming back to it."""
