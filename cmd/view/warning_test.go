package view

import (
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shipctl/shipctl/executor"
)

// A step that is done and warns: people see the line in another colour, programs get a diagnostic.
func TestWarningOfAStep(t *testing.T) {
	const output = "kept 1: it is live\nwarning: nothing removed: no root " + hostile
	frames := []frame{{0, 1, executor.Running, "", nil}, {time.Second, 1, executor.Done, output, nil}}
	synctest.Test(t, func(t *testing.T) {
		p := teatime()
		var human, stream strings.Builder
		v := Human{Out: Text{Out: &human, Color: true}, Err: Text{Out: &human}}.Apply(p)
		v.End(play(p, v, frames))
		if yes, no := "\x1b["+yellow+"mwarning: nothing removed: no root", "\x1b["+yellow+"mkept"; !strings.Contains(human.String(), yes) || strings.Contains(human.String(), no) {
			t.Errorf("%q", human.String())
		}
		s := NewStream(&stream, func() time.Time { return time.Now().UTC() }, "0.1.0").Apply(p)
		s.End(play(p, s, frames))
		var got []string
		for l := range strings.Lines(stream.String()) {
			var m struct {
				Level      string `json:"@level"`
				Type       string
				Diagnostic struct{ Severity, Summary, Detail string }
			}
			if err := json.Unmarshal([]byte(l), &m); err != nil {
				t.Fatal(err)
			}
			if m.Type == "diagnostic" {
				got = append(got, m.Level+" "+m.Diagnostic.Severity+" "+m.Diagnostic.Summary+" "+m.Diagnostic.Detail)
			}
		}
		first := p.Steps()[0]
		if len(got) != 1 || !strings.HasPrefix(got[0], "warn warning "+first.Host+": "+first.Title+" nothing removed: no root") || strings.ContainsAny(got[0], "\x1b\n") {
			t.Errorf("%q", got)
		}
	})
}
