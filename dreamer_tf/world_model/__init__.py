"""The world model: encoder, recurrent state space model and heads."""
