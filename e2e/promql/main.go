// promql evaluates expressions over samples, with Prometheus's own engine.
//
// Standard input: {"expressions": {name: text}, "start": s, "end": s, "step": s, "series": [{"labels": {…}, "points":
// [[seconds, value], …]}]}. Standard output: {name: [{"labels": {…}, "at": [seconds, …], "values": [number, …]}, …]}, a
// row for each series that the expression gives, with the steps at which it gives it. Exit code 1 with a message when
// an expression cannot be read or evaluated.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"sort"
	"time"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/chunks"
	"github.com/prometheus/prometheus/util/annotations"
)

type question struct {
	Expressions      map[string]string
	Start, End, Step float64
	Series           []struct {
		Labels map[string]string
		Points [][2]float64
	}
}

type row struct {
	Labels map[string]string `json:"labels"`
	At     []float64         `json:"at"`
	Values []float64         `json:"values"`
}

type point struct {
	t int64
	v float64
}

func (p point) T() int64                      { return p.t }
func (p point) ST() int64                     { return 0 }
func (p point) F() float64                    { return p.v }
func (p point) H() *histogram.Histogram       { return nil }
func (p point) FH() *histogram.FloatHistogram { return nil }
func (p point) Type() chunkenc.ValueType      { return chunkenc.ValFloat }
func (p point) Copy() chunks.Sample           { return p }

type memory struct {
	series []storage.Series
}

func (m *memory) Querier(_, _ int64) (storage.Querier, error) { return m, nil }

func (m *memory) Select(_ context.Context, _ bool, _ *storage.SelectHints, matchers ...*labels.Matcher) storage.SeriesSet {
	found := &set{at: -1}
	for _, one := range m.series {
		if meets(one.Labels(), matchers) {
			found.series = append(found.series, one)
		}
	}
	return found
}

func meets(of labels.Labels, matchers []*labels.Matcher) bool {
	for _, matcher := range matchers {
		if !matcher.Matches(of.Get(matcher.Name)) {
			return false
		}
	}
	return true
}

func (m *memory) LabelValues(context.Context, string, *storage.LabelHints, ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	return nil, nil, nil
}

func (m *memory) LabelNames(context.Context, *storage.LabelHints, ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	return nil, nil, nil
}

func (m *memory) Close() error { return nil }

type set struct {
	series []storage.Series
	at     int
}

func (s *set) Next() bool                        { s.at++; return s.at < len(s.series) }
func (s *set) At() storage.Series                { return s.series[s.at] }
func (s *set) Err() error                        { return nil }
func (s *set) Warnings() annotations.Annotations { return nil }

func run() error {
	var asked question
	if err := json.NewDecoder(os.Stdin).Decode(&asked); err != nil {
		return err
	}
	kept := &memory{}
	for _, one := range asked.Series {
		samples := make([]chunks.Sample, 0, len(one.Points))
		for _, pair := range one.Points {
			samples = append(samples, point{int64(pair[0] * 1000), pair[1]})
		}
		kept.series = append(kept.series, storage.NewListSeries(labels.FromMap(one.Labels), samples))
	}
	sort.Slice(kept.series, func(i, j int) bool {
		return labels.Compare(kept.series[i].Labels(), kept.series[j].Labels()) < 0
	})
	engine := promql.NewEngine(promql.EngineOpts{MaxSamples: 10_000_000, Timeout: time.Minute, Parser: parser.NewParser(parser.Options{})})
	start, end := time.UnixMilli(int64(asked.Start*1000)), time.UnixMilli(int64(asked.End*1000))
	answers := map[string][]row{}
	for name, text := range asked.Expressions {
		query, err := engine.NewRangeQuery(context.Background(), kept, nil, text, start, end, time.Duration(asked.Step*float64(time.Second)))
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		matrix, err := query.Exec(context.Background()).Matrix()
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		rows := []row{}
		for _, series := range matrix {
			one := row{Labels: series.Metric.Map()}
			for _, sample := range series.Floats {
				one.At = append(one.At, float64(sample.T)/1000)
				one.Values = append(one.Values, sample.F)
			}
			rows = append(rows, one)
		}
		answers[name] = rows
		query.Close()
	}
	return json.NewEncoder(os.Stdout).Encode(answers)
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
