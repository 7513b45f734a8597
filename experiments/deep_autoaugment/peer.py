"""The same work by Pillow, torchvision and PyTorch, for `speed` alone, in an environment of
its own.

`speed` starts this file with the interpreter that is named, which has torch, torchvision and
Pillow, and neither JAX nor this project, and asks for one measurement after the other: a line
of JSON in, a line of JSON out, so that both sides can take turns. All times are processor
seconds, of one thread.
"""

import importlib.util
import json
import math
import sys
import time

import numpy as np


def main() -> None:
    """Answer lines until there are none."""
    kept: dict = {}
    for line in sys.stdin:
        question = json.loads(line)
        try:
            answer = ANSWERS[question.pop("what")](kept, **question)
        except Exception as error:  # told to who asked
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


def load(kept, file: str, path: str) -> dict:
    """Images, the steps of each and what they become; `file` is that of `standalone`."""
    import torch
    from PIL import Image

    torch.set_num_threads(1)
    spec = importlib.util.spec_from_file_location("standalone", file)
    assert spec and spec.loader
    kept["standalone"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(kept["standalone"])
    with np.load(path) as found:
        kept["images"], kept["new"] = found["images"], found["new"]
        kept["steps"] = json.loads(str(found["steps"]))
    kept["pillow"] = [Image.fromarray(x) for x in kept["images"]]
    tensors = torch.from_numpy(kept["images"]).permute(0, 3, 1, 2)
    kept["tensors"] = list(tensors.contiguous())
    versions = {
        "torch": torch.__version__,
        "Pillow": importlib.import_module("PIL").__version__,
    }
    versions["torchvision"] = importlib.import_module("torchvision").__version__
    return versions


def images(kept, by: str) -> dict:
    """Seconds of all images, one after the other, each through its steps.

    `pillow` calls Pillow alone, `torchvision` the functions of transforms.v2 on images of
    Pillow, `tensors` the same functions on tensors [c, h, w].
    """
    steps = kept["steps"]
    given = kept["tensors" if by == "tensors" else "pillow"]
    apply = kept["standalone"].apply if by == "pillow" else _by_torchvision
    began = time.process_time()
    found = [apply(x, s) for x, s in zip(given, steps, strict=True)]
    seconds = time.process_time() - began
    if by == "tensors":
        arrays = [x.permute(1, 2, 0).numpy() for x in found]
    else:
        arrays = [np.asarray(x) for x in found]
    away = np.abs(np.stack(arrays).astype(int) - kept["new"]).max(-1)
    return {
        "seconds": seconds,
        "differing": float((away > 0).mean()),
        "most": int(away.max()),
    }


def _by_torchvision(image, steps):
    for op, value, where in steps:
        image = _step(image, op, value, where)
    return image


def _step(image, op, value, where):
    """One operation as users of torchvision write it, with the numbers that mean the same."""
    from torchvision.transforms.v2 import functional as F

    if op in MAPS:
        height, width = F.get_size(image)
        shear, translate = MAPS[op](value, height, width)
        return F.affine(image, 0.0, translate, 1.0, shear, fill=0, center=[0.0, 0.0])
    if op == "rotate":
        return F.rotate(image, value, fill=0)
    if op == "flip":
        return F.horizontal_flip(image) if where else image
    if op == "crop":
        height, width = F.get_size(image)
        padded = F.pad(image, [int(value)] * 4, fill=[125, 123, 114])
        return F.crop(padded, where[1], where[0], height, width)
    if op == "cutout":
        return _cutout(image, where)
    if op == "solarize":
        return F.solarize(image, value) if value <= 255 else image
    if op == "posterize":
        return F.posterize(image, int(value))
    if op in ADJUST:
        return getattr(F, f"adjust_{ADJUST[op]}")(image, value)
    return image if op == "identity" else getattr(F, op)(image)


MAPS = {  # degrees of a shear, pixels of a translation
    "shear_x": lambda v, h, w: ([math.degrees(math.atan(v)), 0.0], [0, 0]),
    "shear_y": lambda v, h, w: ([0.0, math.degrees(math.atan(v))], [0, 0]),
    "translate_x": lambda v, h, w: ([0.0, 0.0], [-math.floor(v * w + 0.5), 0]),
    "translate_y": lambda v, h, w: ([0.0, 0.0], [0, -math.floor(v * h + 0.5)]),
}
ADJUST = {"contrast": "contrast", "color": "saturation"}
ADJUST |= {"brightness": "brightness", "sharpness": "sharpness"}


def _cutout(image, where):
    import torch
    from torchvision.transforms.v2 import functional as F

    left, top, right, bottom = where
    pillow = not isinstance(image, torch.Tensor)
    x = F.pil_to_tensor(image) if pillow else image
    colour = torch.tensor([125, 123, 114], dtype=torch.uint8)[:, None, None]
    x = F.erase(x, top, left, bottom - top + 1, right - left + 1, colour)
    return F.to_pil_image(x) if pillow else x


def network(kept, depth: int, widen: int, batch: int, size: int, repeat: int) -> dict:
    """Median seconds of an update, of logits, and of the losses of single examples with
    their derivative in one direction, of a wide residual network."""
    import torch
    import torch.nn.functional as F
    from torch import func

    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = _wide(depth, widen)
    x, y = torch.rand(batch, 3, size, size), torch.randint(0, 10, (batch,))
    optimizer = torch.optim.SGD(
        model.parameters(), 0.1, 0.9, weight_decay=5e-4, nesterov=True
    )

    def update():
        model.train()
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()

    def forward():
        model.eval()
        with torch.no_grad():
            model(x)

    def jvp():
        model.eval()
        weights = {k: v.detach() for k, v in model.named_parameters()}
        rest = dict(model.named_buffers())

        def losses(w):
            logits = func.functional_call(model, {**w, **rest}, (x,))
            return F.cross_entropy(logits, y, reduction="none")

        with torch.no_grad():
            func.jvp(losses, (weights,), ({k: v.clone() for k, v in weights.items()},))

    count = sum(p.numel() for p in model.parameters())
    found = {"update": _median(update, repeat), "forward": _median(forward, repeat)}
    return found | {"jvp": _median(jvp, repeat), "parameters": count}


def _median(act, repeat: int) -> float:
    times = []
    for _ in range(repeat + 1):
        began = time.process_time()
        act()
        times.append(time.process_time() - began)
    return float(np.median(times[1:]))


def _wide(depth: int, widen: int):
    """WRN-depth-widen with biases, for ten classes."""
    from torch import nn

    class Block(nn.Module):
        def __init__(self, into, out, stride):
            super().__init__()
            self.first, self.second = nn.BatchNorm2d(into), nn.BatchNorm2d(out)
            self.one = nn.Conv2d(into, out, 3, 1, 1)
            self.two = nn.Conv2d(out, out, 3, stride, 1)
            same = into == out and stride == 1
            self.past = nn.Identity() if same else nn.Conv2d(into, out, 1, stride)

        def forward(self, x):
            y = self.one(self.first(x).relu())
            return self.two(self.second(y).relu()) + self.past(x)

    widths, layers = (
        [16, 16 * widen, 32 * widen, 64 * widen],
        [nn.Conv2d(3, 16, 3, 1, 1)],
    )
    for group in range(3):
        for i in range((depth - 4) // 6):
            into = widths[group] if i == 0 else widths[group + 1]
            layers.append(Block(into, widths[group + 1], 2 if group and i == 0 else 1))
    end = [nn.BatchNorm2d(widths[3]), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return nn.Sequential(*layers, *end, nn.Linear(widths[3], 10))


ANSWERS = {"load": load, "images": images, "network": network}

if __name__ == "__main__":
    main()
