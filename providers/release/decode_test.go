package release

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/shipctl/shipctl/config"
)

// load decodes the release of a configuration with two machines, app-1 and app-2, and a retired one, old.
func load(t *testing.T, block string, vars ...string) (Spec, []string) {
	t.Helper()
	dir := t.TempDir()
	text := `shipctl {
  project = "tea"
}
variable "version" {
  type    = string
  default = null
}
host "app-1" {
  address = "10.0.0.1"
  labels  = { role = "app" }
}
host "app-2" {
  labels = { role = "app" }
}
host "old" {
  labels = { role = "app" }
  state  = "retired"
}
`
	first := strings.Count(text, "\n")
	if err := os.WriteFile(filepath.Join(dir, "main.hcl"), []byte(text+block), 0o644); err != nil {
		t.Fatal(err)
	}
	var given []config.Flag
	for _, v := range vars {
		given = append(given, config.Flag{Text: v})
	}
	c, diags := config.Load(config.Options{Dir: dir, Flags: given, Kinds: []string{"release"}})
	if diags.HasErrors() || len(c.Blocks) != 1 {
		t.Fatalf("%d blocks, %v", len(c.Blocks), diags)
	}
	s, diags := decode(c.Blocks[0])
	var wrong []string
	for _, d := range diags {
		wrong = append(wrong, fmt.Sprintf("%d:%d %s: %s", d.Subject.Start.Line-first, d.Subject.Start.Column, d.Summary, d.Detail))
	}
	return s, wrong
}

func TestDecode(t *testing.T) {
	app := func(name, address string) config.HostValue {
		return config.HostValue{Name: name, Address: address, PrivateAddress: address, Labels: map[string]string{"role": "app"}}
	}
	tests := []struct {
		name, block string
		vars        []string
		want        Spec
	}{
		{"all of it", `release "teatime" {
  hosts   = hosts_with({ role = "app" })
  root    = "/srv/teatime"
  source  = "build/teatime-${coalesce(var.version, "live")}.jar"
  version = var.version
  shared  = ["log", "var/cache"]
  retention {
    keep        = 3
    keep_failed = 0
  }
}`, []string{"version=42"}, Spec{
			Name: "teatime", Pin: PinVersion, Version: "42", Root: "/srv/teatime", Source: "build/teatime-42.jar",
			Hosts: []config.HostValue{app("app-1", "10.0.0.1"), app("app-2", "")}, Retired: []config.HostValue{{Name: "old", Address: "old", Labels: map[string]string{"role": "app"}, Retired: true}},
			Shared: []string{"log", "var/cache"}, Retention: &Retention{Keep: 3, KeepFailed: 0},
		}},
		{"version is null", `release "teatime" {
  hosts   = [host.app-1]
  root    = "/srv/teatime"
  source  = "build/teatime-${coalesce(var.version, "live")}.jar"
  version = var.version
  retention {}
}`, nil, Spec{
			Name: "teatime", Pin: PinLive, Root: "/srv/teatime", Source: "build/teatime-live.jar",
			Hosts: []config.HostValue{app("app-1", "10.0.0.1")}, Retention: &Retention{Keep: 5, KeepFailed: 1},
		}},
		{"no version", `release "teatime" {
  hosts  = [host.app-1]
  root   = "/srv/teatime"
  source = "build"
}`, nil, Spec{Name: "teatime", Pin: PinContent, Root: "/srv/teatime", Source: "build", Hosts: []config.HostValue{app("app-1", "10.0.0.1")}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, wrong := load(t, tt.block, tt.vars...)
			if len(wrong) > 0 {
				t.Fatal(wrong)
			}
			for i := range got.Hosts {
				if got.Hosts[i].Name == "app-2" {
					got.Hosts[i].Address, got.Hosts[i].PrivateAddress = "", "" // config's business
				}
			}
			if d := cmp.Diff(tt.want, got, cmpopts.IgnoreUnexported(Spec{})); d != "" {
				t.Errorf("(-want +got)\n%s", d)
			}
			if got.rootAt == nil || got.rootAt.Start.Line == 0 {
				t.Error("no range for claims")
			}
		})
	}
}

func TestDecodeRefuses(t *testing.T) {
	const names = `may hold letters, digits and . _ @ + = , ~ - only, and no name in it may begin with a dash.`
	tests := []struct{ name, from, to, want string }{
		{"no hosts", `[host.app-1]`, `[]`, `2:13 No hosts: A release needs at least one machine to be put on.`},
		{"host twice", `[host.app-1]`, `[host.app-1, host.app-2, host.app-1]`, `2:13 Host given twice: The machine "app-1" is in this list more than once.`},
		{"relative root", `"/srv/teatime"`, `"srv/teatime"`, `3:13 Unsuitable root: "srv/teatime" is not an absolute path; give one that begins with a slash.`},
		{"empty root", `"/srv/teatime"`, `""`, `3:13 Unsuitable root: "" is not an absolute path; give one that begins with a slash.`},
		{"home", `"/srv/teatime"`, `"~/teatime"`, `3:13 Unsuitable root: "~/teatime" is not an absolute path; give one that begins with a slash.`},
		{"dots", `"/srv/teatime"`, `"/srv/../etc"`, `3:13 Unsuitable root: "/srv/../etc" is not written plainly; did you mean "/etc"?`},
		{"slash at the end", `"/srv/teatime"`, `"/srv/teatime/"`, `3:13 Unsuitable root: "/srv/teatime/" is not written plainly; did you mean "/srv/teatime"?`},
		{"the root", `"/srv/teatime"`, `"/"`, `3:13 Unsuitable root: The root directory of the machine can't hold releases; give a directory of its own, such as /srv/teatime.`},
		{"etc", `"/srv/teatime"`, `"/etc"`, `3:13 Unsuitable root: "/etc" belongs to the system (/etc); give a directory of its own, such as /srv/teatime.`},
		{"below lib", `"/srv/teatime"`, `"/usr/lib/x"`, `3:13 Unsuitable root: "/usr/lib/x" belongs to the system (/usr/lib); give a directory of its own, such as /srv/teatime.`},
		{"var lib", `"/srv/teatime"`, `"/var/lib"`, `3:13 Unsuitable root: "/var/lib" belongs to the system (/var/lib); give a directory of its own, such as /srv/teatime.`},
		{"newline in root", `"/srv/teatime"`, `"/srv/tea\ntime"`, `3:13 Unsuitable root: "/srv/tea\ntime" ` + names},
		{"command in root", `"/srv/teatime"`, `"/srv/$(id)"`, `3:13 Unsuitable root: "/srv/$(id)" ` + names},
		{"option in root", `"/srv/teatime"`, `"/srv/-rf"`, `3:13 Unsuitable root: "/srv/-rf" ` + names},
		{"no source", `"a.jar"`, `""`, `4:13 Unsuitable source: The source is empty; give a file, a directory, a .tar.gz or a .zip.`},
		{"url", `"a.jar"`, `"https://x.example/a.jar"`, `4:13 No digest: What is fetched is checked before it is sent: give its SHA-256, as sha256sum prints it, in sha256.`},
		{"plain http", `"a.jar"`, `"http://x.example/a.jar"`, `4:13 Unsuitable source: http:// is not fetched, only https://: or give a file, a directory, a .tar.gz or a .zip on this machine.`},
		{"option as source", `"a.jar"`, `"build/-rf"`, `4:13 Unsuitable source: The name "-rf" begins with a dash, which programs take for an option.`},
		{"newline in source", `"a.jar"`, `"a\nb"`, `4:13 Unsuitable source: "a\nb" holds a control character.`},
		{"command as version", `"42"`, `"a;id"`, `5:13 Unsuitable version: "a;id" can't name a release: up to 64 letters, digits and . _ + -, the first one a letter or a digit.`},
		{"path as version", `"42"`, `"../x"`, `5:13 Unsuitable version: "../x" can't name a release: up to 64 letters, digits and . _ + -, the first one a letter or a digit.`},
		{"option as version", `"42"`, `"-rf"`, `5:13 Unsuitable version: "-rf" can't name a release: up to 64 letters, digits and . _ + -, the first one a letter or a digit.`},
		{"newline in version", `"42"`, `"42\n"`, `5:13 Unsuitable version: "42\n" can't name a release: up to 64 letters, digits and . _ + -, the first one a letter or a digit.`},
		{"long version", `"42"`, `"` + strings.Repeat("4", 65) + `"`, `5:13 Unsuitable version: "` + strings.Repeat("4", 65) + `" can't name a release: up to 64 letters, digits and . _ + -, the first one a letter or a digit.`},
		{"shared up", `["log"]`, `["../log"]`, `6:13 Unsuitable shared name: "../log" is not a plain path below the release; give one such as "log".`},
		{"shared absolute", `["log"]`, `["/log"]`, `6:13 Unsuitable shared name: "/log" is not a plain path below the release; give one such as "log".`},
		{"shared command", `["log"]`, `["$(id)"]`, `6:13 Unsuitable shared name: "$(id)" ` + names},
		{"shared in shared", `["log"]`, `["log", "log/a"]`, `6:13 Unsuitable shared name: "log" and "log/a" are in each other's way.`},
		{"shared twice", `["log"]`, `["log", "log"]`, `6:13 Unsuitable shared name: "log" and "log" are in each other's way.`},
		{"keep nothing", `keep = 5`, `keep = 0`, `9:12 Unsuitable retention: keep = 0: at least one release has to stay.`},
		{"keep_failed", `keep = 5`, `keep_failed = -1`, `9:19 Unsuitable retention: keep_failed = -1: give 0 or more.`},
		{"unknown", `shared  =`, `shard =`, `6:3 `},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			block := strings.ReplaceAll(`release "teatime" {
  hosts   = [host.app-1]
  root    = "/srv/teatime"
  source  = "a.jar"
  version = "42"
  shared  = ["log"]

  retention {
    keep = 5
  }
}
`, tt.from, tt.to)
			_, wrong := load(t, block)
			if len(wrong) != 1 || !strings.HasPrefix(wrong[0], tt.want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(wrong, "\n"), tt.want)
			}
		})
	}
}

// Everything that is wrong is said at once.
func TestDecodeRefusesAll(t *testing.T) {
	_, wrong := load(t, `release "teatime" {
  hosts   = []
  root    = "/"
  source  = ""
  version = ".."
  shared  = [""]
}
`)
	if len(wrong) != 5 {
		t.Errorf("%s", strings.Join(wrong, "\n"))
	}
}
