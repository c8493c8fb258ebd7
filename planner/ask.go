package planner

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/shipctl/shipctl/providers"
	"github.com/shipctl/shipctl/providers/remote"
)

// Dial connects to a machine by its host block's name; remote.Controller is the machine that shipctl runs on.
type Dial func(ctx context.Context, host string) (remote.Machine, error)

// Ask puts all questions of all resources: one connection and one script per machine, all machines at once. Those in spare
// that no resource is on are asked for their record only. A machine that could not be asked has an entry in the errors, and
// answers that say so; the others' answers are there.
func Ask(ctx context.Context, rs []providers.Resource, dial Dial, spare ...string) (remote.Facts, map[string]error) {
	facts, asked := remote.Facts{}, questions(rs)
	for _, host := range spare {
		if asked[host] == nil {
			asked[host] = always(host)
		}
	}
	return facts, askAll(ctx, asked, facts, dial)
}

// AskMore puts those questions of the resources that the facts don't answer yet. Where there are none, nobody is asked.
func AskMore(ctx context.Context, rs []providers.Resource, facts remote.Facts, dial Dial) map[string]error {
	asked := questions(rs)
	for host, qs := range asked {
		qs = slices.DeleteFunc(qs, func(q remote.Query) bool { return facts.Get(q).Sight != remote.NotAsked })
		if asked[host] = qs; len(qs) == 0 {
			delete(asked, host)
		}
	}
	return askAll(ctx, asked, facts, dial)
}

// AskHosts puts one question to each of the machines.
func AskHosts(ctx context.Context, hosts []string, query func(host string) remote.Query, dial Dial) (remote.Facts, map[string]error) {
	facts, asked := remote.Facts{}, map[string][]remote.Query{}
	for _, h := range hosts {
		asked[h] = []remote.Query{query(h)}
	}
	return facts, askAll(ctx, asked, facts, dial)
}

func askAll(ctx context.Context, asked map[string][]remote.Query, facts remote.Facts, dial Dial) map[string]error {
	failed := map[string]error{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for host, qs := range asked {
		wg.Go(func() {
			answers, err := askOne(ctx, dial, host, qs)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				failed[host] = err
			}
			for i, q := range qs {
				a := remote.Answer{Sight: remote.Unreachable}
				if err != nil {
					a.Why = err.Error()
				} else {
					a = answers[i]
				}
				facts.Put(q, a)
			}
		})
	}
	wg.Wait()
	return failed
}

// always is what every machine is asked.
func always(host string) []remote.Query {
	return []remote.Query{remote.Identity(host), RecordQuery(host)}
}

func questions(rs []providers.Resource) map[string][]remote.Query {
	asked := map[string][]remote.Query{}
	for _, r := range rs {
		for _, q := range r.Queries {
			if len(asked[q.Host]) == 0 && q.Host != remote.Controller {
				asked[q.Host] = always(q.Host)
			}
			same := func(x remote.Query) bool { return x.Key() == q.Key() }
			if !slices.ContainsFunc(asked[q.Host], same) {
				asked[q.Host] = append(asked[q.Host], q)
			}
		}
	}
	return asked
}

func askOne(ctx context.Context, dial Dial, host string, qs []remote.Query) (answers []remote.Answer, err error) {
	defer remote.Caught(&err)
	m, err := dial(ctx, host)
	if err != nil {
		return nil, err
	}
	answers, err = m.Ask(ctx, qs)
	if err == nil && len(answers) != len(qs) {
		err = fmt.Errorf("%s: %d answers to %d questions", host, len(answers), len(qs))
	}
	return answers, err
}
