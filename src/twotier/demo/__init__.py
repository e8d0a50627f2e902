"""One day played in seconds: the real processes, with a clock that is turned and models that read
from a script.

`hands` is the clock, `process` starts main or the worker with it, `model` is the scripted server,
`mind` what it says, `site` the pages and the phone, `scene` the configuration. What turns the clock
and tells of it is `twotier.cli.demo`.
"""
