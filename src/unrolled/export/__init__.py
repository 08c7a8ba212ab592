"""A trained net leaves Python as ONNX, whatever its cell: `unrolled.export(model, "m.onnx")`."""

import sys
from types import ModuleType

from .write import Exported as Exported
from .write import export as export


class _Folder(ModuleType):
    """This folder has its function's name, and Python puts it in that name's place in `unrolled`: so it can be called."""

    __call__ = staticmethod(export)


sys.modules[__name__].__class__ = _Folder
