"""The pages a person looks at, on the gateway's port: server-rendered, and live where it helps.

What they show is what the command line shows, asked of the same private APIs by the same paths; no
figure is computed here a second time. What they do is a POST, with the session's token in it.
"""
