"""Is an answer good enough to be kept, and is a run on its way to one? Pure; both processes ask.

`checks` are free looks at one answer, `same` compares two, `rubric` asks a model; `ladder` says
which of them comes next and what follows from what was seen; `guards` look at work under way.
Nothing here asks, reads or waits: whoever climbs the ladder hands in what it found.
"""
