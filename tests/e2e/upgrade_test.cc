// Today's programs over the databases of an earlier release (tests/e2e/upgrade), with sagas in every stage.
#include <sqlite3.h>

#include <cstdint>
#include <fstream>
#include <regex>
#include <sstream>

#include "absl/strings/str_replace.h"
#include "absl/time/clock.h"
#include "tests/e2e/shop_test.h"

namespace unwind {
namespace {

using shop::checkout::v1::PlaceOrderRequest;
using shop::checkout::v1::PlaceOrderResponse;

constexpr char kRelease[] = "tests/e2e/upgrade/first";
constexpr char kSchemaVersion[] =
    "CREATE TABLE schema_version (component TEXT NOT NULL, version BIGINT NOT NULL, PRIMARY KEY (component, version));";

// The migrations that the release had for the database of `node`'s program.
std::vector<std::string> MigrationsOf(Node node) {
  const std::string barrier = "common/participant/migrations/postgres/0001_barrier.sql";
  switch (node) {
    case Node::kGateway:
      return {"mock_pg/migrations/postgres/0001_ledger.sql"};
    case Node::kOrder:
    case Node::kSecondOrder:
      return {"order_svc/migrations/postgres/0001_orders.sql", barrier};
    case Node::kStock:
    case Node::kSecondStock:
      return {"stock_svc/migrations/postgres/0001_stock.sql", barrier};
    case Node::kPayment:
    case Node::kSecondPayment:
      return {"payment_svc/migrations/postgres/0001_payments.sql", barrier};
    case Node::kCoupon:
    case Node::kSecondCoupon:
    case Node::kWallet:
    case Node::kSecondWallet:
      return {};  // it had none
    case Node::kOrchestrator:
    case Node::kSecondOrchestrator:
      return {"orchestrator/migrations/postgres/0001_sagas.sql"};
  }
  std::abort();
}

std::string ReadText(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file.good()) << path;
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// Puts the recorded times at the distance from now that they had from the end of the recording.
std::string AsIfJustRecorded(const std::string& text) {
  static const std::regex time("@(-?[0-9]+)(us|ns)@");
  const std::int64_t now_us = absl::ToUnixMicros(absl::Now());
  std::string played;
  auto last = text.cbegin();
  for (std::sregex_iterator it(text.begin(), text.end(), time), end; it != end; ++it) {
    const std::int64_t distance = std::stoll((*it)[1]);
    played.append(last, (*it)[0].first);
    absl::StrAppend(&played, (*it)[2] == "us" ? now_us + distance : now_us * 1000 + distance);
    last = (*it)[0].second;
  }
  return played.append(last, text.cend());
}

absl::Status IntoSqlite(const std::string& path, const std::string& sql) {
  sqlite3* db = nullptr;
  char* error = nullptr;
  absl::Status status;
  if (sqlite3_open(path.c_str(), &db) != SQLITE_OK ||
      sqlite3_exec(db, sql.c_str(), nullptr, nullptr, &error) != SQLITE_OK) {
    status = absl::InternalError(absl::StrCat(path, ": ", sqlite3_errmsg(db)));
  }
  sqlite3_free(error);
  sqlite3_close(db);
  return status;
}

absl::Status IntoPostgres(PostgresServer& server, Node node, const std::string& rows) {
  // The rows come table by table, in the order of their names, which foreign keys would not allow.
  std::string sql =
      absl::StrCat("SET session_replication_role = replica; SET ROLE ", NodeName(node), ";", kSchemaVersion);
  for (const std::string& migration : MigrationsOf(node)) absl::StrAppend(&sql, ReadText(migration));
  // The one column that the database itself counts up.
  absl::StrAppend(&sql,
                  absl::StrReplaceAll(rows, {{"\"ledger\" VALUES", "\"ledger\" OVERRIDING SYSTEM VALUE VALUES"}}));
  if (node == Node::kGateway) {
    absl::StrAppend(&sql, "SELECT setval(pg_get_serial_sequence('ledger', 'seq'), (SELECT max(seq) FROM ledger));");
  }
  return server.Execute(NodeName(node), sql).status();
}

absl::Status Play(Cluster& cluster) {
  for (const Node node : kNodes) {
    if (MigrationsOf(node).empty()) continue;
    const std::string name = absl::StrCat(kRelease, "/", NodeName(node));
    const std::string rows = AsIfJustRecorded(ReadText(absl::StrCat(name, ".rows.sql")));
    const absl::Status played =
        cluster.postgres() != nullptr
            ? IntoPostgres(*cluster.postgres(), node, rows)
            : IntoSqlite(cluster.Database(node),
                         absl::StrCat("BEGIN;", ReadText(absl::StrCat(name, ".schema.sql")), rows, "COMMIT;"));
    if (!played.ok()) return played;
  }
  return absl::OkStatus();
}

class Upgrade : public ShopTest {
 protected:
  static void SetUpTestSuite() {
    ClusterOptions options;
    options.prepare = Play;
    StartCluster(std::move(options));
  }

  // As the recording placed it.
  static PlaceOrderRequest Placed(const std::string& key, const std::string& product = "lamp") {
    PlaceOrderRequest request = Shop::Order("mina", product);
    request.set_request_id(key);
    return request;
  }

  // The final answer under the recorded key, which must be its saga's.
  grpc::Status FinalAnswer(const std::string& key, const std::string& product = "lamp") {
    const auto recorded = shop_.SagaOfKey("place-order", key);
    EXPECT_TRUE(recorded.ok()) << key << ": " << recorded.status();
    PlaceOrderResponse response;
    const grpc::Status status = shop_.Place(Placed(key, product), &response, kPatience);
    EXPECT_FALSE(AskAgain(status)) << key << ": " << status.error_message();
    if (status.ok() && recorded.ok()) {
      EXPECT_EQ(response.order_id(), recorded->saga_id()) << key;
    }
    return status;
  }
};

// One test, for the shop is at rest only when all of them are over.
TEST_F(Upgrade, EverySagaEndsAndEveryKeyIsAnsweredAsBefore) {
  // What was finished.
  EXPECT_TRUE(FinalAnswer("paid").ok());
  EXPECT_EQ(Reason(FinalAnswer("declined", "yacht")), "PAYMENT_FAILED");
  EXPECT_TRUE(FinalAnswer("cancelled").ok());
  PlaceOrderResponse response;
  EXPECT_EQ(Reason(shop_.Place(Placed("paid", "yacht"), &response, kPatience)), "KEY_REUSED");

  // What was under way. How the last ones end depends on what the gateway had recorded, and on how fast this machine
  // is.
  for (const char* key : {"to-confirm-0", "to-confirm-1"}) EXPECT_TRUE(FinalAnswer(key).ok()) << key;
  for (const char* key : {"to-undo-0", "to-undo-1"})
    EXPECT_EQ(Reason(FinalAnswer(key, "yacht")), "PAYMENT_FAILED") << key;
  for (const char* key : {"to-charge-0", "to-charge-1", "to-reserve-0", "to-reserve-1", "to-create-0", "to-create-1"}) {
    const grpc::Status first = FinalAnswer(key);
    EXPECT_EQ(FinalAnswer(key).error_code(), first.error_code()) << key;
  }

  // What was parked.
  const auto parked = shop_.SagaOfKey("place-order", "parked");
  ASSERT_TRUE(IsOk(parked.status()));
  EXPECT_EQ(parked->state(), saga::v1::Saga::STATE_PARKED);
  EXPECT_EQ(parked->failure().reason(), "ORDER_NOT_PENDING");
  const auto history = shop_.History(parked->saga_id());
  ASSERT_TRUE(IsOk(history.status()));
  EXPECT_EQ(static_cast<std::int64_t>(history->size()), parked->version());
  ASSERT_TRUE(IsOk(shop_.RetryStep(parked->saga_id(), "confirm_order").status()));
  const auto ended = shop_.AwaitEnd(parked->saga_id(), kPatience);
  ASSERT_TRUE(IsOk(ended.status()));
  EXPECT_EQ(ended->state(), saga::v1::Saga::STATE_COMPLETED);

  // What is new.
  EXPECT_TRUE(shop_.Place(Shop::Order("mina", NewProduct(1)), &response, kPatience).ok());
}

}  // namespace
}  // namespace unwind
