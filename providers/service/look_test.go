package service

import (
	"fmt"
	"testing"
	"time"

	"github.com/shipctl/shipctl/providers/remote"
	"github.com/shipctl/shipctl/providers/remote/remotetest"
)

// TestLookMoved: a program of ours is seen where it listens, though its slot has another port, or another name, by now.
func TestLookMoved(t *testing.T) {
	eachShell(t, func(t *testing.T, b *bench) {
		if out, err := b.start(); err != nil {
			t.Fatal(out, err)
		}
		if out, err := b.health(20*time.Second, "^green$"); err != nil {
			t.Fatal(out, err)
		}
		for _, slot := range []string{"green", "right"} {
			a := remotetest.Query(t, b.m, "service/look", b.name, fmt.Sprintf("%s %d - ", slot, freePort(t)))
			seen, err := parse(a.Text)
			if a.Sight != remote.Seen || err != nil {
				t.Fatal(a, err)
			}
			if len(seen.Procs) != 1 || len(seen.Listeners) != 1 || seen.Listeners[0].Port != b.port || seen.Listeners[0].Owner != "green" {
				t.Errorf("%s: %+v", slot, seen)
			}
		}
	})
}
