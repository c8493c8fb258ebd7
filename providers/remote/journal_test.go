package remote_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/shipctl/shipctl/providers/remote"
	"github.com/shipctl/shipctl/providers/remote/remotetest"
)

// TestJournalOfThousands: an entry about thousands of machines is written down at once, and the history can still be
// read while it is under way.
func TestJournalOfThousands(t *testing.T) {
	lib, err := remote.Scripts(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, shell := range remotetest.Shells(t) {
		t.Run(shell, func(t *testing.T) {
			t.Parallel()
			state := filepath.Join(t.TempDir(), "state")
			m := remotetest.Under(t, shell, lib, state)
			entry := `{"v":1,"run":"r","on":"` + strings.Repeat("app-1234567 ", 30_000) + `"}`
			for range 3 {
				for _, what := range []string{"begin", "end", "begin"} {
					begin := time.Now()
					_, err := m.Run(t.Context(), remote.Ticket{Run: "r", Step: "journal", Deadline: begin.Add(30 * time.Second)},
						remote.Call{Script: "remote/journal", Args: []string{what}, Stdin: []remote.Part{{Text: entry + "\n{}"}}})
					if took := time.Since(begin); err != nil {
						t.Fatalf("%s after %s: %v", what, took, err)
					}
				}
				entry = strings.Replace(entry, "app", "ap", 1) // another run
			}
			as, err := m.Ask(t.Context(), []remote.Query{{Host: "here", Script: "remote/history"}})
			if err != nil || as[0].Sight != remote.Seen || strings.Count(as[0].Text, "\n") < 2 || len(as[0].Text) > 950_000 {
				t.Fatalf("%v: %s, %d bytes, %v", err, as[0].Sight, len(as[0].Text), as[0].Why)
			}
		})
	}
}

// TestJournal: what begins and ends is written down once, whatever is repeated or cut off in between.
func TestJournal(t *testing.T) {
	lib, err := remote.Scripts(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, shell := range remotetest.Shells(t) {
		t.Run(shell, func(t *testing.T) {
			state := filepath.Join(t.TempDir(), "state")
			m := remotetest.Under(t, shell, lib, state)
			dir := filepath.Join(state, "projects", remotetest.Project)
			write := func(what, input string) {
				t.Helper()
				_, err := m.Run(t.Context(), remote.Ticket{Run: "r", Step: "journal", Deadline: time.Now().Add(time.Minute)},
					remote.Call{Script: "remote/journal", Args: []string{what}, Stdin: []remote.Part{{Text: input}}})
				if err != nil {
					t.Fatal(err)
				}
			}
			says := func(script, want string, args ...string) {
				t.Helper()
				as, err := m.Ask(t.Context(), []remote.Query{{Host: "here", Script: script, Args: args}})
				if err != nil {
					t.Fatal(err)
				}
				if got := strings.Trim(as[0].Text, "\n"); got != want || want == "" && len(args) == 0 && as[0].Sight != remote.Absent {
					t.Fatalf("%s: %s %q, want %q", script, as[0].Sight, got, want)
				}
			}
			says("remote/record", "")
			says("remote/history", "")
			write("begin", `{"a":"it's \n"}`+"\n-")
			write("begin", `{"a":"it's \n"}`+"\n-") // a lost reply
			says("remote/record", `running {"a":"it's \n"}`)
			write("end", `{"a":2}`+"\n"+`{"r":1}`)
			write("end", `{"a":2}`+"\n"+`{"r":1}`)
			says("remote/record", `record {"r":1}`)
			says("remote/history", `{"a":2}`)
			write("begin", `{"b":1}`+"\n-") // and its controller dies
			write("begin", `{"c":1}`+"\n-")
			says("remote/history", `{"a":2}`+"\n"+`{"b":1}`+"\n"+`{"c":1}`)
			write("end", `{"c":2}`+"\n-")
			says("remote/record", `record {"r":1}`)
			write("begin", `{"c":3}`+"\n"+`{"r":2}`) // it is to be known while it runs what it means
			says("remote/record", `record {"r":2}`+"\n"+`running {"c":3}`)
			write("end", `{"c":2}`+"\n"+`{"r":1}`)
			says("remote/record", `record {"r":1}`)
			f, err := os.OpenFile(filepath.Join(dir, "history"), os.O_APPEND|os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := f.WriteString(`{"half`); err != nil { // a crash in the middle of a line
				t.Fatal(err)
			}
			f.Close()
			write("end", `{"d":1}`+"\n-")
			says("remote/history", `{"a":2}`+"\n"+`{"b":1}`+"\n"+`{"c":2}`+"\n"+`{"half`+"\n"+`{"d":1}`)
			if info, err := os.Stat(filepath.Join(dir, "history")); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("%v %v", info.Mode(), err)
			}
			before := `{"a":2}` + "\n" + `{"b":1}` + "\n" + `{"c":2}` + "\n" + `{"half` + "\n" + `{"d":1}` + "\n"
			write("begin", `{"format":1,"run":"one"}`+"\n-") // and its end can't be written; the next one has no step
			write("end", `{"format":1,"run":"two","o":"done"}`+"\n-")
			write("end", `{"format":1,"run":"two","o":"done"}`+"\n-")
			says("remote/history", before+`{"format":1,"run":"one"}`+"\n"+`{"format":1,"run":"two","o":"done"}`)
			says("remote/history", "", "feed")
			write("begin", `{"format":1,"run":"three","plan":"feed","said":"\"plan\":\"f00d\""}`+"\n-")
			says("remote/history", `{"format":1,"run":"three","plan":"feed","said":"\"plan\":\"f00d\""}`, "feed")
			write("end", `{"format":1,"run":"three","plan":"feed","said":"\"plan\":\"f00d\""}`+"\n-")
			write("end", `{"format":1,"run":"four"}`+"\n-")
			says("remote/history", `{"format":1,"run":"three","plan":"feed","said":"\"plan\":\"f00d\""}`+"\n"+`{"format":1,"run":"four"}`, "feed")
			says("remote/history", "", "f00d")
			long := strings.Repeat(`{"x":"0123456789"}`+"\n", 230_000) // more than 4 MB
			if err := os.WriteFile(filepath.Join(dir, "history"), []byte(long), 0o600); err != nil {
				t.Fatal(err)
			}
			write("end", `{"e":1}`+"\n-")
			info, err := os.Stat(filepath.Join(dir, "history"))
			if err != nil || info.Size() > 2_100_000 || info.Size() < 1_900_000 {
				t.Errorf("a long history has %d bytes: %v", info.Size(), err)
			}
		})
	}
}
