// Rows as the first release (migration 0001 alone) wrote them, and what must become of them.
#ifndef UNWIND_TESTS_CONTRACT_FIRST_RELEASE_H_
#define UNWIND_TESTS_CONTRACT_FIRST_RELEASE_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "common/db/connection.h"
#include "common/db/migrate.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "orchestrator/engine/saga_store.h"
#include "orchestrator/store/json_rows.h"
#include "soci/soci.h"
#include "tests/contract/saga_samples.h"

extern const unwind::Migrations kSagaMigrations;  // embedded by the build

namespace unwind {

// clang-format off
// Written by that release's own store; what is called `damaged` was spoilt by hand. A line a statement.
inline constexpr char kFirstReleaseRows[] = R"sql(INSERT INTO instance VALUES('orchestrator-1','127.0.0.1:9',1,1795659316541000000);
INSERT INTO saga VALUES('running','place-order',1,'running','a1b2',1,1,'orchestrator-1',0,0,1700000030123456789,1700000030123456789,1700000000123456789,1700000000123456789,'00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01','{}','[{"state":3,"phase":1,"sends":[0,1,0,0],"awaiting":true}]','aW4AcHV0');
INSERT INTO saga VALUES('completed','place-order',1,'completed','a1b2',3,2,'orchestrator-1',0,0,9223372036854775807,1700000030123456789,1700000000123456789,1700000000128456789,'00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01','{}','[{"state":3,"phase":1,"sends":[0,1,0,0],"awaiting":true,"reply":"cmVwbHk="}]','aW4AcHV0');
INSERT INTO saga VALUES('parked','place-order',1,'it-is','hash',5,8,'orchestrator-1',1,1,1700000001123456789,9223372036854775807,1700000000123456789,1700000000128456789,'00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01','{"reason":"NO","domain":"d \\\\ \"q\"","code":9,"message":"it''s \u000a 가 \\xff","step":"a","metadata":{"k":"v\\\\0"}}','[{"state":6,"phase":2,"sends":[0,3,2,1],"refusals":5,"parked":true,"wake_at":1700000001123456789,"reply":"cmVwbHk="}]','bnVsAGluc2lkZSD/');
INSERT INTO saga VALUES('damaged','place-order',1,'damaged','a1b2',1,1,'orchestrator-1',0,0,1700000030123456789,1700000030123456789,1700000000123456789,1700000000123456789,'00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01','{}','[{','aW4AcHV0');
INSERT INTO saga_event VALUES('running',1,'started',1700000000123456789,1,'{"jitter":0.25,"sends":[{"step":0,"phase":1,"attempt":1}]}');
INSERT INTO saga_event VALUES('completed',1,'started',1700000000123456789,1,'{"jitter":0.25,"sends":[{"step":0,"phase":1,"attempt":1}]}');
INSERT INTO saga_event VALUES('completed',2,'replied',1700000000128456789,3,'{"step":0,"phase":1,"attempt":1,"outcome":1,"reply":"cmVwbHk=","elapsed":5000000,"jitter":0.5}');
INSERT INTO saga_event VALUES('parked',1,'started',1700000000123456789,1,'{"jitter":0.25,"sends":[{"step":0,"phase":1,"attempt":1}]}');
INSERT INTO saga_event VALUES('parked',2,'replied',1700000000128456789,5,'{"step":0,"phase":2,"attempt":2,"outcome":2,"effect_free":true,"failure":{"reason":"NO","domain":"d \\\\ \"q\"","code":9,"message":"it''s \u000a 가 \\xff","step":"a","metadata":{"k":"v\\\\0"}},"elapsed":1501,"jitter":0.5,"sends":[{"step":0,"phase":3,"attempt":1}]}');
INSERT INTO saga_event VALUES('parked',3,'ticked',1700000000128456789,5,'{"jitter":0.3333333333333333}');
INSERT INTO saga_event VALUES('parked',4,'taken_over',1700000000128456789,5,'{"jitter":0.3333333333333333}');
INSERT INTO saga_event VALUES('parked',5,'cancel_requested',1700000000128456789,5,'{"actor":"ann","reason":"why \\\\ not","jitter":0.3333333333333333}');
INSERT INTO saga_event VALUES('parked',6,'retried',1700000000128456789,5,'{"step":0,"actor":"bob","reason":"r","jitter":0.3333333333333333}');
INSERT INTO saga_event VALUES('parked',7,'skipped',1700000000128456789,5,'{"step":0,"actor":"bob","reason":"r","jitter":0.3333333333333333}');
INSERT INTO saga_event VALUES('parked',8,'resolved',1700000000128456789,5,'{"step":0,"reply":"cmVwbHk=","actor":"bob","reason":"r","jitter":0.3333333333333333}');
INSERT INTO saga_event VALUES('damaged',1,'started',1700000000123456789,1,'{"jitter":0.25,"sends":[{"step":0,"phase":1,"attempt":1}]}');
INSERT INTO definition VALUES('place-order',1,'ab12','saga: place-order
message: "a ''b'' \\ c: 가"
','AAH/XGRlc2M=');
INSERT INTO definition VALUES('damaged',7,'ab13','saga: damaged','no base64!');)sql";
// clang-format on

// An empty database becomes one of the first release.
inline void MakeFirstRelease(Connection& connection) {
  Migrations first;
  for (const auto& [file, script] : kSagaMigrations) {
    if (absl::StrContains(file, "/0001_")) first.emplace_back(file, script);
  }
  ASSERT_EQ(Migrate(connection, "orchestrator", first), absl::OkStatus());
  ASSERT_EQ(connection.Write([](soci::session& sql) {
    for (const absl::string_view row : absl::StrSplit(kFirstReleaseRows, ";\n")) sql << std::string(row);
    return absl::OkStatus();
  }),
            absl::OkStatus());
}

// The first release's tables go; what cannot be read stays beside the others, whole.
inline void ExpectUnreadableIsKept(Connection& connection) {
  const auto ask = [&](const std::string& query) {
    std::string answer;
    EXPECT_EQ(connection.Read([&](soci::session& sql) {
      sql << query, soci::into(answer);
      return absl::OkStatus();
    }),
              absl::OkStatus());
    return answer;
  };
  EXPECT_EQ(ask("SELECT id || ' ' || input_hash || ' ' || steps || ' ' || failure || ' ' || deadline"
                " FROM saga_unreadable"),
            "damaged a1b2 [{ {} 1700000030123456789");
  EXPECT_EQ(ask("SELECT name || ' ' || version || ' ' || hash || ' ' || descriptors FROM definition_unreadable"),
            "damaged 7 ab13 no base64!");
}

// Migrates a database of the first release, `page_bytes` at a time; in how many statements its sagas and their
// histories were written.
inline std::pair<int, int> WrittenInPagesOf(Connection& connection, long long page_bytes) {
  int sagas = 0, events = 0;
  const auto rewrite = [&](soci::session& sql) {
    sql.set_query_transformation([&](const std::string& query) {
      sagas += absl::StartsWith(query, "INSERT INTO saga (");
      events += absl::StartsWith(query, "INSERT INTO saga_event (");
      return query;
    });
    const absl::Status rewritten = RewriteJsonRows(sql, page_bytes);
    sql.set_query_transformation([](const std::string& query) { return query; });
    return rewritten;
  };
  EXPECT_EQ(Migrate(connection, "orchestrator", kSagaMigrations, {{2, rewrite}}), absl::OkStatus());
  return {sagas, events};
}

inline void ExpectFirstRelease(SagaStore& store) {
  const std::string owner = "orchestrator-1";
  const auto sample = [](const std::string& id) {
    Saga saga = SampleSaga(id);
    saga.trace = {.traceparent = saga.trace.traceparent, .tracestate = "", .baggage = ""};
    return saga;
  };
  SagaWrite running = InsertOf(sample("running")), completed = UpdateOf(sample("completed"), SagaState::kCompleted);
  running.saga.owner = completed.saga.owner = owner;
  EXPECT_EQ(store.Load("running").value(), running.saga);
  EXPECT_EQ(store.History("running", 0, 10).value(), running.events);
  EXPECT_EQ(store.LoadByKey("place-order", "", "completed").value(), completed.saga);
  EXPECT_EQ(store.History("completed", 1, 10).value(), completed.events);

  Saga parked = sample("parked");
  parked.owner = owner;
  parked.key = "it-is";
  parked.input_hash = "hash";
  parked.input = std::string("nul\0inside \xff", 12);
  parked.state = SagaState::kParked;
  parked.version = 8;
  parked.cancel_requested = parked.backward = true;
  parked.update_time = kNoon + absl::Milliseconds(5);
  parked.deadline = absl::InfiniteFuture();
  parked.failure = {.reason = "NO",
                    .domain = "d \\ \"q\"",
                    .code = 9,
                    .message = "it's \n \xea\xb0\x80 \xff",
                    .step = "a",
                    .metadata = {{"k", "v\\0"}}};
  Step& step = parked.steps[0];
  step.state = StepState::kCompensating;
  step.phase = Phase::kCompensation;
  step.sends = {0, 3, 2, 1};
  step.refusals = 5;
  step.awaiting = false;
  step.parked = true;
  step.wake_at = kNoon + absl::Seconds(1);
  step.reply = "reply";
  EXPECT_EQ(store.Load("parked").value(), parked);
  const std::vector<HistoryEvent> history = store.History("parked", 0, 10).value();
  ASSERT_EQ(history.size(), 8u);
  const std::vector<Event> events = {
      Started{},
      Replied{.step = 0,
              .phase = Phase::kCompensation,
              .attempt = 2,
              .outcome = Outcome::kRefused,
              .effect_free = true,
              .reply = "",
              .failure = parked.failure,
              .elapsed = absl::Nanoseconds(1501)},
      Ticked{},
      TakenOver{},
      CancelRequested{"ann", "why \\ not"},
      Operated{.verb = Verb::kRetry, .step = 0, .reply = "", .actor = "bob", .reason = "r"},
      Operated{.verb = Verb::kSkip, .step = 0, .reply = "", .actor = "bob", .reason = "r"},
      Operated{.verb = Verb::kResolve, .step = 0, .reply = "reply", .actor = "bob", .reason = "r"}};
  for (std::size_t i = 0; i < events.size(); ++i) EXPECT_EQ(history[i].event, events[i]) << i;
  EXPECT_EQ(history[1].sends, (std::vector<Send>{{.step = 0, .phase = Phase::kResolve, .attempt = 1}}));
  EXPECT_EQ(history[2].moment, (Moment{.now = parked.update_time, .jitter = 1.0 / 3}));

  // What could not be read then cannot be read now, and is named.
  const SagaPage page = store.List({}).value();
  ASSERT_EQ(page.unreadable.size(), 1u);
  EXPECT_EQ(page.unreadable[0].id, "damaged");
  EXPECT_EQ(page.sagas.size(), 3u);
  EXPECT_EQ(store.LoadDefinition("place-order", 1).value(),
            (StoredDefinition{.name = "place-order",
                              .version = 1,
                              .hash = "ab12",
                              .yaml = "saga: place-order\nmessage: \"a 'b' \\ c: \xea\xb0\x80\"\n",
                              .descriptors = std::string("\0\x01\xff\\desc", 8)}));

  // It goes on where it was.
  const Lease lease = store.Acquire(owner, "127.0.0.1:9", absl::Seconds(15)).value();
  EXPECT_EQ(lease.epoch, 2);
  EXPECT_EQ(store.Commit(lease, {FinishOf(running.saga)}).value(), std::vector<WriteResult>{WriteResult::kStored});
}

}  // namespace unwind

#endif  // UNWIND_TESTS_CONTRACT_FIRST_RELEASE_H_
