"""What is right in the exercises, what goes wrong, and what helps: one module a lesson.

Each module holds `EXERCISES`, by number; `rlrec.viz.exercises.check` looks there. Every
mistake is a small wrong implementation (of a value: the value that it leads to). In a
hint, "`expression` = number" is run by a test.
"""
