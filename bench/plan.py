"""What is measured: the contestants, the cells (a workload with its arguments and who takes part),
and the targets that a run is judged by."""

import os

# What c-layers has on top of memory.
LAYERS = [
    "offset", "window", "concat", "remap", "stripe", "mirror", "retry", "limit", "count", "trace",
    "exact", "fault", "timeout", "overlay", "cache",
]

# What they are beside.
LAYERS_BESIDE = [
    "memory", "sink", "sink-stripe", "copy", "copies", "ranges", "batch", "scattered-pread",
]

# name: (binary, variant)
CONTESTANTS = {
    "raw-plain": ("c-raw", "plain"),
    "raw-best": ("c-raw", "best"),
    "raw-mmap": ("c-raw", "mmap"),
    "pread": ("c-std", "pread"),
    "nowait": ("c-std", "nowait"),
    "std-threads": ("c-std", "threads"),
    "kernel-copy": ("c-std", "kernel"),
    "tokio-fs": ("c-tokio", "default"),
    "tokio-blk": ("c-tokio", "ct-blk"),
    "tokio-mt-fs": ("c-tokio", "mt"),
    "tokio-mt-blk": ("c-tokio", "mt-blk"),
    "mfio01": ("c-mfio", "default"),
    "mfio01-thread": ("c-mfio", "thread"),
    "ours-blocking": ("c-ours", "blocking"),
    "ours-packet": ("c-ours", "packet"),
    "ours-borrowed": ("c-ours", "borrowed"),
    "ours-tokio-mt": ("c-ours", "tokio-mt"),
    "ours-smol": ("c-ours", "smol"),
    "ours": ("c-ours", "packet"),
    "mfio01-mem": ("c-micro", "mfio01"),
    "ours-mem": ("c-micro", "ours"),
    "noop-loop": ("c-micro", "noop"),
    "pollster": ("c-micro", "pollster"),
    "futures": ("c-micro", "futures"),
    "async-io": ("c-micro", "async-io"),
    **{name: ("c-layers", name) for name in LAYERS_BESIDE},
    **{f"layer-{name}": ("c-layers", name) for name in LAYERS},
}

# Reported only: a trace that reads the clock twice for each request.
REPORTED = ["exact"]
OURS = ["ours-packet", "ours-borrowed", "ours-tokio-mt", "ours-smol"]
TOKIO = ["tokio-fs", "tokio-blk", "tokio-mt-fs", "tokio-mt-blk"]
EXECUTORS = [
    "noop-loop", "pollster", "futures", "async-io", "mfio01-mem", "ours-mem", "mfio01", "ours",
]


class Cell:
    """One column of one table. `who[0]` is the baseline of its ratios."""

    def __init__(self, group, name, who, args, metrics, kind="file"):
        self.group, self.name, self.who, self.kind = group, name, who, kind
        self.args = ["--workload", group, *args]
        self.metrics = metrics


def cells(seconds):
    """Every cell, in the order in which they run."""
    rates, bulk = ["ops_per_s", "cpu_ns_per_op"], ["gb_per_s", "cpu_ns_per_op"]
    timed = ["--seconds", str(seconds)]
    out = []
    for qd in (1, 8, 32, 128):
        who = ["raw-plain", "raw-best", "pread", "std-threads"]
        if qd == 1:
            who = ["raw-plain", "raw-best", "raw-mmap", "pread", "nowait", "ours-blocking"]
        who += TOKIO + ["mfio01", "mfio01-thread"] + OURS
        out.append(Cell("w1", f"qd{qd}", who, ["--qd", str(qd), *timed], rates))
    for qd in (1, 32, 128):
        who = ["raw-plain", "raw-best", "std-threads", "tokio-blk", "ours-packet", "ours-tokio-mt"]
        out.append(Cell("w2", f"qd{qd}", who, ["--qd", str(qd), *timed], rates))
    seq = ["raw-plain", "raw-best", "pread", "tokio-fs", "tokio-blk", "mfio01", "ours-packet"]
    for w in ("w3r", "w3w"):
        for bs, qd in (("128k", 1), ("128k", 8), ("1m", 1), ("1m", 8)):
            args = ["--qd", str(qd), "--bs", bs, *timed]
            out.append(Cell(w, f"{bs}/qd{qd}", seq, args, bulk))
    copy = [*seq[:3], "kernel-copy", *seq[3:]]
    out.append(Cell("w3c", "1m/qd8", copy, ["--qd", "8", "--bs", "1m"], bulk))
    ops = ["ready", "selfwake", "yield"]
    if len(os.sched_getaffinity(0)) > 1:
        ops += ["cross", "crossblk", "parked"]  # these need a second core
    for op in ops:
        out.append(Cell("w6", op, EXECUTORS, ["--op", op], ["ns_per_op"], "micro"))
    memory = ["mfio01-mem", "ours-mem"]
    for batch in (1, 16, 256):
        args = ["--op", "packet", "--qd", str(batch)]
        out.append(Cell("w9", f"packet/{batch}", memory, args, ["ns_per_op"], "micro"))
    for op in ("u64", "block"):
        out.append(Cell("w9", op, memory, ["--op", op], ["ns_per_op"], "micro"))
    layered = ["memory", *(f"layer-{name}" for name in LAYERS)]
    for batch in (1, 16):
        args = ["--op", "packet", "--qd", str(batch)]
        out.append(Cell("w10", f"packet/{batch}", layered, args, ["ns_per_op"], "micro"))
    split = ["sink", "sink-stripe", "memory", "layer-stripe"]
    out.append(Cell("w10", "split/64", split, ["--op", "split"], ["ns_per_op"], "micro"))
    cached = ["copy", "copies", "layer-cache"]
    for bs in ("64", "4k", "64k"):
        out.append(Cell("w11", bs, cached, ["--bs", bs], ["ns_per_op"], "micro"))
    for op in ("near", "far"):
        who = ["scattered-pread", "batch", "ranges"]
        out.append(Cell("w12", op, who, ["--op", op, *timed], ["ops_per_s", "cpu_ns_per_op"]))
    return out


class Target:
    """`who` must reach `need` times `base` in a cell; for a time that is at most, for a rate at
    least. `aim` is what one hopes for beyond that. With `parts`, what counts is not the ratio but
    how much more time than `base` is taken for each of so many parts, in ns."""

    def __init__(self, text, group, cell, who, base, need=None, aim=None, parts=None):
        self.text, self.group, self.cell = text, group, cell
        self.who, self.base, self.need, self.aim = who, base, need, aim
        self.parts = parts
        self.lower = group in ("w6", "w9", "w10", "w11")
        self.metric = "ns_per_op" if self.lower else "ops_per_s"

    def compare(self, own, base):
        """The number that is judged."""
        return (own - base) / self.parts if self.parts else own / base

    def met(self, ratio, bar):
        """Within three percent of the bar counts."""
        return ratio <= bar * 1.03 if self.lower else ratio >= bar * 0.97


TARGETS = [
    Target("block_on, ready (native runtime)", "w6", "ready", "ours", "mfio01", 0.6),
    Target("block_on, self-wake (native runtime)", "w6", "selfwake", "ours", "mfio01", 0.1),
    Target("block_on, ready (memory object)", "w6", "ready", "ours-mem", "mfio01-mem", 0.6),
    Target("block_on, self-wake (memory object)", "w6", "selfwake", "ours-mem", "mfio01-mem", 0.1),
    Target("packets in memory, batch 1", "w9", "packet/1", "ours-mem", "mfio01-mem", 0.2, 0.1),
    Target("packets in memory, batch 16", "w9", "packet/16", "ours-mem", "mfio01-mem", 0.2, 0.1),
    Target("packets in memory, batch 256", "w9", "packet/256", "ours-mem", "mfio01-mem", 0.2, 0.1),
    Target("typed reads in memory", "w9", "u64", "ours-mem", "mfio01-mem", 0.2, 0.1),
    Target("blocking reads", "w1", "qd1", "ours-blocking", "pread", 0.97),
    Target("async reads, depth 1", "w1", "qd1", "ours-packet", "nowait", 0.9),
    Target("async reads, depth 8", "w1", "qd8", "ours-packet", "raw-plain", 0.95),
    Target("async reads, depth 32", "w1", "qd32", "ours-packet", "raw-plain", 0.95),
    Target("async reads, depth 128", "w1", "qd128", "ours-packet", "raw-plain", 0.95),
    Target("shared under tokio, depth 32", "w1", "qd32", "ours-tokio-mt", "tokio-mt-fs", 10),
    Target("shared under tokio, depth 32", "w1", "qd32", "ours-tokio-mt", "raw-plain", 0.6, 0.8),
    Target("borrowed buffer, depth 1", "w1", "qd1", "ours-borrowed", "nowait"),
    Target("borrowed buffer, depth 32", "w1", "qd32", "ours-borrowed", "raw-plain"),
    *(
        Target(
            f"added by {name}, ns", "w10", "packet/16", f"layer-{name}", "memory",
            None if name in REPORTED else 30, parts=1,
        )
        for name in LAYERS
    ),
    Target("added by a split, ns a part", "w10", "split/64", "sink-stripe", "sink", 20, parts=63),
    Target(
        "the same, and a request in memory", "w10", "split/64", "layer-stripe", "memory", parts=63
    ),
    *(
        Target(f"cache hit, {bs}", "w11", bs, "layer-cache", "copy", 2)
        for bs in ("64", "4k", "64k")
    ),
    *(
        Target(f"the same, by copies at once, {bs}", "w11", bs, "layer-cache", "copies")
        for bs in ("64", "4k", "64k")
    ),
    Target("scattered reads, ranges that merge", "w12", "near", "ranges", "scattered-pread", 3),
    Target("scattered reads, ranges that do not", "w12", "far", "ranges", "scattered-pread"),
]


def of_targets(cells):
    """The cells that the targets need, with nobody in them whom no target names."""
    out = []
    for cell in cells:
        asked = [t for t in TARGETS if (t.group, t.cell) == (cell.group, cell.name)]
        cell.who = [c for c in cell.who if any(c in (t.who, t.base) for t in asked)]
        if cell.who:
            out.append(cell)
    return out
