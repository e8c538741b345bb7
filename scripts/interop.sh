# The parts of `./run interop`: what others made, against the running system. For `run` alone, which sources it.
# shellcheck shell=bash

readonly AXE_VERSION=4.14.1
readonly GRPC_GATEWAY_VERSION=v2.33.0
readonly PLAYWRIGHT_VERSION=1.65.1
readonly PROTOC_GEN_GO_GRPC_VERSION=v1.6.2
readonly PROTOC_GEN_GO_VERSION=v1.36.12
readonly VANGUARD_VERSION=v0.4.0

# The OpenAPI documents, judged by others.
openapi_documents() {
  local python
  python="$(openapi_validator_path)"
  "$python" -m openapi_spec_validator "build/$(preset)/openapi.json" "build/$(preset)/openapi_admin.json" ||
    die "an OpenAPI document is not valid"
}

# The operators' page in a headless Chromium.
console() {
  local program
  for program in chromium node; do
    command -v "$program" >/dev/null || die "the console was NOT tried: there is no $program. Install it (Node.js 18 or newer)"
  done
  node_package "playwright-core@$PLAYWRIGHT_VERSION"
  node_package "axe-core@$AXE_VERSION"
  UNWIND_BUILD="build/$(preset)" UNWIND_TOOLS="$TOOLS" node --test --test-reporter=spec tests/console/console_test.mjs
}

# Stubs of Go from plain protoc, without a mapping of packages, as a client's build makes them; they must compile. And of the
# descriptor set the two gateways of tests/e2e/gateway_go, whose program is left in build/tools.
go_stubs() {
  local out plugin protos
  go_toolchain "$GO_VERSION" "Go stubs and gateways"
  out="$(mktemp -d)"
  mkdir -p "$TOOLS"
  for plugin in "google.golang.org/protobuf/cmd/protoc-gen-go@$PROTOC_GEN_GO_VERSION" \
    "google.golang.org/grpc/cmd/protoc-gen-go-grpc@$PROTOC_GEN_GO_GRPC_VERSION" \
    "github.com/grpc-ecosystem/grpc-gateway/v2/protoc-gen-grpc-gateway@$GRPC_GATEWAY_VERSION"; do
    GOBIN="$TOOLS" go install "$plugin" || die "go could not install $plugin"
  done
  mapfile -t protos < <(cd protos && find saga shop pg -name '*.proto')
  PATH="$TOOLS:$PATH" protoc -Iprotos -Iprotos/third_party --go_out="$out" --go_opt=module=unwind/protos \
    --go-grpc_out="$out" --go-grpc_opt=module=unwind/protos "${protos[@]}" || die "protoc made no Go stubs"
  PATH="$TOOLS:$PATH" protoc --descriptor_set_in="build/$(preset)/unwind.protoset" --grpc-gateway_out="$out" \
    --grpc-gateway_opt=module=unwind/protos shop/checkout/v1/checkout_service.proto shop/stock/v1/stock_service.proto ||
    die "protoc made no gateway"
  mkdir "$out/gateways"
  cp tests/e2e/gateway_go/main.go "$out/gateways/"
  (cd "$out" && go mod init unwind/protos && go get "connectrpc.com/vanguard@$VANGUARD_VERSION" \
    "github.com/grpc-ecosystem/grpc-gateway/v2@$GRPC_GATEWAY_VERSION" && go mod tidy && go build ./... &&
    go build -o "$TOOLS/gateways" ./gateways) >"$out/log" 2>&1 || die "the Go stubs do not compile: $(cat "$out/log")"
  rm -rf "$out"
  say "Go stubs of ${#protos[@]} protos compile; the gateways in Go answer as Envoy does"
  UNWIND_GATEWAYS="$TOOLS/gateways" python3_of_debian tests/e2e/gateway/others_test.py
}

# docs/TUTORIAL.md, played with the grpcurl $1 and a participant in each of its languages.
tutorial() {
  local python
  go_toolchain 1.23 "the tutorial's participant"
  say "docs/TUTORIAL.md, in Python and in Go"
  mkdir -p "$TOOLS"
  UNWIND_GRPCURL="$(realpath "$1")" python3_of_debian tests/docs/tutorial_test.py Python Go
  say "the same with pip's grpcio"
  python="$(grpcio_path)"
  UNWIND_PIP_PYTHON="$python" UNWIND_GRPCURL="$(realpath "$1")" python3_of_debian tests/docs/tutorial_test.py Python
}

# The clients of docs/CLIENTS.md, in each of its languages.
clients() {
  local program
  go_toolchain 1.23 "the client in Go"
  for program in node java mvn; do
    command -v "$program" >/dev/null || die "the clients of docs/CLIENTS.md were NOT tried: there is no $program"
  done
  say "docs/CLIENTS.md, in Python, Go, Java and Node"
  python3_of_debian tests/docs/clients_test.py Python Go Java Node
}

# The dashboards, read strictly by the types that Grafana publishes.
dashboard_schema() {
  local schema="$TOOLS/dashboard_schema"
  go_toolchain 1.21 "the check of the dashboards"
  mkdir -p "$TOOLS"
  (cd tests/dashboards/schema && go build -o "$schema" .) || die "go could not build tests/dashboards/schema"
  "$schema" k8s/dashboards/*.json || die "a dashboard is not what Grafana reads (see above)"
  say "the dashboards keep to Grafana's schema"
}

deploy_test() {
  say "deployment: $1"
  python3_of_debian "tests/deploy/$1_test.py"
}

# What k8s/, compose.yaml and the units deploy: by Kubernetes' schemas and the programs' flags, then started as they say.
deployment() {
  UNWIND_KUBECTL="$(kubectl_path)"
  UNWIND_KUBECTL_VALIDATE="$(kubectl_validate_path)"
  UNWIND_CRDS="$(custom_resources)"
  export UNWIND_KUBECTL UNWIND_KUBECTL_VALIDATE UNWIND_CRDS
  deploy_test overlay
  deploy_test overlay_start
  deploy_test host_start
  say "deployment: compose.yaml and the Dockerfile"
  "$(compose_path)" compose.yaml >/dev/null || die "docker compose would not take compose.yaml"
  "$(hadolint_path)" Dockerfile || die "hadolint finds fault with the Dockerfile"
}

# The package, and the image's steps in a Debian of their own, which only root can make.
installation() {
  local debian="$TOOLS/debian12"
  deploy_test package
  if ((EUID != 0)) || ! command -v debootstrap >/dev/null; then
    say "the image's steps: NOT tried, that needs root and debootstrap (apt-get install debootstrap)"
    return
  fi
  if [[ ! -d "$debian" ]]; then
    say "making a Debian 12 in build/tools"
    rm -rf "$debian.new"
    debootstrap --variant=minbase bookworm "$debian.new" >"$TOOLS/debootstrap.log" || die "debootstrap failed: see $TOOLS/debootstrap.log"
    mv "$debian.new" "$debian"
  fi
  UNWIND_DEBIAN="$debian" deploy_test image
}

# Takes ten minutes, five of them quiet.
alerts() {
  build "$(preset)" unwind_alerts_test
  "$(binary unwind_alerts_test)"
}

# A real Jaeger reads the trace of an order.
traces() {
  local jaeger
  jaeger="$(jaeger_path)"
  UNWIND_JAEGER="$jaeger" python3_of_debian tests/e2e/jaeger/jaeger_test.py
}

# part FUNCTION [ARG...]: plays it and says how long that took.
part() {
  local since=$SECONDS
  say "$1"
  "$@"
  say "$1 took $((SECONDS - since)) s"
}

interop() {
  local grpcurl="" envoy="" all="" arg
  for arg in "$@"; do
    case "$arg" in
      --grpcurl=*) grpcurl="${arg#--grpcurl=}" ;;
      --envoy=*) envoy="${arg#--envoy=}" ;;
      --all) all=1 ;;
      *) die "interop knows only --grpcurl=PATH, --envoy=PATH and --all, not '$arg'" ;;
    esac
  done
  need test interop postgres package
  setup
  go_toolchain "$GO_VERSION" "what this compares with"  # before all else, not after minutes
  grpcurl="$(grpcurl_path "$grpcurl")"
  envoy="$(envoy_path "$envoy")"
  build "$(preset)" "${PRODUCT[@]}" unwind_up unwind_audit
  UNWIND_BIN_DIR="$PWD/build/$(preset)/bin"
  export UNWIND_ENVOY="$envoy" UNWIND_BIN_DIR
  part tests/e2e/interop.sh "$grpcurl" "build/$(preset)/bin"
  part openapi_documents
  part console
  part go_stubs
  part tutorial "$grpcurl"
  part clients
  part dashboard_schema
  part deployment
  [[ -n "$all" ]] || return 0
  part installation
  part alerts
  part traces
}
