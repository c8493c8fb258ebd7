package ssh

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"

	"github.com/shipctl/shipctl/config"
)

func decode(t *testing.T, body string) (Settings, hcl.Diagnostics) {
	t.Helper()
	dir := t.TempDir()
	text := "shipctl {\n  project = \"p\"\n}\n\nhost \"web-1\" {\n" + body + "\n}\n"
	if err := os.WriteFile(filepath.Join(dir, "shipctl.hcl"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, diags := config.Load(config.Options{Dir: dir, Version: "0.1.0"})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return Decode(c.Hosts[0])
}

func TestDecode(t *testing.T) {
	for _, tt := range []struct {
		body string
		want Settings
		key  string
	}{
		{``, Settings{Host: "web-1", Address: "web-1"}, "-@web-1:22"},
		{`connection = "local"`, Settings{Host: "web-1", Address: "web-1", Connection: "local"}, "local"},
		{
			`address = "10.0.0.21"
			port = 2222
			user = "deploy"
			identity_file = "~/.ssh/deploy"
			proxy_jump = "jump@bastion:2200,[::1]:22"
			known_hosts = "known"
			connection = "ssh"
			sudo = true
			state_dir = "/srv/state"
			timeout = "5s"`,
			Settings{
				Host: "web-1", Address: "10.0.0.21", Port: 2222, User: "deploy", IdentityFile: "~/.ssh/deploy", ProxyJump: "jump@bastion:2200,[::1]:22",
				KnownHosts: "known", Connection: "ssh", Sudo: true, StateDir: "/srv/state", Timeout: 5 * time.Second,
			},
			"deploy@10.0.0.21:2222",
		},
		{`address = "fe80::1"`, Settings{Host: "web-1", Address: "fe80::1"}, "-@[fe80::1]:22"},
		{`proxy_jump = "none"`, Settings{Host: "web-1", Address: "web-1", ProxyJump: "none"}, "-@web-1:22"},
	} {
		got, diags := decode(t, tt.body)
		if diags.HasErrors() {
			t.Errorf("%s: %v", tt.body, diags)
		}
		if d := cmp.Diff(tt.want, got); d != "" {
			t.Errorf("%s: %s", tt.body, d)
		}
		if got.Key() != tt.key {
			t.Errorf("%s: key %s, want %s", tt.body, got.Key(), tt.key)
		}
		var again Settings
		raw, err := json.Marshal(got)
		if err != nil || json.Unmarshal(raw, &again) != nil || again != got {
			t.Errorf("%s becomes %+v", raw, again)
		}
	}
}

func TestDecodeWrong(t *testing.T) {
	for body, want := range map[string]string{
		`port = 0`:                         "port",
		`port = 65536`:                     "port",
		`port = "x"`:                       "port",
		`user = "-oProxyCommand=x"`:        "user",
		`user = "a;id"`:                    "user",
		`user = ""`:                        "user",
		`user = "a\nb"`:                    "user",
		`connection = "telnet"`:            "connection",
		`identity_file = "-x"`:             "identity_file",
		`identity_file = ""`:               "identity_file",
		`known_hosts = "a\nb"`:             "known_hosts",
		`state_dir = "state"`:              "state_dir",
		`state_dir = "/"`:                  "state_dir",
		`state_dir = "/srv/../etc"`:        "state_dir",
		`state_dir = "/srv/"`:              "state_dir",
		`timeout = "soon"`:                 "timeout",
		`timeout = "0s"`:                   "timeout",
		`timeout = "48h"`:                  "timeout",
		`proxy_jump = "-oProxyCommand=id"`: "proxy_jump",
		`proxy_jump = "a b"`:               "proxy_jump",
		`proxy_jump = "good,-bad"`:         "proxy_jump",
		`proxy_jump = "host:0"`:            "proxy_jump",
		`proxy_jump = "-u@host"`:           "proxy_jump",
		`proxy_jump = ",,"`:                "proxy_jump",
		`usr = "deploy"`:                   "user",
	} {
		_, diags := decode(t, body)
		if !diags.HasErrors() || !strings.Contains(diags.Error(), want) {
			t.Errorf("%s: %v", body, diags)
			continue
		}
		if at := diags[0].Subject; at == nil || at.Start.Line != 6 {
			t.Errorf("%s: at %v", body, at)
		}
	}
}
