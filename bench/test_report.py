"""python3 -m unittest: the verdicts of the table of targets, from made-up rows."""

import contextlib
import io
import unittest

import plan
import report


def rows(target, own, base):
    """One row a round for each side of a target."""
    out = []
    for who, series in ((target.who, own), (target.base, base)):
        for rnd, v in enumerate(series):
            row = {"group": target.group, "cell": target.cell, "contestant": who, "round": rnd}
            out.append(row | {target.metric: v})
    return out


def quietly(f, *args):
    with contextlib.redirect_stdout(io.StringIO()) as said:
        return f(*args), said.getvalue()


class Verdicts(unittest.TestCase):
    def test_a_time_may_exceed_its_bar_by_three_percent(self):
        t = plan.Target("", "w6", "ready", "ours", "mfio01", 0.6)
        self.assertEqual(report.judge(t, 0.6 * 1.029), "met")
        self.assertEqual(report.judge(t, 0.6 * 1.031), "not met")

    def test_a_rate_may_miss_its_bar_by_three_percent(self):
        t = plan.Target("", "w1", "qd1", "ours-blocking", "pread", 0.97)
        self.assertEqual(report.judge(t, 0.97 * 0.971), "met")
        self.assertEqual(report.judge(t, 0.97 * 0.969), "not met")

    def test_the_aim_is_told_apart(self):
        t = plan.Target("", "w9", "u64", "ours-mem", "mfio01-mem", 0.2, 0.1)
        self.assertEqual(report.judge(t, 0.15), "met")
        self.assertEqual(report.judge(t, 0.09), "met, and the aim")

    def test_the_ratio_is_of_medians_and_the_spread_of_rounds(self):
        t = plan.TARGETS[0]
        got = report.compare(rows(t, [1, 2, 30], [10, 10, 10]), t, t.metric)
        self.assertEqual(got, (0.2, 0.1, 3.0))

    def test_a_difference_is_for_each_part(self):
        t = plan.Target("", "w10", "split/64", "layer-stripe", "memory", 20, parts=10)
        got = report.compare(rows(t, [300, 290], [100, 100]), t, t.metric)
        self.assertEqual(got, (19.5, 19.0, 20.0))
        self.assertEqual(report.judge(t, 20.5), "met")
        self.assertEqual(report.judge(t, 20.7), "not met")

    def test_every_target_met_is_good_and_one_unmeasured_is_not(self):
        def met(t):
            own = {True: 0.01, False: 100.0}[t.lower]
            return rows(t, [own] * 5, [1.0] * 5)

        needed = [t for t in plan.TARGETS if t.need]
        everything = [r for t in needed for r in met(t)]
        self.assertTrue(quietly(report.targets, everything)[0])
        first = needed[0]
        without = [r for r in everything if r["contestant"] != first.who or r["cell"] != first.cell]
        good, said = quietly(report.targets, without)
        self.assertFalse(good)
        self.assertIn("not measured", said)

    def test_every_target_has_its_cell_and_both_sides_in_it(self):
        cells = {(c.group, c.name): c.who for c in plan.cells(1)}
        for t in plan.TARGETS:
            self.assertIn(t.who, cells[t.group, t.cell], t.text)
            self.assertIn(t.base, cells[t.group, t.cell], t.text)


if __name__ == "__main__":
    unittest.main()
