"""`tocsin promql` and `tocsin test promql`: exit codes, canonical forms, evaluation over files, Prometheus' own tests and rules."""
import glob
import json
import os

import kit
from kit import shared, temporary, test, tocsin


def write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


@test("promql --check and --print: exit 0, or 2 with the place; -- ends the options")
def check_and_print():
    assert tocsin("promql", "--check", "rate(m[5m])")[0] == 0
    code, _, err = tocsin("promql", "--check", "sum(m) by")
    assert code == 2 and "1:10: parse error: unexpected end of input in grouping opts, expected \"(\"" in err, err
    code, out, _ = tocsin("promql", "--print", "--", "-sum(m)by(a) offset 1m")
    assert code == 2, out
    code, out, _ = tocsin("promql", "--print", "--", "-sum(m offset 60s)by(a)")
    assert (code, out.strip()) == (0, "-sum by (a) (m offset 1m)"), out


@test("promql --data: samples of the text format, of OpenMetrics and of the test language, at a time and over a range")
def evaluate():
    with temporary() as folder:
        write(os.path.join(folder, "a.prom"), 'm_total{job="a"} 0 0\nm_total{job="a"} 60 60000\nm_total{job="a"} 120 120000\n')
        write(os.path.join(folder, "b.om"), 'm_total{job="b"} 5 60.0\n# EOF\n')
        write(os.path.join(folder, "c.test"), 'load 1m\n  m_total{job="c"} 0+60x2\n')
        code, out, err = tocsin("promql", "--data", folder, "--at", "120", "--format", "json", "sum by (job) (rate(m_total[3m]))")
        assert code == 0, err
        got = {s["metric"]["job"]: float(s["value"][1]) for s in json.loads(out)["data"]["result"]}
        assert set(got) == {"a", "c"} and abs(got["a"] - got["c"]) < 1e-9, got
        code, out, _ = tocsin("promql", "--data", folder, "--start", "0", "--end", "120", "--step", "1m", "m_total{job='b'} * 2")
        assert code == 0 and out.splitlines() == ['{job="b"} =>', "10 @[60000]", "10 @[120000]"], out
        code, _, err = tocsin("promql", "--data", write(os.path.join(folder, "bad.prom"), "m{ 1\n"), "m")
        assert code == 2 and "bad.prom:1" in err, err


@test("test promql: N passed, M failed; 0, 1 for a failed eval, 2 for an unusable file")
def exit_codes():
    with temporary() as folder:
        good = write(os.path.join(folder, "good.test"), "load 1m\n  m 1\n\neval instant at 0 m + 1\n  {} 2\n")
        bad = write(os.path.join(folder, "bad.test"), "load 1m\n  m 1\n\neval instant at 0 m\n  m 2\n\neval instant at 0 m\n  m 1\n")
        broken = write(os.path.join(folder, "broken.test"), "lode 1m\n")
        code, out, _ = tocsin("test", "promql", good)
        assert (code, out.splitlines()[-1]) == (0, "1 passed, 0 failed"), out
        code, out, _ = tocsin("test", "promql", good, bad)
        assert (code, out.splitlines()[-1]) == (1, "2 passed, 1 failed"), out
        code, out, _ = tocsin("test", "promql", good, broken)
        assert (code, out.splitlines()[-1]) == (2, "1 passed, 0 failed"), out


@test("test promql: Prometheus' own engine tests pass")
def engine_tests():
    files = sorted(glob.glob(os.path.join(shared("prometheus/promqltest"), "*.test")))
    code, out, err = tocsin("test", "promql", *files)
    assert code == 0, (out + err)[-2000:]
    print("    " + out.splitlines()[-1])


if __name__ == "__main__":
    kit.main()
