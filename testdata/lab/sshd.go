package lab

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// mark is in the environment of everything that is started over the lab's sshd; its value is the lab's folder.
const mark = "SHIPCTL_LAB"

func (l *Lab) writeSSH() error {
	l.KeyFile, l.KnownHosts, l.SSHConfig = l.path("ssh/key"), l.path("ssh/known_hosts"), l.path("ssh/config")
	host, err := l.newKey("ssh/host_key")
	if err != nil {
		return err
	}
	client, err := l.newKey("ssh/key")
	if err != nil {
		return err
	}
	for name, text := range map[string]string{
		"ssh/authorized_keys": client + "\n",
		"ssh/known_hosts":     fmt.Sprintf("[127.0.0.1]:%d %s\n", l.SSHPort, host),
		"ssh/config": fmt.Sprintf("Host lab\n\tHostName 127.0.0.1\n\tPort %d\n\tUser %s\n\tIdentityFile %s\n\tIdentitiesOnly yes\n"+
			"\tUserKnownHostsFile %s\n\tGlobalKnownHostsFile none\n\tStrictHostKeyChecking yes\n\tBatchMode yes\n",
			l.SSHPort, l.User, l.KeyFile, l.KnownHosts),
		"ssh/sshd_config": fmt.Sprintf("ListenAddress 127.0.0.1\nPort %d\nHostKey %s\nAuthorizedKeysFile %s\nPidFile none\n"+
			"StrictModes no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nUsePAM %s\nPermitRootLogin prohibit-password\n"+
			"PrintMotd no\nUseDNS no\nLogLevel VERBOSE\nAcceptEnv none\nSetEnv %s=%s\n",
			l.SSHPort, l.path("ssh/host_key"), l.path("ssh/authorized_keys"), pam(), mark, l.Dir),
	} {
		if err := l.write(name, text, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// pam: without it sshd refuses a root whose password is locked with "!"; without root it can't be used.
func pam() string {
	b, err := os.ReadFile("/etc/shadow")
	if err == nil && strings.HasPrefix(string(b), "root:!") {
		return "yes"
	}
	return "no"
}

func (l *Lab) startSSH() error {
	if os.Geteuid() == 0 {
		var err error
		if l.runDir, err = enterRunDir(); err != nil {
			return err
		}
	}
	sshd, err := program("sshd", "openssh-server")
	if err != nil {
		return err
	}
	s, err := l.launch("sshd", sshd, "-D", "-e", "-f", l.path("ssh/sshd_config")) // an absolute path: it runs itself again
	if err != nil {
		return err
	}
	return s.await(func() error { return greeted(l.SSHPort) })
}

func greeted(port int) error {
	c, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", port), time.Second)
	if err != nil {
		return err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(2 * time.Second))
	line, err := bufio.NewReader(c).ReadString('\n')
	if err == nil && !strings.HasPrefix(line, "SSH-") {
		err = fmt.Errorf("port %d greets with %q", port, line)
	}
	return err
}

// runDir is /run/sshd, which a root sshd insists on. The last lab to leave removes it if a lab made it; each holds a
// shared lock on it meanwhile.
type runDir struct{ dir *os.File }

const (
	runDirPath = "/run/sshd"
	runDirMark = "made-by-shipctl-lab"
)

func enterRunDir() (*runDir, error) {
	for {
		err := os.Mkdir(runDirPath, 0o755)
		if err == nil {
			err = os.WriteFile(filepath.Join(runDirPath, runDirMark), nil, 0o644)
		}
		if err != nil && !errors.Is(err, os.ErrExist) {
			if errors.Is(err, os.ErrNotExist) {
				continue // another lab has just removed it
			}
			return nil, err
		}
		f, err := os.Open(runDirPath)
		if err != nil {
			continue
		}
		if err := syscall.Flock(int(f.Fd()), syscall.LOCK_SH); err != nil {
			f.Close()
			return nil, err
		}
		if there, err := os.Stat(runDirPath); err == nil {
			if mine, err := f.Stat(); err == nil && os.SameFile(there, mine) {
				return &runDir{f}, nil
			}
		}
		f.Close()
	}
}

func (r *runDir) leave() error {
	if r == nil {
		return nil
	}
	defer r.dir.Close()
	if syscall.Flock(int(r.dir.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil {
		return nil // another lab needs it
	}
	if os.Remove(filepath.Join(runDirPath, runDirMark)) != nil {
		return nil // not ours
	}
	return os.Remove(runDirPath)
}
