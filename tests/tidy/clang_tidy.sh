#!/usr/bin/env bash
# clang_tidy.sh CLANG_TIDY BUILD_DIR JOBS [--all]: that clang-tidy over the product's .cc files, with --all over the tests' too, those that
# changed since they last passed.
# "Changed" means the file, any of our headers it includes, .clang-tidy, or clang-tidy itself. A file that passes leaves an
# empty stamp named by the hash of all that; a clean tree therefore takes a second.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

check_one() {
  local file="$1" stamp="$2"
  if "$CLANG_TIDY" --quiet -p "$BUILD_DIR" "$file" >"$stamp.out" 2>"$stamp.err"; then
    rm -f "$stamp.out" "$stamp.err"
    touch "$stamp"
    return
  fi
  cat "$stamp.out"
  grep -v ' warnings\? generated\.$' "$stamp.err" >&2 || true
  rm -f "$stamp.out" "$stamp.err"
  return 1
}

# Our own dependencies of every object, as the compiler wrote them down: "file dependency" lines. A ccache with a
# base_dir writes them relative to the build.
own_dependencies() {
  ninja -C "$BUILD_DIR" -t deps | awk -v root="$PWD/" -v up="$(realpath --relative-to="$BUILD_DIR" .)/" '
    /^[^ ]/ { file = ""; next }
    index($1, up) == 1 { $1 = root substr($1, length(up) + 1) }
    index($1, root) == 1 && index($1, root "build/") != 1 {
      name = substr($1, length(root) + 1)
      if (file == "") file = name
      print file, name
    }' | sort -u
}

main() {
  export CLANG_TIDY="$1" BUILD_DIR="$2"
  local jobs="$3" which="${4:-}" stamps="$2/tidy-stamps" base
  mkdir -p "$stamps"
  base="$("$CLANG_TIDY" --version | sha256sum; sha256sum .clang-tidy)"
  declare -A hashes
  local name hash file
  while read -r hash name; do hashes["$name"]="$hash"; done < <(git ls-files -co --exclude-standard '*.cc' '*.h' | xargs sha256sum)
  declare -A keys
  while read -r file name; do keys["$file"]+="$name ${hashes[$name]:-none} "; done < <(own_dependencies)

  ((${#keys[@]})) || { echo "clang_tidy.sh: $BUILD_DIR knows no dependencies of our files; build it first" >&2; return 1; }
  local todo=()
  for file in "${!keys[@]}"; do
    [[ "$file" == *.cc && -f "$file" && ("$which" == --all || "$file" != tests/*) ]] || continue
    hash="$(sha256sum <<<"$base ${keys[$file]}" | cut -c1-32)"
    [[ -e "$stamps/$hash" ]] || todo+=("$file" "$stamps/$hash")
  done
  ((${#todo[@]})) || return 0
  export -f check_one
  # shellcheck disable=SC2016  # the inner shell expands these.
  printf '%s\0' "${todo[@]}" | xargs -0 -n 2 -P "$jobs" bash -c 'echo "  $1" >&2; check_one "$1" "$2"' _
}

main "$@"
