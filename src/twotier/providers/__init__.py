"""One file per kind of upstream, all behind the one method of `base.Provider`."""
