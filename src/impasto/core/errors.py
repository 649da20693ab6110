"""The errors that Impasto raises on purpose. Only the outer doors turn them into exit codes.

```
ImpastoError
├── OptionError      an option, a name or a weight that is not accepted      exit 2
├── MediaError       a file that is missing, no picture, cut, too small …    exit 2
├── WeightsError     network weights that are missing, damaged or misshapen  exit 2
├── ExtraError       an optional package that is not installed               exit 2
└── Interrupted      stopped by the user; carries the best picture so far    exit 130
```
"""

from typing import Any


class ImpastoError(Exception):
    """Base of all errors that carry one sentence for the user."""


class OptionError(ImpastoError):
    """An option has a value that is not accepted; the sentence names it and what it takes."""


class MediaError(ImpastoError):
    """A file cannot be read or written as a picture."""


class WeightsError(ImpastoError):
    """Network weights are missing, damaged or do not fit the network."""


class ExtraError(ImpastoError):
    """An optional package is missing; the sentence holds the command that installs it."""


class Interrupted(ImpastoError):  # noqa: N818 - an event, not a fault
    """The user stopped the run. `image` is the best picture so far, (1, 3, H, W), or None."""

    def __init__(self, image: Any = None) -> None:
        super().__init__("interrupted")
        self.image = image
