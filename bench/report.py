"""Tables from rows: dicts with group, cell, contestant, round and the metrics."""

import statistics

import plan


def values(rows, group, cell, who, metric):
    """{round: value} of one contestant in one cell."""
    return {
        r["round"]: r[metric]
        for r in rows
        if (r["group"], r["cell"], r["contestant"]) == (group, cell, who)
        and r.get(metric) is not None
    }


def show(v):
    return f"{v:,.0f}" if v >= 1000 else f"{v:.1f}" if v >= 20 else f"{v:.2f}"


def unique(items):
    return list(dict.fromkeys(items))


def tables(rows):
    """One table a group and metric: median, spread (least to most), ratio to the baseline."""
    planned = plan.cells(1)
    for group in unique(r["group"] for r in rows):
        of_group = [r for r in rows if r["group"] == group]
        present = {(r["cell"], r["contestant"]) for r in of_group}
        cells = [c for c in planned if c.group == group and any(c.name == p[0] for p in present)]
        measured = {contestant for _, contestant in present}
        names = [n for n in unique(w for c in cells for w in c.who) if n in measured]
        for metric in cells[0].metrics:
            print(f"\n### {group}: {metric}: median [spread] (ratio to {names[0]})\n")
            print("| contestant | " + " | ".join(c.name for c in cells) + " |")
            print("|---|" + "---:|" * len(cells))
            for name in names:
                line = (field(rows, group, c.name, name, names[0], metric, present) for c in cells)
                print(f"| {name} | " + " | ".join(line) + " |")


def field(rows, group, cell, name, base, metric, present):
    if (cell, name) not in present:
        return ""
    own = values(rows, group, cell, name, metric).values()
    if not own:
        return "n/a"
    mid = statistics.median(own)
    text = f"{show(mid)} [{show(min(own))}–{show(max(own))}]"
    against = values(rows, group, cell, base, metric).values()
    if against and statistics.median(against):
        text += f" ({mid / statistics.median(against):.2f})"
    return text


def compare(rows, target, metric):
    """(of the medians, least, most of the rounds' own), as the target compares, or None."""
    own = values(rows, target.group, target.cell, target.who, metric)
    base = values(rows, target.group, target.cell, target.base, metric)
    rounds = [target.compare(own[r], base[r]) for r in own if base.get(r)]
    if not rounds:
        return None
    mid = target.compare(statistics.median(own.values()), statistics.median(base.values()))
    return mid, min(rounds), max(rounds)


def targets(rows):
    """The table of the targets. Returns whether every one is met."""
    print("\n### Targets (within 3 % counts as met)\n")
    print(
        "| target | cell | measured / baseline | ratio, or difference [rounds] | by CPU time "
        "| needed | verdict |"
    )
    print("|---|---|---|---:|---:|---:|---|")
    good = True
    for t in plan.TARGETS:
        got = compare(rows, t, t.metric)
        sign = "≤" if t.lower else "≥"
        need = f"{sign} {t.need}" if t.need else "reported"
        if t.aim:
            need += f", aim {t.aim}"
        if got is None:
            good = good and t.need is None
            said, by_cpu, verdict = "", "", "not measured"
        else:
            said = f"{got[0]:.3f} [{got[1]:.3f}–{got[2]:.3f}]"
            cpu = None if t.lower else compare(rows, t, "cpu_ns_per_op")
            by_cpu = f"{1 / cpu[0]:.3f}" if cpu else ""
            verdict = judge(t, got[0])
            good = good and not verdict.startswith("not")
        print(
            f"| {t.text} | {t.group} {t.cell} | {t.who} / {t.base} | {said} | {by_cpu} "
            f"| {need} | {verdict} |"
        )
    return good


def judge(target, measured):
    if target.need is None:
        return "reported"
    if target.aim and target.met(measured, target.aim):
        return "met, and the aim"
    return "met" if target.met(measured, target.need) else "not met"
