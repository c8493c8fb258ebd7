package remote_test

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/shipctl/shipctl/providers/remote"
	"github.com/shipctl/shipctl/providers/remote/remotetest"
)

// FuzzLease: whatever the lease file says, lease.sh either refuses it in words or gives an epoch that is a number and
// higher than the file's; and a step is let through only where the file plainly says that its epoch is not past.
func FuzzLease(f *testing.F) {
	for _, seed := range []string{
		"epoch 3\nid one\nwho me\nurl \nboot x\nuntil 5\nsince 2026\n", "epoch 08\nid \nuntil 0\n", "epoch 1\nepoch 2\nuntil 0\n", "",
		"epoch 99999999999999999999\nuntil 0\n", "epoch 2\nuntil 99999999999999999999\n", "epoch -1\nuntil \n", "epoch $(id)\nuntil `id`\n",
		"epoch 1\x00\nuntil 0\x00", "epoch 1\r\nuntil 0\r\n", "until\nepoch\n", "epoch 1 \nuntil 1+1\nid *\n",
	} {
		f.Add([]byte(seed))
	}
	lib, err := remote.Scripts(nil)
	if err != nil {
		f.Fatal(err)
	}
	lib["test/step"] = "echo stepped"
	f.Fuzz(func(t *testing.T, text []byte) {
		state := filepath.Join(t.TempDir(), "state")
		dir := filepath.Join(state, "projects", remotetest.Project)
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "lease"), text, 0o600); err != nil {
			t.Fatal(err)
		}
		m := remotetest.Under(t, "dash", lib, state)
		run := func(epoch int64, c remote.Call) (string, error) {
			out, err := m.Run(t.Context(), remote.Ticket{Run: "fuzz", Step: "s", Epoch: epoch, Deadline: time.Now().Add(time.Minute)}, c)
			var said *remote.ScriptError
			if err != nil && (!errors.As(err, &said) || strings.Contains(said.Output, "arithmetic") || strings.Contains(said.Output, "Illegal number")) {
				t.Fatalf("%q: %v", text, err)
			}
			return strings.TrimSpace(string(out)), err
		}
		plain := regexp.MustCompile(`(?m)^epoch (\d+)$`).FindAllSubmatch(text, -1)
		if _, err := run(5, remote.Call{Script: "test/step"}); err == nil {
			n, bad := int64(0), error(nil)
			if len(plain) == 1 {
				n, bad = strconv.ParseInt(string(plain[0][1]), 10, 64)
			}
			if len(plain) != 1 || bad != nil || n > 5 {
				t.Fatalf("a step of epoch 5 was let through by %q", text)
			}
		}
		out, err := run(0, remote.Call{Script: "remote/lease", Unlocked: true, Args: []string{"acquire", "fuzz", "60000", "me@here", ""}})
		if err != nil {
			return
		}
		epoch, bad := strconv.ParseInt(out, 10, 64)
		if bad != nil || epoch < 0 || len(out) > 16 {
			t.Fatalf("%q gave the epoch %q", text, out)
		}
		if _, err := run(epoch-1, remote.Call{Script: "test/step"}); err == nil && epoch > 0 {
			t.Fatalf("after %q, a step of an earlier epoch is let through", text)
		}
		if _, err := run(epoch, remote.Call{Script: "test/step"}); err != nil {
			t.Fatalf("after %q, a step of epoch %d: %v", text, epoch, err)
		}
	})
}
