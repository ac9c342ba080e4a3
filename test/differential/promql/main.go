// Answers PromQL queries with Prometheus' own engine, so that ours can be held against it (promql_diff.py beside this file).
//
// Argument: a file with a `load` block of Prometheus' test language. Input: one JSON object a line,
// {"q": expression, "start": ms, "end": ms, "step": ms}; step 0 is an instant query at start. Output: a line for each, in the
// shape of the HTTP API's "data", or {"error": text}.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/promql/promqltest"
)

type quiet struct{ testing.TB }

func (quiet) Errorf(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }
func (quiet) FailNow()                          { os.Exit(3) }
func (quiet) Helper()                           {}
func (quiet) Cleanup(func())                    {}
func (quiet) TempDir() string                   { dir, _ := os.MkdirTemp("", "promql"); return dir }
func (quiet) Fatal(args ...any)                 { fmt.Fprintln(os.Stderr, args...); os.Exit(3) }
func (quiet) Fatalf(f string, args ...any)      { fmt.Fprintf(os.Stderr, f+"\n", args...); os.Exit(3) }
func (quiet) Logf(string, ...any)               {}
func (quiet) Log(...any)                        {}
func (quiet) Name() string                      { return "promql" }

type query struct {
	Q                string
	Start, End, Step int64
}

func number(v float64) string {
	if math.IsNaN(v) {
		return "NaN"
	}
	return strconv.FormatFloat(v, 'g', -1, 64)
}

func point(t int64, f float64, h *histogram.FloatHistogram) []any {
	if h != nil {
		return []any{t, "h", number(h.Count), number(h.Sum), h.String()}
	}
	return []any{t, number(f)}
}

func answer(result *promql.Result) map[string]any {
	if result.Err != nil {
		return map[string]any{"error": result.Err.Error()}
	}
	rows := []any{}
	switch v := result.Value.(type) {
	case promql.Scalar:
		rows = append(rows, map[string]any{"metric": map[string]string{}, "values": []any{point(v.T, v.V, nil)}})
	case promql.String:
		return map[string]any{"type": "string", "result": v.V}
	case promql.Vector:
		for _, s := range v {
			rows = append(rows, map[string]any{"metric": s.Metric.Map(), "values": []any{point(s.T, s.F, s.H)}})
		}
	case promql.Matrix:
		for _, s := range v {
			values := []any{}
			for _, p := range s.Floats {
				values = append(values, point(p.T, p.F, nil))
			}
			for _, p := range s.Histograms {
				values = append(values, point(p.T, 0, p.H))
			}
			rows = append(rows, map[string]any{"metric": s.Metric.Map(), "values": values})
		}
	}
	return map[string]any{"type": string(result.Value.Type()), "result": rows}
}

func main() {
	load, err := os.ReadFile(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	storage := promqltest.LoadedStorage(quiet{}, string(load))
	engine := promql.NewEngine(promql.EngineOpts{
		MaxSamples: 50_000_000, Timeout: time.Minute, EnableAtModifier: true, EnableNegativeOffset: true,
		EnableDelayedNameRemoval: os.Getenv("DELAYED") != "",
		NoStepSubqueryIntervalFn: func(int64) int64 { return time.Minute.Milliseconds() },
		Parser: parser.NewParser(parser.Options{EnableExperimentalFunctions: true, ExperimentalDurationExpr: true}),
	})
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(make([]byte, 1<<20), 1<<20)
	for in.Scan() {
		var q query
		if err := json.Unmarshal(in.Bytes(), &q); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
		var made promql.Query
		var err error
		ctx := context.Background()
		if q.Step == 0 {
			made, err = engine.NewInstantQuery(ctx, storage, nil, q.Q, time.UnixMilli(q.Start))
		} else {
			made, err = engine.NewRangeQuery(ctx, storage, nil, q.Q, time.UnixMilli(q.Start), time.UnixMilli(q.End),
				time.Duration(q.Step)*time.Millisecond)
		}
		var row map[string]any
		if err != nil {
			row = map[string]any{"error": err.Error()}
		} else {
			row = answer(made.Exec(ctx))
			made.Close()
		}
		line, _ := json.Marshal(row)
		out.Write(line)
		out.WriteByte('\n')
	}
}
