"""Prometheus' rule files and unit tests of rules: the shared data's verdicts, and Debian's promtool (package prometheus) beside ours.

promtool here is 2.42. Current Prometheus, which decides, differs from it:
- names of labels, annotations and recording rules may be any UTF-8; groups have query_offset and labels; PromQL has more;
- `expr: null` is no expression (2.42 reads the metric `null`);
- a test without `interval` takes evaluation_interval; tests have start_timestamp, fuzzy_compare, histograms with hints;
- a lookback or range leaves out a sample that is exactly as old as it is long. Two of o11y's files rest on the old edge:
  node_alerts (a sample 5 minutes old still counts) and caching (six samples a range, which rounds differently).
"""
import json
import os
import shutil
import subprocess
import tempfile

import kit
from kit import Skip, shared, test, tocsin

# Files of the shared data that current promtool fails, and 2.42 does not.
CURRENT_FAILS = {"data_plane__node_alerts_test.yaml", "recording__caching_availability_recording_rules_test.yaml"}

# What upstream's own tests expect of its files.
UNIT_TESTS = {
    "unittest.yml": 0, "long-period.yml": 0, "at-modifier-test.yml": 0, "negative-offset-test.yml": 0, "no-test-group-interval.yml": 0,
    "start-time-test.yml": 0, "bad-input-series.yml": 1, "bad-promql.yml": 1, "bad-rules-syntax-test.yml": 1, "bad-rules-error-test.yml": 1,
    "failing.yml": 1, "rules_run.yml": 1, "rules_run_fuzzy.yml": 1, "rules_run_no_fuzzy.yml": 1, "rules_run_extrafields.yml": 1,
}

RULE = "groups: [{name: a, rules: [{%s}]}]"
# Rule files on which 2.42 and current promtool agree.
RULE_FILES = [
    "", "groups:", "[]", "groups: {}", "foo", "groups: [{name: a, rules: []}]", "groups: [{name: a}]", "groups: [{rules: []}]",
    "groups: [null]", "groups: [{name: a, rules: [null]}]", "groups: [{name: 5, rules: [{record: a, expr: 1}]}]", "Groups: []",
    "groups: [{name: a, interval: 5, rules: []}]", "groups: [{name: a, interval: '', rules: []}]", "groups: [{name: a, interval: , rules: []}]",
    "groups: [{name: a, interval: 1h30m, limit: 5, rules: []}]", "groups: [{name: a, limit: '5', rules: []}]",
    "groups: [{name: a, limit: 1.5, rules: []}]", "groups: [{name: a, limit: 1e3, rules: []}]", "groups: [{name: a, limit: 0x10, rules: []}]",
    "groups: [{name: a, limit: yes, rules: []}]", "groups: [{name: a, rules: []}, {name: a, rules: []}]", "groups: []\nfoo: bar",
    "groups: [{name: a, name: b, rules: []}]", "groups: []\ngroups: []", "groups: [{name: a, rules: [], foo: bar}]",
    "groups: []\n---\ngroups: [{name: a, rules: [{foo: 1}]}]", "groups:\n\t- name: a", "groups: [{name: a, rules: *x}]",
    "groups:\n- name: a\n  rules:\n  - &r {alert: a, expr: up}\n  - *r\n  - <<: *r\n    alert: b",
    "groups:\n- name: a\n  rules:\n  - &r {alert: a, expr: up}\n  - <<: [*r, {for: 5m}]", "groups: [{name: a, rules: [{<<: 5, alert: b}]}]",
] + [RULE % rule for rule in (
    "alert: a, expr: up", "alert: a, expr: up, for: 5", "alert: a, expr: up, for: 0", "alert: a, expr: up, for: -5m",
    "alert: a, expr: up, for: 5m5h", "alert: a, expr: up, for: 1.5h", "alert: a, expr: up, for: 1y2w3d4h5m6s7ms",
    "alert: a, expr: up, for: 300y", "record: a, expr: up, for: 0s", "record: a, expr: up, for: 5m", "record: a, expr: up, annotations: {}",
    "record: a, expr: up, annotations: {a: b}", "record: 'a{b}', expr: up", "record: 'a:b', expr: up", "alert: 'a b {{', expr: up",
    "alert: a, expr: up, labels: {a: 5, b: true, c: null, d: 1.5, e: 2020-01-01}", "alert: a, expr: up, labels: {a: [1]}",
    "alert: a, expr: up, labels: [a]", "alert: a, expr: up, labels: ''", "alert: a, expr: up, labels: {'': a}",
    "alert: a, expr: up, labels: {__name__: a}", "alert: a, expr: up, labels: {a: b, a: c}", "alert: a, expr: up, annotations: {__name__: a}",
    "alert: a, expr: up, annotations: {a: '{{ $value }'}", "alert: a, expr: up, annotations: {a: '{{ .Foo.Bar }}'}",
    "alert: a, expr: up, annotations: {a: '{{ nofunc 1 }}'}", "alert: a, expr: up, annotations: {a: '{{ template \"nope\" }}'}",
    "alert: a, expr: up, annotations: {a: '{{ range query \"up\" }}{{ .Value | humanize }}{{ end }}'}",
    "alert: a, expr: up, annotations: {a: '{{ if }}x{{ end }}'}", "alert: a, expr: up, annotations: {a: '{{ $x := 1 }}{{ $x }}{{ $y }}'}",
    "alert: a, expr: up, annotations: {a: '{{ end }}'}", "alert: a, expr: up, annotations: {a: '}} unopened'}",
    "record: a, expr: up, labels: {a: '{{ nofunc }}'}", "record: a, expr: 1", "record: a, expr: 'foo('", "record: a, expr: \"'text'\"",
    "record: a, expr: 'up[5m]'", "record: a, expr: 'rate(up)'", "record: a, expr: [1]", "record: a, expr: ''", "record: a, alert: b, expr: up",
    "record: a, alert: '', expr: up", "expr: up", "record: a, expr: up, foo: bar",
)]

TESTED_RULES = """groups:
- name: g
  rules:
  - alert: A
    expr: x > 0
    for: 1m
    labels: {sev: a, e: ""}
    annotations: {s: "v {{ $value }}", empty: ""}
  - record: r
    expr: x * 2
"""
# One test each; all with an interval, as 2.42 needs it.
TESTS = [
    "input_series: [{series: x, values: '1 2 3'}], promql_expr_test: [{expr: x, eval_time: 1m, exp_samples: [{labels: x, value: 2}]}]",
    "input_series: [{series: x, values: '1 2 3'}], promql_expr_test: [{expr: x, eval_time: 1m, exp_samples: [{labels: x, value: 3}]}]",
    "input_series: [{series: x, values: '1 2 3'}], promql_expr_test: [{expr: r, eval_time: 1m, exp_samples: [{labels: r, value: 4}]}]",
    "input_series: [{series: x, values: 1x5}], alert_rule_test: [{eval_time: 1m, alertname: A, exp_alerts: "
    "[{exp_labels: {sev: a}, exp_annotations: {s: v 1}}]}]",
    "input_series: [{series: x, values: 1x5}], alert_rule_test: [{eval_time: 1m, alertname: A, exp_alerts: "
    "[{exp_labels: {sev: a}, exp_annotations: {s: v 1, empty: ''}}]}]",
    "input_series: [{series: x, values: 1x5}], alert_rule_test: [{eval_time: 1m, alertname: A, exp_alerts: "
    "[{exp_labels: {sev: a, e: ''}, exp_annotations: {s: v 1, empty: ''}}]}]",
    "input_series: [{series: x, values: 1x5}], alert_rule_test: [{eval_time: 59s, alertname: A}]",
    "input_series: [{series: x, values: 1x5}], alert_rule_test: [{eval_time: 59s, alertname: A, exp_alerts: [null]}]",
    "input_series: [{series: x, values: 1x5}], alert_rule_test: [{eval_time: 1m, exp_alerts: []}]",
    "input_series: [{series: x, values: 1x5}], alert_rule_test: [{eval_time: 1m, alertname: B, exp_alerts: []}]",
    "input_series: [{series: x, values: 1x5}], alert_rule_test: [{eval_time: 5m30s, alertname: A, exp_alerts: "
    "[{exp_labels: {sev: a, alertname: foo}, exp_annotations: {s: v 1, empty: ''}}]}]",
    "input_series: [{series: x, values: 1 NaN 3}], promql_expr_test: [{expr: x, eval_time: 1m, exp_samples: [{labels: x, value: .nan}]}]",
    "input_series: [{series: x, values: 1 Inf 3}], promql_expr_test: [{expr: x, eval_time: 1m, exp_samples: [{labels: x, value: .inf}]}]",
    "input_series: [{series: x, values: 1 Inf 3}], promql_expr_test: [{expr: x, eval_time: 1m, exp_samples: [{labels: x, value: +Inf}]}]",
    "input_series: [{series: x, values: 1 1e3 3}], promql_expr_test: [{expr: x, eval_time: 1m, exp_samples: [{labels: x, value: '1000'}]}]",
    "input_series: [{series: x, values: 1 1e3 3}], promql_expr_test: [{expr: x, eval_time: 1m, exp_samples: [{labels: x, value: 0x3e8}]}]",
    "input_series: [{series: x, values: 1 2}, {series: x, values: 3 4}], "
    "promql_expr_test: [{expr: x, eval_time: 1m, exp_samples: [{labels: x, value: 4}]}]",
    'input_series: [{series: x, values: "1 2\\n"}, {series: y, values: 3 4}], '
    "promql_expr_test: [{expr: y, eval_time: 1m, exp_samples: [{labels: y, value: 4}]}]",
    'input_series: [{series: x, values: "1 2\\ny 3 4"}], promql_expr_test: [{expr: y, eval_time: 1m, exp_samples: [{labels: y, value: 4}]}]',
    "input_series: [{series: x, values: 1 2}], promql_expr_test: [{expr: sum(x), eval_time: 1m, exp_samples: [{value: 2}]}]",
    "input_series: [{series: x, values: 1 2}], promql_expr_test: [{expr: '2', eval_time: 1m, exp_samples: [{value: 2}]}]",
    "input_series: [{series: x, values: 1 2}], promql_expr_test: [{expr: 'x[5m]', eval_time: 1m, exp_samples: [{value: 2}]}]",
    "input_series: [{series: x, values: 1 2}], promql_expr_test: [{expr: x, eval_time: 1m, exp_samples: [{labels: x 5, value: 2}]}]",
    "input_series: [{series: x, values: 1 2}], promql_expr_test: [{expr: x, exp_samples: [{labels: x, value: 1}]}]",
    "input_series: [{series: x, values: 1 2}], promql_expr_test: [{expr: x, foo: 1, exp_samples: [{labels: x, value: 1}]}]",
    "input_series: [{series: x, values: 1 2}, {series: r, values: 3 4}], promql_expr_test: [{expr: r, exp_samples: [{labels: r, value: 2}]}]",
    "input_series: [{series: x, values: 1 2}, {series: r, values: 2 4}], promql_expr_test: [{expr: r, exp_samples: [{labels: r, value: 2}]}]",
    "input_series: [{series: x, values: 1 _ stale 1}], promql_expr_test: [{expr: ALERTS, eval_time: 3m, exp_samples: "
    "[{labels: 'ALERTS{alertname=\"A\",alertstate=\"pending\",sev=\"a\"}', value: 1}]}]",
    "input_series: [{series: x, values: 1x5}], promql_expr_test: [{expr: ALERTS_FOR_STATE, eval_time: 3m, exp_samples: "
    "[{labels: 'ALERTS_FOR_STATE{alertname=\"A\",sev=\"a\"}', value: 0}]}]",
    "input_series: [{series: 'x{', values: 1x5}]", "name: 5", "name: a, name: b", "external_labels: {a: b}, external_url: 'http://x'",
]
TEST_FILES = ["rule_files: [nope.yml]\ntests: [{}]", "rule_files: [r*.yml, r.yml]\ntests: [{}]", "rule_files: r.yml", "foo: 1",
              "group_eval_order: [a, a]", "fuzzy: 5", "", "tests:", "tests: {}", "- a", "evaluation_interval: 1m\nevaluation_interval: 2m"]


def promtool(*args, cwd=None):
    if shutil.which("promtool") is None:
        raise Skip("promtool (Debian package prometheus) is not installed")
    return subprocess.run(["promtool", *args], capture_output=True, cwd=cwd, check=False).returncode


def files(folder, *endings):
    top = shared(folder)
    return sorted(os.path.join(at, name) for at, _, names in os.walk(top) for name in names if name.endswith(endings))


@test("K-03: every rule file of the corpus is good")
def corpus():
    paths = [p for p in files("prometheus/rule-corpus", ".yml", ".yaml") if not p.endswith("/template.yml")]  # a template of a web page
    paths += files("prometheus/rules/fixtures", ".yaml") + files("prometheus/unit-tests/o11y/rules", ".yaml", ".yml")
    code, out, err = tocsin("check", "--rules", *paths)
    assert code == 0, err[-2000:]
    assert out.count("  SUCCESS: ") == len(paths)


@test("K-03: bad rule files are refused with their places")
def bad_files():
    for path in files("prometheus/model/rulefmt/testdata", ".bad.yaml"):
        code, out, err = tocsin("check", "--rules", path)
        if "legacy_validation" in path:  # bad only where names may not be UTF-8; the same file is utf-8_annotation.good.yaml
            assert code == 0, err
            continue
        assert code == 2 and "FAILED" in err and f"{path}:" in err, (path, code, err)
    code, out, err = tocsin("check", "--rules", shared("prometheus/promtool/rules-bad.yml"))
    assert code == 2 and 'undefined variable "$label"' in err, err


@test("K-03: duplicate rules are a warning, an error where asked")
def duplicates():
    path = shared("prometheus/promtool/rules_duplicates.yml")
    code, out, err = tocsin("check", "--rules", path)
    assert code == 0 and "SUCCESS: 5 rules found" in out and "1 duplicate rule(s) found." in err, (out, err)
    assert tocsin("check", "--strict", "--rules", path)[0] == 1


@test("C-112: upstream's unit tests of rules get upstream's verdicts")
def upstream_tests():
    folder = shared("prometheus/promtool")
    for name, wanted in UNIT_TESTS.items():
        code, out, err = tocsin("test", "rules", os.path.join(folder, name))
        assert code == wanted, (name, code, out[-500:], err[-500:])


@test("C-112: real projects' unit tests of rules pass")
def project_tests():
    top = shared("prometheus/unit-tests")
    with open(os.path.join(top, "promtool-2.42-check.jsonl"), encoding="utf-8") as lines:
        verdicts = {row["file"]: row["promtool_2.42"] == "pass" for row in map(json.loads, lines)}
    wrong = []
    for name, passes in verdicts.items():
        code, out, _ = tocsin("test", "rules", os.path.join(top, name))
        if (code == 0) != (passes and os.path.basename(name) not in CURRENT_FAILS):
            wrong.append((name, code, out[-300:]))
    print(f"    unit tests of real projects: {len(verdicts) - len(wrong)} of {len(verdicts)} as expected")
    assert not wrong, wrong


@test("K-03: promtool and tocsin agree on rule files, one odd thing each")
def differential_check():
    with tempfile.TemporaryDirectory() as folder:
        wrong = []
        for text in RULE_FILES:
            path = os.path.join(folder, "r.yml")
            with open(path, "w", encoding="utf-8") as file:
                file.write(text + "\n")
            theirs, ours = promtool("check", "rules", path), tocsin("check", "--rules", path)[0]
            if (theirs != 0) != (ours != 0):
                wrong.append((text, theirs, ours))
        assert not wrong, wrong


@test("C-112: promtool and tocsin agree on unit tests, one odd thing each")
def differential_test():
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "r.yml"), "w", encoding="utf-8") as file:
            file.write(TESTED_RULES)
        wrong = []
        for text in [f"rule_files: [r.yml]\ntests:\n- {{interval: 1m, {one}}}" for one in TESTS] + TEST_FILES:
            path = os.path.join(folder, "test.yml")
            with open(path, "w", encoding="utf-8") as file:
                file.write(text + "\n")
            theirs, ours = promtool("test", "rules", path), tocsin("test", "rules", path)[0]
            if (theirs != 0) != (ours != 0):
                wrong.append((text, theirs, ours))
        assert not wrong, wrong


@test("D-13: a side file beside a rule file is checked and tested with it")
def side_file():
    rules = "groups: [{name: g, rules: [{alert: Age, expr: age > 30, labels: {severity: warning}}]}]"
    unit_test = """rule_files: ['*.yml']
tests:
- interval: 1m
  input_series: [{series: age, values: 31 31 20 31 20 20}]
  alert_rule_test:
  - {eval_time: 0m, alertname: Age}
  - {eval_time: 1m, alertname: Age, exp_alerts: [{exp_labels: {severity: warning}}]}
  - {eval_time: 2m, alertname: Age, exp_alerts: [{exp_labels: {severity: warning}}]}
  - {eval_time: 5m, alertname: Age}
"""
    with tempfile.TemporaryDirectory() as folder:
        def write(name, text):
            with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
                file.write(text)
            return os.path.join(folder, name)
        path, tests = write("r.yml", rules), write("tests.yaml", unit_test)
        assert tocsin("test", "rules", tests)[0] == 1
        write("r.tocsin.yml", "alerts: [{alert: Age, datapoints: {at_least: 2, of: 3}}]")
        code, out, err = tocsin("test", "rules", tests)
        assert code == 0, out + err
        code, out, err = tocsin("check", "--rules", path)
        assert code == 0 and "SUCCESS: 1 alerts in" in out, out + err
        write("r.tocsin.yml", "alerts: [{alert: Old}]")
        code, out, err = tocsin("check", "--rules", path)
        assert code == 2 and "r.tocsin.yml:1:18: no alerting rule has this name: Old" in err, err
        assert tocsin("test", "rules", tests)[0] == 1


@test("C-112: rules and their tests have Prometheus 3's defaults, and its feature flags")
def feature_flags():
    both = "promql-experimental-functions,promql-binop-fill-modifiers"
    path = shared("prometheus/promtool/features.yml")
    code, _, err = tocsin("check", "--rules", path)
    assert code == 2 and 'function "sort_by_label" is not enabled' in err and "binop fill modifiers are experimental" in err, err
    assert tocsin("check", "--rules", path, "--enable-feature", both)[0] == 0
    code, _, err = tocsin("check", "--rules", path, "--enable-feature", "promql-experimental-function")
    assert code == 2 and "there is no feature promql-experimental-function" in err, err
    unit_test = """rule_files: [r.yml]
tests:
- interval: 1m
  input_series: [{series: 'm{a="x"}', values: 1 2}]
  promql_expr_test:
  - {expr: 'sort_by_label(m, "a")', eval_time: 1m, exp_samples: [{labels: 'm{a="x"}', value: 2}]}
  - {expr: 'twice', eval_time: 1m, exp_samples: [{labels: 'twice{a="x"}', value: 4}]}
- interval: 1m
  input_series: [{series: 'm{a="x"}', values: 1 2}]
  promql_expr_test:
  - {expr: 'label_replace(m * 2, "b", "$1", "__name__", "(.*)")', eval_time: 1m, exp_samples: [{labels: '{a="x",b="m"}', value: 4}]}
"""
    with tempfile.TemporaryDirectory() as folder:
        test_file = os.path.join(folder, "test.yml")
        for name, text in (("r.yml", RULE % "record: twice, expr: 'min_of(2, 3) * m'"), ("test.yml", unit_test)):
            with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
                file.write(text)
        code, out, _ = tocsin("test", "rules", test_file)
        assert code == 1 and out.splitlines()[-1] == "0 passed, 2 failed" and 'function "min_of" is not enabled' in out, out
        code, out, _ = tocsin("test", "rules", test_file, "--enable-feature", both)
        assert code == 1 and out.splitlines()[-1] == "1 passed, 1 failed", out
        code, out, _ = tocsin("test", "rules", "--enable-feature", both, "--enable-feature", "promql-delayed-name-removal", test_file)
        assert code == 0 and out.splitlines()[-1] == "2 passed, 0 failed", out


@test("tests of rules: exit codes and the last line")
def exit_codes():
    with tempfile.TemporaryDirectory() as folder:
        def run(text):
            path = os.path.join(folder, "test.yml")
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
            code, out, err = tocsin("test", "rules", path)
            return code, out.splitlines()[-1], err
        assert run("tests: [{}, {name: b}]")[:2] == (0, "2 passed, 0 failed")
        assert run("tests: [{promql_expr_test: [{expr: '1', exp_samples: [{value: 2}]}]}, {}]")[:2] == (1, "1 passed, 1 failed")
        code, last, err = run("tests: []\nno_such_key: 1\n")
        assert (code, last) == (2, "0 passed, 0 failed") and ":2:1: field no_such_key not found" in err, (code, last, err)
        code, out, err = tocsin("test", "rules", os.path.join(folder, "absent.yml"))
        assert code in (2, 3) and out.splitlines()[-1] == "0 passed, 0 failed", (code, out, err)


kit.main()
