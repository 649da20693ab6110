"""How Sphinx builds these pages: Markdown by MyST, dressed by Furo."""

from impasto import __version__

project = "Impasto"
author = "The Impasto authors"
project_copyright = "2026, The Impasto authors"
version = release = __version__

extensions = ["myst_parser"]
myst_heading_anchors = 3
exclude_patterns = ["_build", "build"]
html_theme = "furo"
html_title = f"Impasto {release}"
