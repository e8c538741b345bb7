#include "payment_svc/reconcile_task.h"

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/rpc/error.h"
#include "grpcpp/client_context.h"
#include "payment_svc/reconcile_store.h"

namespace unwind::payment {
namespace {

using ::pg::v1::Transaction;
using ::shop::order::v1::Order;

constexpr int kTransactionsPageSize = 1000;
constexpr int kOrdersPageSize = 200;

absl::Time TimeOf(const google::protobuf::Timestamp& time) {
  return absl::FromUnixSeconds(time.seconds()) + absl::Nanoseconds(time.nanos());
}

// Calls `take` with each page. `call` asks for one.
template <class Response, class Request, class Call, class Take>
absl::Status ReadPages(absl::string_view what, Request request, absl::Duration timeout, Call call, Take take) {
  do {
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + timeout));
    Response response;
    const absl::Status status = FromGrpc(call(&context, request, &response));
    if (!status.ok()) return {status.code(), absl::StrCat(what, " cannot be read: ", status.message())};
    take(response);
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty());
  return absl::OkStatus();
}

void Take(const Transaction& transaction, TheirBooks& books) {
  const absl::Time time = TimeOf(transaction.create_time());
  if (transaction.kind() == Transaction::KIND_REFUND) {
    books.AddRefund(transaction.captured_transaction_id(), {transaction.amount_minor(), time});
  }
  if (transaction.kind() != Transaction::KIND_CAPTURE) return;
  books.captures.push_back({transaction.idempotency_key(),
                            transaction.transaction_id(),
                            {transaction.amount_minor(), transaction.currency_code()},
                            time});
}

absl::StatusOr<TheirBooks> ReadTheirBooks(const Others& others) {
  TheirBooks books;
  ::pg::v1::ListTransactionsRequest request;
  request.set_page_size(kTransactionsPageSize);
  RETURN_IF_ERROR(ReadPages<::pg::v1::ListTransactionsResponse>(
      "the gateway's ledger", std::move(request), others.timeout,
      [&](auto... call) { return others.gateway.ListTransactions(call...); },
      [&](const auto& page) {
        for (const Transaction& transaction : page.transactions()) Take(transaction, books);
      }));
  return books;
}

// Nothing: it says nothing of its payment, or not yet.
std::optional<TheirOrder::Says> SaysOf(const Order& order) {
  if (order.state() == Order::STATE_PAID) return TheirOrder::Says::kPaid;
  if (order.state() == Order::STATE_CANCELLED) return TheirOrder::Says::kCancelled;
  if (order.state() == Order::STATE_FAILED) return TheirOrder::Says::kFailed;
  return std::nullopt;
}

// How the orders differ from the payments `own`; counts them.
absl::StatusOr<std::vector<std::string>> CompareOrders(const Others& others, const std::map<std::string, State>& own,
                                                       absl::Time before, std::size_t& count) {
  std::vector<std::string> differences;
  ::shop::order::v1::ListOrdersRequest request;
  request.set_page_size(kOrdersPageSize);
  RETURN_IF_ERROR(ReadPages<::shop::order::v1::ListOrdersResponse>(
      "the orders", std::move(request), others.timeout,
      [&](auto... call) { return others.orders->ListOrders(call...); },
      [&](const auto& page) {
        for (const Order& order : page.orders()) {
          ++count;
          const std::optional<TheirOrder::Says> says = SaysOf(order);
          if (!says) continue;
          std::string difference =
              OrderDifference(own, {*says, order.order_id(), order.payment_id(), TimeOf(order.update_time())}, before);
          if (!difference.empty()) differences.push_back(std::move(difference));
        }
      }));
  return differences;
}

}  // namespace

absl::StatusOr<int> Reconcile(Connection& connection, const Others& others, const Clock& clock, absl::Duration grace,
                              std::FILE* out) {
  const absl::Time before = clock.Now() - grace;
  OwnBooks own;
  std::map<std::string, State> states;
  RETURN_IF_ERROR(connection.Read([&](soci::session& session) {
    own = LoadOwnBooks(session);
    if (others.orders != nullptr) states = LoadPaymentStates(session);
    return absl::OkStatus();
  }));
  ASSIGN_OR_RETURN(const TheirBooks theirs, ReadTheirBooks(others));
  std::vector<std::string> differences = Compare(own, theirs, before);
  std::string orders_read;
  if (others.orders != nullptr) {
    std::size_t orders = 0;
    ASSIGN_OR_RETURN(const std::vector<std::string> of_orders, CompareOrders(others, states, before, orders));
    differences.insert(differences.end(), of_orders.begin(), of_orders.end());
    orders_read = absl::StrCat(", ", orders, " orders");
  }
  RETURN_IF_ERROR(connection.Write([&](soci::session& session) {
    PutReconciliation(session, {clock.Now(), static_cast<std::int64_t>(differences.size())});
    return absl::OkStatus();
  }));
  for (const std::string& difference : differences) std::fprintf(out, "%s\n", difference.c_str());
  std::fprintf(out, "%zu keys of ours, %zu captures of the gateway%s: %zu differences\n", own.size(),
               theirs.captures.size(), orders_read.c_str(), differences.size());
  return static_cast<int>(differences.size());
}

}  // namespace unwind::payment
