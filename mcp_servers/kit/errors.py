"""What a tool raises on purpose: one sentence that the caller can act on, shown to the model word for word.

Anything else that a tool raises is an accident: the model gets a plain apology, the log gets the traceback.
"""


class Refusal(Exception):
    """A tool will not do what was asked; nothing was written."""


class NotFound(Refusal):
    """The thing is not there, or it is not the caller's."""


class NotAllowed(Refusal):
    """The caller may see the thing but not do this to it."""


class Conflict(Refusal):
    """The thing has changed, or the same request came with other contents."""


class Invalid(Refusal):
    """An argument is not acceptable: the sentence names it, what came, and what is accepted."""
