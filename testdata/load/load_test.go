package load

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestOutcomes(t *testing.T) {
	for _, c := range []struct {
		name    string
		handler http.HandlerFunc // nil: nobody listens
		want    string
		lost    int
	}{
		{"good", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"version":"1","slot":"blue","pid":9}`) }, "200", 0},
		{"error", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(502) }, "502", 10},
		{"redirect", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(302) }, "302", 10},
		{"slow", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, "timeout", 10},
		{"cut off", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			fmt.Fprint(w, "half")
		}, "cut off", 10},
		{"reset", func(w http.ResponseWriter, _ *http.Request) {
			c, _, _ := http.NewResponseController(w).Hijack()
			_ = c.(*net.TCPConn).SetLinger(0)
			c.Close()
		}, "reset", 10},
		{"refused", nil, "refused", 10},
	} {
		t.Run(c.name, func(t *testing.T) {
			target, timeout := "http://127.0.0.1:1", 20*time.Second
			if c.want == "timeout" {
				timeout = 300 * time.Millisecond
			}
			if c.handler != nil {
				s := httptest.NewServer(c.handler)
				defer s.Close()
				target = s.URL
			}
			r, err := Run(context.Background(), Options{Targets: []string{target}, Rate: 1000, Count: 10, Timeout: timeout})
			if err != nil {
				t.Fatal(err)
			}
			if r.Outcomes()[c.want] != 10 || r.Lost() != c.lost {
				t.Errorf("got %v, lost %d; want 10 of %s, lost %d", r.Outcomes(), r.Lost(), c.want, c.lost)
			}
			if end := fmt.Sprintf("requests 10, lost %d", c.lost); !strings.HasSuffix(r.String(), end) {
				t.Errorf("%q does not end with %q", r, end)
			}
		})
	}
}

// TestOpenLoop: slow answers do not slow the schedule down, and each request has a connection of its own.
func TestOpenLoop(t *testing.T) {
	var connections atomic.Int64
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		time.Sleep(300 * time.Millisecond)
		fmt.Fprint(w, `{"version":"1"}`)
	}))
	s.Config.ConnState = func(_ net.Conn, st http.ConnState) {
		if st == http.StateNew {
			connections.Add(1)
		}
	}
	s.Start()
	defer s.Close()
	begin := time.Now()
	r, err := Run(context.Background(), Options{Targets: []string{s.URL}, Rate: 200, Count: 100})
	if err != nil {
		t.Fatal(err)
	}
	if d := time.Since(begin); d > 15*time.Second { // one after the other they take 30
		t.Errorf("took %s: the answers set the pace", d)
	}
	if r.Requests() != 100 || r.Lost() != 0 || connections.Load() != 100 {
		t.Errorf("%s; %d connections, want 100", r, connections.Load())
	}
}

func TestStopCountsWhatIsInFlight(t *testing.T) {
	arrived := make(chan struct{}, 1000)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		arrived <- struct{}{}
		time.Sleep(100 * time.Millisecond)
	}))
	defer s.Close()
	m, err := Start(context.Background(), Options{Targets: []string{s.URL}, Rate: 100})
	if err != nil {
		t.Fatal(err)
	}
	<-arrived
	<-arrived
	r := m.Stop()
	sent, lost := m.Progress()
	if r.Lost() != 0 || r.Requests() < 2 || sent != r.Requests() || lost != 0 {
		t.Errorf("%s; progress %d, %d", r, sent, lost)
	}
}

func TestRoundRobin(t *testing.T) {
	var a, b atomic.Int64
	serve := func(n *atomic.Int64) *httptest.Server {
		return httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			if r.Host == "teatime.example" && r.URL.Path == "/x" {
				n.Add(1)
			}
		}))
	}
	sa, sb := serve(&a), serve(&b)
	defer sa.Close()
	defer sb.Close()
	o := Options{Targets: []string{sa.URL, sb.URL}, Paths: []string{"/", "/x"}, Host: "teatime.example", Rate: 1000, Count: 40}
	if _, err := Run(context.Background(), o); err != nil {
		t.Fatal(err)
	}
	if a.Load() != 10 || b.Load() != 10 {
		t.Errorf("/x was asked %d and %d times, want 10 and 10", a.Load(), b.Load())
	}
}

func TestTimes(t *testing.T) {
	t0 := time.Now()
	at := func(ms int) time.Time { return t0.Add(time.Duration(ms) * time.Millisecond) }
	r := newResult([]Sample{
		{N: 2, Sent: at(20), Done: at(400), Status: 200, Version: "1"},
		{N: 0, Sent: at(0), Done: at(5), Status: 200, Version: "1"},
		{N: 1, Sent: at(10), Done: at(15), Status: 502},
		{N: 3, Sent: at(30), Done: at(35), Status: 200, Version: "2"},
		{N: 4, Sent: at(900), Done: at(1000), Err: "refused"},
	})
	for _, c := range []struct {
		name      string
		got, want any
	}{
		{"order", r.Samples[0].N, 0},
		{"begun after", len(r.BegunAfter("1", at(19))), 1},
		{"not begun after", len(r.BegunAfter("1", at(25))), 0},
		{"done after", len(r.DoneAfter("1", at(25))), 1},
		{"first", r.FirstDone("2"), at(35)},
		{"last", r.LastBegun("1"), at(20)},
		{"gap counts a lost end", r.LongestGap(), 600 * time.Millisecond},
		{"rate", fmt.Sprintf("%.2f", r.Rate()), "4.44"}, // four more in 0.9 s
		{"rate of one", (Result{Samples: r.Samples[:1]}).Rate(), 0.0},
		{"lost", r.Lost(), 2},
		{"never", r.FirstDone("3").IsZero(), true},
	} {
		if c.got != c.want {
			t.Errorf("%s: got %v, want %v", c.name, c.got, c.want)
		}
	}
}

func TestWrongTarget(t *testing.T) {
	for _, target := range []string{"", "web-1", "https://web-1", "http://"} {
		if _, err := Start(context.Background(), Options{Targets: []string{target}}); err == nil {
			t.Errorf("%q was taken", target)
		}
	}
}
