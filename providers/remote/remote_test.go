package remote_test

import (
	"strings"
	"testing"

	"github.com/shipctl/shipctl/providers/remote"
)

// TestQueryKeys: no two questions share an answer; keys of ordinary ones are read easily.
func TestQueryKeys(t *testing.T) {
	seen := map[string][]string{}
	for _, args := range [][]string{
		nil, {""}, {"", ""}, {"a b", "c"}, {"a", "b c"}, {"a", "b", "c"}, {"a b c"}, {`"a b"`, "c"}, {`"a`, `b"`, "c"}, {`a"b`}, {" "}, {`service.a["x y"]`},
	} {
		key := remote.Query{Script: "k/look", Args: args}.Key()
		if was, twice := seen[key]; twice {
			t.Errorf("%q and %q share the key %s", was, args, key)
		}
		seen[key] = args
	}
	if got := (remote.Query{Script: "k/look", Args: []string{"/srv/x", `service.a["x"]`}}).Key(); got != `k/look /srv/x service.a["x"]` {
		t.Error(got)
	}
}

func TestSightThatIsNone(t *testing.T) {
	f := remote.Facts{"app-1": {"k/look": {Sight: 9}}}
	if err := f.Check(); err == nil || !strings.Contains(err.Error(), `facts["app-1"]["k/look"].sight is 9`) {
		t.Error(err)
	}
	if got := remote.Sight(9).String() + remote.Sight(-1).String(); got != "sight 9sight -1" {
		t.Error(got)
	}
}
