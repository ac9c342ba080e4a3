#!/usr/bin/env python3
"""Holds our PromQL against Prometheus' own engine: generated expressions over generated data, instant and range.

    promql_diff.py ORACLE [SEED [COUNT]]

ORACLE is the program of main.go beside this file (go build). Exit code 1 where an answer differs by more than 1e-6 relative, 0 where none
does. TOCSIN names our binary (default build/tocsin). Not asked for: limitk, and topk where values may be equal: which series of equal ones is
taken depends on the order of the store."""
import json
import math
import os
import random
import subprocess
import sys
import tempfile

TOCSIN = os.environ.get("TOCSIN", "build/tocsin")


def data(rnd):
    lines = ["load 15s"]
    for job in ("a", "b"):
        for instance in range(3):
            labels = f'job="{job}",instance="{instance}"'
            lines.append(f"  requests_total{{{labels}}} " + counter(rnd))
            lines.append(f"  temperature{{{labels}}} " + gauge(rnd))
            total = 0
            for le in ("0.1", "0.5", "1", "+Inf"):
                total += rnd.randint(0, 5)
                lines.append(f'  latency_bucket{{{labels},le="{le}"}} 0+{total}x80')
            lines.append(f"  native{{{labels}}} {{{{schema:0 sum:{rnd.randint(1, 50)} count:{rnd.randint(20, 40)} z_bucket:2 "
                         f"z_bucket_w:0.001 buckets:[{rnd.randint(1, 9)} {rnd.randint(1, 9)} 3]}}}}+{{{{schema:0 sum:4 count:6 buckets:[1 2 3]}}}}x60")
    lines.append('  info{job="a",version="1"} 1x80')
    lines.append("  single 0+1x80")
    return "\n".join(lines) + "\n"


def counter(rnd):
    parts, left = [], 80
    while left > 0:
        n = min(left, rnd.randint(3, 25))
        left -= n
        kind = rnd.random()
        parts.append(f"_x{n}" if kind < .1 else "stale" if kind < .13 else f"{rnd.randint(0, 30)}+{rnd.choice([0, 1, 2.5, 7])}x{n}")
    return " ".join(parts)


def gauge(rnd):
    return " ".join(rnd.choice(["_", "NaN", "Inf", "-Inf"]) if rnd.random() < .06 else str(round(rnd.uniform(-40, 60), rnd.randint(0, 3))) for _ in range(80))


FLOATS = ["requests_total", "temperature", "latency_bucket", "single", 'requests_total{job="a"}', 'temperature{instance!="1"}',
          'temperature{job=~"a|b"}', "nothing", "info", '{__name__=~"requests.*"}']
HISTOGRAMS = ["native", 'native{job="b"}']
OVER_TIME = ["rate", "increase", "irate", "idelta", "delta", "deriv", "changes", "resets", "avg_over_time", "sum_over_time", "min_over_time",
             "max_over_time", "count_over_time", "stddev_over_time", "stdvar_over_time", "last_over_time", "present_over_time", "absent_over_time"]
SIMPLE = ["abs", "ceil", "floor", "exp", "ln", "log2", "log10", "sqrt", "sgn", "round", "sort", "sort_desc", "timestamp", "absent", "scalar",
          "day_of_week", "hour", "minute", "month", "year", "days_in_month", "deg", "rad", "sin", "cos", "tanh", "acos", "asinh"]
AGGREGATES = ["sum", "avg", "min", "max", "count", "group", "stddev", "stdvar"]
BY = ["", " by (job)", " by (instance)", " without (instance)", " by (job, instance)", " without (le)"]
ARITHMETIC = ["+", "-", "*", "/", "%", "^", "atan2"]
COMPARE = ["==", "!=", ">", "<", ">=", "<=", "> bool", "== bool", "<= bool"]


class Generator:
    def __init__(self, rnd):
        self.rnd = rnd

    def pick(self, items):
        return self.rnd.choice(items)

    def duration(self):
        return self.pick(["30s", "1m", "2m", "5m", "90s", "7m", "15s"])

    def modifier(self):
        r = self.rnd.random()
        if r < .75:
            return ""
        return self.pick([" offset 1m", " offset -2m", " @ 300", " @ start()", " @ end()", " @ 600 offset 90s"])

    def selector(self, histograms=.15):
        return self.pick(HISTOGRAMS if self.rnd.random() < histograms else FLOATS)

    def scalar(self):
        r = self.rnd.random()
        if r < .7:
            return self.pick(["1", "0", "-2", "0.5", "100", "NaN", "Inf", "2"])
        return self.pick(["time()", "pi()", "scalar(single)", "(1 + 2)"])

    def matrix(self, depth):
        if depth > 0 and self.rnd.random() < .2:
            return f"{self.vector(depth - 1)}[{self.duration()}:{self.pick(['30s', '1m', '', '20s'])}]{self.modifier()}" if self.rnd.random() < .5 else \
                f"({self.vector(depth - 1)})[{self.duration()}:{self.pick(['30s', '15s'])}]"
        return f"{self.selector()}[{self.duration()}]{self.modifier()}"

    def vector(self, depth):
        r = self.rnd.random()
        if depth <= 0 or r < .15:
            return self.selector() + self.modifier()
        d = depth - 1
        if r < .35:
            return f"{self.pick(OVER_TIME)}({self.matrix(d)})"
        if r < .4:
            return self.pick([f"quantile_over_time({self.pick(['0.5', '0.9', '-1', '2', 'NaN'])}, {self.matrix(d)})",
                              f"predict_linear({self.matrix(d)}, {self.pick(['60', '-30'])})",
                              f"double_exponential_smoothing({self.matrix(d)}, 0.4, 0.3)", f"mad_over_time({self.matrix(d)})",
                              f"ts_of_max_over_time({self.matrix(d)})", f"first_over_time({self.matrix(d)})"])
        if r < .6:
            return f"{self.pick(AGGREGATES)}{self.pick(BY)} ({self.vector(d)})"
        if r < .66:
            return self.pick([f"topk(2, temperature{self.modifier()})", f"bottomk by (job) (1, temperature{self.modifier()})", f"quantile by (job) (0.7, {self.vector(d)})",
                              f'count_values("v", {self.vector(d)})'])
        if r < .76:
            name = self.pick(SIMPLE)
            return f"vector(scalar({self.vector(d)}))" if name == "scalar" else f"{name}({self.vector(d)})"
        if r < .8:
            return self.pick([f"histogram_quantile(0.9, {self.vector(d)})", "histogram_quantile(0.5, sum by (le, job) (rate(latency_bucket[2m])))",
                              f"histogram_count({self.vector(d)})", f"histogram_sum({self.vector(d)})", f"histogram_avg({self.vector(d)})",
                              f"histogram_fraction(0, 0.4, {self.vector(d)})", f"histogram_stddev({self.vector(d)})"])
        if r < .84:
            return self.pick([f'label_replace({self.vector(d)}, "x", "$1", "job", "(.*)")', f'label_join({self.vector(d)}, "j", "-", "job", "instance")',
                              f"clamp({self.vector(d)}, -5, 10)", f"clamp_min({self.vector(d)}, 3)", f"clamp_max({self.vector(d)}, 3)",
                              f"round({self.vector(d)}, 0.5)", f"-({self.vector(d)})", f"vector({self.scalar()})"])
        if r < .92:
            operator = self.pick(ARITHMETIC + COMPARE)
            return f"({self.vector(d)} {operator} {self.scalar()})" if self.rnd.random() < .6 else f"({self.scalar()} {operator} {self.vector(d)})"
        matching = self.pick(["", "on (job, instance) ", "on (job) group_left () ", "ignoring (le) ", "on (instance, job) group_right () "])
        operator = self.pick(ARITHMETIC + COMPARE + ["and", "or", "unless"])
        if operator in ("and", "or", "unless"):
            matching = matching.split("group")[0]
        return f"({self.vector(d)} {operator} {matching}{self.vector(d)})"


def key(metric):
    return json.dumps(metric, sort_keys=True)


def near(a, b):
    if a == b:
        return True
    try:
        x, y = float(a), float(b)
    except (TypeError, ValueError):
        return False
    if math.isnan(x) or math.isnan(y):
        return math.isnan(x) and math.isnan(y)
    return x == y or abs(x - y) <= 1e-6 * max(abs(x), abs(y)) + 1e-12


def flat(answer):
    """{series: {time: value}}; histograms as (count, sum)."""
    rows = {}
    for row in answer["result"]:
        points = rows.setdefault(key(row["metric"]), {})
        for p in row["values"]:
            points[p[0]] = (p[2], p[3]) if p[1] == "h" else p[1]
    return rows


def ours(answer):
    kind, result = answer["resultType"], answer["result"]
    if kind in ("scalar", "string"):
        return {"type": kind, "result": [{"metric": {}, "values": [[round(result[0] * 1000), result[1]]]}]}
    rows = []
    for row in result:
        values = [[round(t * 1000), v] for t, v in row.get("values", [row["value"]] if "value" in row else [])]
        values += [[round(t * 1000), "h", h["count"], h["sum"]] for t, h in row.get("histograms", [row["histogram"]] if "histogram" in row else [])]
        rows.append({"metric": row["metric"], "values": values})
    return {"type": kind, "result": rows}


def differs(theirs, mine):
    if theirs["type"] == "string":
        return None
    a, b = flat(theirs), flat(mine)
    if set(a) != set(b):
        return f"series: only theirs {sorted(set(a) - set(b))[:3]}, only ours {sorted(set(b) - set(a))[:3]}"
    for series, points in a.items():
        if set(points) != set(b[series]):
            return f"times of {series}: {sorted(set(points) ^ set(b[series]))[:5]}"
        for time, value in points.items():
            other = b[series][time]
            same = all(near(x, y) for x, y in zip(value, other)) if isinstance(value, tuple) and isinstance(other, tuple) else near(value, other)
            if not same:
                return f"{series} at {time}: theirs {value}, ours {other}"
    return None


def main():
    oracle, seed, count = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 1, int(sys.argv[3]) if len(sys.argv) > 3 else 500
    rnd = random.Random(seed)
    generator = Generator(rnd)
    with tempfile.TemporaryDirectory() as place:
        load = os.path.join(place, "data.test")
        with open(load, "w", encoding="utf-8") as file:
            file.write(data(rnd))
        queries = []
        for _ in range(count):
            q = {"q": generator.vector(rnd.randint(1, 4)), "start": rnd.randint(0, 80) * 15000 + rnd.choice([0, 0, 1, 7000]), "end": 0, "step": 0}
            if rnd.random() < .4:
                q["start"] = rnd.randint(0, 20) * 15000
                q["end"], q["step"] = q["start"] + rnd.randint(60, 900) * 1000, rnd.choice([15000, 30000, 60000, 7000])
            queries.append(q)
        answers = subprocess.run([oracle, load], input="".join(json.dumps(q) + "\n" for q in queries), stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()
        bad = failed = 0
        for q, line in zip(queries, answers):
            theirs = json.loads(line)
            when = ["--at", str(q["start"] / 1000)] if q["step"] == 0 else \
                ["--start", str(q["start"] / 1000), "--end", str(q["end"] / 1000), "--step", f"{q['step']}ms"]
            done = subprocess.run([TOCSIN, "promql", "--format", "json", "--data", load, *when, "--", q["q"]], capture_output=True, text=True, check=False)
            failed += "error" in theirs
            if ("error" in theirs) != (done.returncode != 0):
                problem = f"theirs {theirs.get('error', 'good')[:200]}, ours {done.stderr.strip()[:200] or 'good'}"
            elif "error" in theirs:
                continue
            else:
                made = json.loads(done.stdout)
                problem = differs(theirs, ours(made.get("data", made)))
            if problem:
                bad += 1
                print(f"{q['q']}\n  {when}\n  {problem}")
        print(f"{len(queries)} expressions ({failed} refused or failed by both), {bad} differ")
        return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
