"""The settings of other programs that ask twotier: what they are, written and taken back.

Each client is one file in `clients`: where its settings lie and what has to stand in them. `edits`
and what it stands on change a text and are pure; `files` alone touches the disk. A file belongs to
whoever wrote it: nothing of it is lost, and what was there comes back byte for byte.
"""
