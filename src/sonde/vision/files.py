"""Where many pictures come from, one at a time: a tensor, an array on disk, or a folder of files, of which broken ones are named and left out."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import interpolate

from sonde.results import InputError, shown

MODES = ("L", "RGB")
NAMED = 5  # broken files in a note


def read_picture(file: str | Path) -> Float[Tensor, "..."]:
    """A picture from 0 to 1: a file of pixels, or an array (.npy) as it stands.

    Arguments:
        file: its path.

    Raises:
        InputError: no file, no picture, a broken one, or one that is neither grey nor RGB.
    """
    path = Path(file)
    if not path.is_file():
        raise InputError(f"there is no file {file}")
    if path.suffix == ".npy":
        values = torch.from_numpy(_array(path)).float()
        return values[None] if values.ndim == 2 else values
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError:
        raise InputError(f"{file} is a picture file, and reading it needs Pillow: pip install pillow, or give an array (.npy)") from None
    try:
        with Image.open(path) as picture:
            picture.load()
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        words = "is no picture that Pillow knows, and no array (.npy)" if isinstance(error, UnidentifiedImageError) else f"is broken ({error})"
        raise InputError(f"{file} {words}") from None
    if picture.mode not in MODES:
        raise InputError(f"{file} has the mode {picture.mode}: convert it to L (grey) or RGB")
    pixels = torch.from_numpy(np.asarray(picture, dtype=np.float32) / 255)
    return pixels[None] if pixels.ndim == 2 else pixels.permute(2, 0, 1)


@dataclass(eq=False)
class Pictures:
    """Many pictures, read one by one.

    Arguments:
        count: how many there are.
        channels: that the network takes; a grey file is repeated for each.
        size: rows and columns to which files are brought: the shorter side is scaled, the middle is cut; `None` leaves them as they are.
        values: of a tensor or an array, (image channel row col).
        folder: of files.
        names: of the files within the folder; none of a tensor.
        broken: the files that could not be read so far, with the reason.
    """

    count: int
    channels: int
    size: tuple[int, int] | None = None
    values: "Tensor | np.ndarray | None" = None
    folder: Path | None = None
    names: list[str] = field(default_factory=list)
    broken: dict[str, str] = field(default_factory=dict)

    def key(self) -> list[object]:
        """What a job is recognised by without reading all: sizes and times of files; of a tensor its shape, first and last picture."""
        if self.folder is None:
            return [list(self.values.shape), self[0], self[self.count - 1]]  # type: ignore[union-attr]
        stats = [(self.folder / name).stat() for name in self.names]
        return [self.names, [one.st_size for one in stats], [one.st_mtime_ns for one in stats], str(self.size)]

    def __getitem__(self, number: int) -> Float[Tensor, "channel row col"]:
        """One picture from 0 to 1.

        Raises:
            InputError: a file that can't be read, or what is no picture.
        """
        if self.folder is None:
            return torch.as_tensor(np.array(self.values[number]) if isinstance(self.values, np.ndarray) else self.values[number]).float()  # type: ignore[index]
        picture = read_picture(self.folder / self.names[number])
        if picture.ndim != 3 or len(picture) not in (1, self.channels):
            raise InputError(
                f"{self.folder / self.names[number]} has the shape {' x '.join(map(str, picture.shape))}: the network takes {self.channels} channels"
            )
        return _brought(picture.expand(self.channels, -1, -1), self.size)

    def read(self, numbers: range) -> Iterator[tuple[int, Float[Tensor, "channel row col"]]]:
        """Those of some pictures that can be read, with their numbers; the others are noted in `broken`.

        Arguments:
            numbers: of the pictures.

        Raises:
            InputError: pixels that are not from 0 to 1.
        """
        for number in numbers:
            try:
                picture = self[number]
            except InputError as error:
                if self.folder is None:
                    raise
                self.broken[self.names[number]] = str(error).replace(str(self.folder / self.names[number]), "").strip()
                continue
            low, high = (float(one) for one in picture.aminmax())
            if not (low >= 0 and high <= 1):  # nor where one is no number
                name = self.names[number] if self.names else f"picture {number}"
                raise InputError(
                    f"pixels lie from 0 to 1, and those of {name} from {low:.3g} to {high:.3g}: scale them, "
                    "before normalisation"
                )  # fmt: skip
            yield number, picture

    def stacked(self, numbers: range) -> tuple[list[int], Float[Tensor, "picture channel row col"]] | None:
        """Those of some pictures that can be read, as one tensor, with their numbers; `None` where there are none.

        Arguments:
            numbers: of the pictures.

        Raises:
            InputError: pictures of different sizes.
        """
        read = list(self.read(numbers))
        sizes = list(dict.fromkeys(tuple(one.shape[1:]) for _, one in read))
        if len(sizes) > 1:
            raise differing(*sizes[:2])
        return ([number for number, _ in read], torch.stack([one for _, one in read])) if read else None


def pictures_of(given: "Tensor | np.ndarray | str | Path", channels: int, size: int | tuple[int, int] | None) -> Pictures:
    """The pictures that are meant.

    Arguments:
        given: a tensor (image channel row col) from 0 to 1, an array (.npy) of that kind, or a folder of files, which may have subfolders.
        channels: that the network takes.
        size: to which files are brought.

    Raises:
        InputError: nothing of these, or none at all.
    """
    if isinstance(size, int):
        size = (size, size)
    if size is not None and (len(size) != 2 or min(size) < 1):
        raise InputError(f"size={shown(size)}: give the number of rows and columns, 1 or more")
    values: Tensor | np.ndarray | None = None
    if isinstance(given, str | Path):
        place = Path(given)
        if place.suffix == ".npy" and place.is_file():
            values = _array(place, mapped=True)
        elif not place.is_dir():
            raise InputError(f"{place} is no folder of pictures, and no array (.npy)")
        else:
            files = (one.relative_to(place) for one in place.rglob("*") if one.is_file())
            names = sorted(one.as_posix() for one in files if not any(part.startswith(".") for part in one.parts))
            if not names:
                raise InputError(f"the folder {place} has no files")
            return Pictures(len(names), channels, size, folder=place, names=names)
    elif isinstance(given, Tensor | np.ndarray):
        values = given
    if values is None or values.ndim != 4 or not len(values):
        got = shown(given) if values is None else f"the shape {' x '.join(map(str, values.shape))}"
        raise InputError(f"pictures are a tensor (image channel row col) from 0 to 1, an array (.npy) of that kind, or a folder; got {got}")
    if size is not None and tuple(values.shape[2:]) != size:
        raise InputError(f"size={shown(size)} is for files; these pictures have {values.shape[2]} x {values.shape[3]} pixels: scale them yourself")
    return Pictures(len(values), values.shape[1], values=values)


def differing(first: Sequence[int], second: Sequence[int]) -> InputError:
    """The refusal of pictures of two sizes.

    Arguments:
        first, second: rows and columns.
    """
    one, other = (" x ".join(map(str, size)) for size in (first, second))
    return InputError(f"the pictures differ in size ({one} and {other}): say to which size they are brought with size=")


def told(broken: Mapping[str, str]) -> str:
    """Files that could not be read, with their reasons, in a few words.

    Arguments:
        broken: reasons by file.

    >>> told({"a.png": "is broken"})
    'a.png is broken'
    """
    some = "; ".join(f"{name} {why}" for name, why in list(broken.items())[:NAMED])
    return some + (f"; and {len(broken) - NAMED} more" if len(broken) > NAMED else "")


def _array(path: Path, mapped: bool = False) -> "np.ndarray":
    try:
        values: np.ndarray = np.load(path, allow_pickle=False, mmap_mode="r" if mapped else None)
    except (ValueError, OSError, TypeError, EOFError) as error:
        raise InputError(f"{path} is no array of numbers ({error})") from None
    if not isinstance(values, np.ndarray) or values.dtype.kind not in "fiu":
        raise InputError(f"{path} is no array of numbers")
    return values


def _brought(picture: Float[Tensor, "channel row col"], size: tuple[int, int] | None) -> Float[Tensor, "channel height width"]:
    """The picture scaled so that it covers a size, and its middle."""
    if size is None or tuple(picture.shape[1:]) == size:
        return picture
    share = max(size[0] / picture.shape[1], size[1] / picture.shape[2])
    rows, cols = (max(wanted, round(share * had)) for wanted, had in zip(size, picture.shape[1:], strict=True))
    scaled = interpolate(picture[None], size=(rows, cols), mode="bilinear", align_corners=False, antialias=True)[0].clamp(0, 1)
    top, left = (rows - size[0]) // 2, (cols - size[1]) // 2
    return scaled[:, top : top + size[0], left : left + size[1]]
