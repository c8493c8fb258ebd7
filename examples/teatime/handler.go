package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

// longest bounds what a request may ask for.
const longest = 10 * time.Minute

func handler(o options) http.Handler {
	m := http.NewServeMux()
	m.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		pause(r, asked(r, "ms", time.Millisecond, o.slow))
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"version": o.version, "slot": o.slot, "pid": os.Getpid()})
	})
	m.HandleFunc("/profile", healthy(o, o.slot))
	m.HandleFunc("/health", healthy(o, "ok "+o.version))
	m.HandleFunc("/actuator/scheduledtasks", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(scheduledTasks(o.jobs))
	})
	m.HandleFunc("/api/tasks/", func(w http.ResponseWriter, _ *http.Request) {
		if _, err := os.Stat(o.busy); o.busy != "" && err == nil {
			http.Error(w, "a job runs", http.StatusForbidden)
			return
		}
		fmt.Fprintln(w, "no job runs")
	})
	m.HandleFunc("/echo", echo(o.version))
	m.HandleFunc("/stream", func(w http.ResponseWriter, r *http.Request) {
		end := time.Now().Add(asked(r, "s", time.Second, time.Minute))
		c := http.NewResponseController(w)
		for time.Now().Before(end) && r.Context().Err() == nil {
			fmt.Fprintln(w, o.version)
			_ = c.Flush()
			pause(r, 100*time.Millisecond)
		}
		fmt.Fprintln(w, "end")
	})
	return m
}

// scheduledTasks is what Spring Boot before 3.4 answers for jobs with these expressions.
func scheduledTasks(jobs string) map[string][]any {
	out := map[string][]any{"cron": {}, "fixedDelay": {}, "fixedRate": {}, "custom": {}}
	for i, expr := range strings.FieldsFunc(jobs, func(r rune) bool { return r == ';' }) {
		target := map[string]string{"target": fmt.Sprintf("com.example.teatime.Jobs.job%d", i+1)}
		out["cron"] = append(out["cron"], map[string]any{"runnable": target, "expression": strings.TrimSpace(expr)})
	}
	return out
}

func healthy(o options, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		if o.unhealthy {
			http.Error(w, "not healthy: told so", http.StatusServiceUnavailable)
			return
		}
		fmt.Fprint(w, text)
	}
}

// asked reads a length of time from the query, in units.
func asked(r *http.Request, name string, unit, otherwise time.Duration) time.Duration {
	n, err := strconv.Atoi(r.URL.Query().Get(name))
	if err != nil || n < 0 {
		return otherwise
	}
	return min(time.Duration(n)*unit, longest)
}

func pause(r *http.Request, d time.Duration) {
	if d <= 0 {
		return
	}
	select {
	case <-time.After(d):
	case <-r.Context().Done():
	}
}
