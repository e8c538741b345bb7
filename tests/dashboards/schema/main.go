// Command schema reads Grafana dashboards by the types that Grafana publishes, and fails for a field that these do not
// have: schema FILE...
package main

import (
	"fmt"
	"os"

	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

// What is wrong with the dashboard in file; empty: nothing. The library returns an error without a text where there is
// none.
func findings(file string) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return err.Error()
	}
	var read dashboard.Dashboard
	if err := read.UnmarshalJSONStrict(text); err != nil && err.Error() != "" {
		return err.Error()
	}
	if err := read.Validate(); err != nil && err.Error() != "" {
		return err.Error()
	}
	if len(read.Panels) == 0 {
		return "it has no panels"
	}
	return ""
}

func main() {
	plugins.RegisterDefaultPlugins()
	failed := len(os.Args) < 2
	for _, file := range os.Args[1:] {
		if found := findings(file); found != "" {
			fmt.Fprintf(os.Stderr, "%s: %s\n", file, found)
			failed = true
		}
	}
	if failed {
		os.Exit(1)
	}
}
