package fleet

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// host is this machine: where fleets live on it, and its control groups.
type host struct {
	dir     string            // one folder for each fleet
	cgroups map[string]string // controller → where its hierarchy is mounted; "systemd" always, "unified" for version 2
}

const most = 200 // fleets at once

func newHost(ctx context.Context, log func(string, ...any)) (*host, error) {
	if os.Geteuid() != 0 {
		return nil, errors.New("booting machines needs root")
	}
	for program, pkg := range map[string]string{"systemd-nspawn": "systemd-container", "ip": "iproute2", "nsenter": "util-linux", "ssh": "openssh-client"} {
		if err := need(ctx, program, pkg); err != nil {
			return nil, err
		}
	}
	h := &host{dir: os.Getenv(DirEnv)}
	if h.dir == "" {
		h.dir = "/var/lib/shipctl-fleet"
	}
	if err := os.MkdirAll(h.dir, 0o755); err != nil {
		return nil, err
	}
	raiseInotify(log)
	var err error
	h.cgroups, err = controlGroups()
	return h, err
}

// raiseInotify makes room for more than about 25 machines: each systemd has several inotify instances.
func raiseInotify(log func(string, ...any)) {
	const file, want = "/proc/sys/fs/inotify/max_user_instances", 8192
	b, _ := os.ReadFile(file)
	if n, _ := strconv.Atoi(strings.TrimSpace(string(b))); n >= want {
		return
	}
	if err := os.WriteFile(file, []byte(strconv.Itoa(want)), 0o644); err != nil {
		log("fleet: %s stays low (%v): about 25 machines at most", file, err)
	}
}

// controlGroups finds the hierarchies that machines are put into. nspawn's payload needs the one that systemd uses:
// name=systemd of version 1, or version 2. On a host without systemd it may have to be mounted.
func controlGroups() (map[string]string, error) {
	found, err := mountedGroups()
	if err != nil || found["systemd"] != "" || found["unified"] != "" {
		return found, err
	}
	const dir = "/sys/fs/cgroup"
	if err := syscall.Mount("cgroup2", dir, "cgroup2", 0, ""); err != nil {
		return nil, fmt.Errorf("no control groups: mounting %s: %w", dir, err)
	}
	return mountedGroups()
}

func mountedGroups() (map[string]string, error) {
	b, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return nil, err
	}
	found := map[string]string{}
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line) // device, mount point, type, options
		switch {
		case len(f) < 4 || !strings.HasPrefix(f[1], "/sys/fs/cgroup"):
		case f[2] == "cgroup2":
			found["unified"] = f[1]
		case f[2] == "cgroup":
			for _, o := range strings.Split(f[3], ",") {
				if o == "freezer" || o == "cpuacct" || o == "name=systemd" {
					found[strings.TrimPrefix(o, "name=")] = f[1]
				}
			}
		}
	}
	return found, nil
}

// groups are a machine's control groups, by controller; made if missing.
func (h *host) groups(number int, id string) (map[string]string, error) {
	out := map[string]string{}
	for c, at := range h.cgroups {
		out[c] = filepath.Join(at, "shipctl-fleet", strconv.Itoa(number), id)
		if err := os.MkdirAll(out[c], 0o755); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// claim takes the first free number, after cleaning up what a crashed run left there.
func (h *host) claim() (*Fleet, error) {
	for n := 1; n <= most; n++ {
		lock, r, err := lockRecord(n)
		if errors.Is(err, syscall.EWOULDBLOCK) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if r.Keep || foreign(n) {
			lock.Close()
			continue
		}
		f := &Fleet{Number: n, Dir: filepath.Join(h.dir, strconv.Itoa(n)), host: h, lock: lock}
		if err := f.begin(r); err != nil {
			lock.Close()
			return nil, err
		}
		return f, nil
	}
	return nil, fmt.Errorf("all %d fleets are in use", most)
}

func (f *Fleet) begin(earlier Record) error {
	for _, dir := range []string{earlier.Dir, f.Dir} { // the latter of a run before this host's last boot, too
		if err := f.host.clean(f.Number, dir); err != nil {
			return fmt.Errorf("cleaning up after an earlier run: %w", err)
		}
	}
	if err := f.record(false); err != nil {
		return err
	}
	if err := os.MkdirAll(f.Dir, 0o755); err != nil {
		return err
	}
	return overlayAble(f.Dir)
}

// overlayAble puts memory at dir unless its file system can carry an overlay's upper layer; an overlay's own can't.
func overlayAble(dir string) error {
	d, err := os.MkdirTemp(dir, "probe-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(d)
	var parts []string
	for _, p := range []string{"lower", "upper", "work", "root"} {
		parts = append(parts, filepath.Join(d, p))
		if err := os.Mkdir(parts[len(parts)-1], 0o755); err != nil {
			return err
		}
	}
	if mountOverlay(parts[0], parts[1], parts[2], parts[3]) == nil {
		return syscall.Unmount(parts[3], 0)
	}
	return syscall.Mount("tmpfs", dir, "tmpfs", 0, "mode=755")
}

// foreign tells whether the network is in use by something that is no fleet of ours.
func foreign(n int) bool {
	links, err := net.Interfaces()
	if err != nil {
		return true
	}
	for _, l := range links {
		addrs, _ := l.Addrs()
		for _, a := range addrs {
			if strings.HasPrefix(a.String(), fmt.Sprintf("10.77.%d.", n)) && l.Name != bridge(n) {
				return true
			}
		}
	}
	return false
}

func bridge(n int) string { return fmt.Sprintf("sf%d", n) }

// clean removes everything of a fleet whose folder is dir ("": it has none). Nothing else is looked up in a record: names
// and control groups say whose it is, so a run that crashed at any point is cleaned up too.
func (h *host) clean(n int, dir string) error {
	errs := []error{h.killAll(n)}
	links, _ := net.Interfaces()
	for _, l := range links {
		if l.Name == bridge(n) || strings.HasPrefix(l.Name, fmt.Sprintf("vb-s%dm", n)) {
			// nspawn may be removing it at this moment.
			if _, err := run(context.Background(), "ip", "link", "del", l.Name); err != nil {
				if _, gone := net.InterfaceByName(l.Name); gone == nil {
					errs = append(errs, err)
				}
			}
		}
	}
	if dir != "" {
		errs = append(errs, unmountBelow(dir))
	}
	for _, at := range h.cgroups {
		removeGroups(filepath.Join(at, "shipctl-fleet", strconv.Itoa(n)))
		_ = os.Remove(filepath.Join(at, "shipctl-fleet")) // fails while there are other fleets
	}
	if err := errors.Join(errs...); err != nil || dir == "" {
		return err
	}
	return os.RemoveAll(dir)
}

// killAll kills what is in the fleet's control groups, and waits until it is gone.
func (h *host) killAll(n int) error {
	deadline := time.Now().Add(20 * time.Second)
	for {
		var left []int
		for _, at := range h.cgroups {
			left = append(left, processes(filepath.Join(at, "shipctl-fleet", strconv.Itoa(n)))...)
		}
		if len(left) == 0 {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("processes %v do not die", left)
		}
		for _, pid := range left {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		time.Sleep(5 * time.Millisecond) // they are not our children: nothing tells
	}
}

// processes lists the PIDs in a control group and those below it.
func processes(group string) []int {
	var out []int
	_ = filepath.WalkDir(group, func(path string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() && e.Name() == "cgroup.procs" {
			if f, err := os.Open(path); err == nil {
				defer f.Close()
				for s := bufio.NewScanner(f); s.Scan(); {
					if pid, err := strconv.Atoi(s.Text()); err == nil && pid > 0 {
						out = append(out, pid)
					}
				}
			}
		}
		return nil
	})
	return out
}

func removeGroups(group string) {
	var dirs []string
	_ = filepath.WalkDir(group, func(path string, e fs.DirEntry, err error) error {
		if err == nil && e.IsDir() {
			dirs = append(dirs, path)
		}
		return nil
	})
	for _, d := range slices.Backward(dirs) {
		_ = syscall.Rmdir(d)
	}
}

// unmountBelow unmounts everything at or below a folder, the newest first.
func unmountBelow(dir string) error {
	b, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return err
	}
	var errs []error
	for _, line := range slices.Backward(slices.Collect(strings.Lines(string(b)))) {
		f := strings.Fields(line)
		if len(f) < 2 || (f[1] != dir && !strings.HasPrefix(f[1], dir+"/")) {
			continue
		}
		err := syscall.Unmount(f[1], 0)
		if errors.Is(err, syscall.EBUSY) { // somebody looks at it: gone from the tree now, from the kernel when they are done
			err = syscall.Unmount(f[1], syscall.MNT_DETACH)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("unmount %s: %w", f[1], err))
		}
	}
	return errors.Join(errs...)
}
