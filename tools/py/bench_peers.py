"""Times BrainMaGe's residual U-Net, network only, in this and other engines.

    cargo build --release
    pip install torch onnx onnxscript onnxruntime openvino nncf tract
    python tools/py/bench_peers.py [--grid 128] [--threads 2] [--rounds 3] [--engines ...] [--isa avx2]

The weights are the synthetic ones of `synthetic.py`; the ONNX file has stored statistics as
BatchNormalization, which is the same arithmetic. Every engine runs in a process of its own, once to
warm up, then `--runs` times; rounds go through all engines in turn, so that a machine that speeds up
or slows down does so for all. The table has the median over all rounds, the ratio to endocast, the
peak resident memory of the process, and the largest difference to PyTorch's probabilities.

`--isa avx2` caps endocast, oneDNN (OpenVINO and PyTorch) and ATen; ONNX Runtime has no such switch, and
OpenVINO in bfloat16 fails with it. tract's Python package has no choice of threads.
`--under COMMAND` runs every measurement under a command, such as `taskset -c 0,1`.
"""

import argparse
import json
import os
import resource
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ENDOCAST = ROOT / "target/release/endocast"
ENGINES = ["endocast", "endocast-direct", "openvino-f32", "openvino-default", "onnxruntime", "torch", "tract"]
INT8_ENGINES = [
    "endocast-int8", "openvino-int8-performance", "openvino-int8-mixed", "onnxruntime-int8"]


def with_batch_norm(module):
    """Replaces tracked instance norms, which exporters treat as untracked, by batch norms."""
    from torch import nn

    for name, child in module.named_children():
        if isinstance(child, nn.InstanceNorm3d):
            norm = nn.BatchNorm3d(child.num_features, child.eps)
            norm.load_state_dict(child.state_dict())
            setattr(module, name, norm)
        else:
            with_batch_norm(child)
    return module.eval()


def make_files(folder, grid):
    """Checkpoint, model file and ONNX file of the network in `folder`."""
    import torch

    import synthetic
    from networks import ResUNet

    network = synthetic.fill(ResUNet(16))
    torch.save({"model_state_dict": network.state_dict()}, folder / "network.pt")
    subprocess.run([ENDOCAST, "convert", folder / "network.pt", "-o", folder / "network.model"],
                   check=True, stdout=subprocess.DEVNULL)
    image = torch.zeros(1, 1, grid, grid, grid)
    torch.onnx.export(with_batch_norm(network), (image,), folder / "network.onnx", dynamo=False)


def quantise(folder, grid, engine):
    """The int8 form of the ONNX file for `engine`: <engine>.xml or <engine>.onnx in `folder`."""
    import synthetic

    image = synthetic.image(1, grid)[None]
    if engine.startswith("openvino"):
        import nncf
        import openvino

        preset = nncf.QuantizationPreset[engine.rsplit("-", 1)[1].upper()]
        model = openvino.Core().read_model(folder / "network.onnx")
        model = nncf.quantize(model, nncf.Dataset([image]), preset=preset, subset_size=1)
        openvino.save_model(model, folder / f"{engine}.xml", compress_to_fp16=False)
    else:
        import onnx
        from onnxruntime.quantization import CalibrationDataReader, quantize_static

        name = onnx.load(folder / "network.onnx").graph.input[0].name

        class Reader(CalibrationDataReader):
            images = iter([{name: image}])

            def get_next(self):
                return next(self.images, None)

        quantize_static(folder / "network.onnx", folder / f"{engine}.onnx", Reader())


def runner(engine, folder, threads):
    """A function from image to probabilities, both (1, 1, D, H, W) arrays."""
    if engine == "torch":
        import torch

        import synthetic
        from networks import ResUNet

        torch.set_num_threads(threads)
        network = synthetic.fill(ResUNet(16))

        def run(image):
            with torch.inference_mode():
                return network(torch.from_numpy(image)).numpy()
        return run
    if engine.startswith("onnxruntime"):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        file = "network.onnx" if engine == "onnxruntime" else f"{engine}.onnx"
        session = onnxruntime.InferenceSession(
            folder / file, options, providers=["CPUExecutionProvider"])
        name = session.get_inputs()[0].name
        return lambda image: session.run(None, {name: image})[0]
    if engine == "tract":
        import tract

        model = tract.onnx().load(folder / "network.onnx").into_model().into_runnable()
        return lambda image: model.run([image])[0].to_numpy()
    import openvino

    core = openvino.Core()
    settings = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY"}
    if engine == "openvino-f32":
        settings["INFERENCE_PRECISION_HINT"] = "f32"
    file = f"{engine}.xml" if "int8" in engine else "network.onnx"
    compiled = core.compile_model(folder / file, "CPU", settings)
    return lambda image: compiled(image)[0]


def measure(options):
    """Child process: times one engine and prints the figures as JSON."""
    import numpy as np

    import synthetic

    image = synthetic.image(1, options.grid)[None]
    run = runner(options.engine, options.folder, options.threads)
    result = run(image)
    seconds = []
    for _ in range(options.runs):
        start = time.perf_counter()
        run(image)
        seconds.append(time.perf_counter() - start)
    np.save(options.folder / f"{options.engine}.npy", result)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"seconds": seconds, "peak": peak}))


def child(options, task):
    """What this script prints when it does one task in a process of its own."""
    command = [sys.executable, __file__, "--engine", task, "--folder", options.folder]
    for name in ("grid", "threads", "runs"):
        command += [f"--{name}", str(getattr(options, name))]
    if task in ENGINES + INT8_ENGINES:
        command = shlex.split(options.under) + command
    return subprocess.check_output(command, text=True, stderr=subprocess.DEVNULL)


def measure_endocast(options, engine):
    model = ROOT / "weights/endocast-int8.model" if "int8" in engine else options.folder / "network.model"
    command = [ENDOCAST, "bench", "--model", model, "--grid", options.grid,
               "--threads", options.threads, "--runs", options.runs, "--json", "-"]
    command += ["--direct"] * engine.endswith("direct")
    command = shlex.split(options.under) + [str(word) for word in command]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    report = json.loads(child.stdout.read())
    _, status, usage = os.wait4(child.pid, 0)
    if status:
        raise SystemExit("endocast failed")
    return {"seconds": [report["seconds_median"]], "peak": usage.ru_maxrss * 1024}


def compare(options):
    """Largest difference to PyTorch's probabilities per engine that returned them."""
    import numpy as np

    expected = np.load(options.folder / "torch.npy")
    others = [e for e in options.engines if (options.folder / f"{e}.npy").exists()]
    return {e: abs(np.load(options.folder / f"{e}.npy") - expected).max() for e in others}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--grid", type=int, default=128)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--engines", nargs="+", default=ENGINES,
                        choices=ENGINES + INT8_ENGINES)
    parser.add_argument("--isa", choices=["avx2"])
    parser.add_argument("--under", default="")
    parser.add_argument("--engine", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    # Children do all the heavy work: a process starts with the peak memory of the one that made it.
    if options.engine == "prepare":
        make_files(options.folder, options.grid)
        return
    if options.engine and options.engine.startswith("quantise-"):
        quantise(options.folder, options.grid, options.engine.removeprefix("quantise-"))
        return
    if options.engine:
        measure(options)
        return
    if options.isa:
        os.environ.update(ENDOCAST_CPU="avx2", ONEDNN_MAX_CPU_ISA="AVX2", ATEN_CPU_CAPABILITY="avx2")
    with tempfile.TemporaryDirectory() as folder:
        options.folder = Path(folder)
        child(options, "prepare")
        for engine in options.engines:
            if engine in INT8_ENGINES[1:]:
                child(options, f"quantise-{engine}")
        figures = {engine: {"seconds": [], "peak": 0} for engine in options.engines}
        for _ in range(options.rounds):
            for engine in options.engines:
                if engine.startswith("endocast"):
                    found = measure_endocast(options, engine)
                else:
                    found = json.loads(child(options, engine).splitlines()[-1])
                figures[engine]["seconds"] += found["seconds"]
                figures[engine]["peak"] = max(figures[engine]["peak"], found["peak"])
        differences = compare(options) if "torch" in options.engines else {}
    ours = statistics.median(figures[options.engines[0]]["seconds"])
    print(f"{options.grid}^3, {options.threads} threads, {options.rounds} rounds")
    print("| engine | median s | min s | max s | ratio | peak RSS MB | max difference |")
    print("|---|---|---|---|---|---|---|")
    for engine, found in figures.items():
        seconds = found["seconds"]
        middle = statistics.median(seconds)
        difference = differences.get(engine)
        print(f"| {engine} | {middle:.3f} | {min(seconds):.3f} | {max(seconds):.3f} "
              f"| {middle / ours:.2f} | {found['peak'] / 1e6:.0f} "
              f"| {'' if difference is None else f'{difference:.1e}'} |")


if __name__ == "__main__":
    main()
