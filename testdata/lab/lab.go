// Package lab is a real sshd and a real nginx on loopback ports in one scratch folder, for quick tests and the demo. It
// needs no root; as root it works too. Everything is gone after Close: the processes, what was started over its sshd, and
// the folder. It owns the two servers and knows nothing of shipctl.
package lab

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
)

// Lab is running between Start and Close.
type Lab struct {
	Dir  string // everything is in here
	User string // who logs in: the user who started the lab

	SSHPort    int
	KeyFile    string
	KnownHosts string // lines for [127.0.0.1]:SSHPort
	SSHConfig  string // for ssh -F: the host "lab"

	NginxPort       int    // passes to $service_url, which Include sets
	UpstreamPort    int    // passes to the upstream teatime, which UpstreamInclude defines
	NginxConf       string // main configuration
	NginxPID        string // pid file
	Include         string // <Dir>/nginx/conf/service-url.inc; all *.inc there are included
	UpstreamInclude string // <Dir>/nginx/upstreams/teatime.inc; all *.inc there are included

	Ports []int // four more free ports, for slots

	servers []*server
	runDir  *runDir
}

// Options of New.
type Options struct {
	Dir     string // made; default: a temporary folder
	NoNginx bool   // do not start nginx, which lacks its includes then
}

// Start starts a lab for a test, in a temporary folder, and ends it with the test.
func Start(t testing.TB) *Lab {
	t.Helper()
	l, err := New(Options{})
	if err != nil {
		t.Fatalf("lab: %v", err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Errorf("lab: %v", err)
		}
	})
	return l
}

// New starts a lab. On an error nothing is left. The includes point to Ports[0], where nobody listens yet.
func New(o Options) (*Lab, error) {
	dir, err := scratch(o.Dir)
	if err != nil {
		return nil, err
	}
	me, err := user.Current()
	if err != nil {
		return nil, err
	}
	l := &Lab{Dir: dir, User: me.Username}
	if err := l.start(o); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// scratch makes the folder, its name without links: processes are recognised by it.
func scratch(dir string) (string, error) {
	var err error
	if dir == "" {
		dir, err = os.MkdirTemp("", "shipctl-lab-")
	} else {
		err = os.Mkdir(dir, 0o700)
	}
	if err != nil {
		return "", err
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(dir)
}

func (l *Lab) start(o Options) error {
	ports, err := freePorts(7)
	if err != nil {
		return err
	}
	l.SSHPort, l.NginxPort, l.UpstreamPort, l.Ports = ports[0], ports[1], ports[2], ports[3:]
	if err := l.writeSSH(); err != nil {
		return err
	}
	if err := l.startSSH(); err != nil {
		return err
	}
	if err := l.writeNginx(); err != nil {
		return err
	}
	if o.NoNginx {
		return nil
	}
	if err := l.SetVariable(fmt.Sprintf("127.0.0.1:%d", l.Ports[0])); err != nil {
		return err
	}
	if err := l.SetUpstream(fmt.Sprintf("127.0.0.1:%d", l.Ports[0])); err != nil {
		return err
	}
	return l.StartNginx()
}

// Close ends everything and removes the folder.
func (l *Lab) Close() error {
	errs := []error{l.StopNginx()}
	for _, s := range l.servers {
		s.stop()
	}
	errs = append(errs, l.sweep(), l.runDir.leave())
	l.servers, l.runDir = nil, nil
	return errors.Join(append(errs, os.RemoveAll(l.Dir))...)
}

func (l *Lab) path(parts ...string) string {
	return filepath.Join(append([]string{l.Dir}, parts...)...)
}

func (l *Lab) write(name, text string, mode os.FileMode) error {
	path := l.path(name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(text), mode)
}

// freePorts finds ports that nobody listens on, and that the kernel gives to no outgoing connection: all at once, so that
// they differ.
func freePorts(n int) ([]int, error) {
	var out []int
	for try := 0; len(out) < n; try++ {
		port := 10000 + mathrand.IntN(22000)
		c, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		switch {
		case err == nil:
			defer c.Close()
			out = append(out, port)
		case try > 1000:
			return nil, err
		}
	}
	return out, nil
}

// newKey writes a private key and returns its public half as "type base64".
func (l *Lab) newKey(name string) (string, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return "", err
	}
	block, err := ssh.MarshalPrivateKey(key, "")
	if err != nil {
		return "", err
	}
	s, err := ssh.NewSignerFromKey(key)
	if err != nil {
		return "", err
	}
	public := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(s.PublicKey())))
	if err := l.write(name+".pub", public+"\n", 0o644); err != nil {
		return "", err
	}
	return public, l.write(name, string(pem.EncodeToMemory(block)), 0o600)
}
