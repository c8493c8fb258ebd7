package main

import (
	"strings"
	"testing"
	"time"

	"github.com/shipctl/shipctl/testdata/load"
)

// TestShown: a demonstration that shows less than it is to is an error.
func TestShown(t *testing.T) {
	good := func(n int) (r load.Result) {
		for i := range n {
			r.Samples = append(r.Samples, load.Sample{Status: 200, Version: []string{"1", "2"}[i%2]})
		}
		return r
	}
	lost := good(6000)
	lost.Samples[7].Status = 502
	old := load.Result{}
	for range 6000 {
		old.Samples = append(old.Samples, load.Sample{Status: 200, Version: "1"})
	}
	for _, c := range []struct {
		name string
		r    load.Result
		said string
		took time.Duration
		want string
	}{
		{"all of it", good(6000), "No changes. …", time.Minute, ""},
		{"lost", lost, "No changes. …", time.Minute, "1 requests were lost"},
		{"too few", good(4999), "No changes. …", time.Minute, "4999 requests only"},
		{"one version", old, "No changes. …", time.Minute, "both versions"},
		{"not settled", good(6000), "Plan: 1 to add", time.Minute, "still something to do"},
		{"too long", good(6000), "No changes. …", 4 * time.Minute, "it took 4m0s"},
	} {
		err := shown(c.r, c.said, c.took)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}
