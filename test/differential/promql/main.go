// The peer of promql_diff.py: Prometheus' own engine over series in memory. One JSON request a line on standard
// input (a load block, or a query with its times in milliseconds), one JSON answer a line. DELAYED=1 in the
// environment turns delayed name removal on. With the argument "bench" it measures CPU time over 100,000 series
// of 241 samples. Never linked into the product.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"sort"
	"strings"
	"syscall"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/annotations"
)

type request struct {
	Load             string
	Query            string
	Start, End, Step int64
}

var all []promql.Series

type querier struct{ storage.LabelQuerier }

func (querier) Close() error { return nil }

func (querier) Select(_ context.Context, _ bool, _ *storage.SelectHints, matchers ...*labels.Matcher) storage.SeriesSet {
	var found []storage.Series
next:
	for _, s := range all {
		for _, m := range matchers {
			if !m.Matches(s.Metric.Get(m.Name)) {
				continue next
			}
		}
		found = append(found, promql.NewStorageSeries(s))
	}
	return &set{found, -1}
}

type set struct {
	series []storage.Series
	at     int
}

func (s *set) Next() bool                      { s.at++; return s.at < len(s.series) }
func (s *set) At() storage.Series              { return s.series[s.at] }
func (*set) Err() error                        { return nil }
func (*set) Warnings() annotations.Annotations { return nil }

var source = storage.QueryableFunc(func(_, _ int64) (storage.Querier, error) { return querier{}, nil })

func load(p parser.Parser, text string) {
	all = nil
	for _, line := range strings.Split(text, "\n")[1:] {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		metric, values, err := p.ParseSeriesDesc(line)
		if err != nil {
			panic(err)
		}
		s := promql.Series{Metric: metric}
		for i, v := range values {
			t := int64(i) * 60000
			switch {
			case v.Omitted:
			case v.Histogram != nil:
				s.Histograms = append(s.Histograms, promql.HPoint{T: t, H: v.Histogram})
			default:
				s.Floats = append(s.Floats, promql.FPoint{T: t, F: v.Value})
			}
		}
		all = append(all, s)
	}
}

func query(engine *promql.Engine, r request) (promql.Query, error) {
	if r.Step == 0 {
		return engine.NewInstantQuery(context.Background(), source, nil, r.Query, time.UnixMilli(r.Start))
	}
	return engine.NewRangeQuery(context.Background(), source, nil, r.Query, time.UnixMilli(r.Start),
		time.UnixMilli(r.End), time.Duration(r.Step)*time.Millisecond)
}

func answer(engine *promql.Engine, r request) map[string]any {
	q, err := query(engine, r)
	if err != nil {
		return map[string]any{"error": err.Error()}
	}
	defer q.Close()
	v := q.Exec(context.Background())
	if v.Err != nil {
		return map[string]any{"error": v.Err.Error()}
	}
	warnings, infos := v.Warnings.AsStrings(r.Query, 0, 0)
	sort.Strings(warnings)
	sort.Strings(infos)
	raw, err := json.Marshal(v.Value)
	if err != nil {
		return map[string]any{"skip": err.Error()}
	}
	return map[string]any{"type": string(v.Value.Type()), "value": json.RawMessage(raw), "warnings": warnings, "infos": infos}
}

func cpu() float64 {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return float64(u.Utime.Sec+u.Stime.Sec) + float64(u.Utime.Usec+u.Stime.Usec)/1e6
}

func bench(engine *promql.Engine) {
	for i := range 100000 {
		s := promql.Series{Metric: labels.FromStrings("__name__", "m_total", "instance", fmt.Sprintf("inst-%d", i),
			"job", fmt.Sprintf("job-%d", i%50), "env", "prod")}
		for k := range 241 {
			s.Floats = append(s.Floats, promql.FPoint{T: int64(k) * 15000, F: float64(k) * (float64(i%7) + 1.5)})
		}
		all = append(all, s)
	}
	for _, text := range []string{"sum by (job) (rate(m_total[5m]))", "sum by (job) (m_total)", "m_total > 100",
		"max by (job) (max_over_time(m_total[5m]))"} {
		for _, r := range []request{{Query: text, Start: 3600000, End: 3600000}, {Query: text, End: 3600000, Step: 15000}} {
			before := cpu()
			answer := answer(engine, r)
			fmt.Printf("step %d ms: %s: %.3f s CPU %v\n", r.Step, text, cpu()-before, answer["error"])
		}
	}
}

func main() {
	p := parser.NewParser(parser.Options{EnableExperimentalFunctions: true, EnableBinopFillModifiers: true})
	engine := promql.NewEngine(promql.EngineOpts{MaxSamples: 50000000, Timeout: 100 * time.Second,
		NoStepSubqueryIntervalFn: func(int64) int64 { return 60000 }, EnableAtModifier: true,
		EnableNegativeOffset: true, EnableDelayedNameRemoval: os.Getenv("DELAYED") != "", UseStartTimestamps: true, Parser: p})
	if len(os.Args) > 1 && os.Args[1] == "bench" {
		bench(engine)
		return
	}
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(make([]byte, 1<<20), 1<<26)
	for in.Scan() {
		var r request
		if err := json.Unmarshal(in.Bytes(), &r); err != nil {
			panic(err)
		}
		if r.Load != "" {
			load(p, r.Load)
			continue
		}
		line, err := json.Marshal(answer(engine, r))
		if err != nil {
			panic(err)
		}
		fmt.Printf("%s\n", line)
	}
}
