package release

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// 100,000 reads of current while it is switched 50 times by the step's own script, with GNU's tools and with busybox':
// never absent, never anything but one of the two releases, and what is read through it is that release's.
func TestCurrentIsNeverAbsent(t *testing.T) {
	const reads, switches = 100_000, 50
	each(t, func(t *testing.T, b *box) {
		for _, id := range []string{"1", "2"} {
			b.deploy(write(t, "a.jar", []byte(id)), id)
		}
		// All switches in one shell, which waits for its next one as long as it is read at.
		one := b.text(scriptActivate, b.root, b.spec().key(), "ID")
		head, call, _ := strings.Cut(one, "\n__main ")
		loop := head + "\nsync() { :; }\nn=0\nwhile [ $n -lt 50 ]; do\n\tn=$((n + 1))\n\t(__main " +
			strings.Replace(strings.TrimSpace(call), "'ID'", "$((n % 2 + 1))", 1) + ") || exit 1\n\tread -r _ || exit 1\ndone\n"
		cmd := exec.CommandContext(t.Context(), b.sh.argv[0], append(append([]string{}, b.sh.argv[1:]...), "-c", loop)...)
		next, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		cmd.Stderr = os.Stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() { done <- cmd.Wait() }()
		want := map[string]string{b.at("releases/1"): "1", b.at("releases/2"): "2"}
		var seen [2]int
		changes, last := 0, ""
		switched := false
		for i := 0; i < reads || !switched; i++ {
			if i%10 == 0 {
				select {
				case err := <-done:
					if switched = true; err != nil {
						t.Fatal(err)
					}
				default:
				}
			}
			if i%(reads/switches) == reads/switches-1 && i < reads {
				if _, err := next.Write([]byte("\n")); err != nil {
					t.Fatal(err)
				}
			}
			to, err := os.Readlink(b.at("current"))
			if err != nil || want[to] == "" {
				t.Fatalf("read %d: %q, %v", i, to, err)
			}
			seen[want[to][0]-'1']++
			if to != last {
				changes, last = changes+1, to
			}
			if i%10 == 0 {
				if raw, err := os.ReadFile(filepath.Join(b.at("current"), "a.jar")); err != nil || string(raw) != "1" && string(raw) != "2" {
					t.Fatalf("read %d: %q, %v", i, raw, err)
				}
			}
		}
		t.Logf("%d reads of 1, %d of 2, %d changes seen", seen[0], seen[1], changes)
		if seen[0] == 0 || seen[1] == 0 {
			t.Error("no switch was seen")
		}
	})
}
