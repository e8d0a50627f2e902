"""The one file a person writes: typed, checked, every setting with a default and a sentence."""
