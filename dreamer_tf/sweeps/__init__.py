"""Many runs: which they are, what they cost, and bringing them to their ends somewhere.

A planned run is nothing but a command of `dreamer_tf.train`. Whether it is done is read from its
folder, so that a sweep has no state of its own: the same command again goes on with what is left.
"""
