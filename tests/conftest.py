# SPDX-License-Identifier: BSD-2-Clause
"""What holds for all tests that pytest runs."""

LONGEST_ID = 60


def pytest_make_parametrize_id(config, val, argname):
    """A parameter of bytes, or of a long text, is called by its argument's name.

    pytest would spell it out. Bytes that differ from run to run (gzip writes the time of day) would give two
    workers two names for one test, and pytest-xdist then runs none.
    """
    if isinstance(val, bytes) or (isinstance(val, str) and len(val) > LONGEST_ID):
        return argname
    return None
