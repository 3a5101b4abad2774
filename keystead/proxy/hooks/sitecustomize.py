"""Lets Python programs under `keystead run` trust its CA: certifi answers with the run's bundle.

It imports nothing that the program has not asked for, and runs the sitecustomize that it shadows.
"""

import importlib.abc
import importlib.machinery
import os
import sys

_HERE = os.path.dirname(os.path.abspath(__file__))


class _Loader(importlib.abc.Loader):
    def __init__(self, loader, bundle):
        self._loader = loader
        self._bundle = bundle

    def create_module(self, spec):
        return self._loader.create_module(spec)

    def exec_module(self, module):
        self._loader.exec_module(module)
        bundle = self._bundle

        def where():
            return bundle

        def contents():
            with open(bundle, encoding="ascii", errors="replace") as file:
                return file.read()

        for one in (module, sys.modules.get("certifi.core")):
            if one is not None:
                one.where = where
                one.contents = contents

    def __getattr__(self, name):
        return getattr(self._loader, name)


class _Finder(importlib.abc.MetaPathFinder):
    def __init__(self, bundle):
        self._bundle = bundle

    def find_spec(self, name, path=None, target=None):
        if name != "certifi":
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader, self._bundle)
        return spec


def _run_shadowed():
    paths = [path for path in sys.path if os.path.abspath(path or os.getcwd()) != _HERE]
    spec = importlib.machinery.PathFinder.find_spec("sitecustomize", paths)
    if spec is not None and spec.loader is not None:
        module = importlib.util.module_from_spec(spec)
        sys.modules["sitecustomize"] = module
        spec.loader.exec_module(module)


if os.environ.get("KEYSTEAD_CA_BUNDLE"):
    sys.meta_path.insert(0, _Finder(os.environ["KEYSTEAD_CA_BUNDLE"]))
import importlib.util  # noqa: E402

_run_shadowed()
