package lab

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const nginxConf = `%[1]spid %[2]s/nginx/nginx.pid;
error_log %[2]s/nginx/error.log notice;
worker_processes 2;
worker_shutdown_timeout 60s;
events { worker_connections 4096; }
http {
	access_log off;
	client_body_temp_path %[2]s/nginx/temp/body;
	proxy_temp_path %[2]s/nginx/temp/proxy;
	fastcgi_temp_path %[2]s/nginx/temp/fastcgi;
	uwsgi_temp_path %[2]s/nginx/temp/uwsgi;
	scgi_temp_path %[2]s/nginx/temp/scgi;
	include %[2]s/nginx/upstreams/*.inc;
	server {
		listen 127.0.0.1:%[3]d;
		include %[2]s/nginx/conf/*.inc;
		location / {
			proxy_pass $service_url;
			proxy_next_upstream off;
		}
	}
	server {
		listen 127.0.0.1:%[4]d;
		location / {
			proxy_pass http://teatime;
			proxy_next_upstream off;
		}
	}
}
`

func (l *Lab) writeNginx() error {
	l.NginxConf, l.NginxPID = l.path("nginx/nginx.conf"), l.path("nginx/nginx.pid")
	l.Include, l.UpstreamInclude = l.path("nginx/conf/service-url.inc"), l.path("nginx/upstreams/teatime.inc")
	for _, d := range []string{"nginx/conf", "nginx/upstreams", "nginx/temp"} {
		if err := os.MkdirAll(l.path(d), 0o755); err != nil {
			return err
		}
	}
	who := ""
	if os.Geteuid() == 0 {
		who = "user root;\n" // another user's workers could not look into the folder
	}
	return l.write("nginx/nginx.conf", fmt.Sprintf(nginxConf, who, l.Dir, l.NginxPort, l.UpstreamPort), 0o644)
}

// SetVariable writes Include; nginx is not told.
func (l *Lab) SetVariable(address string) error {
	return os.WriteFile(l.Include, []byte(fmt.Sprintf("set $service_url http://%s;\n", address)), 0o644)
}

// SetUpstream writes UpstreamInclude; nginx is not told.
func (l *Lab) SetUpstream(addresses ...string) error {
	var b strings.Builder
	for _, a := range addresses {
		fmt.Fprintf(&b, "\tserver %s;\n", a)
	}
	return os.WriteFile(l.UpstreamInclude, []byte("upstream teatime {\n"+b.String()+"}\n"), 0o644)
}

// NginxCommand is nginx with this lab's configuration; further arguments, "-t" for one, may be appended.
func (l *Lab) NginxCommand() []string {
	nginx, err := program("nginx", "nginx-light")
	if err != nil {
		nginx = "nginx"
	}
	return []string{nginx, "-p", l.path("nginx"), "-e", l.path("nginx/error.log"), "-c", l.NginxConf}
}

// StartNginx starts nginx as a daemon, as real ones are.
func (l *Lab) StartNginx() error {
	if _, err := program("nginx", "nginx-light"); err != nil {
		return err
	}
	out, err := l.command(l.NginxCommand()...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("nginx: %w\n%s", err, out)
	}
	return eventually(func() error {
		if _, err := l.nginxMaster(); err != nil {
			return err
		}
		c, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", l.NginxPort), time.Second)
		if err == nil {
			c.Close()
		}
		return err
	})
}

// Reload tells nginx to load its configuration, and returns at once.
func (l *Lab) Reload() error {
	pid, err := l.nginxMaster()
	if err != nil {
		return err
	}
	return syscall.Kill(pid, syscall.SIGHUP)
}

// StopNginx ends nginx at once; it is no error when there is none.
func (l *Lab) StopNginx() error {
	pid, err := l.nginxMaster()
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil && !errors.Is(err, syscall.ESRCH) {
		return err
	}
	return eventually(func() error {
		if l.ours(pid) {
			return fmt.Errorf("nginx (process %d) does not end", pid)
		}
		return nil
	})
}

// nginxMaster is the PID in the pid file, if that process is this lab's nginx; else os.ErrNotExist.
func (l *Lab) nginxMaster() (int, error) {
	b, err := os.ReadFile(l.path("nginx/nginx.pid"))
	if err != nil {
		return 0, err
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil || pid < 2 || !l.ours(pid) {
		return 0, fmt.Errorf("nginx master %q: %w", strings.TrimSpace(string(b)), os.ErrNotExist)
	}
	exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	if err != nil || !strings.HasPrefix(filepath.Base(exe), "nginx") {
		return 0, fmt.Errorf("process %d is %s, not nginx: %w", pid, exe, os.ErrNotExist)
	}
	return pid, nil
}
