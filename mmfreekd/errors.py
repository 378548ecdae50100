class UsageError(ValueError):
    """Something the user gave does not fit: a file, a layer name, a layout.

    The message states what was expected, what came and how to mend it. The
    command-line tools print it alone, without a traceback.
    """


class CheckpointError(UsageError):
    """A checkpoint is missing, broken or belongs to something else."""
