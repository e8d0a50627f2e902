"""How the worker asks for models: always through main, never by itself."""
