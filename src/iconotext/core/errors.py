"""Errors that a user can act on: what is wrong, where, and what to do about it."""


class IconotextError(Exception):
    """Bad input or a missing piece; the message says what, where and what to do.

    The command line prints the message without a traceback and exits with ``exit_code``.
    """

    exit_code = 2


class DataError(IconotextError):
    """A file or a record is unreadable, incomplete or contradicts itself."""


class ConfigError(IconotextError):
    """A setting is unknown, out of range or contradicts another one."""


class FingerprintError(IconotextError):
    """Region features were made in another way than the model was trained with."""


class MissingPiece(IconotextError):
    """A model lacks what a call needs; the message names the command that makes it."""
