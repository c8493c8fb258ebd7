package remote_test

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"github.com/shipctl/shipctl/providers/remote"
	"github.com/shipctl/shipctl/providers/remote/remotetest"
)

func TestRedact(t *testing.T) {
	secret := remotetest.Password
	quoted, err := remote.Quote(secret)
	if err != nil {
		t.Fatal(err)
	}
	asJSON, err := json.Marshal(secret)
	if err != nil {
		t.Fatal(err)
	}
	r := remote.NewRedactor("abc", "", secret, "first line\nsecond line\nx")
	for name, s := range map[string]string{
		"plain": secret, "twice": secret + secret, "shell": quoted, "hex": hex.EncodeToString([]byte(secret)),
		"HEX": strings.ToUpper(hex.EncodeToString([]byte(secret))), "query": url.QueryEscape(secret), "path": url.PathEscape(secret),
		"base64": base64.StdEncoding.EncodeToString([]byte(secret)), "base64 raw": base64.RawURLEncoding.EncodeToString([]byte(secret)),
		"basic auth": base64.StdEncoding.EncodeToString([]byte("user:" + secret)), "in the middle": base64.StdEncoding.EncodeToString([]byte("u:" + secret + "tail")),
		"json": string(asJSON), "a line": "second line", "percent": strings.ReplaceAll(url.QueryEscape(secret), "+", "%20"),
	} {
		got := r.Text("<" + s + ">")
		for _, piece := range []string{"s3cr", "wörd", "second", "czNjc", "733363", "w%C3"} {
			if strings.Contains(got, piece) {
				t.Errorf("%s: %q has %q", name, got, piece)
			}
		}
		if !strings.Contains(got, remote.Hidden) || !strings.HasPrefix(got, "<") || !strings.HasSuffix(got, ">") {
			t.Errorf("%s: %q", name, got)
		}
	}
	for _, s := range []string{"", "abc", "x", "nothing here"} {
		if got := r.Text(s); got != s {
			t.Errorf("%q became %q", s, got)
		}
	}
	if got := remote.NewRedactor().Text("abc"); got != "abc" {
		t.Errorf("%q", got)
	}
}

// TestRedactWrapped: encodings that are cut into lines, wherever the value lies in them.
func TestRedactWrapped(t *testing.T) {
	for _, secret := range []string{remotetest.Password, strings.Repeat("0123456789abcdef", 8)} {
		r := remote.NewRedactor(secret)
		for _, width := range []int{76, 64, 60} {
			for before := range 80 {
				text := strings.Repeat("#", before) + secret + "tail"
				for _, whole := range []string{base64.StdEncoding.EncodeToString([]byte(text)), hex.EncodeToString([]byte(text))} {
					var wrapped strings.Builder
					for i := 0; i < len(whole); i += width {
						wrapped.WriteString(whole[i:min(i+width, len(whole))] + "\n")
					}
					if got := r.Text(wrapped.String()); !strings.Contains(got, remote.Hidden) {
						t.Fatalf("%d before, lines of %d: %q", before, width, got)
					}
				}
			}
		}
	}
}

// TestRedactorIsMadeOnce: thousands of machines share one; what it knows is not worked out again for a step.
func TestRedactorIsMadeOnce(t *testing.T) {
	all := remote.NewRedactor("hunter2hunter2", "another secret")
	if n := testing.AllocsPerRun(10, func() { all.With("another secret", "abc") }); n > 0 {
		t.Errorf("%.0f allocations for what it looks for already", n)
	}
	more := all.With("a third secret")
	for _, secret := range []string{"hunter2hunter2", "another secret", "a third secret"} {
		if got := more.Text("x " + secret); got != "x "+remote.Hidden {
			t.Error(got)
		}
	}
	if got := all.Text("a third secret"); got != "a third secret" {
		t.Error(got)
	}
	key := strings.Repeat("0123456789abcdef", 100)
	made := testing.AllocsPerRun(3, func() { remote.NewRedactor(key) })
	all = remote.NewRedactor(key)
	lib, err := remote.Scripts(nil)
	if err != nil {
		t.Fatal(err)
	}
	m := &remote.Shell{Host: "a", Setup: remote.Setup{Project: "shop", Redact: all, Library: lib}, Over: mute{}}
	if _, err := m.Ask(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "status 1 and no word") {
		t.Fatal(err)
	}
	asked := testing.AllocsPerRun(3, func() { _, _ = m.Ask(t.Context(), nil) })
	if asked > made/10 {
		t.Errorf("a question costs %.0f allocations, a redactor %.0f", asked, made)
	}
}

// mute is a machine that says nothing.
type mute struct{}

func (mute) Exchange(context.Context, remote.Exchange) (int, error) { return 1, nil }
func (mute) Close() error                                           { return nil }
