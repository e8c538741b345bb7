#include "payment_svc/reconcile_task.h"

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

constexpr int kPageSize = 1000;

void Take(const Transaction& transaction, TheirBooks& books) {
  const absl::Time time =
      absl::FromUnixSeconds(transaction.create_time().seconds()) + absl::Nanoseconds(transaction.create_time().nanos());
  if (transaction.kind() == Transaction::KIND_REFUND) {
    books.refunds[transaction.captured_transaction_id()] = {transaction.amount_minor(), time};
  }
  if (transaction.kind() != Transaction::KIND_CAPTURE) return;
  books.captures.push_back({transaction.idempotency_key(),
                            transaction.transaction_id(),
                            {transaction.amount_minor(), transaction.currency_code()},
                            time});
}

absl::StatusOr<TheirBooks> ReadTheirBooks(::pg::v1::PaymentGateway::Stub& gateway, absl::Duration timeout) {
  TheirBooks books;
  ::pg::v1::ListTransactionsRequest request;
  request.set_page_size(kPageSize);
  do {
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + timeout));
    ::pg::v1::ListTransactionsResponse response;
    const absl::Status status = FromGrpc(gateway.ListTransactions(&context, request, &response));
    if (!status.ok()) {
      return absl::Status(status.code(), absl::StrCat("the gateway's ledger cannot be read: ", status.message()));
    }
    for (const Transaction& transaction : response.transactions()) Take(transaction, books);
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty());
  return books;
}

}  // namespace

absl::StatusOr<int> Reconcile(Connection& connection, ::pg::v1::PaymentGateway::Stub& gateway, const Clock& clock,
                              absl::Duration grace, absl::Duration timeout, std::FILE* out) {
  const absl::Time before = clock.Now() - grace;
  OwnBooks own;
  RETURN_IF_ERROR(connection.Read([&](soci::session& session) {
    own = LoadOwnBooks(session);
    return absl::OkStatus();
  }));
  ASSIGN_OR_RETURN(const TheirBooks theirs, ReadTheirBooks(gateway, timeout));
  const std::vector<std::string> differences = Compare(own, theirs, before);
  RETURN_IF_ERROR(connection.Write([&](soci::session& session) {
    PutReconciliation(session, {clock.Now(), static_cast<std::int64_t>(differences.size())});
    return absl::OkStatus();
  }));
  for (const std::string& difference : differences) std::fprintf(out, "%s\n", difference.c_str());
  std::fprintf(out, "%zu keys of ours, %zu captures of the gateway: %zu differences\n", own.size(),
               theirs.captures.size(), differences.size());
  return static_cast<int>(differences.size());
}

}  // namespace unwind::payment
