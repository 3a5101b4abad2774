"""What the service can do: one module a family. Importing this package fills the catalogue."""

import importlib
import pkgutil

# By name, so that a family is found because it is there and nobody lists it.
for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")
