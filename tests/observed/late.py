"""Imported only when a test asks for it."""
CALLED_AT_IMPORT = []


def first(x):
    result = x + 1
    return result  # P:first


CALLED_AT_IMPORT.append(first(1))
