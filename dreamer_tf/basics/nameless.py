"""Temporary files without a name, which are gone with the process, however it ends."""

import tempfile
from typing import IO, Any

from dreamer_tf.basics import stopping
from dreamer_tf.basics.errors import UserError


def nameless_file(**options: Any) -> IO[Any]:
    """Returns a `tempfile.TemporaryFile` of which an interrupt leaves nothing behind.

    While Python looks for the folder of temporary files, and where the file system knows no
    nameless files, there is a named one for a moment.

    Raises:
        UserError: there is no folder for temporary files.
    """
    with stopping.deferred():
        try:
            return tempfile.TemporaryFile(**options)
        except FileNotFoundError as error:
            if options.get("dir") is not None:
                raise
            raise UserError(f"{error.strerror}: free space in one, or set TMPDIR", 1) from None
