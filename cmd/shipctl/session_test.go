package main

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/shipctl/shipctl/planner"
	"github.com/shipctl/shipctl/providers"
	"github.com/shipctl/shipctl/providers/remote/ssh"
)

// TestSettingsOf: how a machine is reached comes back out of a plan file as it was, or not at all.
func TestSettingsOf(t *testing.T) {
	want := ssh.Settings{Host: "app-1", Address: "10.0.0.1", KnownHosts: "known", Sudo: true, Timeout: 7}
	got, err := settingsOf([]planner.Host{{Name: "app-1", Settings: providers.JSON(want)}})
	if err != nil || !reflect.DeepEqual(got, map[string]ssh.Settings{"app-1": want}) {
		t.Errorf("read back: %v, %v", got, err)
	}
	for raw, why := range map[string]string{
		`{"host":"app-1","address":"10.0.0.1","host_key":"SHA256:x"}`: `unknown field "host_key"`,
		`{"host":"app-1","address":"10.0.0.1"} {"sudo":true}`:         "more than one value",
		`{"host":"app-1","address":1}`:                                "cannot unmarshal number",
	} {
		_, err := settingsOf([]planner.Host{{Name: "app-1", Settings: json.RawMessage(raw)}})
		if err == nil || !strings.Contains(err.Error(), "host app-1 in the plan file") || !strings.Contains(err.Error(), why) {
			t.Errorf("%s: %v", raw, err)
		}
	}
}
