"""The staircase: one function per task, the only place where rooms meet.

Each step takes the settings and a classifier and returns a JSON-able object of references and counts.
"""
