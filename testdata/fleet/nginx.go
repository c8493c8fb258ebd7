package fleet

import (
	"fmt"
	"runtime"
	"strings"
	"time"
)

const site = "/etc/nginx/sites-enabled/teatime"

// SiteVariable is a server on port 80 that passes everything to $VARIABLE, which the include sets. Nothing is retried.
func SiteVariable(include, variable string) string {
	return fmt.Sprintf(`server {
	listen 80 default_server;
	server_name _;
	include %s;
	location / {
		proxy_pass $%s;
		proxy_next_upstream off;
	}
}
`, include, variable)
}

// SiteUpstream is the same with an upstream, which the include defines.
func SiteUpstream(include, upstream string) string {
	return fmt.Sprintf(`include %s;
server {
	listen 80 default_server;
	server_name _;
	location / {
		proxy_pass http://%s;
		proxy_next_upstream off;
	}
}
`, include, upstream)
}

// SetVariable is an include for SiteVariable.
func SetVariable(variable, address string) string {
	return fmt.Sprintf("set $%s http://%s;\n", variable, address)
}

// SetUpstream is an include for SiteUpstream.
func SetUpstream(upstream string, addresses ...string) string {
	var b strings.Builder
	for _, a := range addresses {
		fmt.Fprintf(&b, "\tserver %s;\n", a)
	}
	return fmt.Sprintf("upstream %s {\n%s}\n", upstream, b.String())
}

// WriteSite writes the machine's one nginx site; nginx is not told.
func (m *Machine) WriteSite(text string) { m.WriteFile(site, text, 0o644) }

// StartNginx writes the site and starts nginx, now and at each boot, and returns when all of its workers work. The site's include
// must be there.
func (m *Machine) StartNginx(text string) {
	m.WriteSite(text)
	m.Exec("systemctl enable --quiet --now nginx || { systemctl status nginx; nginx -t; exit 1; } >&2")
	m.awaitNginx()
}

// AgeNginx makes nginx one that was started long after its files were written, as on a machine that has been up for a while:
// the two in the same second can't be told apart. A file's change time can't be set, so this waits for the clock.
func (m *Machine) AgeNginx() {
	m.Exec(`for i in $(seq 300); do
	newest=$(find -L /etc/nginx -printf '%C@
' | sort -n | tail -n 1)
	[ "$(($(date +%s) - ${newest%%.*}))" -lt 5 ] || break
	sleep 0.1
done
systemctl restart nginx`)
	m.awaitNginx()
}

func (m *Machine) awaitNginx() {
	deadline := time.Now().Add(20 * time.Second)
	for !m.nginxSettled() {
		if time.Now().After(deadline) {
			m.fleet.fail("%s: nginx has not all of its workers", m.Name)
		}
		time.Sleep(5 * time.Millisecond) // a worker says what it is by its title only
	}
}

// nginxSettled: each of its workers is there, one for each processor, and says that it is one. Until it does it is called what
// its master is called.
func (m *Machine) nginxSettled() bool {
	masters, workers := 0, 0
	for _, p := range m.processes() {
		switch {
		case strings.HasPrefix(p.command, "nginx: master process"):
			masters++
		case strings.HasPrefix(p.command, "nginx: worker process"):
			workers++
		case strings.HasPrefix(p.command, "/usr/sbin/nginx"): // not yet
			return false
		}
	}
	return masters == 1 && workers >= runtime.NumCPU()
}

// NginxWorkers returns "pid start" of each nginx worker that is not on its way out, and of each that is.
func (m *Machine) NginxWorkers() (serving, leaving []string) {
	for pid, p := range m.processes() {
		switch {
		case strings.HasPrefix(p.command, "nginx: worker process is shutting down"):
			leaving = append(leaving, fmt.Sprintf("%d %s", pid, p.start))
		case strings.HasPrefix(p.command, "nginx: worker process"):
			serving = append(serving, fmt.Sprintf("%d %s", pid, p.start))
		}
	}
	return serving, leaving
}
