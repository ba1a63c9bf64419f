"""Learning and choosing actions: imagination, lambda returns, losses, exploration."""
