"""A window that shows frames and hears keys: the only file that opens one (pygame)."""

import os
from importlib.util import find_spec
from typing import Any

from impasto.core.errors import ExtraError
from impasto.media.video import Pixels

QUIT = "q"
"""What closing the window, and the key Escape, are taken for."""
WORDS = "h"
"""The key that hides the words, and shows them again."""
_SPAN = 36
"""Rows of a frame over the height of its letters."""


class Window:
    """A window in the size of its first frame, with words at its foot.

    Raises:
        ExtraError: pygame is missing, or the system has no windows.
    """

    def __init__(self) -> None:
        if find_spec("pygame") is None:
            raise ExtraError("a window needs pygame: pip install 'impasto[live]', or --headless")
        os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
        import pygame

        self.pygame: Any = pygame
        try:
            pygame.display.init()
        except pygame.error as error:
            raise ExtraError(f"no window can be opened ({error}); --headless needs none") from error
        pygame.font.init()
        self.worded = True
        self.surface: Any = None

    def __enter__(self) -> "Window":
        return self

    def __exit__(self, *_: object) -> None:
        self.pygame.quit()

    def keys(self) -> list[str]:
        """The names of keys that were pressed since the last call."""
        game, found = self.pygame, list[str]()
        for event in game.event.get():
            if event.type == game.QUIT:
                found.append(QUIT)
            elif event.type == game.KEYDOWN:
                # What is typed, not where: digits and signs lie elsewhere on other keyboards.
                typed = event.unicode in (",", ".") or event.unicode.isdecimal()
                name = event.unicode if typed else game.key.name(event.key)
                found.append(QUIT if name == "escape" else name)
        self.worded ^= found.count(WORDS) % 2 == 1
        return found

    def show(self, pixels: Pixels, words: str) -> None:
        """A frame, and words on it unless they are hidden."""
        game = self.pygame
        height, width = pixels.shape[:2]
        if self.surface is None:
            game.display.set_caption("Impasto")
            self.surface = game.display.set_mode((width, height), game.RESIZABLE)
            self.font = game.font.Font(None, max(18, height // _SPAN * 2))
        frame = game.image.frombuffer(pixels.tobytes(), (width, height), "RGB")
        if self.worded:
            self._write(frame, words)
        if frame.get_size() != self.surface.get_size():
            frame = game.transform.smoothscale(frame, self.surface.get_size())
        self.surface.blit(frame, (0, 0))
        game.display.flip()

    def _write(self, frame: Any, words: str) -> None:
        """White with a dark edge, which is read on any picture."""
        height = frame.get_height()
        for color, shift in (((0, 0, 0), 1), ((255, 255, 255), 0)):
            line = self.font.render(words, True, color)
            frame.blit(line, (8 + shift, height - line.get_height() - 8 + shift))
