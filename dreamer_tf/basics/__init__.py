"""What everybody may use: errors for people, seeds, files written whole."""
