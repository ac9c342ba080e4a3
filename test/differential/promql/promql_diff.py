#!/usr/bin/env python3
"""Holds our PromQL against Prometheus' own engine: generated expressions over generated data, instant and over ranges; values, errors,
warnings and infos.

    promql_diff.py PEER [SEED [COUNT]]

PEER is the program of main.go beside this file (go build). TOCSIN names our binary (default build/tocsin); with DELAYED=1 both delay the
removal of names. Prints what differs, and exits with 1 then.

Not asked for, because Prometheus leaves it to chance or rounds otherwise: topk among equal values, limitk of computed vectors, count_values of
computed floats, quantiles beside an infinity, and the number of samples in the annotation about monotonicity, which it counts again at every
merge."""
import json
import math
import os
import random
import re
import subprocess
import sys
import tempfile

PEER = sys.argv[1]
TOCSIN = os.environ.get("TOCSIN", "build/tocsin")
SEED = int(sys.argv[2]) if len(sys.argv) > 2 else 1
COUNT = int(sys.argv[3]) if len(sys.argv) > 3 else 500
FEATURE = ["--enable-feature", "promql-delayed-name-removal"] if os.environ.get("DELAYED") else []
INSTANT = True
rnd = random.Random(SEED)


def one_in(n):
    return rnd.randrange(n) == 0


def pick(*items):
    return rnd.choice(items)


# --- data

def custom_histogram():
    counts = [rnd.randint(0, 9) for _ in range(rnd.randint(1, 4))]
    bounds = sorted(rnd.sample(range(1, 20), rnd.randint(len(counts), len(counts) + 1)))
    return "{{schema:-53 sum:%d count:%d custom_values:[%s] buckets:[%s]}}" % (
        rnd.randint(1, 50), sum(counts), " ".join(map(str, bounds)), " ".join(map(str, counts)))


def exponential_histogram():
    counts = [rnd.randint(0, 9) for _ in range(rnd.randint(1, 4))]
    negative = [rnd.randint(0, 4) for _ in range(rnd.randint(0, 2))]
    zero = rnd.randint(0, 3)
    text = "{{schema:%d sum:%d count:%d" % (pick(0, 0, 1, 2, 3, -1), rnd.randint(-10, 50), sum(counts) + sum(negative) + zero)
    if zero:
        text += " z_bucket:%d z_bucket_w:%s" % (zero, pick("0.001", "0.5", "1"))
    text += " offset:%d buckets:[%s]" % (rnd.randint(-3, 3), " ".join(map(str, counts)))
    if negative:
        text += " n_offset:%d n_buckets:[%s]" % (rnd.randint(-2, 2), " ".join(map(str, negative)))
    return text + (" counter_reset_hint:gauge" if one_in(5) else "") + "}}"


def number():
    return pick("%d" % rnd.randint(-5, 20), "%.3f" % rnd.uniform(-10, 100), "%d" % rnd.randint(0, 1000),
                "NaN" if one_in(10) else "1", "Inf" if one_in(20) else "2")


def counter(steps=20):
    value = 0
    for _ in range(steps):
        value = rnd.randint(0, 5) if one_in(10) else value + rnd.randint(0, 30)
        yield str(value)


def series(name, values, holes=True):
    values = ["_" if holes and one_in(10) else "stale" if holes and one_in(25) else v for v in values]
    return "  %s %s" % (name, " ".join(values))


def block():
    lines = ["load 1m"]
    for name in ("c_total", "g", "g2", "x"):
        for job in rnd.sample("abc", 2):
            for inst in rnd.sample("012", 2):
                values = counter() if name == "c_total" else (number() for _ in range(20))
                lines.append(series('%s{job="%s",inst="%s"}' % (name, job, inst), values))
    for job in "ab":
        for inst in "01":
            lines.append(series('u{job="%s",inst="%s"}' % (job, inst), ("%.9f" % rnd.uniform(-50, 50) for _ in range(20))))
    for name, make in (("h", exponential_histogram), ("nh", custom_histogram), ("h2", exponential_histogram)):
        for job in "ab":
            same = make()
            lines.append(series('%s{job="%s"}' % (name, job), (pick(same, make()) for _ in range(20))))
    # labels of its own: when a float and a histogram of one label set meet, this version of Prometheus sometimes keeps both
    lines.append(series('mix{job="a",inst="3"}', (pick(number(), exponential_histogram()) for _ in range(20))))
    for job in "ab":
        lines.append(series('target_info{job="%s",version="%d"}' % (job, rnd.randint(1, 2)), ["1"] * 20))
        for least, le in ((0, "0.1"), (2, "1"), (4, "5"), (6, "+Inf")):
            value, values = 0, []
            for _ in range(20):
                value += rnd.randint(0, 5) + least
                values.append(str(value))
            lines.append(series('b_bucket{job="%s",le="%s"}' % (job, le), values, holes=False))
    return "\n".join(lines) + "\n"


# --- queries

METRICS = ["c_total", "g", "g2", "x", "u", "h", "nh", "h2", "mix", "b_bucket"]
FINITE = ["c_total", "u", "b_bucket"]  # no infinity among them
OVER_TIME = ["rate", "rate", "increase", "delta", "irate", "idelta", "deriv", "resets", "changes", "integral"] + [
    f + "_over_time" for f in ("sum", "avg", "min", "max", "count", "last", "first", "stddev", "stdvar", "present",
                               "absent", "mad", "ts_of_min", "ts_of_max", "ts_of_first", "ts_of_last")]
OF_VECTOR = ["abs", "ceil", "floor", "exp", "sqrt", "ln", "log2", "sgn", "round", "sort", "sort_desc", "absent",
             "histogram_count", "histogram_sum", "histogram_avg", "histogram_stddev", "histogram_stdvar", "timestamp",
             "minute", "hour", "day_of_week", "day_of_month", "day_of_year", "days_in_month", "month", "year", "deg", "rad", "sin", "cos", "tan",
             "asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh", "log10", "start_timestamp"]
COMPARISONS = ["==", "!=", ">", "<", ">=", "<="]


def selector():
    return pick(pick(*METRICS), '%s{job%s"%s"}' % (pick(*METRICS), pick("=", "!=", "=~", "!~"), pick("a", "b", "a|b", ".+")),
                '{__name__=~"%s"}' % "|".join(rnd.sample(METRICS, 2)))


def at():
    return pick("", "", "", "", " offset " + pick("1m", "-1m", "90s"), " @ " + pick("300", "start()", "end()", "600.5"))


def window(depth):
    if depth > 1 and one_in(5):
        # over a range, this version of Prometheus evaluates a subquery with @ at more steps than it shows, and reports what it met there
        when = at() if INSTANT else pick("", "", " offset 1m", " offset -90s")
        return "(%s)[%s:%s]%s" % (vector(depth - 1), pick("3m", "5m", "10m"), pick("", "1m", "45s", "2m"), when)
    extended = pick(" anchored", " smoothed") if one_in(10) else ""
    return "%s[%s]%s%s" % (selector(), pick("1m", "2m", "5m", "150s", "10m", "1m * 2", "max_of(step(), 3m)"), extended, at())


def finite():
    return pick(*FINITE) + at()


def literal():
    return pick("0", "1", "2", "-1", "0.5", "1e3", "NaN", "Inf", "3.7")


def scalar(depth):
    return pick(literal(), literal(), literal(), "time()", "(1 + 2)", "scalar(%s)" % vector(depth - 1))


def grouping():
    return pick("", " by (%s)" % ", ".join(rnd.sample(["job", "inst", "le", "__name__"], rnd.randint(0, 2))),
                " without (%s)" % ", ".join(rnd.sample(["job", "inst", "le"], rnd.randint(0, 2))))


def binary(depth):
    op = pick("+", "-", "*", "/", "%", "^", "atan2", "and", "or", "unless", "</", ">/", *COMPARISONS)
    if op in ("and", "or", "unless"):
        return "(%s) %s%s (%s)" % (vector(depth - 1), op, pick("", " on (job)", " ignoring (inst)", " on ()"), vector(depth - 1))
    op += " bool" if op in COMPARISONS and one_in(3) else ""
    match = pick("", "", " on (job)", " ignoring (inst)", " on (job, inst)", " ignoring (inst) group_left",
                 " on (job) group_right (inst)", " on (job) group_left ()", " on (__name__, job)",
                 " on (job, inst) group_left (__name__)")
    if one_in(7) and "group_right" not in match:
        match += pick(" fill (0)", " fill_left (1)", " fill_right (2)")
    return pick("(%s) %s %s" % (vector(depth - 1), op, scalar(depth)), "%s %s (%s)" % (scalar(depth), op, vector(depth - 1)),
                "(%s) %s%s (%s)" % (vector(depth - 1), op, match, vector(depth - 1)))


def vector(depth):
    if depth <= 0 or one_in(8):
        return pick(selector(), selector(), finite()) if one_in(2) else selector() + (" smoothed" if one_in(20) else "") + at()
    forms = [
        lambda: "%s(%s)" % (pick(*OVER_TIME), window(depth)),
        lambda: "%s(%s)" % (pick(*OVER_TIME), window(depth)),
        lambda: "quantile_over_time(%s, %s[%s]%s)" % (scalar(depth), pick(*FINITE), pick("2m", "5m", "10m"), at()),
        lambda: "predict_linear(%s, %s)" % (window(depth), scalar(depth)),
        lambda: "%s(%s)" % (pick(*OF_VECTOR), vector(depth - 1)),
        lambda: "%s%s (%s)" % (pick("sum", "avg", "min", "max", "count", "group", "stddev", "stdvar"), grouping(), vector(depth - 1)),
        lambda: "%s%s (%s)" % (pick("sum", "avg"), grouping(), vector(depth - 1)),
        lambda: "%s%s (%s, u%s)" % (pick("topk", "bottomk"), grouping(), pick("1", "2", "0.5", "3"), at()),
        lambda: "limitk%s (%s, %s)" % (grouping(), pick("1", "2", "3"), selector() + at()),
        lambda: "limit_ratio%s (%s, %s)" % (grouping(), pick("1", "0.5", "-0.5"), vector(depth - 1)),
        lambda: "quantile%s (%s, %s)" % (grouping(), pick("0.5", "0.9", "2", "NaN"), finite()),
        lambda: 'count_values%s ("v", %s)' % (grouping(), selector() + at()),
        lambda: "histogram_quantile(%s, %s)" % (pick("0.5", "0.9", "0", "1", "0.1", "2", "NaN"), vector(depth - 1)),
        lambda: "histogram_fraction(%s, %s, %s)" % (literal(), literal(), vector(depth - 1)),
        lambda: "clamp(%s, %s, %s)" % (vector(depth - 1), literal(), literal()),
        lambda: "%s(%s, %s)" % (pick("clamp_min", "clamp_max", "round"), vector(depth - 1), literal()),
        lambda: "%s(%s)" % (pick("sum", "count", "max"), "{__name__=~\"%s\"}" % "|".join(rnd.sample(METRICS, 3))),
        lambda: 'label_replace(%s, "%s", "%s", "job", "(.*)")' % (vector(depth - 1), pick("job", "z", "__name__", "inst"), pick("$1", "x-$1", "")),
        lambda: 'label_join(%s, "%s", "-", "job", "inst")' % (vector(depth - 1), pick("z", "z", "__name__")),
        lambda: "-(%s)" % vector(depth - 1),
        lambda: 'histogram_quantiles(%s, "q", 0.1, %s)' % (vector(depth - 1), pick("0.5", "0.9", "1", "NaN")),
        lambda: "double_exponential_smoothing(%s, %s, %s)" % (window(depth), pick("0.5", "0.1"), pick("0.3", "0.9", "1")),
        lambda: "info(%s%s)" % (vector(depth - 1), pick("", ', {version="1"}', ', {version=~".*"}', ', {__name__=~".+_info"}')),
        lambda: 'sort_by_label%s(%s, "job")' % (pick("", "_desc"), vector(depth - 1)),
        lambda: "vector(%s)" % scalar(depth),
    ]
    return binary(depth) if one_in(4) else pick(*forms)()


# --- comparison

def close(a, b):
    if a == b:
        return True
    try:
        x, y = float(a), float(b)
    except ValueError:
        return False
    if math.isnan(x) and math.isnan(y):
        return True
    return not math.isinf(x) and not math.isinf(y) and abs(x - y) <= max(1e-9 * max(abs(x), abs(y)), 1e-13)


def same(a, b):
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b))
    return close(a, b) if isinstance(a, str) and isinstance(b, str) else a == b


def by_metric(result):
    return sorted(result or [], key=lambda s: json.dumps(s["metric"], sort_keys=True))


def texts(list_or_none):
    """Without what depends on the order of the series, which is Go's of a map: which of several incompatible pairs is named, and what an
    aggregation met before it gave up."""
    kept = (re.sub(r"over \d+ samples", "over N samples", t) for t in list_or_none or [] if "reconciled during aggregation" not in t)
    kept = (re.sub(r'(incompatible sample types encountered for binary operator "[^"]*"): .* \(', r"\1 (", t) for t in kept)
    return sorted({re.sub(r'(custom buckets schemas) for metric name "[^"]*"', r"\1", t) for t in kept})


def broken(series):
    """Prometheus leaves buckets inside the zero bucket when their counts are negative."""
    samples = [h for s in series or [] for _, h in s.get("histograms", [s["histogram"]] if "histogram" in s else [])]
    return any(float(low) > float(high) for h in samples for _, low, high, _ in h.get("buckets", []))


def two_at_once(series):
    """This version of Prometheus misses that a float and a histogram of one label set meet at one time."""
    return any({t for t, _ in s.get("values", [])} & {t for t, _ in s.get("histograms", [])} for s in series or [])


def difference(want, code, out, err):
    if "error" in want:
        if code == 0:
            return "no error, but: " + want["error"]
        got = err.strip().replace("tocsin promql: ", "", 1)
        alike = got == want["error"] or ("duplicate series" in got and "duplicate series" in want["error"])
        return None if alike else "error %r, but: %r" % (got, want["error"])
    if code != 0:
        return "error: " + err
    got = json.loads(out)
    result = got["data"]["result"]
    if want["type"] == "scalar":
        agree = close(want["value"][1], result[1])
    else:
        agree = same(by_metric(want["value"]), by_metric(result))
    if not agree:
        return "values\n  theirs %.1500s\n  ours   %.1500s" % (json.dumps(by_metric(want["value"])), json.dumps(by_metric(result)))
    for kind in ("warnings", "infos"):
        if texts(want[kind]) != texts(got.get(kind)):
            return "%s\n  theirs %s\n  ours   %s" % (kind, texts(want[kind]), texts(got.get(kind)))
    return None


def main():
    global INSTANT
    peer = subprocess.Popen([PEER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    differ = asked = 0
    with tempfile.NamedTemporaryFile("w", suffix=".test") as data:
        for i in range(COUNT):
            if i % 100 == 0:
                text = block()
                data.seek(0)
                data.truncate()
                data.write(text)
                data.flush()
                peer.stdin.write(json.dumps({"Load": text}) + "\n")
            step, start = pick(0, 0, 60000, 30000, 97000), pick(0, 300000, 600000, 660500)
            INSTANT = step == 0
            query = vector(3)
            end = start + (pick(300000, 600000) if step else 0)
            peer.stdin.write(json.dumps({"Query": query, "Start": start, "End": end, "Step": step}) + "\n")
            peer.stdin.flush()
            want = json.loads(peer.stdout.readline())
            if "skip" in want or (want.get("type") in ("vector", "matrix") and (broken(want["value"]) or two_at_once(want["value"]))):
                continue
            when = ["--at", str(start / 1000)] if step == 0 else [
                "--start", str(start / 1000), "--end", str(end / 1000), "--step", "%dms" % step]
            done = subprocess.run([TOCSIN, "promql", *FEATURE, "--format", "json", "--data", data.name, *when, "--", query],
                                  capture_output=True, text=True, check=False)
            asked += 1
            why = difference(want, done.returncode, done.stdout, done.stderr)
            if why:
                differ += 1
                print("%s\n  %s\n  %s" % (" ".join(when), query, why))
    peer.stdin.close()
    peer.wait()
    print("seed %d: %d of %d queries agree" % (SEED, asked - differ, asked))
    return 1 if differ else 0


if __name__ == "__main__":
    sys.exit(main())
