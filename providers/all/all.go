// Package all lists the kinds, spelled out.
package all

import (
	"github.com/shipctl/shipctl/providers"
	"github.com/shipctl/shipctl/providers/batch"
	"github.com/shipctl/shipctl/providers/release"
	"github.com/shipctl/shipctl/providers/service"
	"github.com/shipctl/shipctl/providers/window"
)

// Kinds are all kinds of resources, in the order in which they are documented.
func Kinds() []providers.Kind {
	return []providers.Kind{release.Kind, service.Kind, batch.Kind, window.Kind}
}
