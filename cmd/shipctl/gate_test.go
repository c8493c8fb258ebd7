package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/shipctl/shipctl/config"
	"github.com/shipctl/shipctl/planner"
)

// TestGateAfterPanic: a request that came to a bug must not make all others wait for ever.
func TestGateAfterPanic(t *testing.T) {
	asked := 0
	h := answering(func(context.Context) []planner.Window {
		if asked++; asked == 1 {
			panic("a bug")
		}
		return nil
	})
	get := func(path string) (w *httptest.ResponseRecorder) {
		w = httptest.NewRecorder()
		defer func() { _ = recover() }() // as net/http does
		h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
		return w
	}
	if w := get("/nope"); w.Code != http.StatusNotFound || asked != 0 {
		t.Errorf("/nope: status %d after %d questions", w.Code, asked)
	}
	get("/")
	done := make(chan int, 1)
	go func() { done <- get("/").Code }()
	select {
	case code := <-done:
		if code != http.StatusOK || asked != 2 {
			t.Errorf("status %d after %d questions", code, asked)
		}
	case <-t.Context().Done():
		t.Error("the second request hangs")
	}
}

func TestReleaseOfAHistoryIsNoEscape(t *testing.T) {
	ref := config.Ref{Kind: "service", Name: "teatime"}
	if got := goingBack(ref, "1\x1b]0;x\x07\n\u202e2"); got != "Going back with service.teatime to release 1?]0;x???2." {
		t.Errorf("%q", got)
	}
}
