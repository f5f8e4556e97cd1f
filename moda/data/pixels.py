"""Pictures decoded and resized once, kept on disk as bytes, normalised as they are read.

What the image processor does before normalising gives whole numbers, so keeping those loses nothing: training from here
sees the same pixels as training from files, without decoding each picture in each epoch.
"""

import functools
import hashlib
import json
import os
import random
from functools import partial

import numpy as np
import torch
from PIL import Image

from pictures_moda import load_picture

from .store import CACHE, open_or_build


class PictureDataset(torch.utils.data.Dataset):
    """What [`PixelDataset`] and [`FeatureDataset`] share: rows whose pictures were turned into numbers once.

    A row is a `dict` with the numbers, the columns, and `row`, its own index.

    Attributes:
        fingerprint (`str`): Digest of the pictures, in order.
        unreadable (`list[tuple[int, str]]`): Row numbers that were left out, and why.
        kept (`np.ndarray` of shape `(len(self),)`): Numbers, among the rows given, of those that are here.
        columns (`dict[str, list]`): The columns passed along, read into memory when asked for.
        seed, epoch (`int`): What is random in a row is drawn from these and its index alone.
        draws_sentence (`bool`): Whether the `description` of a row with several `descriptions` is another in each epoch;
            without, it is the first.
    """

    doing = ways_out = ""
    seed, epoch, draws_sentence = 0, 0, False

    def __init__(self, rows, columns, cache, depends_on, shape, dtype, compute):
        self.fingerprint = fingerprint(rows)
        key = hashlib.sha256("\n".join([self.fingerprint, *depends_on]).encode()).hexdigest()[:16]
        self.file, self.unreadable = open_or_build(
            cache, key, self.fingerprint, shape, dtype, len(rows), compute, self.doing, self.ways_out
        )
        self.stored = np.load(self.file, mmap_mode="r")
        bad = {index for index, _ in self.unreadable}
        self.kept = np.array([index for index in range(len(rows)) if index not in bad])
        self.rows = rows.select(self.kept) if bad else rows
        self.table = self.rows.select_columns(list(columns))

    @functools.cached_property
    def columns(self):
        return {name: self.table[name][:] for name in self.table.column_names}

    def __len__(self):
        return len(self.kept)

    def __getstate__(self):  # a worker process opens the file by itself, instead of getting a copy of it
        return {**self.__dict__, "stored": None}

    def __setstate__(self, state):
        self.__dict__.update(state, stored=np.load(state["file"], mmap_mode="r"))

    def __getitem__(self, index):
        return self.__getitems__([index])[0]

    def __getitems__(self, indices):  # torch's DataLoader asks for a whole batch at once where it can
        indices = [range(len(self))[index] for index in indices]  # -1 is the last one
        name, values = self.read(indices)
        table = self.table[indices]  # from the disk: a worker of a large run must not hold every sentence
        passed = [{column: values[place] for column, values in table.items()} for place in range(len(indices))]
        if self.draws_sentence:
            for index, row in zip(indices, passed):
                if row.get("descriptions"):
                    draw = random.Random(f"{self.seed} {self.epoch} {index} sentence")
                    row["description"] = draw.choice(row["descriptions"])
        return [{name: value, "row": index, **row} for value, index, row in zip(values, indices, passed)]

    def read(self, indices):
        """Returns the name of the numbers, and those of some rows, a tensor of shape `(len(indices), ...)`."""
        raise NotImplementedError


class PixelDataset(PictureDataset):
    """Rows with `pixel_values` from the cache, which is built when it is not there.

    Args:
        rows (`datasets.Dataset`): With an undecoded `image` column.
        image_processor (`BaseImageProcessor`): Decides size, and mean and deviation of the normalisation.
        columns (`list[str]`, *optional*): Columns passed along with the pixels. Defaults to `description`.
        augment (`list[str]`, *optional*): `"flip"` (half of the pictures, sideways) and `"shift"` (up to 1/16 of the
            edge, the border repeated). Drawn for each row from seed, `epoch` and the row's index alone, so that a
            resumed run, and one on more processes, sees what an uninterrupted one does.
        seed (`int`, *optional*, defaults to 0): Of the augmentation.
        cache (`Path`, *optional*, defaults to `~/.cache/moda/pixels`, or below `$MODA_CACHE`): Folder.

    Raises:
        `ValueError`: If the processor does not normalise, gives pictures of several shapes, or no picture can be read.
        `OSError`: If the folder is full or can't be written.
    """

    doing = "Decoding pictures"

    def __init__(self, rows, image_processor, columns=("description",), augment=(), seed=0, cache=CACHE / "pixels"):
        if not (image_processor.do_rescale and image_processor.do_normalize):
            raise ValueError("The image processor must rescale and normalise; set do_rescale and do_normalize in it.")
        self.processor, self.augment, self.seed = image_processor, set(augment), seed
        self.mean = torch.tensor(image_processor.image_mean).view(-1, 1, 1)
        self.std = torch.tensor(image_processor.image_std).view(-1, 1, 1)
        prepare = partial(_whole_numbers, image_processor)

        def compute(first):
            for _, pixels, unreadable in prepared(rows, prepare, first):
                yield pixels, unreadable

        shape = prepare(Image.new("RGB", (64, 48))).shape
        depends_on = ["pixels", processor_json(image_processor)]
        super().__init__(rows, columns, cache, depends_on, shape, np.uint8, compute)

    def read(self, indices):
        pixels = self.stored[indices]
        if self.augment:
            pixels = self._moved(pixels, indices)
        pixels = torch.from_numpy(pixels).float()
        return "pixel_values", (pixels * self.processor.rescale_factor - self.mean) / self.std

    def _moved(self, pixels, indices):
        height, width = pixels.shape[-2:]
        reach = max(width // 16, 1) if "shift" in self.augment else 0
        padded = np.pad(pixels, ((0, 0), (0, 0), (reach, reach), (reach, reach)), mode="edge")
        for place, index in enumerate(indices):
            draw = random.Random(f"{self.seed} {self.epoch} {index}")
            top, left, flips = draw.randint(0, 2 * reach), draw.randint(0, 2 * reach), draw.random() < 0.5
            window = padded[place, :, top : top + height, left : left + width]
            pixels[place] = window[..., ::-1] if flips and "flip" in self.augment else window
        return pixels


def _whole_numbers(image_processor, picture):
    pixels = image_processor(picture, do_rescale=False, do_normalize=False, return_tensors="np")["pixel_values"][0]
    return np.clip(np.rint(pixels), 0, 255).astype(np.uint8)


def fingerprint(rows):
    """Digests the pictures of `rows` in order: their bytes; where only a path is known, path, size and time of change."""
    key = hashlib.sha256()
    for batch in rows.select_columns("image").with_format("arrow").iter(1000):
        for image in batch["image"].to_pylist():
            if image is None:
                key.update(b"none")
            elif image["bytes"] is not None:
                key.update(b"%d bytes:" % len(image["bytes"]))
                key.update(image["bytes"])
            else:
                file = os.stat(image["path"]) if os.path.exists(image["path"]) else None
                key.update(repr((image["path"], file and (file.st_size, file.st_mtime_ns))).encode())
    return key.hexdigest()[:16]


def processor_json(image_processor):
    """What an image processor does, without the notes that saving it leaves in it."""
    fields = json.loads(image_processor.to_json_string())
    return json.dumps({k: v for k, v in fields.items() if k not in ("auto_map", "processor_class")}, sort_keys=True)


def prepared(rows, prepare, first=0, batch_size=64):
    """Decodes and prepares the pictures of `rows` in worker processes, in order.

    Args:
        rows (`datasets.Dataset`): With an undecoded `image` column.
        prepare (`Callable[[PIL.Image.Image], np.ndarray]`): Must be picklable.
        first (`int`, *optional*, defaults to 0): Row to begin with.
        batch_size (`int`, *optional*, defaults to 64): Rows at once.

    Yields:
        `tuple[list[int], np.ndarray, list[tuple[int, str]]]`: The numbers of a batch's readable rows, what became of
        their pictures, and the unreadable rows with the reason.
    """
    left = len(rows) - first
    loader = torch.utils.data.DataLoader(
        _Prepared(rows, prepare),
        batch_size=batch_size,
        sampler=range(first, len(rows)),
        num_workers=min(os.cpu_count() or 1, 8, left // batch_size),  # none for what is done in a blink
        collate_fn=_as_it_is,
        generator=torch.Generator(),  # its own: a run that builds the cache must draw what one that finds it draws
    )
    for batch in loader:
        if isinstance(batch, ValueError):
            raise batch
        yield batch


def _as_it_is(batch):
    return batch


class _Prepared(torch.utils.data.Dataset):
    def __init__(self, rows, prepare):
        self.rows, self.prepare = rows, prepare
        self.shape = prepare(Image.new("RGB", (64, 48))).shape

    def __len__(self):
        return len(self.rows)

    def __getitems__(self, indices):
        good, values, bad = [], [], []
        for index in indices:
            try:
                picture = load_picture(self.rows[index]["image"], name=f"the picture of row {index}")
            except (ValueError, OSError) as error:
                bad.append((index, str(error)))
            else:
                good.append(index)
                values.append(self.prepare(picture))
        for index, value in zip(good, values):
            if value.shape != self.shape:
                return ValueError(  # not raised here, where a traceback of the worker would be wrapped around it
                    f"The image processor makes {value.shape} of the picture of row {index} and "
                    f"{self.shape} of another; give it one size ({{height, width}}, or do_center_crop)."
                )
        # Arrays, not tensors: those would pass through shared memory, of which containers have next to none.
        return good, np.stack(values) if values else np.empty((0, *self.shape)), bad
