"""Longest time that a test waits for an event that must happen.

Far longer than it takes on a busy machine: only what never happens runs into it. Tests wait for the thing itself, for a
line, a file, a request, the end of a process; none measures time.
"""

SECONDS = 900.0
