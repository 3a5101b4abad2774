"""The operations, in the client file: the catalogue is filled with data that its build made of the service's own."""

import json
import pkgutil

from keystead.api.catalogue import CATALOGUE
from keystead.api.catalogue_data import read

for operation in read(json.loads(pkgutil.get_data("keystead.operations", "catalogue.json") or b"[]")):
    CATALOGUE.add(operation)
