package fleet

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Machine is a machine of a fleet: a Debian with systemd, sshd and, when asked for, nginx. Users: root; deploy, with
// sudo for everything; plain, without; teatime, who can't log in.
type Machine struct {
	Name  string
	Addr  string // IPv4 address, on the fleet's own bridge
	Root  string // its file system as seen from here, without its /run, /proc, /dev
	Upper string // the overlay's upper layer: what differs from the base
	ID    string // machine-id

	fleet   *Fleet
	index   int
	hostKey map[string]string // type → "type base64"
	groups  map[string]string
	exited  chan struct{} // closed when nspawn has ended; nil before the first boot
}

func (f *Fleet) machine(i int, name string) *Machine {
	dir := filepath.Join(f.Dir, name)
	return &Machine{
		Name:  name,
		Addr:  fmt.Sprintf("10.77.%d.%d", f.Number, 11+i),
		Root:  filepath.Join(dir, "root"),
		Upper: filepath.Join(dir, "upper"),
		ID:    fmt.Sprintf("%08x%04x%04x%016x", 0x5e1f1ee7, f.Number, i, time.Now().UnixNano()),
		fleet: f, index: i,
	}
}

// id is nspawn's name for it: short, because the link on this side, vb-ID, has 15 characters at most.
func (m *Machine) id() string { return fmt.Sprintf("s%dm%d", m.fleet.Number, m.index) }

func (m *Machine) link() string { return "vb-" + m.id() }

func (m *Machine) mac() string { return fmt.Sprintf("02:53:43:4c:%02x:%02x", m.fleet.Number, m.index) }

// Console is the file with what the machine said while booting.
func (m *Machine) Console() string { return filepath.Join(m.fleet.Dir, m.Name, "console") }

// create mounts the machine's file system and writes what is its own into it.
func (m *Machine) create(base, pub string) error {
	dir := filepath.Dir(m.Root)
	work := filepath.Join(dir, "work")
	for _, d := range []string{m.Root, m.Upper, work} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return err
		}
	}
	if err := mountOverlay(base, m.Upper, work, m.Root); err != nil {
		return err
	}
	var err error
	if m.groups, err = m.fleet.host.groups(m.fleet.Number, "m"+strconv.Itoa(m.index)); err != nil {
		return err
	}
	return m.furnish(pub)
}

// mountOverlay tries "volatile" first: no test needs the disk after a crash of this host, and fsync is slow here.
func mountOverlay(lower, upper, work, at string) error {
	o := fmt.Sprintf("lowerdir=%s,upperdir=%s,workdir=%s", lower, upper, work)
	if err := syscall.Mount("overlay", at, "overlay", 0, o+",volatile"); err == nil {
		return nil
	}
	if err := syscall.Mount("overlay", at, "overlay", 0, o); err != nil {
		return fmt.Errorf("overlay at %s: %w (the file system of %s must carry one; set %s to a folder that does)", at, err, upper, DirEnv)
	}
	return nil
}

// boot starts the machine and returns when all of its services have.
func (m *Machine) boot(ctx context.Context) error {
	console, err := os.OpenFile(m.Console(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer console.Close()
	c := m.inGroups("/bin/sh", "-c", keeper, m.link(), "-q", "-D", m.Root, "--boot", "--register=no", "--keep-unit",
		"--network-bridge="+bridge(m.fleet.Number), "-M", m.id(), "--hostname="+m.Name, "--console=pipe",
		"--resolv-conf=off", "--timezone=off", "--link-journal=no")
	c.Env = append(os.Environ(), "SYSTEMD_NSPAWN_TMPFS_TMP=0") // /tmp on the overlay: what is left there is seen
	c.Stdout, c.Stderr = console, console
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := c.Start(); err != nil {
		return err
	}
	exited := make(chan struct{})
	m.exited = exited
	go func() { _ = c.Wait(); close(exited) }()
	return m.await(ctx)
}

// keeper boots a machine again when it asks for a reboot, which nspawn says with status 133. $0 is the link on this side,
// which the kernel may still be taking down.
const keeper = `while ip link del "$0" 2>/dev/null; systemd-nspawn "$@"; [ $? -eq 133 ]; do :; done`

// inGroups is a command that begins by moving itself into the machine's control groups.
func (m *Machine) inGroups(args ...string) *exec.Cmd {
	var move strings.Builder
	for _, g := range m.groups {
		fmt.Fprintf(&move, "echo 0 >%s/cgroup.procs && ", g)
	}
	return exec.Command("/bin/sh", append([]string{"-c", move.String() + `exec "$@"`, "sh"}, args...)...)
}

// bootTimeout is for a busy host; a boot takes one or two seconds.
const bootTimeout = 90 * time.Second

// await returns when sshd answers and systemd has started everything.
func (m *Machine) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, bootTimeout)
	defer cancel()
	if err := m.AwaitSSH(ctx); err != nil {
		return m.withConsole(err)
	}
	// Logins other than root's are refused until the boot is complete.
	out, err := m.command(ctx, "systemctl is-system-running --wait || systemctl --no-legend --plain list-units --failed").CombinedOutput()
	if s := strings.TrimSpace(string(out)); err != nil || s != "running" {
		return m.withConsole(fmt.Errorf("boot: %w: %s", err, s))
	}
	return nil
}

// AwaitSSH returns when sshd greets, or when ctx or the machine ends.
func (m *Machine) AwaitSSH(ctx context.Context) error {
	for {
		err := greeted(m.Addr + ":22")
		if err == nil {
			return nil
		}
		select {
		case <-m.exited:
			return errors.New("the machine ended while booting")
		case <-ctx.Done():
			return fmt.Errorf("no sshd: %w", err)
		case <-time.After(10 * time.Millisecond): // nothing tells when a port opens
		}
	}
}

func greeted(addr string) error {
	c, err := net.DialTimeout("tcp", addr, 200*time.Millisecond)
	if err != nil {
		return err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(2 * time.Second))
	line, err := bufio.NewReader(c).ReadString('\n')
	if err == nil && !strings.HasPrefix(line, "SSH-") {
		err = fmt.Errorf("%s greets with %q", addr, line)
	}
	return err
}

func (m *Machine) withConsole(err error) error {
	b, _ := os.ReadFile(m.Console())
	if len(b) > 2000 {
		b = b[len(b)-2000:]
	}
	return fmt.Errorf("%w\nconsole:\n%s", err, b)
}

// Running tells whether the machine is on.
func (m *Machine) Running() bool {
	_, err := m.leader()
	return err == nil
}

// leader is the PID, here, of the machine's init. A reboot changes it.
func (m *Machine) leader() (int, error) {
	select {
	case <-m.exited:
		return 0, fmt.Errorf("%s is off", m.Name)
	default:
	}
	for _, g := range m.groups {
		for _, pid := range processes(g) {
			if isInit(pid) {
				return pid, nil
			}
		}
	}
	return 0, fmt.Errorf("%s has no init", m.Name)
}

// isInit: number 1 in the innermost of its PID namespaces, and not in ours.
func isInit(pid int) bool {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "NSpid:"); ok {
			f := strings.Fields(rest)
			return len(f) > 1 && f[len(f)-1] == "1"
		}
	}
	return false
}

// Reboot restarts the machine, in an orderly way, and returns when it is up again.
func (m *Machine) Reboot() {
	before, err := m.leader()
	if err != nil {
		m.fleet.fail("%v", err)
	}
	_, _ = m.Try("systemctl reboot") // its reply may be lost
	ctx, cancel := context.WithTimeout(context.Background(), bootTimeout)
	defer cancel()
	for now := before; now == before || now == 0; now, _ = m.leader() {
		select {
		case <-ctx.Done():
			m.fleet.fail("%s does not go down for a reboot", m.Name)
		case <-time.After(20 * time.Millisecond):
		}
	}
	if err := m.await(ctx); err != nil {
		m.fleet.fail("%s: after a reboot: %v", m.Name, err)
	}
}

// Kill is a power cut. Start switches the machine on again.
func (m *Machine) Kill() {
	if pid, err := m.leader(); err == nil {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	m.wait()
}

// wait for nspawn's end, which a killed init brings about.
func (m *Machine) wait() {
	if m.exited != nil {
		<-m.exited
	}
}

// Start boots a killed machine again.
func (m *Machine) Start() {
	if m.Running() {
		return
	}
	if err := m.boot(context.Background()); err != nil {
		m.fleet.fail("%s: %v", m.Name, err)
	}
}

// Partition takes the machine off the network: packets vanish, connections stay open. Heal puts it back.
func (m *Machine) Partition() { m.setLink("down") }

// Heal ends a Partition.
func (m *Machine) Heal() { m.setLink("up") }

func (m *Machine) setLink(state string) {
	if _, err := run(context.Background(), "ip", "link", "set", m.link(), state); err != nil {
		m.fleet.fail("%s: %v", m.Name, err)
	}
}

// CPU is how much processor time the machine has used since it was created, boots and helpers' commands included.
func (m *Machine) CPU() time.Duration {
	if g, ok := m.groups["cpuacct"]; ok {
		b, err := os.ReadFile(filepath.Join(g, "cpuacct.usage"))
		if n, e := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64); err == nil && e == nil {
			return time.Duration(n)
		}
	}
	b, _ := os.ReadFile(filepath.Join(m.groups["unified"], "cpu.stat"))
	for line := range strings.Lines(string(b)) {
		if n, err := strconv.ParseInt(strings.TrimSpace(strings.TrimPrefix(line, "usage_usec ")), 10, 64); err == nil {
			return time.Duration(n) * time.Microsecond
		}
	}
	m.fleet.fail("%s: no control group counts its processor time", m.Name)
	return 0
}
