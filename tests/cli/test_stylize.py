import csv
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from impasto.cli.main import main
from impasto.media.image import read


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with photo.jpg, red.png, and what is refused; the working directory."""
    monkeypatch.chdir(tmp_path)
    pixels = np.random.default_rng(0).integers(0, 256, (60, 96, 3), dtype=np.uint8)
    Image.fromarray(pixels).save("photo.jpg", quality=95)
    Image.new("RGB", (20, 20), (255, 0, 0)).save("red.png")
    Image.new("RGB", (15, 200)).save("thin.png")
    Path("cut.jpg").write_bytes(Path("photo.jpg").read_bytes()[:2000])
    Path("notes.jpg").write_text("Dear diary")
    Path("folder").mkdir()
    return tmp_path


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def stylize(*words: str) -> int:
    return main(["stylize", *words, "--method", "tint"])


LONG = "x" * 300
REFUSALS = {
    f"{LONG}.png -s red.png": ".png cannot be read: File name too long",
    f"photo.jpg -s red.png -o {LONG}.png": ".png cannot be written: File name too long",
    "none.jpg -s red.png": "none.jpg does not exist",
    "photo.jpg -s none.png": "none.png does not exist",
    "folder -s red.png": "--output must name a folder for many pictures",
    "notes.jpg -s red.png": "notes.jpg is not a picture that can be read; accepted are PNG, JPEG",
    "photo.jpg -s notes.jpg": "notes.jpg is not a picture",
    "cut.jpg -s red.png": "cut.jpg is cut short or damaged",
    "photo.jpg -s cut.jpg": "cut.jpg is cut short or damaged",
    "thin.png -s red.png": "thin.png has 15 × 200 pixels; each side must have at least 16",
    "photo.jpg -s thin.png": "thin.png has 15 × 200 pixels",
    "photo.jpg -s red.png:0": "the weight of style red.png must be a number above 0; got 0",
    "photo.jpg -s red.png:-2": "must be a number above 0; got -2",
    "photo.jpg -s red.png:nan": "must be a number above 0; got nan",
    "photo.jpg -s :no-such": "must be one of dabs, ",
    "photo.jpg": "--style is missing",
    "": "CONTENT is missing",
    "photo.jpg red.png -s red.png": "--output must name a folder for many pictures",
    "photo.jpg -s red.png --strenght 1": "no option --strenght; did you mean --strength?",
    "photo.jpg -s red.png --quality best": "tint has no option quality; auto has it; choose by",
    "photo.jpg -s swirl": "swirl does not exist; did you mean :swirl?",
    "photo.jpg -s wave-of-hokusia": "does not exist; did you mean wave-of-hokusai?",
    "photo.jpg -s https://a.org/b.jpg": "https://a.org/b.jpg is an address of the web; get the",
    "photo.jpg -s red.png --strength": "--strength is missing",
    "photo.jpg -s red.png --strength 2": "strength must be a number from 0 to 1; got '2'",
    "photo.jpg -s red.png --strength -1": "strength must be a number from 0 to 1; got '-1'",
    "photo.jpg -s red.png --strength much": "strength must be a number from 0 to 1; got 'much'",
    "photo.jpg -s red.png --mode loud": "mode must be one of plain, noisy; got 'loud'",
    "photo.jpg -s red.png --weights 1,x": "weights must be a list",
    "photo.jpg -s red.png --size 15": "size must be a whole number of at least 16; got 15",
    "photo.jpg -s red.png --size big": "--size must be a whole number; got 'big'",
    "photo.jpg -s red.png --size 99999": "size must keep the result within 2000 million pixels",
    "photo.jpg -s red.png --max-memory much": "max_memory must be a size such as 2GB or 1500MB",
    "photo.jpg -s red.png --seed -1": "seed must be a whole number of at least 0; got -1",
    "photo.jpg -s red.png --every 0": "every must be a whole number of at least 1; got 0",
    "photo.jpg -s red.png -o none/a.png": "the folder none does not exist",
    "photo.jpg -s red.png -o other": "other must end in .png, .jpg, .jpeg, .webp",
    "photo.jpg -s red.png -o a.gif": "a.gif must end in .png, .jpg, .jpeg, .webp",
    "photo.jpg -s red.png -o photo.jpg": "photo.jpg would overwrite another picture of this run",
    "photo.jpg -s red.png -o red.png": "red.png would overwrite another picture of this run",
    "photo.jpg -s red.png -o a.loss.png --trace a.csv": "a.loss.png would overwrite another",
    "photo.jpg -s red.png -o a.jpg --preview=a.jpg": "a.jpg would overwrite another picture",
    "photo.jpg -s red.png --format gif": "format must be one of avif, jpg, png, tiff, webp; got",
    "photo.jpg -s red.png -o a.png --format jpg": "format jpg does not fit the name a.png",
    "photo.jpg -s red.png --bits 12": "bits must be 8 or 16; got 12",
    "photo.jpg -s red.png --file-quality 101": "file_quality must be a whole number from 1 to 100",
    "photo.jpg -s red.png --profile adobe": "profile must be keep, srgb, p3 or an RGB .icc file",
    "photo.jpg -s red.png --profile no.icc": "profile no.icc cannot be read: No such file",
    "photo.jpg -s red.png --trace a.txt": "a.txt must end in .csv",
    "photo.jpg -s red.png --trace none/a.csv": "the folder none does not exist",
    "photo.jpg -s red.png --preview=a.gif": "a.gif must end in",
    "photo.jpg -s red.png --start-picture none.png": "none.png does not exist",
}


@pytest.mark.parametrize("words", REFUSALS)
def test_a_refusal_is_one_sentence_and_writes_nothing(tint, here, capsys, words):
    before = files(here)
    assert stylize(*words.split()) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("impasto: ")
    assert REFUSALS[words] in said.err
    assert said.err.count("\n") == 1
    assert files(here) == before
    # Refused before the method was prepared.
    assert tint == []


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="no folder that refuses root too")
def test_a_folder_that_takes_no_files_is_refused(tint, here, capsys):
    assert stylize("photo.jpg", "-s", "red.png", "-o", "/proc/a.png") == 2
    assert "the folder /proc is not writable" in capsys.readouterr().err


def test_an_unknown_method_is_refused(here, capsys):
    for words in (["--method", "gaty"], ["--method=gaty"]):
        assert main(["stylize", "photo.jpg", "-s", "red.png", *words]) == 2
        assert capsys.readouterr().err.endswith(", wct; got 'gaty'\n")


def test_a_network_with_a_wrong_digest_is_refused(here, capsys):
    Path("vgg19-dcbb9e9d.pth").write_bytes(b"not the network")
    before = files(here)
    words = ["stylize", "photo.jpg", "-s", "red.png", "--method", "gatys"]
    words += ["--network", "vgg19-dcbb9e9d.pth"]
    assert main(words) == 2
    said = capsys.readouterr().err
    assert said.startswith("impasto: ")
    assert "vgg19-dcbb9e9d.pth" in said
    assert said.count("\n") == 1
    assert files(here) == before


def test_it_writes_the_picture_and_says_where(tint, here, capsys):
    assert stylize("photo.jpg", "-s", "red.png", "-o", "out.png", "--strength", "1") == 0
    assert capsys.readouterr().out == "out.png\n"
    with Image.open("out.png") as picture:
        assert (picture.format, picture.size) == ("PNG", (96, 60))
        assert picture.getextrema() == ((255, 255), (0, 0), (0, 0))


def test_typed_words_reach_the_method(tint, here):
    words = "--layers relu1_1,relu2_1 --weights 1,0.5 --careful --mode=noisy --size 32 --seed 3"
    assert stylize("photo.jpg", "--style", "red.png:2", "-s", "photo.jpg", *words.split()) == 0
    (options, styles), frame = tint
    assert (options.layers, options.weights) == (("relu1_1", "relu2_1"), (1.0, 0.5))
    assert (options.careful, options.mode, options.strength) == (True, "noisy", 0.5)
    assert [style.weight for style in styles] == [2.0, 1.0]
    assert frame.content.shape == (1, 3, 20, 32)


def test_a_flag_of_a_yes_or_no_option_can_be_denied(tint, here):
    assert stylize("photo.jpg", "-s", "red.png", "--no-careful") == 0
    assert tint[0][0].careful is False


def test_strength_0_keeps_every_bit(tint, here):
    Image.fromarray(np.random.default_rng(1).integers(0, 256, (40, 50, 3), np.uint8)).save("p.png")
    assert stylize("p.png", "-s", "red.png", "-o", "out.png", "--strength", "0") == 0
    assert (read("out.png") == read("p.png")).all()


@pytest.mark.parametrize(
    ("content", "styles", "expected"),
    [
        ("photo.jpg", ["red.png"], "photo-red.jpg"),
        ("folder/p.tiff", ["red.png"], "folder/p-red.tiff"),
        ("folder/p.gif", ["red.png"], "folder/p-red.png"),
        ("photo.jpg", ["red.png", "folder/p.tiff:2"], "photo-red-p.jpg"),
        ("red.png", [":swirl@3"], "red-swirl-3.png"),
        ("folder/P.WEBP", ["red.png:1"], "folder/P-red.WEBP"),
    ],
)
def test_without_a_name_it_finds_one_next_to_the_content(
    tint, here, capsys, monkeypatch, content, styles, expected
):
    grey = lambda name, *, width, height, seed: np.zeros((height, width, 3), np.uint8)  # noqa: E731
    monkeypatch.setattr("impasto.jobs.sources.paint", grey)
    Image.new("RGB", (30, 20)).save("folder/p.tiff")
    Image.new("RGB", (30, 20)).save("folder/P.WEBP")
    Image.new("RGB", (30, 20)).save("folder/p.gif")
    words = [word for style in styles for word in ("-s", style)]
    assert stylize(content, *words, "--size", "16") == 0
    first = Path(expected)
    assert capsys.readouterr().out == f"{first}\n"
    stem, ending = first.with_suffix(""), first.suffix
    taken = first.read_bytes()
    for number in (2, 3):
        assert stylize(content, *words, "--size", "32") == 0
        assert capsys.readouterr().out == f"{stem}-{number}{ending}\n"
    assert first.read_bytes() == taken


def test_a_result_that_exists_is_replaced_only_on_request(tint, here, capsys):
    words = ["photo.jpg", "-s", "red.png", "-o", "out.webp", "--size"]
    assert stylize(*words, "32") == 0
    before = files(here)
    assert stylize(*words, "64") == 2
    assert "out.webp exists; --overwrite replaces it" in capsys.readouterr().err
    assert files(here) == before
    assert stylize(*words, "64", "--overwrite") == 0
    assert max(read("out.webp").shape) == 64
    # A name that is made is not numbered then.
    for _ in range(2):
        assert stylize("photo.jpg", "-s", "red.png", "--overwrite") == 0
    assert not Path("photo-red-2.jpg").exists()
    # What is read is never replaced.
    assert stylize("photo.jpg", "-s", "red.png", "-o", "photo.jpg", "--overwrite") == 2


def test_phone_photographs_come_out_upright(tint, here):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (40, 30)).save("phone.jpg", exif=exif)
    assert stylize("phone.jpg", "-s", "red.png", "-o", "out.jpg") == 0
    with Image.open("out.jpg") as picture:
        assert picture.size == (30, 40)
        assert picture.getexif().get(0x0112, 1) == 1


def test_losses_are_traced(tint, here):
    assert stylize("photo.jpg", "-s", "red.png", "-o", "out.png", "--trace", "loss.csv") == 0
    with Path("loss.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["step"]) for row in rows] == [1, 2, 3, 4, 5, 6]
    assert [float(row["total"]) for row in rows] == pytest.approx([1 / n for n in range(1, 7)])
    assert (rows[0]["width"], rows[5]["width"]) == ("48", "96")
    with Image.open("loss.loss.png") as picture:
        picture.verify()


def test_a_preview_is_seen_from_the_first_step_and_put_away(tint, here, monkeypatch):
    from impasto.media import image

    seen = []
    real = image.write
    monkeypatch.setattr(
        image, "write", lambda i, path: (seen.append((path, i.shape)), real(i, path))
    )
    Image.new("RGB", (800, 600)).save("large.png")
    assert stylize("large.png", "-s", "red.png", "-o", "out.png", "--preview") == 0
    # The first step and the last; all between come within a second.
    assert seen == [
        (Path("out.preview.jpg"), (1, 3, 300, 400)),
        (Path("out.preview.jpg"), (1, 3, 384, 512)),
    ]
    assert not Path("out.preview.jpg").exists()
    assert stylize("large.png", "-s", "red.png", "-o", "b.png", "--preview=now.png") == 0
    assert read("now.png").shape == (1, 3, 384, 512)


def test_pictures_on_the_way_are_kept(tint, here):
    assert stylize("photo.jpg", "-s", "red.png", "-o", "out.png", "--every", "2") == 0
    kept = sorted(path.name for path in here.glob("out*"))
    assert kept == ["out-00002.png", "out-00004.png", "out-00006.png", "out.png"]
    assert read("out-00002.png").shape == (1, 3, 30, 48)
    assert (read("out-00006.png") == read("out.png")).all()


@pytest.mark.parametrize(
    ("words", "there"),
    [
        (["--trace", "loss.csv"], "loss.csv"),
        (["--trace", "loss.csv"], "loss.loss.png"),
        (["--preview=now.png"], "now.png"),
        (["--every", "2"], "out-00002.png"),
    ],
)
def test_what_is_written_on_the_way_replaces_nothing_unasked(tint, here, capsys, words, there):
    Path(there).write_bytes(b"dear")
    assert stylize("photo.jpg", "-s", "red.png", "-o", "out.png", *words) == 2
    assert capsys.readouterr().err == f"impasto: {there} exists; --overwrite replaces it\n"
    assert Path(there).read_bytes() == b"dear"
    assert not Path("out.png").exists()
    assert stylize("photo.jpg", "-s", "red.png", "-o", "out.png", *words, "--overwrite") == 0
    assert Path(there).read_bytes() != b"dear"


def test_progress_is_said_in_lines_where_there_is_no_terminal(tint, here, capsys):
    assert stylize("photo.jpg", "-s", "red.png") == 0
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].split() == ["17%", "tint", "48", "×", "30", "loss", "1"]
    assert lines[-1].split() == ["100%", "tint", "96", "×", "60", "loss", "0.167"]
    assert stylize("photo.jpg", "-s", "red.png", "--quiet") == 0
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "")


def test_a_terminal_gets_a_bar(tint, here, capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    assert stylize("photo.jpg", "-s", "red.png") == 0
    said = capsys.readouterr().err
    assert "100%" in said
    assert "tint" in said


def test_an_interrupt_keeps_the_picture_and_says_so(tint, here, capsys):
    words = ["photo.jpg", "-s", "red.png", "-o", "out.png", "--trace", "loss.csv", "--preview"]
    assert stylize(*words, "--stop-at", "3") == 130
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.endswith("impasto: stopped; the picture so far is in out.png\n")
    assert read("out.png").shape == (1, 3, 60, 96)
    assert len(Path("loss.csv").read_text().splitlines()) == 4
    assert not Path("out.preview.jpg").exists()


def test_an_interrupt_before_the_first_step_writes_nothing(tint, here, capsys, monkeypatch):
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("impasto.jobs.sources.read", stop)
    before = files(here)
    assert stylize("photo.jpg", "-s", "red.png", "-o", "out.png") == 130
    assert capsys.readouterr().err == "impasto: stopped; nothing was written\n"
    assert files(here) == before


def test_memory_that_does_not_suffice_is_said_before_the_work(tint, here, capsys):
    before = files(here)
    words = ["photo.jpg", "-s", "red.png", "--size", "2000", "--max-memory", "1GB"]
    assert stylize(*words) == 2
    said = capsys.readouterr().err
    assert re.match(r"impasto: size must be at most 11\d\d for tint within 1\.0 GB of memory", said)
    assert files(here) == before
    assert stylize(*words[:-1], "8") == 0


@pytest.mark.usefixtures("random_weights")
def test_a_large_picture_is_painted_in_tiles(here, capsys, monkeypatch):
    from impasto.jobs import memory

    monkeypatch.setattr(memory, "WHOLE", 0)
    monkeypatch.setattr(memory, "SIDES", (64,))
    words = ["photo.jpg", "-s", "red.png", "--method", "adain"]
    more = ["--preview=look.png", "--trace", "loss.csv"]
    assert main(["stylize", *words, "-o", "out.png", *more]) == 0
    said = capsys.readouterr()
    assert said.out == "out.png\n"
    assert "100%  writing  96 × 60" in said.err
    assert read("out.png").shape == (1, 3, 60, 96)
    assert {path.name for path in here.glob("*out*")} == {"out.png"}
    assert (read("look.png") == read("out.png")).all()

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("impasto.media.large.Writer.write", stop)
    before = files(here)
    assert main(["stylize", *words, "-o", "new.png"]) == 130
    assert capsys.readouterr().err.endswith("impasto: stopped; nothing was written\n")
    assert files(here) == before


SLOW = """
import runpy, sys, time
from types import SimpleNamespace
Tint = runpy.run_path(sys.argv[1])["Tint"]
from impasto import methods
from impasto.cli.main import main
import pathlib
class Slow(Tint):
    def prepare(self, styles, *, generator):
        inner = super().prepare(styles, generator=generator)
        def slowly(frame, *, report):
            def wait(progress):
                report(progress)
                pathlib.Path("step").touch()
                time.sleep(0.2 if progress.step < 3 else 60)
            return inner(frame, report=wait)
        return slowly
methods._strangers = lambda: [SimpleNamespace(name="slow", load=lambda: Slow)]
sys.argv = ["impasto", *sys.argv[2:]]
sys.exit(main())
"""


@pytest.mark.skipif(os.name == "nt", reason="no SIGINT to send")
@pytest.mark.parametrize("ignored", [False, True], ids=["shell", "background"])
def test_ctrl_c_in_a_process(here, ignored):
    # A shell without job control starts its background jobs with the signal ignored.
    words = ["stylize", "photo.jpg", "-s", "red.png", "-o", "out.png", "--method", "slow"]
    tint = Path(__file__).parents[1] / "tint.py"
    ran = subprocess.Popen(
        [sys.executable, "-c", SLOW, tint, *words],
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=(lambda: signal.signal(signal.SIGINT, signal.SIG_IGN)) if ignored else None,
    )
    deadline = time.monotonic() + 60
    while not Path("step").exists() and ran.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    ran.send_signal(signal.SIGINT)
    _, said = ran.communicate(timeout=30)
    assert ran.returncode == 130
    assert "impasto: stopped; the picture so far is in out.png\n" in said
    assert "Traceback" not in said
    assert read("out.png").shape == (1, 3, 60, 96)


@pytest.mark.parametrize("words", ["notes.jpg -s red.png", "photo.jpg -s red.png --nonsense 1"])
def test_a_refusal_in_a_process(here, words):
    before = files(here)
    ran = subprocess.run(
        [sys.executable, "-m", "impasto", "stylize", *words.split()],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ran.returncode, ran.stdout, ran.stderr.count("\n")) == (2, "", 1)
    assert ran.stderr.startswith("impasto: ")
    assert files(here) == before


def test_help_shows_every_option_once_and_the_needed_ones_first(capsys):
    assert main(["stylize", "--help", "--method", "gatys"]) == 0
    said = capsys.readouterr().out
    needed, advanced = said.index("What most people need"), said.index("Advanced")
    assert needed < said.index("--output") < said.index("--strength") < said.index("Watching")
    assert said.index("Watching") < said.index("--trace") < advanced < said.index("--precision")
    assert "a number from 0 to 1" in " ".join(said.replace("│", " ").split())
    from impasto.methods.gatys import Gatys

    for name in Gatys.model_fields:
        assert f"--{name.replace('_', '-')} " in said
