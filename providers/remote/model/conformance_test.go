package model_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/shipctl/shipctl/providers/remote"
	"github.com/shipctl/shipctl/providers/remote/model"
	"github.com/shipctl/shipctl/providers/remote/remotetest"
)

// TestModel holds the model to lease.sh and to the check before a step: the same sequences give the same. A lease of a
// millisecond has expired by the next call, and one of a minute has not.
func TestModel(t *testing.T) {
	lib, err := remote.Scripts(nil)
	if err != nil {
		t.Fatal(err)
	}
	lib["test/step"] = "echo stepped"
	var ops []string
	for _, what := range []string{"acquire", "acquire", "renew", "release", "force"} {
		for _, id := range []string{"one", "two", "three"} {
			for _, ttl := range []int{1, 60_000} {
				ops = append(ops, fmt.Sprintf("%s %s %d", what, id, ttl))
			}
		}
	}
	for epoch := range 4 {
		ops = append(ops, fmt.Sprintf("step %d 0", epoch))
	}
	histories := rapid.SliceOfN(rapid.SampledFrom(ops), 15, 15)
	for seed := range 8 {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			m := remotetest.Under(t, remotetest.Shells(t)[seed%3], lib, filepath.Join(t.TempDir(), "state"))
			var l model.Lease
			now := int64(0)
			var said []string
			for _, op := range histories.Example(seed) {
				said = append(said, op)
				f := strings.Fields(op)
				ticket := remote.Ticket{Run: f[1], Step: "s", Deadline: time.Now().Add(time.Minute)}
				call := remote.Call{Script: "remote/lease", Unlocked: true, Args: []string{f[0], f[1], f[2], "me@here", ""}}
				var want string
				var status int
				now += 10
				if f[0] == "step" {
					_, err := fmt.Sscan(f[1], &ticket.Epoch)
					if err != nil {
						t.Fatal(err)
					}
					call = remote.Call{Script: "test/step"}
					status = l.Step(ticket.Epoch)
				} else {
					want, status = l.Run(now, 1, call.Args)
				}
				time.Sleep(20 * time.Millisecond) // a machine's uptime is told in hundredths of a second
				out, err := m.Run(t.Context(), ticket, call)
				var no *remote.ScriptError
				got := 0
				if errors.As(err, &no) {
					got = no.Status
				} else if err != nil {
					t.Fatal(err)
				}
				if got != status || f[0] == "acquire" && strings.TrimSpace(string(out)) != want {
					t.Fatalf("%s:\nreal  %d %q\nmodel %d %q", strings.Join(said, ", "), got, out, status, want)
				}
			}
		})
	}
}
