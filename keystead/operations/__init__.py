"""What the service can do: a package a product, in it one module a family. Importing this package fills the catalogue."""

import importlib
import pkgutil

# By name, so that a family is found because it is there and nobody lists it.
for _module in pkgutil.walk_packages(__path__, f"{__name__}."):
    importlib.import_module(_module.name)
