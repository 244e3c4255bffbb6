"""The libraries that are measured, each in its documented way; a file for each, a function for each job, no import of another subject.

These files run in the subjects' own environments, so they import nothing of sonde (but `sonde.py`) and torch only where a job needs it.
"""
