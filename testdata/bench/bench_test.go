// Package bench measures shipctl against the floor: the same machine, the same run, the least that could do the job.
package bench

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	xssh "golang.org/x/crypto/ssh"

	"github.com/shipctl/shipctl/config"
	"github.com/shipctl/shipctl/planner"
	"github.com/shipctl/shipctl/providers"
	"github.com/shipctl/shipctl/providers/all"
	"github.com/shipctl/shipctl/providers/nginx"
	"github.com/shipctl/shipctl/providers/remote"
	"github.com/shipctl/shipctl/providers/remote/ssh"
	"github.com/shipctl/shipctl/testdata/lab"
)

// connect is what any tool has to do first: one connection with the lab's key.
func connect(b *testing.B, l *lab.Lab) *xssh.Client {
	b.Helper()
	raw, err := os.ReadFile(l.KeyFile)
	if err != nil {
		b.Fatal(err)
	}
	key, err := xssh.ParsePrivateKey(raw)
	if err != nil {
		b.Fatal(err)
	}
	host, err := os.ReadFile(l.KnownHosts)
	if err != nil {
		b.Fatal(err)
	}
	_, _, pub, _, _, err := xssh.ParseKnownHosts(host)
	if err != nil {
		b.Fatal(err)
	}
	c, err := xssh.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(l.SSHPort)), &xssh.ClientConfig{
		User: l.User, Auth: []xssh.AuthMethod{xssh.PublicKeys(key)}, HostKeyCallback: xssh.FixedHostKey(pub),
		HostKeyAlgorithms: []string{pub.Type()},
	})
	if err != nil {
		b.Fatal(err)
	}
	return c
}

func command(b *testing.B, c *xssh.Client, line string, in io.Reader) {
	b.Helper()
	s, err := c.NewSession()
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	s.Stdin = in
	if err := s.Run(line); err != nil {
		b.Fatal(err)
	}
}

// configuration is the demo's, with further services on the same machine.
func configuration(b *testing.B, l *lab.Lab, services int) []providers.Resource {
	b.Helper()
	dir := b.TempDir()
	text := "shipctl {\n  project = \"bench\"\n}\n\nhost \"lab\" {\n  address         = \"127.0.0.1\"\n  private_address = \"127.0.0.1\"\n}\n"
	for i := range services {
		text += fmt.Sprintf(`
release "r%[1]d" {
  hosts   = [host.lab]
  root    = "%[2]s/srv%[1]d"
  source  = "nowhere"
  version = null
}
service "s%[1]d" {
  release = release.r%[1]d
  command = ["./program", "${slot.port}"]
  runner  = "process"
  slot "blue" { port = %[3]d }
  slot "green" { port = %[4]d }
  health {
    http { path = "/" }
  }
  nginx_upstream {
    hosts    = [host.lab]
    config   = %[5]q
    file     = "%[2]s/nginx/upstreams/s%[1]d.inc"
    upstream = "s%[1]d"
  }
}
`, i, l.Dir, 20000+2*i, 20001+2*i, l.NginxConf)
	}
	if err := os.WriteFile(filepath.Join(dir, "main.hcl"), []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
	var kinds []string
	for _, k := range all.Kinds() {
		kinds = append(kinds, k.Name)
	}
	c, diags := config.Load(config.Options{Dir: dir, Kinds: kinds})
	rs, d := planner.Decode(c, all.Kinds())
	if diags = config.Report(append(diags, d...)); diags.HasErrors() {
		b.Fatal(diags)
	}
	return rs
}

func library(b *testing.B) remote.Library {
	b.Helper()
	folders := map[string]fs.FS{"nginx": nginx.Scripts()}
	for _, k := range all.Kinds() {
		folders[k.Name] = k.Scripts
	}
	lib, err := remote.Scripts(folders)
	if err != nil {
		b.Fatal(err)
	}
	return lib
}

func newLab(b *testing.B) *lab.Lab {
	b.Helper()
	l, err := lab.New(lab.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := l.Close(); err != nil {
			b.Error(err)
		}
	})
	return l
}

func machine(ctx context.Context, b *testing.B, l *lab.Lab, lib remote.Library) remote.Machine {
	b.Helper()
	m, err := ssh.Dial(ctx, ssh.Settings{
		Host: "lab", Address: "127.0.0.1", Port: l.SSHPort, User: l.User, IdentityFile: l.KeyFile, KnownHosts: l.KnownHosts,
		StateDir: filepath.Join(l.Dir, "state"),
	}, remote.Setup{Library: lib, Project: "bench", Open: func(c remote.Call) (io.ReadCloser, int64, error) {
		f, err := os.Open(c.File)
		return f, c.FileSize, err
	}})
	if err != nil {
		b.Fatal(err)
	}
	return m
}

// BenchmarkPlan: facts and plan of 1 and 10 services on one machine, and the floor: connect and run "true".
func BenchmarkPlan(b *testing.B) {
	l := newLab(b)
	b.Run("floor", func(b *testing.B) {
		for b.Loop() {
			c := connect(b, l)
			command(b, c, "true", nil)
			c.Close()
		}
	})
	lib := library(b)
	for _, n := range []int{1, 10} {
		b.Run(fmt.Sprintf("services=%d", n), func(b *testing.B) {
			rs := configuration(b, l, n)
			controller := planner.NewController(all.Kinds(), nil)
			for b.Loop() {
				var m remote.Machine
				f, failed := planner.Ask(b.Context(), rs, func(ctx context.Context, host string) (remote.Machine, error) {
					if host == remote.Controller {
						return controller, nil
					}
					m = machine(ctx, b, l, lib)
					return m, nil
				})
				if len(failed) > 0 {
					b.Fatal(failed)
				}
				if _, err := planner.Build(rs, f, nil); err != nil {
					b.Fatal(err)
				}
				m.Close()
			}
		})
	}
}

// BenchmarkUpload: 64 MB to a release's folder, checked and on the disk, and the floor: "cat" into a file.
func BenchmarkUpload(b *testing.B) {
	const size = 64 << 20
	l := newLab(b)
	payload := bytes.Repeat([]byte("0123456789abcdef"), size/16)
	b.Run("floor", func(b *testing.B) {
		c := connect(b, l)
		defer c.Close()
		b.SetBytes(size)
		for b.Loop() {
			command(b, c, "cat >"+l.Dir+"/floor && sync "+l.Dir+"/floor", bytes.NewReader(payload))
		}
	})
	b.Run("shipctl", func(b *testing.B) {
		file := filepath.Join(b.TempDir(), "payload")
		if err := os.WriteFile(file, payload, 0o600); err != nil {
			b.Fatal(err)
		}
		rs := uploads(b, l, file)
		m := machine(b.Context(), b, l, library(b))
		defer m.Close()
		b.SetBytes(size)
		for b.Loop() {
			b.StopTimer()
			if err := os.RemoveAll(filepath.Join(l.Dir, "upload")); err != nil {
				b.Fatal(err)
			}
			b.StartTimer()
			if _, err := m.Run(b.Context(), remote.Ticket{Run: "bench", Step: "upload", Deadline: time.Now().Add(time.Minute)}, rs); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// uploads is the upload step of a release with the file.
func uploads(b *testing.B, l *lab.Lab, file string) remote.Call {
	b.Helper()
	dir := b.TempDir()
	text := fmt.Sprintf("shipctl {\n  project = \"bench\"\n}\nhost \"lab\" {}\nrelease \"r\" {\n  hosts = [host.lab]\n  root = \"%s/upload\"\n  source = %q\n  version = \"1\"\n}\n", l.Dir, file)
	if err := os.WriteFile(filepath.Join(dir, "main.hcl"), []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
	c, diags := config.Load(config.Options{Dir: dir, Kinds: []string{"release", "service"}})
	rs, d := planner.Decode(c, all.Kinds())
	if diags = config.Report(append(diags, d...)); diags.HasErrors() {
		b.Fatal(diags)
	}
	controller := planner.NewController(all.Kinds(), nil)
	f, _ := planner.Ask(b.Context(), rs, func(ctx context.Context, host string) (remote.Machine, error) {
		if host == remote.Controller {
			return controller, nil
		}
		return machine(ctx, b, l, library(b)), nil
	})
	p, err := planner.Build(rs, f, nil)
	if err != nil || len(p.Order) == 0 {
		b.Fatalf("%v, %+v", err, p.Problems())
	}
	return p.Steps()[0].Do
}

// BenchmarkOrder: the steps of a deployment over thousands of machines, put in order.
func BenchmarkOrder(b *testing.B) {
	for _, machines := range []int{100, 4000} {
		b.Run(fmt.Sprintf("machines=%d", machines), func(b *testing.B) {
			var steps []providers.Step
			for i := range machines {
				host := fmt.Sprint("m", i)
				for j, verb := range []string{"upload", "publish", "start", "stop"} {
					s := providers.Step{ID: providers.StepID(host + "/" + verb), Host: host}
					if j > 0 {
						s.After = []providers.StepID{steps[len(steps)-1].ID}
					}
					steps = append(steps, s)
				}
			}
			r := providers.Resource{Diff: func(remote.Facts) []providers.Change { return []providers.Change{{Steps: steps}} }}
			for b.Loop() {
				if _, err := planner.Build([]providers.Resource{r}, nil, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
