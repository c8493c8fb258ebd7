package model_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/shipctl/shipctl/providers"
	"github.com/shipctl/shipctl/providers/nginx"
	"github.com/shipctl/shipctl/providers/nginx/model"
)

const blue, green = "10.0.0.11:8081", "10.0.0.11:8082"

func start(t *testing.T) (*model.Model, nginx.Route, [3]providers.Step) {
	t.Helper()
	r := nginx.Route{
		Host: "web-1", File: "/etc/nginx/conf.d/service.inc", Variable: "service_url",
		VerifyURL: "http://127.0.0.1/", Project: "teatime", Owner: "service.teatime",
	}
	m := model.New("teatime", r.File)
	m.Answer = func(addr string) (int, string) { return 200, addr }
	m.Write(r.File, "set $service_url http://"+blue+";\n")
	if err := m.Start(); err != nil {
		t.Fatal(err)
	}
	check, swtch, drain := r.Steps(nginx.Move{
		To: []string{green}, From: []string{blue},
		Through: nginx.Expect{Status: []int{200}, Body: "8082"}, Back: nginx.Expect{Body: "8081"},
		ID: func(verb string) providers.StepID { return providers.StepID(verb) },
	})
	return m, r, [3]providers.Step{check, swtch, drain}
}

// TestInFlight: a request stays with the worker that took it, and with that worker's address.
func TestInFlight(t *testing.T) {
	m, r, steps := start(t)
	worker, addr := m.Begin(r)
	for _, s := range steps[:2] {
		if _, err := m.Run(s.Do.Script, s.Do.Args, "run-1"); err != nil {
			t.Fatal(err)
		}
	}
	if got := m.Reaches(r); addr != blue || !slices.Equal(got, []string{blue, green}) {
		t.Errorf("the request went to %s, requests reach %v", addr, got)
	}
	c := m.Clone()
	out, err := m.Run("nginx/drain", steps[2].Do.Args, "run-1")
	if !strings.HasPrefix(out, "1 worker of nginx still had requests") || err != nil {
		t.Errorf("%q, %v", out, err)
	}
	c.Wait = func(int) { c.End(worker, addr) }
	out, err = c.Run("nginx/drain", steps[2].Do.Args, "run-1")
	if out != "nothing was cut off\n" || err != nil {
		t.Errorf("%q, %v", out, err)
	}
	if got := c.Reaches(r); !slices.Equal(got, []string{green}) {
		t.Errorf("requests reach %v", got)
	}
	if got := m.Reaches(r); !slices.Equal(got, []string{blue, green}) {
		t.Errorf("the clone's request ended in the original: %v", got)
	}
}

// TestPoints: at each point the script can be killed, and the undo brings everything back.
func TestPoints(t *testing.T) {
	for _, point := range model.Points() {
		m, r, steps := start(t)
		crashed := false
		m.Crash = func(at string) bool {
			hit := at == point && !crashed
			crashed = crashed || hit
			return hit
		}
		for _, s := range steps[:2] {
			if _, err := m.Run(s.Do.Script, s.Do.Args, "run-1"); err != nil && !errors.Is(err, model.ErrCrashed) {
				t.Fatal(point, err)
			}
		}
		for range 2 {
			if _, err := m.Run("nginx/restore", steps[1].Undo.Args, "run-1"); err != nil && !errors.Is(err, model.ErrCrashed) {
				t.Fatal(point, err)
			}
		}
		if got := fmt.Sprint(crashed, m.Reaches(r), m.Disk[r.File]); got != fmt.Sprint(true, []string{blue}, "set $service_url http://"+blue+";\n") {
			t.Errorf("%s: %s", point, got)
		}
	}
}
