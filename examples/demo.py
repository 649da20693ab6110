"""Sample photographs in the styles that Impasto paints itself, on one contact sheet.

Writes `demo/`: the sheet, every picture, and the losses of every run as a drawing.
"""

import time
from dataclasses import replace
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont
from rich.progress import Progress as Bar
from skimage import data

import impasto
from impasto.core.progress import Progress
from impasto.media.plot import write_plot
from impasto.painted import paint

PHOTOS = {"astronaut": data.astronaut, "chelsea": data.chelsea, "coffee": data.coffee}
STYLES = ("swirl", "woodcut", "glass", "dabs", "hatching", "watercolour")
SIZE = 512
FOLDER = Path("demo")
CELL, GAP, LABEL = 320, 12, 30


def main() -> None:
    """Stylize every photograph in every style, and say where things are and how long they took."""
    FOLDER.mkdir(exist_ok=True)
    cells = {}
    with Bar(transient=True) as bar:
        task = bar.add_task("painting", total=len(PHOTOS) * len(STYLES))
        for photo, load in PHOTOS.items():
            content = Image.fromarray(load())
            for style in STYLES:
                path = FOLDER / f"{photo}-{style}.png"
                trace: list[Progress] = []
                begin = time.perf_counter()
                picture = impasto.stylize(
                    content,
                    f":{style}",
                    size=SIZE,
                    report=lambda event, trace=trace: trace.append(replace(event, image=None)),
                )
                seconds = time.perf_counter() - begin
                picture.save(path)
                write_plot(trace, path.with_suffix(".loss.png"))
                bar.console.print(f"{path}  {seconds:.1f} s")
                bar.advance(task)
                cells[photo, style] = picture
    sheet(cells).save(FOLDER / "sheet.png")
    print(f"\nThe contact sheet: {FOLDER / 'sheet.png'}")
    print(f"Pictures and loss plots: {FOLDER}/")
    print("Your own: .venv/bin/impasto stylize photo.jpg --style painting.jpg -o out.png")


def sheet(cells: dict[tuple[str, str], Image.Image]) -> Image.Image:
    """Styles across the top, photographs down the side, a picture of each pair."""
    rows = [Image.fromarray(load()) for load in PHOTOS.values()]
    columns = [paint(style, width=CELL, height=CELL) for style in STYLES]
    width = (len(STYLES) + 1) * (CELL + GAP) + GAP
    height = LABEL + (len(PHOTOS) + 1) * (CELL + GAP) + GAP
    drawn = Image.new("RGB", (width, height), "white")
    pen, font = ImageDraw.Draw(drawn), ImageFont.load_default(size=18)
    for column, (style, pixels) in enumerate(zip(STYLES, columns, strict=True), 1):
        left = GAP + column * (CELL + GAP)
        pen.text((left, 6), f":{style}", fill="black", font=font)
        drawn.paste(Image.fromarray(pixels), (left, LABEL))
        for row, photo in enumerate(PHOTOS, 1):
            drawn.paste(square(cells[photo, style]), (left, LABEL + row * (CELL + GAP)))
    for row, photo in enumerate(rows, 1):
        drawn.paste(square(photo), (GAP, LABEL + row * (CELL + GAP)))
    return drawn


def square(picture: Image.Image) -> Image.Image:
    """The middle of a picture, as a cell of the sheet."""
    side = min(picture.size)
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    box = (left, top, left + side, top + side)
    return picture.resize((CELL, CELL), Image.Resampling.LANCZOS, box=box)


if __name__ == "__main__":
    main()
