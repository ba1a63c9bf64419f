"""Moving pictures without external programs: GIFs, prediction grids, strips.

Frames are uint8 [T, H, W, 3].
"""

import importlib.util
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from dreamer_tf.basics.errors import UserError

COLOURS = 255
# Frames that the palette of a GIF is made from.
PALETTE_FRAMES = 8
CONTEXT_COLOUR = (60, 190, 90)
PREDICTED_COLOUR = (230, 110, 30)
ROWS = ("truth", "model", "error")
GAP = 2
ERROR_STEP = 8
LABEL_WIDTH = 40


def encode_gif(frames: np.ndarray, frames_per_second: float, colours: int = COLOURS) -> bytes:
    """Returns the bytes of a GIF that repeats for ever.

    All frames share one palette, which is many times faster than one each, and does not flicker.
    """
    chosen = np.linspace(0, len(frames) - 1, min(PALETTE_FRAMES, len(frames))).astype(int)
    montage = Image.fromarray(np.concatenate(frames[chosen]))
    palette = montage.quantize(colours, Image.Quantize.FASTOCTREE)
    images = [
        Image.fromarray(frame).quantize(palette=palette, dither=Image.Dither.NONE)
        for frame in frames
    ]
    # GIF counts in hundredths of a second, and viewers slow down what is shorter than two of them.
    duration = max(20, round(1000 / frames_per_second / 10) * 10)
    stream = io.BytesIO()
    images[0].save(
        stream, "GIF", save_all=True, append_images=images[1:], duration=duration, loop=0
    )
    return stream.getvalue()


def encode(
    frames: np.ndarray, frames_per_second: float, suffix: str, colours: int = COLOURS
) -> bytes:
    """Returns the bytes of a video in the format of a file name's suffix, see `check_suffix`."""
    if suffix != ".mp4":
        return encode_gif(frames, frames_per_second, colours)
    import imageio.v3

    # Encoders want even sizes.
    frames = frames[:, : frames.shape[1] // 2 * 2, : frames.shape[2] // 2 * 2]
    return imageio.v3.imwrite(
        "<bytes>",
        frames,
        extension=".mp4",
        plugin="FFMPEG",
        fps=frames_per_second,
        macro_block_size=2,
    )


def check_suffix(path: Path, option: str) -> None:
    """Raises a UserError unless a file's name says a format that can be written here.

    That is .gif, and .mp4 where the package imageio-ffmpeg is installed.

    Args:
        path: of the file.
        option: what the message begins with.
    """
    if path.suffix == ".mp4" and importlib.util.find_spec("imageio_ffmpeg") is None:
        raise UserError(f"{option}{path}: an .mp4 needs pip install imageio-ffmpeg; or give a .gif")
    if path.suffix not in (".gif", ".mp4"):
        raise UserError(f"{option}{path}: give a file that ends in .gif or .mp4")


def encode_png(image: np.ndarray) -> bytes:
    """Returns the bytes of a PNG of one image [H, W, 3]."""
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "PNG")
    return stream.getvalue()


def shrink(frames: np.ndarray, width: int) -> np.ndarray:
    """Returns frames at most so wide, in their own proportions."""
    if frames.shape[2] <= width:
        return frames
    size = (width, round(frames.shape[1] * width / frames.shape[2]))
    return np.stack([np.asarray(Image.fromarray(frame).resize(size)) for frame in frames])


def enlarge(frames: np.ndarray, factor: int) -> np.ndarray:
    """Returns frames with every pixel repeated `factor` times in both directions."""
    return frames.repeat(factor, -3).repeat(factor, -2)


def error(truth: np.ndarray, model: np.ndarray) -> np.ndarray:
    """Returns the signed difference of images as grey levels around 128."""
    difference = model.astype(np.int16) - truth.astype(np.int16)
    # In coarse steps: noise of a level or two is not seen, and makes large files.
    return (
        (128 + ERROR_STEP * np.round(difference / (2 * ERROR_STEP))).clip(0, 255).astype(np.uint8)
    )


def prediction_grid(truth: np.ndarray, model: np.ndarray, context: int) -> np.ndarray:
    """Returns frames [T, ...] with rows truth, model and error and a column for each sequence.

    Frames of the model are edged green while it sees the truth, orange when it predicts.

    Args:
        truth, model: uint8 [N, T, H, W, 3].
        context: number of steps that the model has seen.
    """
    count, length, height, width = truth.shape[:4]
    cell_height, cell_width = height + GAP, width + GAP
    shape = (length, 3 * cell_height + GAP, LABEL_WIDTH + count * cell_width + GAP, 3)
    frames = np.full(shape, 255, np.uint8)
    frames[:, :, :LABEL_WIDTH] = _labels(shape[1], cell_height)
    for row, images in enumerate((truth, model, error(truth, model))):
        for column in range(count):
            top, left = GAP + row * cell_height, LABEL_WIDTH + GAP + column * cell_width
            if row == 1:
                area = frames[:, top - GAP : top + cell_height, left - GAP : left + cell_width]
                area[:context], area[context:] = CONTEXT_COLOUR, PREDICTED_COLOUR
            frames[:, top : top + height, left : left + width] = images[column]
    return frames


def numbered(frames: np.ndarray) -> np.ndarray:
    """Returns frames [T, H, W, 3] with the number of each below its left corner."""
    font, found = ImageFont.load_default(13), []
    for number, frame in enumerate(frames):
        image = Image.new("RGB", (frame.shape[1], frame.shape[0] + 18), "white")
        image.paste(Image.fromarray(frame), (0, 0))
        ImageDraw.Draw(image).text((4, frame.shape[0]), f"step {number}", "black", font)
        found.append(np.asarray(image))
    return np.stack(found)


def prediction_strip(
    truth: np.ndarray, model: np.ndarray, context: int, steps: Sequence[int]
) -> np.ndarray:
    """Returns one image [H, W, 3] like Figure 5 of the paper: rows truth and model over time.

    Args:
        truth, model: uint8 [T, H, W, 3] of one sequence.
        context: number of steps that the model has seen.
        steps: the steps shown, one column each; their numbers stand below.
    """
    height, width = truth.shape[1:3]
    cell = width + GAP
    strip = Image.new(
        "RGB", (LABEL_WIDTH + len(steps) * cell + GAP, 2 * (height + GAP) + GAP + 14), "white"
    )
    draw, font = ImageDraw.Draw(strip), ImageFont.load_default(10)
    for row, images in enumerate((truth, model)):
        top = GAP + row * (height + GAP)
        draw.text((2, top + height // 2 - 6), ROWS[row], "black", font)
        for column, step in enumerate(steps):
            left = LABEL_WIDTH + GAP + column * cell
            if row == 1:
                colour = CONTEXT_COLOUR if step < context else PREDICTED_COLOUR
                area = (left - GAP, top - GAP, left + width + GAP - 1, top + height + GAP - 1)
                draw.rectangle(area, colour)
                draw.text((left + 2, top + height + GAP), str(step), "black", font)
            strip.paste(Image.fromarray(images[step]), (left, top))
    return np.asarray(strip)


def _labels(height, cell_height):
    """Returns the column of row names, [height, LABEL_WIDTH, 3]."""
    column = Image.new("RGB", (LABEL_WIDTH, height), "white")
    draw, font = ImageDraw.Draw(column), ImageFont.load_default(11)
    for row, name in enumerate(ROWS):
        draw.text((3, row * cell_height + cell_height // 2 - 6), name, "black", font)
    return np.asarray(column)
