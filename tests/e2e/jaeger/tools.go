//go:build tools

// Names the program that `./run interop --all` builds: it is in a module that plain `go install` refuses, for a line of its go.mod.
package tools

import _ "github.com/jaegertracing/jaeger/cmd/all-in-one"
