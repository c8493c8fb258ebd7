package fleet

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/crypto/ssh"
)

// network makes the fleet's bridge. Nothing routes from it to anywhere.
func (f *Fleet) network(ctx context.Context) error {
	br := bridge(f.Number)
	for _, args := range [][]string{
		{"link", "add", br, "address", bridgeMAC(f.Number), "type", "bridge"},
		{"addr", "add", fmt.Sprintf("10.77.%d.1/24", f.Number), "dev", br},
		{"link", "set", br, "up"},
	} {
		if _, err := run(ctx, "ip", args...); err != nil {
			return err
		}
	}
	return nil
}

// bridgeMAC is fixed: a bridge without an address of its own changes it with its ports.
func bridgeMAC(n int) string { return fmt.Sprintf("02:53:43:4c:%02x:ff", n) }

// clientKey makes the key that all machines accept and returns its public line.
func (f *Fleet) clientKey() (string, error) {
	f.KeyFile = filepath.Join(f.Dir, "key")
	f.KnownHosts = filepath.Join(f.Dir, "known_hosts")
	f.SSHConfig = filepath.Join(f.Dir, "ssh_config")
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return "", err
	}
	private, public, err := keyPair(key)
	if err != nil {
		return "", err
	}
	return public, os.WriteFile(f.KeyFile, private, 0o600)
}

// keyPair returns a private key's file and "type base64".
func keyPair(key any) (private []byte, public string, err error) {
	block, err := ssh.MarshalPrivateKey(key, "")
	if err != nil {
		return nil, "", err
	}
	s, err := ssh.NewSignerFromKey(key)
	if err != nil {
		return nil, "", err
	}
	return pem.EncodeToMemory(block), strings.TrimSpace(string(ssh.MarshalAuthorizedKey(s.PublicKey()))), nil
}

// writeSSH writes known_hosts and an ssh_config for all machines.
func (f *Fleet) writeSSH() error {
	var known, config strings.Builder
	for _, m := range f.Machines {
		fmt.Fprintf(&known, "%s,%s %s\n", m.Name, m.Addr, m.HostKey("ssh-ed25519"))
		fmt.Fprintf(&config, "Host %s\n\tHostName %s\n\tHostKeyAlias %s\n", m.Name, m.Addr, m.Name)
	}
	fmt.Fprintf(&config, "Host *\n\tUser deploy\n\tIdentityFile %s\n\tIdentitiesOnly yes\n\tUserKnownHostsFile %s\n"+
		"\tGlobalKnownHostsFile none\n\tStrictHostKeyChecking yes\n\tBatchMode yes\n\tConnectTimeout 10\n", f.KeyFile, f.KnownHosts)
	if err := os.WriteFile(f.KnownHosts, []byte(known.String()), 0o644); err != nil {
		return err
	}
	return os.WriteFile(f.SSHConfig, []byte(config.String()), 0o644)
}

// HostKey returns the machine's public key of a type, "ssh-ed25519" or "ecdsa-sha2-nistp256", as "type base64".
func (m *Machine) HostKey(kind string) string { return m.hostKey[kind] }

type file struct {
	path, text string
	mode       fs.FileMode
}

// furnish writes what makes a machine out of the base: name, address, keys, users, and quiet.
func (m *Machine) furnish(pub string) error {
	files := []file{
		{"/etc/hostname", m.Name + "\n", 0o644},
		{"/etc/machine-id", m.ID + "\n", 0o444},
		{"/etc/resolv.conf", "# no network but the fleet's\n", 0o644},
		{"/etc/crontab", "# the fleet's machines run no daily jobs of Debian's\n", 0o644},
		{"/etc/systemd/system/fleet-address.service", m.addressUnit(), 0o644},
		{"/etc/systemd/journald.conf.d/fleet.conf", "[Journal]\nRateLimitIntervalSec=0\nSystemMaxUse=64M\n", 0o644},
		{"/etc/ssh/sshd_config.d/fleet.conf", sshdConfig, 0o644},
		{"/etc/sudoers.d/deploy", "deploy ALL=(ALL) NOPASSWD:ALL\n", 0o440},
		{"/root/.ssh/authorized_keys", pub + "\n", 0o600},
		{"/home/deploy/.ssh/authorized_keys", pub + "\n", 0o600},
		{"/home/plain/.ssh/authorized_keys", pub + "\n", 0o600},
	}
	keys, err := m.hostKeys()
	if err != nil {
		return err
	}
	for _, f := range append(files, keys...) {
		if err := m.place(f); err != nil {
			return err
		}
	}
	m.removeNoise()
	if err := m.users(); err != nil {
		return err
	}
	return m.symlink("/etc/systemd/system/fleet-address.service", "/etc/systemd/system/multi-user.target.wants/fleet-address.service")
}

func (m *Machine) place(f file) error {
	path := filepath.Join(m.Root, f.path)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	_ = os.Remove(path) // a link of the base's, resolv.conf for one, leads to this machine
	if err := os.WriteFile(path, []byte(f.text), f.mode); err != nil {
		return err
	}
	return os.Chmod(path, f.mode)
}

func (m *Machine) symlink(target, link string) error {
	return os.Symlink(target, filepath.Join(m.Root, link))
}

const sshdConfig = `# Every connection and command in the journal, for counting.
LogLevel VERBOSE
UseDNS no
HostKey /etc/ssh/ssh_host_ed25519_key
HostKey /etc/ssh/ssh_host_ecdsa_key
`

// addressUnit gives the machine its address. The MAC is fixed so that this host need not ask for it.
func (m *Machine) addressUnit() string {
	return fmt.Sprintf(`[Unit]
Description=Address on the fleet's bridge
DefaultDependencies=no
After=local-fs.target
Before=network.target ssh.service nginx.service
Wants=network.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh -c 'ip link set host0 address %s && ip addr replace %s/24 dev host0 && ip link set host0 up && ip neigh replace 10.77.%d.1 lladdr %s dev host0 nud permanent'
`, m.mac(), m.Addr, m.fleet.Number, bridgeMAC(m.fleet.Number))
}

func (m *Machine) hostKeys() ([]file, error) {
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	m.hostKey = map[string]string{}
	var out []file
	for name, key := range map[string]any{"ed25519": ed, "ecdsa": ec} {
		private, public, err := keyPair(key)
		if err != nil {
			return nil, err
		}
		kind, _, _ := strings.Cut(public, " ")
		m.hostKey[kind] = public
		path := "/etc/ssh/ssh_host_" + name + "_key"
		out = append(out, file{path, string(private), 0o600}, file{path + ".pub", public + "\n", 0o644})
	}
	return out, nil
}

// removeNoise takes away what would run by itself in the middle of a test; nginx waits for StartNginx.
func (m *Machine) removeNoise() {
	for _, p := range []string{
		"/etc/ssh/ssh_host_rsa_key", "/etc/ssh/ssh_host_rsa_key.pub", "/etc/cron.d/e2scrub_all",
		"/etc/systemd/system/multi-user.target.wants/nginx.service", "/etc/systemd/system/multi-user.target.wants/e2scrub_reap.service",
		"/etc/systemd/system/timers.target.wants/apt-daily-upgrade.timer", "/etc/systemd/system/timers.target.wants/apt-daily.timer",
		"/etc/systemd/system/timers.target.wants/dpkg-db-backup.timer", "/etc/systemd/system/timers.target.wants/e2scrub_all.timer",
		"/etc/systemd/system/timers.target.wants/fstrim.timer", "/usr/lib/systemd/system/timers.target.wants/systemd-tmpfiles-clean.timer",
		"/etc/nginx/sites-enabled/default",
	} {
		_ = os.Remove(filepath.Join(m.Root, p))
	}
}

// users appends to the base's files: useradd would take longer than the boot.
func (m *Machine) users() error {
	for path, lines := range map[string]string{
		"/etc/passwd": "deploy:x:1000:1000::/home/deploy:/bin/bash\nplain:x:1001:1001::/home/plain:/bin/bash\n" +
			"teatime:x:900:900::/nonexistent:/usr/sbin/nologin\n",
		"/etc/group":  "deploy:x:1000:\nplain:x:1001:\nteatime:x:900:\n",
		"/etc/shadow": "deploy:*:19000:0:99999:7:::\nplain:*:19000:0:99999:7:::\nteatime:*:19000:0:99999:7:::\n",
	} {
		f, err := os.OpenFile(filepath.Join(m.Root, path), os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		_, err = f.WriteString(lines)
		f.Close()
		if err != nil {
			return err
		}
	}
	var hosts strings.Builder
	hosts.WriteString("127.0.0.1 localhost\n")
	for _, other := range m.fleet.Machines {
		fmt.Fprintf(&hosts, "%s %s\n", other.Addr, other.Name)
	}
	if err := m.place(file{"/etc/hosts", hosts.String(), 0o644}); err != nil {
		return err
	}
	for home, id := range map[string]int{"/home/deploy": 1000, "/home/plain": 1001} {
		if err := chownAll(filepath.Join(m.Root, home), id); err != nil {
			return err
		}
	}
	return m.neighbour()
}

func chownAll(dir string, id int) error {
	return filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, id, id)
	})
}

// neighbour tells this host the machine's MAC: asking before the machine is there would cost a second.
func (m *Machine) neighbour() error {
	if net.ParseIP(m.Addr) == nil {
		return fmt.Errorf("address %q", m.Addr)
	}
	_, err := run(context.Background(), "ip", "neigh", "replace", m.Addr, "lladdr", m.mac(), "dev", bridge(m.fleet.Number), "nud", "permanent")
	return err
}
