"""Impasto: neural style transfer.

```python
import impasto

picture = impasto.stylize("photo.jpg", "painting.jpg", strength=0.6)
picture.save("out.png")
```

`stylize` does the work; `methods` holds `names()` and `load(name)`; `models()` are the feature
networks; `styles()` names the pictures that are painted by code. All are loaded when first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from impasto import methods
    from impasto.jobs.perform import stylize
    from impasto.nets.zoo import models
    from impasto.painted import names as styles

__all__ = ["__version__", "methods", "models", "styles", "stylize"]
__version__ = "0.1.0"

_WHERE = {
    "stylize": ("impasto.jobs.perform", "stylize"),
    "models": ("impasto.nets.zoo", "models"),
    "styles": ("impasto.painted", "names"),
}


def __getattr__(name: str) -> Any:
    if name == "methods":
        return import_module("impasto.methods")
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = _WHERE[name]
    return getattr(import_module(module), attribute)


def __dir__() -> list[str]:
    return __all__
