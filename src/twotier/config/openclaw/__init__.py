"""What another program, OpenClaw, was told, read so that it can be said in our own words.

`include`, `variables`, `settings`, `references`, `records`, `times`, `tiers`, `twins`, `polling`,
`warned`, `plan` and `report` are pure: values in, values out. `disk` reads OpenClaw's files and
`originals` switches its jobs off and on; nothing else here touches a file, and none runs anything.
Both shapes are known: that of early 2026 (`cron/jobs.json`) and that of 2026.9 (a database).
"""
