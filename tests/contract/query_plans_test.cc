// What every call of a service asks of its database: nothing that reads a whole table. What SQLite plans for empty
// tables stands for both kinds of databases, which have the same indexes.
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/db/migrate.h"
#include "common/db/statement.h"
#include "common/participant/barrier_rows.h"
#include "coupon_svc/coupon_domain.h"
#include "coupon_svc/coupon_service.h"
#include "gmock/gmock.h"
#include "google/protobuf/message.h"
#include "gtest/gtest.h"
#include "order_svc/cart_domain.h"
#include "order_svc/cart_service.h"
#include "order_svc/notification_domain.h"
#include "order_svc/notification_service.h"
#include "order_svc/order_domain.h"
#include "order_svc/order_service.h"
#include "payment_svc/collect_store.h"
#include "payment_svc/inbox_store.h"
#include "payment_svc/payment_domain.h"
#include "payment_svc/payment_service.h"
#include "payment_svc/reconcile_store.h"
#include "soci/soci.h"
#include "soci/sqlite3/soci-sqlite3.h"
#include "stock_svc/stock_domain.h"
#include "stock_svc/stock_service.h"
#include "tests/contract/scripted_gateway.h"
#include "tests/support/temp_dir.h"
#include "wallet_svc/wallet_domain.h"
#include "wallet_svc/wallet_service.h"

extern const unwind::Migrations kCouponMigrations;
extern const unwind::Migrations kOrderMigrations;
extern const unwind::Migrations kPaymentMigrations;
extern const unwind::Migrations kStockMigrations;
extern const unwind::Migrations kWalletMigrations;

namespace unwind {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using testing::IsEmpty;

// Whole, but of few rows: of one row, or of an index that has only what is under way.
constexpr const char* kSmall[] = {"SCAN reconciliation", "INDEX webhook_events_kept", "INDEX returns_due"};

// What a filter is left out of, so that each of a list's ways is asked.
enum class Leave { kNothing, kEnums, kMembers };

void FillField(Message& message, const FieldDescriptor& field, Leave leave);

void Fill(Message& message, Leave leave = Leave::kNothing) {
  const auto& descriptor = *message.GetDescriptor();
  for (int i = 0; i < descriptor.field_count(); ++i) FillField(message, *descriptor.field(i), leave);
}

void FillField(Message& message, const FieldDescriptor& field, Leave leave) {
  if (field.name() == "page_token" || (leave == Leave::kMembers && field.name() == "member_id")) return;
  const auto& reflection = *message.GetReflection();
  if (field.type() == FieldDescriptor::TYPE_MESSAGE) {
    return Fill(
        field.is_repeated() ? *reflection.AddMessage(&message, &field) : *reflection.MutableMessage(&message, &field),
        leave);
  }
  if (field.type() == FieldDescriptor::TYPE_STRING) reflection.SetString(&message, &field, "KRW");
  if (field.type() == FieldDescriptor::TYPE_INT32) reflection.SetInt32(&message, &field, 1);
  if (field.type() == FieldDescriptor::TYPE_INT64) reflection.SetInt64(&message, &field, 1);
  if (field.type() == FieldDescriptor::TYPE_ENUM && leave != Leave::kEnums) {
    reflection.SetEnumValue(&message, &field, 1);
  }
}

class QueryPlansTest : public testing::Test {
 protected:
  void Open(const Migrations& migrations) {
    auto opened = Connection::Open(folder_.File("rows.db"));
    ASSERT_TRUE(opened.ok()) << opened.status();
    connection_ = *std::move(opened);
    EXPECT_TRUE(Participant::Migrate(*connection_).ok());
    EXPECT_TRUE(Migrate(*connection_, "service", migrations).ok());
  }

  // What `body` asks is remembered.
  void Ask(const std::function<void(soci::session&)>& body) {
    const absl::Status status = connection_->Write([&](soci::session& session) {
      session.set_query_transformation([this](const std::string& query) {
        asked_.insert(query);
        return query;
      });
      body(session);
      session.set_query_transformation([](const std::string& query) { return query; });
      return absl::OkStatus();
    });
    EXPECT_TRUE(status.ok()) << status;
  }

  // Every method of `domain` and of `table`.
  void AskAll(StepDomain& domain, const ServiceTable& table) {
    for (const StepMethod& method : domain.methods()) {
      if (method.tests_only) continue;
      const std::shared_ptr<Message> request(method.request->New());
      Fill(*request);
      Command command{
          .method = domain.NumberOf(method.name), .key = {}, .request = request, .continuation = {}, .answer = {}};
      command.key.saga_id = method.name;
      command.key.step = "step";
      command.key.phase = method.phase;
      Ask([&](soci::session& session) { EXPECT_TRUE(domain.Apply(session, {&command}).ok()) << method.name; });
    }
    for (const ReadMethod& method : table.reads) {
      for (const Leave leave : {Leave::kNothing, Leave::kEnums, Leave::kMembers}) {
        const std::unique_ptr<Message> request(method.request->New()), response(method.response->New());
        Fill(*request, leave);
        Ask([&](soci::session& session) { (void)method.read(session, {}, *request, *response).ok(); });
      }
    }
  }

  // What the database says of its plan.
  static std::vector<std::string> Explain(soci::session& session, const std::string& sql) {
    long long id = 0, parent = 0, unused = 0;
    std::string detail;
    soci::statement statement(session);
    for (long long* const number : {&id, &parent, &unused}) statement.exchange(soci::into(*number));
    statement.exchange(soci::into(detail));
    statement.alloc();
    statement.prepare(absl::StrCat("EXPLAIN QUERY PLAN ", Translate(Dialect::kSqlite, sql)));
    statement.define_and_bind();
    statement.execute();
    std::vector<std::string> details;
    while (statement.fetch()) details.push_back(detail);
    return details;
  }

  static bool IsWhole(const std::string& detail) {
    if (!absl::StrContains(detail, "SCAN ") || absl::StrContains(detail, "VIRTUAL TABLE")) return false;
    for (const char* const few : {"SCAN CONSTANT ROW", "SCAN (subquery", "SCAN LIST SUBQUERY"}) {
      if (absl::StrContains(detail, few)) return false;
    }
    for (const char* const small : kSmall) {
      if (absl::StrContains(detail, small)) return false;
    }
    return true;
  }

  // Of what was asked, what reads a whole table. In a session that checks no foreign keys: else the plan of an
  // insertion has a search for rows that lack it, which is not made while none does.
  std::vector<std::string> Whole() {
    EXPECT_FALSE(asked_.empty());
    soci::session session(soci::sqlite3, folder_.File("rows.db"));
    std::vector<std::string> whole;
    for (const std::string& sql : asked_) {
      for (const std::string& detail : Explain(session, sql)) {
        if (IsWhole(detail)) whole.push_back(absl::StrCat(detail, ": ", sql));
      }
    }
    return whole;
  }

  const TempDir folder_;
  const SystemClock clock_;
  std::unique_ptr<Connection> connection_;
  std::set<std::string> asked_;
};

TEST_F(QueryPlansTest, OfOrders) {
  Open(kOrderMigrations);
  AskAll(*order::NewOrderDomain(clock_), order::OrderTable());
  AskAll(*order::NewCartDomain(clock_), order::CartTable());
  AskAll(*order::NewNotificationDomain(clock_), order::NotificationTable());
  EXPECT_THAT(Whole(), IsEmpty());
}

TEST_F(QueryPlansTest, OfStock) {
  Open(kStockMigrations);
  AskAll(*stock::NewStockDomain(clock_), stock::StockTable());
  EXPECT_THAT(Whole(), IsEmpty());
}

TEST_F(QueryPlansTest, OfCoupons) {
  Open(kCouponMigrations);
  AskAll(*coupon::NewCouponDomain(clock_), coupon::CouponTable());
  EXPECT_THAT(Whole(), IsEmpty());
}

TEST_F(QueryPlansTest, OfWallets) {
  Open(kWalletMigrations);
  AskAll(*wallet::NewWalletDomain(clock_), wallet::WalletTable());
  EXPECT_THAT(Whole(), IsEmpty());
}

TEST_F(QueryPlansTest, OfPayments) {
  Open(kPaymentMigrations);
  payment::ScriptedGateway gateway({1, "KRW"});
  AskAll(*payment::NewPaymentDomain(gateway, clock_), payment::PaymentTable());
  EXPECT_THAT(Whole(), IsEmpty());
}

// Once a second, and with each webhook.
TEST_F(QueryPlansTest, OfTheSettler) {
  Open(kPaymentMigrations);
  const absl::Time now = clock_.Now();
  Ask([&](soci::session& session) {
    payment::KnownEvents(session, {"event"});
    payment::KeysOf(session, {"tx"});
    payment::LoadReturns(session, {"p"});
    payment::InsertEvents(session, {{"event", "key", "body"}}, now);
    payment::LetGoEvents(session, {"event"});
    payment::TakeInquiries(session, now, 1);
    payment::TakeReturns(session, now, 1);
    payment::KeptEventsKnown(session, 1);
    payment::PurgeEvents(session, now, 1);
    payment::CountReturnsDue(session);
    payment::CountOpenPayments(session);
    payment::LastReconciliation(session);
  });
  EXPECT_THAT(Whole(), IsEmpty());
}

TEST_F(QueryPlansTest, OfTheBarrier) {
  Open(kStockMigrations);
  const barrier::Row row{barrier::Outcome::kOk, "hash", "reply"};
  const barrier::RowKey key{"", "saga", "step", barrier::Phase::kAction};
  Ask([&](soci::session& session) {
    barrier::LoadRows(session, {{"", "saga", "step"}});
    barrier::InsertRows(session, {{key, row}}, clock_.Now());
    barrier::SettleRows(session, {{key, {barrier::Outcome::kPending, row}}}, clock_.Now());
    barrier::PurgeRows(session, clock_.Now(), 1);
  });
  EXPECT_THAT(Whole(), IsEmpty());
}

}  // namespace
}  // namespace unwind
