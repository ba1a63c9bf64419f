"""The signals that ask a run to save and end."""

import signal

# Ctrl-C, whoever started it, a closed terminal, and what cluster managers send before a limit.
SIGNALS = frozenset(
    {
        *(signal.SIGINT, signal.SIGTERM, signal.SIGHUP),
        *(signal.SIGUSR1, signal.SIGUSR2, signal.SIGXCPU),
    }
)


def handle(handler):
    """Has a handler called for these signals, but for SIGHUP where `nohup` has it ignored."""
    for number in SIGNALS:
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, handler)
