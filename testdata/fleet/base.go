package fleet

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Packages of a machine besides a minimal Debian. busybox is for its ash.
const packages = "systemd,systemd-sysv,dbus,openssh-server,nginx-light,iproute2,procps,python3,sudo,rsync,curl,cron,busybox"

// Base returns the folder of the machines' common file system, which it makes when it is missing (a minute, 390 MB).
func Base(ctx context.Context, log func(string, ...any)) (string, error) {
	cache := os.Getenv(CacheEnv)
	if cache == "" {
		cache = "/var/cache/shipctl-fleet"
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", err
	}
	lock, err := lockFile(filepath.Join(cache, "base.lock"), syscall.LOCK_EX)
	if err != nil {
		return "", err
	}
	defer lock.Close()
	base := filepath.Join(cache, "base")
	if _, err := os.Stat(base); err == nil {
		return base, checkBase(base)
	}
	log("fleet: building %s; this takes a minute, once", base)
	begin := time.Now()
	if err := need(ctx, "debootstrap", "debootstrap"); err != nil {
		return "", err
	}
	building := base + ".building"
	if err := os.RemoveAll(building); err != nil {
		return "", err
	}
	_, err = run(ctx, "debootstrap", "--variant=minbase", "--include="+packages, "bookworm", building)
	if err != nil {
		return "", err
	}
	_ = os.RemoveAll(filepath.Join(building, "var/cache/apt/archives"))
	if err := checkBase(building); err != nil {
		return "", err
	}
	log("fleet: built in %s", time.Since(begin).Round(time.Second))
	return base, os.Rename(building, base)
}

func checkBase(base string) error {
	for _, p := range []string{
		"usr/lib/systemd/systemd", "usr/sbin/sshd", "usr/sbin/nginx", "usr/sbin/ip", "usr/bin/python3",
		"usr/bin/sudo", "usr/bin/rsync", "usr/bin/curl", "usr/sbin/cron", "usr/bin/busybox", "usr/bin/dbus-daemon",
	} {
		if _, err := os.Stat(filepath.Join(base, p)); err != nil {
			return fmt.Errorf("the base has no /%s; remove %s to have it built again", p, base)
		}
	}
	return nil
}

// need installs a Debian package unless its program is there.
func need(ctx context.Context, program, pkg string) error {
	if _, err := exec.LookPath(program); err == nil {
		return nil
	}
	if _, err := run(ctx, "apt-get", "-qq", "update"); err != nil {
		return err
	}
	_, err := run(ctx, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq", "install", "--no-install-recommends", pkg)
	return err
}

// run returns a command's output; its error has the end of it.
func run(ctx context.Context, name string, args ...string) (string, error) {
	var out bytes.Buffer
	c := exec.CommandContext(ctx, name, args...)
	c.Stdout, c.Stderr = &out, &out
	c.WaitDelay = 5 * time.Second
	if err := c.Run(); err != nil {
		tail := out.String()
		if len(tail) > 2000 {
			tail = "…" + tail[len(tail)-2000:]
		}
		return "", fmt.Errorf("%s: %w\n%s", strings.Join(c.Args, " "), err, tail)
	}
	return out.String(), nil
}

// lockFile opens a file that no child inherits and locks it.
func lockFile(path string, how int) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|syscall.O_CLOEXEC, 0o644)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), how); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}
