package batch

import (
	"path"

	"github.com/hashicorp/hcl/v2"

	"github.com/shipctl/shipctl/config"
	"github.com/shipctl/shipctl/providers"
	"github.com/shipctl/shipctl/providers/remote"
)

// What a second start does while a job runs.
const (
	Forbid = "forbid" // it is refused
	Allow  = "allow"  // it runs beside the first
	Queue  = "queue"  // it waits for its turn
)

// What a start does at the moment at which a deployment stops something that the job relies on.
const (
	Wait = "wait"
	Skip = "skip"
	Run  = "run" // it does not look
)

// Spec is a batch block as configured.
type Spec struct {
	Project string             `json:"project"`
	Name    string             `json:"name"`
	Release Release            `json:"release"`
	Hosts   []config.HostValue `json:"hosts"`
	RunAs   string             `json:"run_as,omitempty"` // "": whoever starts a launcher
	Env     []Env              `json:"env,omitempty"`    // sorted by name
	Jobs    []Job              `json:"jobs"`
}

// Release is what the jobs see of the release that they run.
type Release = providers.Published

// Job is one launcher.
type Job struct {
	Name         string   `json:"name"`
	Command      []string `json:"command"`
	Schedule     string   `json:"schedule,omitempty"` // when it is expected: for windows
	TimeZone     string   `json:"time_zone,omitempty"`
	Concurrency  string   `json:"concurrency"`
	OnDeployment string   `json:"on_deployment"`
	at           *hcl.Range
}

// Env is one variable.
type Env = providers.Env

func (s Spec) ref() config.Ref { return config.Ref{Kind: "batch", Name: s.Name} }

// owner is what is written into each launcher: PROJECT/BATCH, without brackets and quotes.
func (s Spec) owner() string { return s.Project + "/" + plain(s.Name) }

// path of a launcher.
func (s Spec) path(job string) string { return path.Join(s.Release.Root, "jobs", job) }

func (s Spec) names() []string {
	out := make([]string, len(s.Jobs))
	for i, j := range s.Jobs {
		out[i] = j.Name
	}
	return out
}

func (s Spec) look(host string) remote.Query {
	return remote.Query{Host: host, Script: scriptLook, Args: append([]string{s.Release.Root}, s.names()...)}
}

func (s Spec) files(host string) remote.Query {
	return remote.Query{Host: host, Script: scriptFiles, Args: []string{s.Release.Root}}
}

// artifact asks the controller for the content's digest, as kind release does.
func (s Spec) artifact() remote.Query {
	return remote.Query{Host: remote.Controller, Script: "release/artifact", Args: []string{s.Release.From}}
}

func facts(_ config.Ref, s Spec) (out []remote.Query) {
	for _, h := range s.Hosts {
		out = append(out, s.files(h.Name), s.look(h.Name), remote.Identity(h.Name))
		if s.RunAs != "" {
			out = append(out, remote.User(h.Name, s.RunAs))
		}
	}
	if s.Release.Pin == "content" {
		out = append(out, s.artifact())
	}
	return out
}
