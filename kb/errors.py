"""Every error that frontdesk raises on purpose.

    FrontdeskError
    ├── InputError              what a person gave is not usable (HTTP 4xx, exit 2)
    │   ├── MessageError        a customer's message: empty, too long, not text
    │   ├── ImportFileError     a file that can't be imported: missing, wrong columns, unreadable
    │   ├── ConfigError         an unknown key or a value out of range
    │   └── TrainingDataError   labelled pairs that nothing can be learnt from, or a file of them that can't be read
    ├── NotFoundError           a conversation, turn or pair that does not exist here (HTTP 404)
    ├── ConflictError           the same Idempotency-Key with another body (HTTP 422)
    ├── VectorIndexError        the vector index can't be used
    │   ├── IndexMissingError   none was built yet
    │   ├── IndexStaleError     built from another encoder or another state of the knowledge base
    │   ├── IndexReplacedError  another snapshot became the current one meanwhile
    │   └── IndexDamagedError   a file is missing, cut short or changed
    ├── ModelError              a model folder that can't be loaded or is refused
    │   └── CheckpointError     a checkpoint that is missing, damaged or refused, or can't be written
    ├── TrainingError           a training that can't go on: the loss is not finite, memory or disk is full
    └── StorageError            the database is locked, gone, full or of an unknown schema (HTTP 503)

A message says what was expected, what came, and what to do: build it with `describe`.
"""


class FrontdeskError(Exception):
    """Base of all errors raised on purpose; `str(error)` is fit to be shown to the person concerned."""


class InputError(FrontdeskError):
    """What a person gave is not usable."""


class MessageError(InputError):
    """A customer's message is empty, too long or not text."""


class ImportFileError(InputError):
    """A file can't be imported."""


class ConfigError(InputError):
    """A configuration has an unknown key or a value out of range."""


class TrainingDataError(InputError):
    """Labelled pairs are too few or too alike to learn from, or a file of them can't be read."""


class NotFoundError(FrontdeskError):
    """A conversation, turn or pair does not exist, or not for this caller."""


class ConflictError(FrontdeskError):
    """The same Idempotency-Key came with another body."""


class VectorIndexError(FrontdeskError):
    """The vector index can't be used."""


class IndexMissingError(VectorIndexError):
    """No index was built yet."""


class IndexStaleError(VectorIndexError):
    """The index was built from another encoder or another state of the knowledge base."""


class IndexReplacedError(VectorIndexError):
    """Another snapshot became the current one while this one was made."""


class IndexDamagedError(VectorIndexError):
    """A file of the index is missing, cut short or changed."""


class ModelError(FrontdeskError):
    """A model folder can't be loaded, or is refused."""


class CheckpointError(ModelError):
    """A checkpoint is missing, damaged or refused, or can't be written."""


class TrainingError(FrontdeskError):
    """A training can't go on."""


class StorageError(FrontdeskError):
    """The database is locked, gone, full or of an unknown schema."""


def describe(*, expected: str, got: str, remedy: str) -> str:
    """Return one message of the house form: what was expected, what came, what to do."""
    return f"expected {expected}; got {got}; {remedy}"
