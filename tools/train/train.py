"""Train the network; the same command resumes an interrupted run.

    python tools/train/labelmaps.py --out RUN/labelmaps
    python tools/train/distil.py --out RUN/scans
    python tools/train/references.py --out RUN/scans
    python tools/train/train.py --run RUN
"""

import argparse
import math
import multiprocessing
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

import dataset
import synthesis
from export import load_weights
from network import WIDTHS, ResUNet


@dataclass
class Stage:
    name: str
    grid: int  # voxels per side of the 240 mm field of view
    crop: tuple  # voxels (right, anterior, superior) given to the network
    steps: int
    rate: tuple  # learning rate at the beginning and the end (cosine between)
    norm: str


STAGES = {
    "default": (
        Stage("coarse", 64, (64, 64, 64), 700, (2e-3, 1e-3), "renorm"),
        Stage("fine", 96, (64, 80, 80), 1200, (1e-3, 2e-4), "renorm"),
        Stage("settle", 96, (96, 96, 96), 170, (2e-4, 1e-5), "frozen"),
        Stage("fine again", 96, (64, 80, 80), 820, (5e-4, 5e-5), "renorm"),
        Stage("settle again", 96, (96, 96, 96), 60, (1e-4, 1e-5), "frozen"),
    ),
    "tiny": (
        Stage("coarse", 64, (64, 64, 64), 1800, (2e-3, 1e-4), "renorm"),
        Stage("settle", 64, (64, 64, 64), 100, (1e-4, 1e-5), "frozen"),
    ),
}
WARM_UP = 100  # steps of rising learning rate
PLAIN_BATCH = 200  # first steps with plain batch statistics
KINDS = {"head-": 0.85, "infant_brain-": 0.10, "brainmask_shapes-": 0.05}
REAL = 0.3  # share of real scans, when there are any
AVERAGE = 0.997  # decay of the averaged weights


def scan_centre(volume):
    return dataset.centre_of(dataset.Scan(volume, np.ones(3), np.eye(4)))


def generate(queue, stages, stage_index, folder, seed):
    """Worker: endless (stage, image, target, channels known) of the current stage."""
    torch.set_num_threads(1)
    rng = np.random.default_rng(seed)
    heads = {kind: [synthesis.HeadMap(p) for p in sorted((folder / "labelmaps").glob(kind + "*"))]
             for kind in KINDS}
    scans = [synthesis.MaskedScan(p, scan_centre) for p in sorted((folder / "scans").glob("*.npz"))]
    while True:
        index = stage_index.value
        stage = stages[index]
        if scans and rng.random() < REAL:
            image, target = synthesis.vary(scans[rng.integers(len(scans))], rng, stage.grid)
            known = (1, 0)
        else:
            kind = rng.choice(list(KINDS), p=list(KINDS.values()))
            head = heads[kind][rng.integers(len(heads[kind]))]
            image, target = synthesis.synthesise(head, rng, stage.grid)
            known = (1, 1)
        corner = [int(rng.integers(0, stage.grid - c + 1)) for c in stage.crop]
        box = tuple(slice(a, a + c) for a, c in zip(corner, stage.crop))
        queue.put((index, image[box].copy(), target[(slice(None),) + box].copy(), known))


def next_sample(queue, index):
    """Image (1, 1, ...), target (1, 2, ...) in 0..1 and known (1, 2) of one stage."""
    tag = None
    while tag != index:
        tag, image, target, known = queue.get()
    layout = torch.channels_last_3d
    image = torch.from_numpy(image).float()[None, None].to(memory_format=layout)
    target = (torch.from_numpy(target).float() / 255)[None].to(memory_format=layout)
    return image, target, torch.tensor([known], dtype=torch.float32)


def loss_of(logits, targets, known):
    """Cross entropy, heavier near the boundary, plus soft Dice; both channels."""
    kernel = dict(kernel_size=3, stride=1, padding=1)
    near = functional.max_pool3d(targets, **kernel) + functional.max_pool3d(-targets, **kernel)
    entropy = functional.binary_cross_entropy_with_logits(
        logits, targets, weight=1 + 3 * near, reduction="none")
    p = torch.sigmoid(logits)
    sums = (2, 3, 4)
    dice = (2 * (p * targets).sum(sums) + 50) / (p.sum(sums) + targets.sum(sums) + 50)
    return (known * (entropy.mean(sums) + 1 - dice)).mean()


def differentiate(model, queue, stage, norm, total):
    """Gradients of one fresh sample into the parameters' .grad; returns the loss."""
    if total < PLAIN_BATCH:
        model.set_norm("batch")
    else:
        ease = min(1, (total - PLAIN_BATCH) / 300)
        model.set_norm(norm, 1 + 4 * ease, 8 * ease)
    model.train()
    model.zero_grad(set_to_none=True)
    image, target, known = next_sample(queue, stage)
    with torch.autocast("cpu", torch.bfloat16):
        logits = model(image)
    loss = loss_of(logits.float(), target, known)
    loss.backward()
    return loss.item()


class Partner:
    """A second process that differentiates its own sample of every step.

    Weights and norm statistics live in shared memory, so the partner always sees
    the current ones; its gradients come back through shared memory too. On a busy
    machine two processes that meet once a step lose less time than two threads
    that meet in every layer.
    """

    def __init__(self, context, model, queue, seed):
        model.share_memory()
        self.gradients = [torch.zeros_like(p).share_memory_() for p in model.parameters()]
        self.orders, self.answers = context.SimpleQueue(), context.SimpleQueue()
        self.process = context.Process(target=self.serve, args=(model, queue, seed), daemon=True)
        self.process.start()

    def serve(self, model, queue, seed):
        torch.set_num_threads(1)
        torch.manual_seed(seed)
        while True:
            loss = differentiate(model, queue, *self.orders.get())
            for sink, parameter in zip(self.gradients, model.parameters()):
                sink.copy_(parameter.grad)
            self.answers.put(loss)

    def begin(self, stage, norm, total):
        self.orders.put((stage, norm, total))

    def finish(self, model):
        """Wait, then average both gradients into the model's; returns the partner's loss."""
        loss = self.answers.get()
        for parameter, other in zip(model.parameters(), self.gradients):
            parameter.grad.add_(other).mul_(0.5)
        return loss


class Monitor:
    """Evaluation-mode Dice of the monitored validation scans on the network's grid."""

    def __init__(self, data):
        self.rows = [r for r in dataset.read_validation() if r["monitor"] == "1"]
        self.data = data
        self.cases = {}

    def load(self, grid):
        if grid in self.cases:
            return self.cases[grid]
        cases = []
        for row in self.rows:
            scan = dataset.load(self.data / "images" / f"{row['name']}.nii.gz")
            mask = dataset.load(self.data / "masks" / f"{row['name']}.nii.gz")
            image, positions = dataset.to_grid(scan, grid)
            truth = dataset.mask_to_grid(mask, positions) > 0.5
            cases.append((row, image, truth))
        self.cases = {grid: cases}
        return cases

    def __call__(self, model, grid):
        """Text line with the Dice of each scan and the mean of each reference kind."""
        model.eval()
        scores, words = {"full": [], "tight": []}, []
        for row, image, truth in self.load(grid):
            with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
                logits = model(torch.from_numpy(image)[None, None])
            channel = 0 if row["reference"] == "full" else 1
            mask = logits[0, channel].float().numpy() > 0
            dice = 2 * (mask & truth).sum() / max(mask.sum() + truth.sum(), 1)
            scores[row["reference"]].append(dice)
            words.append(f"{row['name']}={dice:.4f}")
        means = " ".join(f"{k}={np.mean(v):.4f}" for k, v in scores.items())
        return f"{means} | " + " ".join(words)


class Run:
    """Everything that a checkpoint holds."""

    def __init__(self, folder, network):
        self.path = folder / "checkpoint.pt"
        self.stages = STAGES[network]
        layout = torch.channels_last_3d
        self.model = ResUNet(WIDTHS[network], dropout=0.05).to(memory_format=layout)
        self.average = ResUNet(WIDTHS[network]).to(memory_format=layout)
        self.optimiser = torch.optim.AdamW(
            self.model.parameters(), lr=1e-3, betas=(0.9, 0.99), weight_decay=1e-3)
        self.average.load_state_dict(self.model.state_dict())
        self.stage, self.step, self.total = 0, 0, 0
        if self.path.exists():
            state = torch.load(self.path, weights_only=True)
            self.model.load_state_dict(state["model"])
            self.average.load_state_dict(state["average"])
            self.optimiser.load_state_dict(state["optimiser"])
            self.stage, self.step, self.total = state["stage"], state["step"], state["total"]

    def start_from(self, weights, stage):
        """Begin at a stage with a trained network instead of at the start with a random one."""
        self.model.load_state_dict(weights)
        self.average.load_state_dict(weights)
        self.stage = [s.name for s in self.stages].index(stage)
        self.total = sum(s.steps for s in self.stages[:self.stage])

    def save(self):
        partial = self.path.with_suffix(".tmp")
        torch.save({
            "model": self.model.state_dict(), "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(), "stage": self.stage,
            "step": self.step, "total": self.total,
        }, partial)
        partial.rename(self.path)

    @torch.no_grad()
    def update_average(self):
        decay = min(AVERAGE, (1 + self.total) / (10 + self.total))
        mean, current = self.average.state_dict(), self.model.state_dict()
        for name, value in mean.items():
            if value.dtype.is_floating_point:
                value.lerp_(current[name], 1 - decay)
            else:
                value.copy_(current[name])

    def set_rate(self):
        """Set and return the learning rate of the coming step."""
        stage = self.stages[self.stage]
        first, last = stage.rate
        blend = 0.5 * (1 + math.cos(math.pi * self.step / stage.steps))
        rate = (last + (first - last) * blend) * min(1, (self.total + 1) / WARM_UP)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        return rate

    def learn(self, queue, partner):
        """One optimisation step over two samples; returns their mean loss."""
        norm = self.stages[self.stage].norm
        partner.begin(self.stage, norm, self.total)
        loss = differentiate(self.model, queue, self.stage, norm, self.total)
        loss = (loss + partner.finish(self.model)) / 2
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimiser.step()
        self.step += 1
        self.total += 1
        self.update_average()
        return loss


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--run", type=Path, required=True, help="folder for all state")
    parser.add_argument("--network", choices=list(STAGES), default="default")
    parser.add_argument("--seed", type=int, default=20)
    parser.add_argument("--start", type=Path, help="weights of a new run; see export.py")
    parser.add_argument("--start-stage", default="fine again")
    parser.add_argument("--monitor-minutes", type=float, default=12)
    parser.add_argument("--save-minutes", type=float, default=4)
    options = parser.parse_args()
    options.run.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    torch.manual_seed(options.seed)
    run = Run(options.run, options.network)
    if options.start and not run.path.exists():
        run.start_from(load_weights(options.start).state_dict(), options.start_stage)

    context = multiprocessing.get_context("fork")
    queue, stage_index = context.Queue(6), context.Value("i", min(run.stage, len(run.stages) - 1))
    seed = [options.seed, run.total]
    context.Process(
        target=generate, args=(queue, run.stages, stage_index, options.run, seed),
        daemon=True).start()
    partner = Partner(context, run.model, queue, options.seed + 1)

    log = open(options.run / "train.log", "a", buffering=1)

    def note(text):
        log.write(f"{time.strftime('%H:%M:%S')} {text}\n")

    note(f"start stage={run.stage} step={run.step} total={run.total} seed={seed}")
    stopping = []
    signal.signal(signal.SIGTERM, lambda *_: stopping.append(True))
    monitor = Monitor(options.data)
    saved = watched = noted = time.monotonic()
    losses = []
    while run.stage < len(run.stages) and not stopping:
        stage = run.stages[run.stage]
        if run.step >= stage.steps:
            note(f"monitor end-of-{stage.name} {monitor(run.average, stage.grid)}")
            run.stage, run.step = run.stage + 1, 0
            stage_index.value = min(run.stage, len(run.stages) - 1)
            run.save()
            continue
        rate = run.set_rate()
        losses.append(run.learn(queue, partner))
        now = time.monotonic()
        if run.step % 20 == 0:
            note(f"{stage.name} step={run.step} total={run.total} loss={np.mean(losses):.4f} "
                 f"rate={rate:.2e} seconds={(now - noted) / len(losses):.2f}")
            losses.clear()
            noted = now
        if now - saved > 60 * options.save_minutes:
            run.save()
            saved = now
        if now - watched > 60 * options.monitor_minutes:
            note(f"monitor total={run.total} {monitor(run.average, stage.grid)}")
            watched = time.monotonic()
    run.save()
    note(f"stop stage={run.stage} step={run.step} total={run.total}")


if __name__ == "__main__":
    main()
