"""The command `impasto`: finds the command that is meant, and turns errors into exit codes."""

import atexit
import gc
import os
import re
import signal
import sys
from collections.abc import Sequence
from typing import Any

from cyclopts import App, CycloptsError, Parameter

from impasto.core.errors import ImpastoError, Interrupted

# A file is imported when its command runs, so that `impasto --help` needs neither torch nor
# pydantic. A command is a function or a cyclopts App.
COMMANDS = {
    "stylize": ("impasto.cli.stylize:app", "Paint a picture in the style of others."),
    "analogy": ("impasto.cli.analogy:app", "Do to a picture what was done to another."),
    "blend": ("impasto.cli.blend:app", "Paint a picture between two styles, or four, on a sheet."),
    "sheet": ("impasto.cli.sheet:app", "Paint a picture with settings that vary, on a sheet."),
    "presets": ("impasto.cli.look:presets", "List the settings that are known by name."),
    "measure": ("impasto.cli.blend:measure", "Keep what is measured of a style in a small file."),
    "plan": ("impasto.cli.stylize:plan_app", "Tell what a run would take, without doing it."),
    "info": ("impasto.cli.replay:info", "Show the recipe that a picture holds."),
    "replay": ("impasto.cli.replay:replay", "Make a picture again from its recipe."),
    "live": ("impasto.cli.live:app", "Paint a camera or a video as it runs."),
    "upscale": ("impasto.cli.upscale:upscale", "Enlarge a picture, twice or four times."),
    "texture": ("impasto.cli.texture:texture", "Make more of a texture, from a sample of it."),
    "export": ("impasto.cli.export:export", "Write a network that paints as an ONNX graph."),
    "methods": ("impasto.cli.look:methods", "List the methods of style transfer."),
    "models": ("impasto.cli.look:models", "List the networks that look, decode and paint."),
    "styles": (
        "impasto.cli.look:styles",
        "List the styles that are painted by code, or paint one.",
    ),
    "evaluate": ("impasto.cli.evaluate:evaluate", "Judge a result beside the trivial answers."),
    "train": ("impasto.cli.train:app", "Train the weights that methods use."),
}

REFUSED, STOPPED, UNREAD = 2, 130, 141

_FORMS = (
    (r"\. Did you mean (.*?)\?.*", r"; did you mean \1?"),
    (r"\. Available commands: ", "; the commands are "),
    (r"Unused Tokens: \['?(.*?)'?\]", r"there is no place for \1"),
    (r".*\bparameter (.*?) requires an argument", r"\1 is missing"),
    (r'Invalid value for (.*?): .*?"(.*)" into int', r"\1 must be a whole number; got '\2'"),
    (r'Invalid value for (.*?): .*?"(.*)" into float', r"\1 must be a number; got '\2'"),
    (r"Unknown option: ", "there is no option "),
)


def main(tokens: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code; no `ImpastoError` leaves as a traceback.

    Args:
        tokens: the words after `impasto`; those of this process by default.
    """
    if tokens is None:
        tokens = sys.argv[1:]
        # A shell starts what runs in its background with this signal ignored.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        # On its way out Python would look for cycles in all of torch, which takes half a second.
        atexit.register(gc.freeze)
    try:
        code = run(_app(), tokens) or 0
        sys.stdout.flush()
        return code
    except Interrupted:
        say("stopped; nothing was written")
        return STOPPED
    except KeyboardInterrupt:
        say("stopped")
        return STOPPED
    except BrokenPipeError:
        # Whoever read has read enough, as `head` does; what is left must not fail once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return UNREAD
    except ImpastoError as error:
        say(str(error))
    except CycloptsError as error:
        say(_sentence(str(error)))
    return REFUSED


def run(app: App, tokens: Sequence[str]) -> Any:
    """Run an app so that its refusals arrive here as exceptions."""
    return app(
        list(tokens),
        exit_on_error=False,
        print_error=False,
        verbose=False,
        result_action="return_value",
    )


def shown(default: object) -> str | None:
    """A default as the help shows it; those that say nothing are left out."""
    return None if default in (None, False, "", ()) else str(default)


def say(sentence: str) -> None:
    """One line on stderr."""
    sys.stderr.write(f"impasto: {' '.join(sentence.split())}\n")


def _app() -> App:
    app = App(
        name="impasto",
        help="Neural style transfer.",
        suppress_keyboard_interrupt=False,
        default_parameter=Parameter(show_default=shown),
    )
    for name, (path, about) in COMMANDS.items():
        app.command(path, name=name, help=about)
    return app


def _sentence(text: str) -> str:
    """What cyclopts says, in the form of our own sentences."""
    # It names the first few commands.
    text = re.sub(r"(Available commands: ).*, \.+$", rf"\1{', '.join(COMMANDS)}", text.strip())
    for pattern, ours in _FORMS:
        text = re.sub(pattern, ours, text, flags=re.IGNORECASE)
    # CONTENT stays as it is.
    first = text[:1] if text[1:2].isupper() else text[:1].lower()
    return first + text[1:].removesuffix(".")
