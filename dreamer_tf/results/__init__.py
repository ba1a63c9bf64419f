"""Curves of runs beside the numbers that others published. Never TensorFlow.

Importing the package loads neither matplotlib nor any data.
"""
