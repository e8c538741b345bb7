#!/usr/bin/env bash
# runbook.sh SAGACTL ADMIN: what docs/OPERATING.md says to do about a parked saga, done with sagactl alone. At ADMIN, an
# orchestrator has one trip parked whose hotel refuses to cancel the room: it is found, its reason read, and resolved.
set -euo pipefail

readonly SAGACTL="$1"
export UNWIND_SERVER="$2"

sagactl() { "$SAGACTL" "$@"; }

fail() {
  printf 'runbook: FAILED: %s\n' "$*" >&2
  exit 1
}

# expect TEXT WHAT: stdin holds TEXT.
expect() {
  local text
  text="$(cat)"
  grep -qF -- "$1" <<<"$text" || fail "$2: no '$1' in:
$text"
  printf '  ok  %s\n' "$2"
}

# What is there, and how many wait.
sagactl definitions | expect 'trip.v1.TripService/BookTrip' "the definition is known"
sagactl stats | grep -F book-trip | expect 'PARKED' "its parked sagas are counted"

# Which one, and why.
sagactl list --state parked --since 1h | expect 'book_room: DESK_CLOSED' "the list says what it waits for"
saga="$(sagactl list --definition book-trip --state parked --json | sed -n 's/.*"sagaId":"\([^"]*\)".*/\1/p' | head -n 1)"
[[ -n "$saga" ]] || fail "no parked saga is listed"
sagactl get "$saga" | expect 'nobody is at the desk' "its timeline has the participant's words"
sagactl get "$saga" | expect 'PARKED going backward' "and which way it goes"
key="$(sagactl get "$saga" --json | sed -n 's/.*"key":"\([^"]*\)".*/\1/p')"
sagactl find book-trip "$key" | expect "$saga" "its caller's key finds it"

# A reply is for actions only: what was said wrongly changes nothing.
status=0
said="$(sagactl resolve "$saga" book_room --reason 'cancelled by phone' --reply '{}' 2>&1)" || status=$?
[[ "$status" == 1 ]] || fail "a reply for a compensation is exit $status: $said"
expect 'must be unset' "a reply for a compensation is refused" <<<"$said"

# The room was cancelled by hand.
sagactl resolve "$saga" book_room --actor mina --reason 'cancelled by phone' | expect 'is ABORTED' "the saga is resolved"
sagactl history "$saga" | expect 'by mina: cancelled by phone' "its history says who and why"
status=0
said="$(sagactl retry "$saga" book_room --reason again 2>&1)" || status=$?
[[ "$status" == 1 ]] || fail "a verb for a saga that ended is exit $status: $said"
expect 'STEP_NOT_PARKED' "an ended saga is left as it is" <<<"$said"
