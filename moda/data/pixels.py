"""Pictures decoded and resized once, kept on disk as bytes, normalised as they are read.

What the image processor does before normalising gives whole numbers, so keeping those loses nothing: training from here
sees the same pixels as training from files, without decoding each picture in each epoch.
"""

import hashlib
import json
import os
import zlib
from pathlib import Path

import numpy as np
import torch
from tqdm.auto import tqdm

from pictures_moda import load_picture


CACHE = Path(os.environ.get("MODA_CACHE", "~/.cache/moda")).expanduser() / "pixels"


class PixelDataset(torch.utils.data.Dataset):
    """Rows with `pixel_values` from the cache, which is built when it is not there.

    Args:
        rows (`datasets.Dataset`): With an undecoded `image` column.
        image_processor (`BaseImageProcessor`): Decides size, and mean and deviation of the normalisation.
        columns (`list[str]`, *optional*): Columns passed along with the pixels. Defaults to `description`.
        augment (`list[str]`, *optional*): `"flip"` (half of the pictures, sideways) and `"shift"` (up to 1/16 of the
            edge, the border repeated). Drawn from seed, `epoch` and the rows of a batch alone, so that a resumed run
            sees what an uninterrupted one does.
        seed (`int`, *optional*, defaults to 0): Of the augmentation.
        cache (`Path`, *optional*, defaults to `~/.cache/moda/pixels`, or below `$MODA_CACHE`): Folder.

    Attributes:
        unreadable (`list[tuple[int, str]]`): Row numbers that were left out, and why.
    """

    def __init__(self, rows, image_processor, columns=("description",), augment=(), seed=0, cache=CACHE):
        if not (image_processor.do_rescale and image_processor.do_normalize):
            raise ValueError("The image processor must rescale and normalise; set do_rescale and do_normalize in it.")
        self.processor, self.augment, self.seed, self.epoch = image_processor, set(augment), seed, 0
        self.pixels, self.unreadable = _open_or_build(rows, image_processor, Path(cache))
        bad = {index for index, _ in self.unreadable}
        self.kept = np.array([index for index in range(len(rows)) if index not in bad])
        self.rows = rows.select(self.kept) if bad else rows
        self.columns = {name: list(self.rows[name]) for name in columns}
        self.mean = torch.tensor(image_processor.image_mean).view(-1, 1, 1)
        self.std = torch.tensor(image_processor.image_std).view(-1, 1, 1)

    def __len__(self):
        return len(self.kept)

    def __getitem__(self, index):
        return self.__getitems__([index])[0]

    def __getitems__(self, indices):  # torch's DataLoader asks for a whole batch at once where it can
        pixels = torch.from_numpy(self.pixels[self.kept[indices]]).float()
        if self.augment:
            drawn_from = np.array([self.seed, self.epoch, *indices], dtype=np.int64)
            generator = torch.Generator().manual_seed(zlib.crc32(drawn_from.tobytes()))
            pixels = _moved(pixels, self.augment, generator)
        pixels = (pixels * self.processor.rescale_factor - self.mean) / self.std
        rows = zip(*(([self.columns[name][index] for index in indices]) for name in self.columns))
        names = list(self.columns)
        return [{"pixel_values": p, **dict(zip(names, row))} for p, row in zip(pixels, rows)]


def _moved(pixels, augment, generator):
    if "flip" in augment:
        flipped = torch.rand(len(pixels), generator=generator) < 0.5
        pixels[flipped] = pixels[flipped].flip(-1)
    if "shift" in augment:
        height, width = pixels.shape[-2:]
        reach = max(width // 16, 1)
        padded = torch.nn.functional.pad(pixels, (reach,) * 4, mode="replicate")
        # One move for each group of rows: single crops would cost more than the training step gains from them.
        for group in torch.randperm(len(pixels), generator=generator).chunk(8):
            top, left = torch.randint(0, 2 * reach + 1, (2,), generator=generator).tolist()
            pixels[group] = padded[group, :, top : top + height, left : left + width]
    return pixels


class _Decoded(torch.utils.data.Dataset):
    def __init__(self, rows, image_processor):
        self.rows, self.processor = rows, image_processor

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, index):
        try:
            picture = load_picture(self.rows[index]["image"], name=f"the picture of row {index}")
        except (ValueError, OSError) as error:
            return index, str(error)
        pixels = self.processor(picture, do_rescale=False, do_normalize=False, return_tensors="np")["pixel_values"][0]
        return index, np.clip(np.rint(pixels), 0, 255).astype(np.uint8)


def _fingerprint(rows, image_processor):
    """What the pixels depend on: the pictures themselves, in order, and what the processor does to them."""
    key = hashlib.sha256(image_processor.to_json_string().encode())
    for batch in rows.select_columns("image").with_format("arrow").iter(1000):
        for image in batch["image"].to_pylist():
            if image is None:
                key.update(b"none")
            elif image["bytes"] is not None:
                key.update(image["bytes"])
            else:
                file = os.stat(image["path"]) if os.path.exists(image["path"]) else None
                key.update(repr((image["path"], file and (file.st_size, file.st_mtime_ns))).encode())
    return key.hexdigest()[:16]


def _open_or_build(rows, image_processor, cache):
    name = _fingerprint(rows, image_processor)
    file, notes = cache / f"{name}.npy", cache / f"{name}.json"
    if not notes.is_file():
        cache.mkdir(parents=True, exist_ok=True)
        unfinished = cache / f"{name}.unfinished.npy"  # the next attempt writes over it
        decoded = torch.utils.data.DataLoader(
            _Decoded(rows, image_processor), batch_size=None, num_workers=min(2, os.cpu_count() or 1)
        )
        pixels, unreadable = None, []
        for index, result in tqdm(decoded, desc="Decoding pictures", unit="picture", total=len(rows)):
            if isinstance(result, str):
                unreadable.append((index, result))
                continue
            result = np.asarray(result)
            if pixels is None:
                pixels = np.lib.format.open_memmap(unfinished, "w+", np.uint8, (len(rows), *result.shape))
            pixels[index] = result
        if pixels is None:
            raise ValueError(f"None of {len(rows)} pictures can be read; the first: {unreadable[0][1]}")
        pixels.flush()
        del pixels  # a file that is mapped can't be renamed everywhere
        os.replace(unfinished, file)
        notes.write_text(json.dumps(unreadable))
    return np.load(file, mmap_mode="r"), [tuple(note) for note in json.loads(notes.read_text())]
