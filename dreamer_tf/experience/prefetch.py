"""An iterator whose items are made ahead of their use, in a thread."""

import queue
import threading
from collections.abc import Iterable
from typing import Any

import numpy as np


def as_it_is(batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Returns a batch unprepared."""
    return batch


class Prefetch:
    """Iterates over `items`, which a thread computes ahead; also a context manager.

    Leaving the context ends the thread, at whatever item it is. An exception raised by `items` is
    raised where the missing item would have been returned.

    Args:
        items: an iterable; only the thread touches it.
        depth: how many items may be ready or in the making.
    """

    def __init__(self, items: Iterable[Any], depth: int):
        self._places = threading.Semaphore(depth)
        self._ready = queue.SimpleQueue()
        self._closing = False
        self._exhausted = False
        self._thread = threading.Thread(
            target=self._produce, args=(iter(items),), name="prefetch", daemon=True
        )
        self._thread.start()

    def _produce(self, items):
        try:
            while True:
                self._places.acquire()
                if self._closing:
                    return
                self._ready.put((next(items), None))
        # StopIteration as well: the consumer gets to see whatever ended the items.
        except BaseException as error:
            self._ready.put((None, error))

    def __iter__(self):
        return self

    def __next__(self):
        if self._exhausted:
            raise StopIteration
        item, error = self._ready.get()
        self._places.release()
        if error is not None:
            self._exhausted = True
            self._thread.join()
            raise error
        return item

    def close(self) -> None:
        """Ends the thread after the item that it is making; may be called more than once."""
        self._closing = self._exhausted = True
        self._places.release()
        self._thread.join()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()
