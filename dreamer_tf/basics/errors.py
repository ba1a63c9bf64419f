"""The one exception for what a user can put right."""


class UserError(Exception):
    """A mistake or a lack that a user can mend.

    The message is one clear line that says what is wrong and what to do. Programs print it as
    `error: ...` and exit with `status`: 2 for a wrong command line, configuration or task, 1 for
    trouble while running, 75 where another process still has the run's folder.
    """

    def __init__(self, message: str, status: int = 2):
        super().__init__(message)
        self.status = status
