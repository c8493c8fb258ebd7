package release

import (
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"testing"
)

// 100,000 reads of current during 50 switches, with GNU's tools and with busybox' own: it is always there, and always a
// release. Half of the reads follow the link, as a launcher does.
func TestCurrentIsNeverAbsent(t *testing.T) {
	const reads, switches = 100_000, 50
	for _, sh := range shells(t) {
		t.Run(sh.name, func(t *testing.T) {
			b := newBox(t, sh)
			key := b.spec().key()
			for _, id := range []string{"1", "2"} {
				dir := filepath.Join(b.root, "releases", id)
				if err := os.MkdirAll(dir, 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(dir, "VERSION"), []byte(id), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			b.must(nil, scriptActivate, b.root, key, "1")
			var switched atomic.Bool
			read := make(chan int)
			go func() {
				n, link := 0, filepath.Join(b.root, "current")
				for ; n < reads || !switched.Load(); n++ {
					if n%2 == 0 {
						to, err := os.Readlink(link)
						if id := filepath.Base(to); err != nil || to != filepath.Join(b.root, "releases", id) || (id != "1" && id != "2") {
							t.Errorf("read %d: %q, %v", n, to, err)
							break
						}
						continue
					}
					if text, err := os.ReadFile(filepath.Join(link, "VERSION")); err != nil || (string(text) != "1" && string(text) != "2") {
						t.Errorf("read %d: %q, %v", n, text, err)
						break
					}
				}
				read <- n
			}()
			for i := range switches {
				b.must(nil, scriptActivate, b.root, key, strconv.Itoa(2-i%2))
			}
			switched.Store(true)
			t.Logf("%d reads during %d switches", <-read, switches)
		})
	}
}
