"""An environment in a process of its own: both ends and what goes between them."""
