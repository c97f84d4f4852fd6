"""`seawall` as on a checkout whose extension was never built: `python hide_extension.py VERB …`."""

import runpy
import sys
from importlib.machinery import ExtensionFileLoader, PathFinder


class NoExtension:
    """A finder that does not find the compiled modules of core_ext."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        """None leaves the search to the others."""
        if not name.startswith("core_ext."):
            return None
        spec = PathFinder.find_spec(name, path)
        if spec is not None and isinstance(spec.loader, ExtensionFileLoader):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return spec


if __name__ == "__main__":
    sys.meta_path.insert(0, NoExtension)
    runpy.run_module("procs", run_name="__main__")
