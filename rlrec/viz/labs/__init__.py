"""What the lessons' widgets compute and draw, and the lessons' pictures: one module a lesson.

Each module holds pure functions (``compute``: values of the controls -> result), drawing functions, a function that
puts them together in a ``Lab``, and ``FIGURES`` (see ``rlrec.viz.figures``).
"""
