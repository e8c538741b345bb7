#!/usr/bin/env bash
# interop.sh GRPCURL BIN_DIR: the real grpcurl against the running system, by reflection alone (it gets no proto file). Lists and
# describes every service of every process; places, reads, lists and cancels orders and sagas.
set -euo pipefail

readonly GRPCURL="$1" BIN="$2"
scratch="$(mktemp -d)"
up=""

finish() {
  if [[ -n "$up" ]]; then
    kill "$up" 2>/dev/null || true
    wait "$up" || true
  fi
  rm -rf "$scratch"
}
trap finish EXIT

fail() {
  printf 'interop: FAILED: %s\n' "$*" >&2
  exit 1
}

address() { sed -n "s/^$1=//p" "$scratch/addresses"; }

# call PROCESS METHOD JSON [-H HEADER]: prints the answer, or the error with its details; grpcurl's exit status.
call() {
  local process="$1" method="$2" json="$3"
  shift 3
  "$GRPCURL" -plaintext -max-time 30 "$@" -d "$json" "$(address "$process")" "$method" 2>&1
}

# expect TEXT WHAT: stdin holds TEXT.
expect() {
  local text
  text="$(cat)"
  grep -qF -- "$1" <<<"$text" || fail "$2: no '$1' in the answer:
$text"
  printf '  ok  %s\n' "$2"
}

# field NAME: the first value of a string field of the JSON on stdin.
field() { sed -n "s/.*\"$1\": \"\([^\"]*\)\".*/\1/p" | head -n 1; }

# Lists a process's services, which must contain the named ones, and describes each with every message its methods use.
describe_all() {
  local process="$1" services service method type
  shift
  services="$("$GRPCURL" -plaintext "$(address "$process")" list)" || fail "$process does not list its services"
  for service in "$@" grpc.health.v1.Health; do
    grep -qxF "$service" <<<"$services" || fail "$process does not list $service, only: $services"
  done
  while read -r service; do
    "$GRPCURL" -plaintext "$(address "$process")" describe "$service" >"$scratch/described" ||
      fail "$process lists $service but cannot describe it"
    while read -r type; do
      "$GRPCURL" -plaintext "$(address "$process")" describe "$type" >/dev/null || fail "$process cannot describe $type of $service"
    done < <(grep -oE '\(( stream)? \.[A-Za-z0-9_.]+ \)' "$scratch/described" | grep -oE '[A-Za-z0-9_]+\.[A-Za-z0-9_.]+' | sort -u)
    while read -r method; do
      "$GRPCURL" -plaintext "$(address "$process")" describe "$method" >/dev/null || fail "$process cannot describe $method"
    done < <("$GRPCURL" -plaintext "$(address "$process")" list "$service")
  done <<<"$services"
  printf '  ok  %s lists and describes: %s\n' "$process" "$(tr '\n' ' ' <<<"$services")"
}

start() {
  "$BIN/unwind_up" --addresses_file="$scratch/addresses" >"$scratch/log" 2>&1 &
  up=$!
  local tries
  for ((tries = 0; tries < 600; ++tries)); do
    [[ ! -s "$scratch/addresses" ]] || return 0
    kill -0 "$up" 2>/dev/null || fail "the shop did not start: $(cat "$scratch/log")"
    read -r -t 0.1 <> <(:) || true
  done
  fail "the shop was not up within a minute"
}

readonly CHECKOUT=shop.checkout.v1.CheckoutService SAGAS=saga.v1.SagaService
order() { # REQUEST_ID PRODUCT QUANTITY
  printf '{"request_id":"%s","member_id":"mina","items":[{"product_id":"%s","quantity":%s}],"payment_method":"PAYMENT_METHOD_CARD"}' \
    "$1" "$2" "$3"
}

start
echo "Every service, by reflection alone:"
describe_all orchestrator "$CHECKOUT"
describe_all orchestrator_admin "$SAGAS"
describe_all order_svc shop.order.v1.OrderService shop.order.v1.CartService shop.order.v1.NotificationService
describe_all stock_svc shop.stock.v1.StockService
describe_all payment_svc shop.payment.v1.PaymentService
describe_all coupon_svc shop.coupon.v1.CouponService
describe_all wallet_svc shop.wallet.v1.WalletService
describe_all mock_pg pg.v1.PaymentGateway pg.v1.MockControl

"$GRPCURL" -plaintext "$(address orchestrator)" describe $CHECKOUT | expect "// " "describe shows the comments of a served method"
"$GRPCURL" -plaintext "$(address orchestrator_admin)" describe $SAGAS | expect "// " "and those of the operators' service"

echo "Orders and sagas:"
placed="$(call orchestrator $CHECKOUT/PlaceOrder "$(order r1 lamp 2)")" || fail "PlaceOrder: $placed"
expect '"state": "STATE_PAID"' "PlaceOrder is paid" <<<"$placed"
expect '"minorUnits": "78000"' "PlaceOrder says the total" <<<"$placed"
id="$(field orderId <<<"$placed")"
call orchestrator $CHECKOUT/PlaceOrder "$(order r1 lamp 2)" | expect "\"orderId\": \"$id\"" "the same request again: the same order"
call order_svc shop.order.v1.OrderService/GetOrder "{\"order_id\":\"$id\"}" | expect '"state": "STATE_PAID"' "GetOrder"
call order_svc shop.order.v1.OrderService/ListOrders '{"member_id":"mina"}' | expect "\"orderId\": \"$id\"" "ListOrders"
call payment_svc shop.payment.v1.PaymentService/GetPayment "{\"payment_id\":\"$id\"}" | expect '"state": "STATE_SUCCESS"' "GetPayment"
call mock_pg pg.v1.PaymentGateway/ListTransactions '{}' | expect '"kind": "KIND_CAPTURE"' "the gateway's ledger"
call orchestrator_admin $SAGAS/GetSaga "{\"saga_id\":\"$id\"}" | expect '"state": "STATE_COMPLETED"' "GetSaga"
call orchestrator_admin $SAGAS/ListSagas '{"definition":"place-order","state":"STATE_COMPLETED"}' | expect "\"sagaId\": \"$id\"" "ListSagas"
call orchestrator_admin $SAGAS/GetHistory "{\"saga_id\":\"$id\"}" | expect '"step": "confirm_order"' "GetHistory"

cancelled="$(call orchestrator $CHECKOUT/CancelOrder "{\"request_id\":\"c1\",\"order_id\":\"$id\",\"member_id\":\"mina\"}")" ||
  fail "CancelOrder: $cancelled"
expect '"state": "STATE_CANCELLED"' "CancelOrder" <<<"$cancelled"
call stock_svc shop.stock.v1.StockService/GetProduct '{"product_id":"lamp"}' | expect '"available": "20"' "the lamps are back"
call orchestrator_admin $SAGAS/ListSagas '{"definition":"cancel-order"}' | expect '"definition": "cancel-order"' "its saga is listed"
call orchestrator_admin $SAGAS/CancelSaga "{\"saga_id\":\"$id\",\"actor\":\"interop\",\"reason\":\"too late\"}" |
  expect '"state": "STATE_COMPLETED"' "CancelSaga of a saga that is over changes nothing"

echo "Errors, with their details decoded:"
refused="$(call orchestrator $CHECKOUT/PlaceOrder "$(order r2 lamp 1000)")" && fail "1,000 lamps were sold: $refused"
expect 'Code: Aborted' "too many lamps: ABORTED" <<<"$refused"
expect 'STOCK_NOT_ENOUGH' "... with its reason" <<<"$refused"
refused="$(call orchestrator $CHECKOUT/PlaceOrder "$(order r3 lamp 0)")" && fail "no lamps were sold: $refused"
expect 'Code: InvalidArgument' "no quantity: INVALID_ARGUMENT" <<<"$refused"
expect 'items[0].quantity' "... naming the field" <<<"$refused"
call mock_pg pg.v1.MockControl/SetScenario '{"scenario":{"fail_percent":100}}' | expect '"failPercent": 100' "SetScenario"
refused="$(call orchestrator $CHECKOUT/PlaceOrder "$(order r4 lamp 1)")" && fail "a declined card bought: $refused"
expect 'PAYMENT_FAILED' "a declined card: PAYMENT_FAILED" <<<"$refused"
call stock_svc shop.stock.v1.StockService/Restock '{"product_id":"desk","quantity":3,"price":{"minor_units":1,"currency_code":"KRW"}}' \
  -H 'idempotency-key: interop-1' | expect '"total": "3"' "Restock with an idempotency-key"
echo "grpcurl and the system understand each other."
