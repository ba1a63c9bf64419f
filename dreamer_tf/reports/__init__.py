"""What a person sees: terminal, measurements, pictures."""
