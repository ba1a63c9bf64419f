"""Temporary files without a name, which are gone with the process, however it ends."""

import tempfile

from dreamer_tf.basics import stopping


def nameless_file(**options):
    """Returns a `tempfile.TemporaryFile` of which an interrupt leaves nothing behind.

    While Python looks for the folder of temporary files, and where the file system knows no
    nameless files, there is a named one for a moment.
    """
    with stopping.deferred():
        return tempfile.TemporaryFile(**options)
